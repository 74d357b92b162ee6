/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a source for pack's inputs, and cutting its samples into shards. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "report.h"

#define BLOCK_BYTES (UINT64_C(1) << 20)

/* Are all inputs shards (1), none of them (0), or is it a mixture (-1)? */
static int count_shards(const struct inputs *inputs)
{
    size_t shards = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        shards += is_shard_path(inputs->files[i].path) ? 1 : 0;
    }
    if (shards == 0) {
        return 0;
    }
    return shards == inputs->count ? 1 : -1;
}

static const char *first_shard(const struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++) {
        if (is_shard_path(inputs->files[i].path)) {
            return inputs->files[i].path;
        }
    }
    return "";
}

bool pack_source_init(struct pack_source *source, const struct options *options,
                      const struct inputs *inputs)
{
    memset(source, 0, sizeof(*source));
    source->inputs = inputs;
    switch (count_shards(inputs)) {
    case 0:
        return pack_files_init(source, options);
    case 1:
        if (options->loader.dataset_config.record_bytes != 0 ||
            options->pack.join) {
            complain("pack: --record-bytes and --join are for plain files: "
                     "%s is a shard and keeps its own samples",
                     first_shard(inputs));
            return false;
        }
        return pack_shards_init(source);
    default:
        complain("%s: got a shard among plain files: pack shards and files "
                 "apart",
                 first_shard(inputs));
        return false;
    }
}

void pack_source_fini(struct pack_source *source)
{
    if (source->ops != NULL) {
        source->ops->fini(source);
    }
    free(source->starts);
    free(source->firsts);
    memset(source, 0, sizeof(*source));
}

size_t pack_find(const uint64_t *table, size_t count, uint64_t value)
{
    size_t low = 0;
    size_t high = count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (table[middle] <= value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool add_shard(struct pack_plan *plan, uint64_t first, uint64_t count)
{
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? plan->capacity * 2 : 16;
        struct pack_shard *shards =
            realloc(plan->shards, capacity * sizeof(*shards));
        if (shards == NULL) {
            complain("out of memory");
            return false;
        }
        plan->shards = shards;
        plan->capacity = capacity;
    }
    plan->shards[plan->count].first = first;
    plan->shards[plan->count].count = count;
    plan->count++;
    return true;
}

/* All samples have one size: no need to ask for each. */
static bool plan_fixed(struct pack_plan *plan, const struct pack_source *source,
                       uint64_t shard_bytes)
{
    uint64_t block = plan->block_samples;
    uint64_t per_shard = shard_bytes / source->fixed_bytes;
    per_shard = per_shard > block ? per_shard / block * block : block;
    plan->bytes = source->sample_count * source->fixed_bytes;
    for (uint64_t i = 0; i < source->sample_count; i += per_shard) {
        uint64_t left = source->sample_count - i;
        if (!add_shard(plan, i, left < per_shard ? left : per_shard)) {
            return false;
        }
    }
    return true;
}

/* A shard ends where a block does, before the next block would not fit. */
static bool plan_varying(struct pack_plan *plan, struct pack_source *source,
                         uint64_t shard_bytes)
{
    uint64_t first = 0;
    uint64_t filled_bytes = 0; /* of the shard, whole blocks */
    uint64_t block_bytes = 0;  /* of the block in hand */
    for (uint64_t i = 0; i < source->sample_count; i++) {
        uint64_t bytes;
        if ((i - first) % plan->block_samples == 0) {
            filled_bytes += block_bytes;
            block_bytes = 0;
        }
        if (!source->ops->size(source, i, &bytes)) {
            return false;
        }
        block_bytes += bytes;
        plan->bytes += bytes;
        if (filled_bytes > 0 && filled_bytes + block_bytes > shard_bytes) {
            uint64_t whole = (i - first) / plan->block_samples;
            if (!add_shard(plan, first, whole * plan->block_samples)) {
                return false;
            }
            first += whole * plan->block_samples;
            filled_bytes = 0;
        }
    }
    return add_shard(plan, first, source->sample_count - first);
}

/* Samples in a block of about BLOCK_BYTES, or of a whole shard if that is
 * less. */
static bool choose_block(struct pack_source *source, uint64_t shard_bytes,
                         uint64_t *samples)
{
    uint64_t block_bytes =
        shard_bytes < BLOCK_BYTES ? shard_bytes : BLOCK_BYTES;
    uint64_t mean_bytes = source->fixed_bytes;
    uint64_t total_bytes = 0;
    if (mean_bytes == 0 && source->sample_count > 0) {
        for (uint64_t i = 0; i < source->sample_count; i++) {
            uint64_t bytes;
            if (!source->ops->size(source, i, &bytes)) {
                return false;
            }
            total_bytes += bytes;
        }
        mean_bytes = total_bytes / source->sample_count;
    }
    *samples = block_bytes / (mean_bytes > 0 ? mean_bytes : 1);
    *samples = *samples > 0 ? *samples : 1;
    return true;
}

bool pack_plan_init(struct pack_plan *plan, struct pack_source *source,
                    uint64_t shard_bytes, uint64_t block_samples)
{
    memset(plan, 0, sizeof(*plan));
    plan->block_samples = block_samples;
    if (block_samples == 0 &&
        !choose_block(source, shard_bytes, &plan->block_samples)) {
        return false;
    }
    if (source->fixed_bytes > 0) {
        return plan_fixed(plan, source, shard_bytes);
    }
    return plan_varying(plan, source, shard_bytes);
}

void pack_plan_fini(struct pack_plan *plan)
{
    free(plan->shards);
    memset(plan, 0, sizeof(*plan));
}
