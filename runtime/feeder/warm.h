/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading ahead into the page cache, for reads that the shim does not see:
 * fread, mmap, and file systems that are not fed. The thread "fg-warm" opens
 * what it is told of, and follows the program: by the position of its
 * descriptor, or by how many pages of files it has mapped so far.
 */
#ifndef FGI_FEEDER_WARM_H
#define FGI_FEEDER_WARM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/thread.h"
#include "runtime/feeder/board.h"
#include "runtime/feeder/look.h"

#define FGI_WARM_MAX 64u /* files at a time; more are left out */

enum fgi_warm_kind {
    FGI_WARM_STDIO, /* follows the position of pid's fd */
    FGI_WARM_MAP,   /* follows the pages that pid has mapped */
    FGI_WARM_RANGE, /* just that range */
    FGI_WARM_END,   /* no more by STDIO for that descriptor */
};

/* A file to warm. */
struct fgi_warm_target {
    enum fgi_warm_kind kind;
    int32_t pid;
    int32_t pid_fd;
    struct fgi_feed_key key;
    uint64_t at;           /* warmed up to here */
    uint64_t end;          /* and no further than that */
    uint64_t origin;       /* MAP: where in the file the range began */
    uint64_t mapped;       /* MAP: what pid had mapped then */
    uint64_t program_at;   /* where the program was last seen */
    uint64_t window_bytes; /* how far ahead of it to be */
    uint64_t moved_ns;     /* when it was last seen to move */
    int fd;                /* ours; -1: not opened yet */
    bool is_wanted;        /* it pays to warm it */
    bool is_used;
    char path[FGI_EVENT_PATH_BYTES];
};

struct fgi_warm {
    pthread_mutex_t mutex; /* guards asked */
    struct fgi_warm_target asked[FGI_WARM_MAX];
    uint32_t asked_count;
    struct fgi_warm_target targets[FGI_WARM_MAX]; /* the thread's */
    struct fgi_looker *looker;                    /* borrowed */
    _Atomic uint64_t *warmed_bytes;               /* borrowed counter */
    _Atomic uint32_t is_stopping;
    struct fgi_gate gate; /* of asked and is_stopping */
    struct fgi_thread thread;
};

/* `looker` and the counter are borrowed. */
enum fg_status fgi_warm_start(struct fgi_warm *warm, int node,
                              struct fgi_looker *looker,
                              _Atomic uint64_t *warmed_bytes,
                              struct fg_error *err);

/*
 * Warm [offset, offset + bytes) of the file of that event. A large file that is
 * read in order is left alone where the kernel's own read-ahead is as good:
 * two of them are in each other's way.
 */
void fgi_warm_ask(struct fgi_warm *warm, enum fgi_warm_kind kind,
                  const struct fgi_event *event, uint64_t offset,
                  uint64_t bytes);

/* Zeroed is allowed. False: a file system does not let the thread go before
 * deadline_ns. It will use warm then. */
bool fgi_warm_stop(struct fgi_warm *warm, uint64_t deadline_ns);

#endif /* FGI_FEEDER_WARM_H */
