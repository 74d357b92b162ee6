/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening many shards at once. On a network file system an open and two small
 * reads take milliseconds, and a dataset has thousands of shards: so threads
 * take the next path each, until none is left or one of them fails.
 *
 * The failure that is reported does not depend on timing: paths are taken in
 * order, and whoever took one finishes it, so the lowest failed path is known
 * when all threads have ended.
 */
#include "runtime/dataset_open.h"

#include <stdatomic.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/thread.h"

/* They wait for storage most of the time: more than CPUs make sense. */
#define THREADS_MAX 16
#define SHARDS_PER_THREAD 64

/* What the threads share. */
struct catalog {
    char *const *paths; /* borrowed, count entries */
    uint64_t count;
    const struct fg_dataset_config *config; /* borrowed */
    struct fgi_shard *shards;               /* borrowed, count entries */
    _Atomic uint64_t next;                  /* path to take */
    atomic_bool has_failed;                 /* take no more */
};

/* One thread. */
struct opener {
    struct fgi_thread thread;
    struct catalog *catalog;
    uint64_t failed_index; /* UINT64_MAX: none */
    struct fg_error err;   /* of that path */
};

static void open_some(void *context)
{
    struct opener *opener = context;
    struct catalog *catalog = opener->catalog;

    while (!atomic_load(&catalog->has_failed)) {
        uint64_t i = atomic_fetch_add(&catalog->next, 1);

        if (i >= catalog->count) {
            return;
        }
        if (fgi_shard_open(catalog->paths[i], catalog->config,
                           &catalog->shards[i], &opener->err) != FG_OK) {
            opener->failed_index = i;
            atomic_store(&catalog->has_failed, true);
        }
    }
}

/* The caller is one of the threads; a thread that does not start is missed. */
static const struct opener *open_all(struct catalog *catalog,
                                     struct opener *openers, uint64_t threads)
{
    const struct opener *first = &openers[0];

    for (uint64_t i = 0; i < threads; i++) {
        openers[i].catalog = catalog;
        openers[i].failed_index = UINT64_MAX;
        if (i > 0) {
            fgi_thread_start(&openers[i].thread, "fg-open", -1, open_some,
                             &openers[i], NULL);
        }
    }
    open_some(&openers[0]);
    for (uint64_t i = 1; i < threads; i++) {
        fgi_thread_join(&openers[i].thread);
        if (openers[i].failed_index < first->failed_index) {
            first = &openers[i];
        }
    }
    return first;
}

enum fg_status fgi_shards_open(char *const *paths, uint64_t count,
                               const struct fg_dataset_config *config,
                               struct fgi_shard *shards, struct fg_error *err)
{
    struct opener openers[THREADS_MAX] = {0};
    struct catalog catalog = {
        .paths = paths,
        .count = count,
        .config = config,
        .shards = shards,
    };
    const struct opener *first =
        open_all(&catalog, openers,
                 fgi_clamp(count / SHARDS_PER_THREAD, 1, THREADS_MAX));

    if (first->failed_index == UINT64_MAX) {
        return FG_OK;
    }
    for (uint64_t i = 0; i < count; i++) {
        fgi_shard_close(&shards[i]);
    }
    return fgi_error_copy(err, &first->err);
}
