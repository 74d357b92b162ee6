/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dataset inside: its shards in order, and where each one's samples begin in
 * the global numbering. Memory is O(shards): a shard's own index is loaded
 * when a sample of it is asked for, and forgotten, the oldest first, when the
 * indexes together take too much.
 */
#ifndef FGI_RUNTIME_DATASET_H
#define FGI_RUNTIME_DATASET_H

#include <pthread.h>
#include <stdint.h>

#include <feedgpu/dataset.h>

#include "io/formats/format.h"

struct fg_dataset {
    struct fg_dataset_info info;       /* as fg_dataset_get_info gives it */
    struct fgi_schema schema;          /* shared by all shards */
    struct fgi_shard *shards;          /* owned, info.shard_count entries */
    uint64_t *first_samples;           /* owned, shard_count + 1: prefix sums */
    struct fgi_dataset_cursor *cursor; /* fg_dataset_read's; owned, or NULL */
    uint64_t loaded_bytes;             /* of all shards' indexes now */
    uint64_t loaded_bytes_max;         /* past this, indexes are forgotten */
    uint64_t forget_next;              /* shard to look at first for that */
    pthread_mutex_t mutex;             /* held while a shard makes an extent: it
                                          may have to load its index */
};

/* Shard that holds global sample `index` (below sample_count). O(log). */
uint64_t fgi_dataset_find(const struct fg_dataset *dataset, uint64_t index);

/*
 * Extent that holds global sample `index` and as many of the `count` samples
 * from it on as lie together in one shard. extent->first and
 * extent->count are in the shard's own numbering (add first_samples[shard]).
 * Threads: any, so that a loader's dataset may be asked while it runs.
 */
enum fg_status fgi_dataset_extent(struct fg_dataset *dataset, uint64_t index,
                                  uint64_t count, uint64_t *shard_index,
                                  struct fgi_extent *extent,
                                  struct fg_error *err);

#endif /* FGI_RUNTIME_DATASET_H */
