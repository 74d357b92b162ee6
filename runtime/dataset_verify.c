/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a whole dataset, shard by shard; a damaged one stops nothing. */
#include "runtime/dataset.h"

#include <string.h>

#include "runtime/base/error.h"

enum fg_status fg_dataset_verify(struct fg_dataset *dataset,
                                 fg_verify_fn report, void *context,
                                 struct fg_error *err)
{
    struct fg_error first;
    bool is_damaged = false;

    for (uint64_t i = 0; i < dataset->info.shard_count; i++) {
        const struct fgi_shard *shard = &dataset->shards[i];
        struct fg_error found;
        enum fg_status status = shard->ops->verify(shard, &found);

        if (report != NULL) {
            report(shard->path, shard->size_bytes,
                   status == FG_OK ? NULL : &found, context);
        }
        if (status != FG_OK && !is_damaged) {
            first = found;
            is_damaged = true;
        }
    }
    if (!is_damaged) {
        return FG_OK;
    }
    return fgi_error_copy(err, &first);
}
