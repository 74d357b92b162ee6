/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the loader share: datasets whose every byte is known, the
 * order that a run must have (worked out here, from the order's own functions
 * but without the schedule's), and the comparison of a batch with both.
 */
#ifndef TESTS_LOADER_FIXTURE_H
#define TESTS_LOADER_FIXTURE_H

#include "tests/lib/shard_fixture.h"

#include <stdbool.h>

#include <feedgpu/loader.h>

#include "runtime/order.h"

#define SOURCE_SHARDS_MAX 16

/* A dataset on disk, and what is in it. */
struct source {
    char path[64];                   /* its folder */
    struct fg_dataset_config config; /* how to open it */
    uint64_t samples;                /* over all shards */
    uint32_t fields;                 /* of a sample */
    uint64_t block_samples;          /* the order's block */
    uint64_t average_bytes;          /* of a sample, rounded down */
    uint8_t *data;                   /* owned: field after field */
    uint64_t *starts;                /* owned: samples x fields + 1 */
    uint64_t data_room;              /* bytes that data has room for */
    uint64_t starts_room;            /* entries that starts has room for */
};

/* Raw records. `counts`: samples of each file, ended by 0. */
struct raw_shape {
    uint64_t record_bytes;
    uint64_t stride_bytes; /* 0: record_bytes */
    uint64_t header_bytes;
    uint64_t counts[SOURCE_SHARDS_MAX];
};

/* Make the folder `path` and the dataset in it. To be given to source_fini. */
void source_make_raw(struct source *source, const char *path,
                     const struct raw_shape *shape);

/* The same for shards; `model` says what samples are like, its own count of
 * samples is not used. `counts` is ended by 0. */
void source_make_shards(struct source *source, const char *path,
                        const struct model *model, const uint64_t *counts);

void source_fini(struct source *source);

/* A config for that dataset on the host device, stored order, 32 per batch. */
struct fg_loader_config source_config(const struct source *source);

/* What run of which loader is being looked at, for messages. */
extern char fixture_case[256];

/* Fail with the case's name. */
#define check(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fail_msg("%s: not true: %s", fixture_case, #condition);            \
        }                                                                      \
    } while (0)

/* Open, or fail with the message. */
struct fg_loader *must_open(const struct fg_loader_config *config);

/* Acquire, or fail with the message. */
void must_acquire(struct fg_loader *loader, fg_stream stream,
                  struct fg_batch *batch);

/* Acquire must fail so. */
void must_fail(struct fg_loader *loader, enum fg_status status,
               const char *message);

/* The order that a run with this config must have. */
void source_order(const struct source *source,
                  const struct fg_loader_config *config,
                  struct fgi_order *order);

/* Batches per epoch; 0 when the config cannot be run on that dataset. */
uint64_t source_steps(const struct source *source,
                      const struct fg_loader_config *config);

/* The ids of a batch, room for batch_size. Returns their count. */
uint32_t source_ids(const struct fgi_order *order,
                    const struct fg_loader_config *config, uint64_t epoch,
                    uint64_t step, uint64_t *ids);

/* Compare a batch with the dataset: ids, bytes, lengths, padding. `slot` is
 * the batch's memory as the host can read it. */
void source_must_match(const struct source *source,
                       const struct fg_batch *batch, const uint8_t *slot,
                       const uint64_t *ids, uint32_t count);

/* Run the loader to its end and compare all. Returns the batches. */
uint64_t source_must_run(const struct source *source,
                         const struct fg_loader_config *config,
                         struct fg_loader *loader);

/* Kill the program, saying which case it was, if it is not done in time. A
 * guard against hangs, not a measurement. 0 ends the guard. */
void fixture_watch(unsigned seconds);

/* The seed for a random test: fixed, or FEEDGPU_TEST_SEED; printed. */
uint64_t fixture_seed(void);

#endif /* TESTS_LOADER_FIXTURE_H */
