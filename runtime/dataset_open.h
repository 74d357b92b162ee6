/* SPDX-License-Identifier: Apache-2.0 */
/* Opening many shards at once. */
#ifndef FGI_RUNTIME_DATASET_OPEN_H
#define FGI_RUNTIME_DATASET_OPEN_H

#include "io/formats/format.h"

/*
 * Open paths[0 .. count) as shards[0 .. count), which is zeroed, on several
 * threads when there are many. On failure the error is that of the first path
 * in order that cannot be opened, and none is open.
 */
enum fg_status fgi_shards_open(char *const *paths, uint64_t count,
                               const struct fg_dataset_config *config,
                               struct fgi_shard *shards, struct fg_error *err);

#endif /* FGI_RUNTIME_DATASET_OPEN_H */
