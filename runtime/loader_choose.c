/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loader decides for itself when it opens: the order's blocks and
 * window, direct or cached reads, in place or staged, how many slots and reads.
 */
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/loader.h"

/* About one read, where the format has no blocks of its own. */
#define ORDER_BLOCK_BYTES FGI_MIB(1)
#define SLOTS_MIN 4
#define STAGED_SLOTS_BYTES FGI_MIB(4)

/* Cached files have no latency to hide: with little in flight, what one core
 * copies out of the page cache is still in the L3 when the next core needs it.
 * tmpfs files are copied by several threads, so they get more to share. Asking
 * a few shards is enough to know. */
#define CACHED_INFLIGHT_BYTES FGI_MIB(2)
#define TMPFS_INFLIGHT_BYTES FGI_MIB(8)
#define CACHED_ASKED_MAX 16

#define INDEXES_LOADED_MAX 256

/* Bytes from one sample to the next, about, as stored and decoded. */
static uint64_t sample_bytes(const struct fg_dataset *dataset)
{
    return fgi_max(dataset->info.raw_bytes / dataset->info.sample_count, 1);
}

/* The order's block: what lies together on disk. Never what was configured
 * for reading: the order must not depend on that. */
static uint64_t order_block(const struct fg_dataset *dataset)
{
    if (strcmp(dataset->info.format, "raw") == 0) {
        return fgi_max(ORDER_BLOCK_BYTES / sample_bytes(dataset), 1);
    }
    return dataset->info.block_samples;
}

enum fg_status fgi_choose_order(struct fg_loader *loader,
                                const struct fg_loader_config *config,
                                struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    const struct fg_dataset *dataset = pipeline->dataset;
    const struct fg_loader_state *state = config->state;
    uint64_t block = order_block(dataset);
    uint64_t window =
        fgi_max(config->window_bytes / (block * sample_bytes(dataset)), 1);

    if (state != NULL) {
        if (state->identity != dataset->info.identity) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "state: identity: got %016llx, wanted %016llx "
                            "(likely cause: saved from another dataset)",
                            (unsigned long long)state->identity,
                            (unsigned long long)dataset->info.identity);
        }
        if (state->shuffle != (uint32_t)config->shuffle ||
            (state->shuffle != FG_SHUFFLE_NONE &&
             state->seed != config->seed)) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "state: got shuffle %u seed %llu, wanted the "
                            "configured %u and %llu",
                            state->shuffle, (unsigned long long)state->seed,
                            (uint32_t)config->shuffle,
                            (unsigned long long)config->seed);
        }
        if (state->block_samples > fgi_max(block, dataset->info.sample_count)) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "state: block_samples: got %llu, wanted at most "
                            "the dataset's %llu samples",
                            (unsigned long long)state->block_samples,
                            (unsigned long long)dataset->info.sample_count);
        }
        if (state->block_samples != 0 && state->window_samples != 0) {
            block = state->block_samples;
            window = fgi_max(state->window_samples / block, 1);
        }
    }
    fgi_order_init(&pipeline->order, config->shuffle, config->seed,
                   dataset->info.sample_count, block, window);
    return fgi_schedule_init(&pipeline->schedule, config,
                             dataset->info.sample_count, err);
}

/* With direct auto: are the shards in the page cache? Then read them all
 * through it. Asks the first shard and some others. */
enum fg_status fgi_choose_direct(struct fg_loader *loader, struct fg_error *err)
{
    struct fgi_files *files = &loader->pipeline.files;
    uint64_t shards = loader->pipeline.dataset->info.shard_count;
    uint64_t asked = fgi_min(shards, CACHED_ASKED_MAX);
    bool is_tmpfs = false;

    if (files->direct != FGI_DIRECT_AUTO) {
        return FG_OK;
    }
    for (uint64_t i = 0; i < asked; i++) {
        uint64_t index = i * shards / asked;
        const struct fgi_file *file;
        enum fg_status status = fgi_files_acquire(files, index, &file, err);

        if (status != FG_OK) {
            return status;
        }
        fgi_files_drop(files, index);
        if (file->is_direct) {
            return FG_OK;
        }
        is_tmpfs = file->is_tmpfs;
    }
    files->direct = FGI_DIRECT_OFF;
    if (loader->config.inflight_bytes == 0) {
        loader->config.inflight_bytes =
            is_tmpfs ? TMPFS_INFLIGHT_BYTES : CACHED_INFLIGHT_BYTES;
    }
    return FG_OK;
}

/* A few shards' indexes are small: load them here, so that nothing is left to
 * allocate later. Many are loaded when each is first needed. */
enum fg_status fgi_load_indexes(struct fg_dataset *dataset,
                                struct fg_error *err)
{
    enum fg_status status = FG_OK;
    struct fgi_extent extent;
    uint64_t shard_index;

    if (dataset->info.shard_count > INDEXES_LOADED_MAX) {
        return FG_OK;
    }
    for (uint64_t i = 0; i < dataset->info.shard_count && status == FG_OK;
         i++) {
        status = fgi_dataset_extent(dataset, dataset->first_samples[i], 1,
                                    &shard_index, &extent, err);
    }
    return status;
}

/* Samples lie at the alignment that direct I/O asks for, or need none. */
static bool is_aligned(struct fg_loader *loader, struct fg_error *err,
                       enum fg_status *status)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    const struct fgi_file *file;
    struct fgi_extent extent;
    uint64_t shard_index;
    bool result;

    *status = fgi_files_acquire(&pipeline->files, 0, &file, err);
    if (*status != FG_OK) {
        return false;
    }
    *status =
        fgi_dataset_extent(pipeline->dataset, 0, 1, &shard_index, &extent, err);
    result = *status == FG_OK && extent.offset % file->offset_align == 0 &&
             pipeline->layout.fields[0].max_bytes % file->offset_align == 0;
    fgi_files_drop(&pipeline->files, 0);
    return result;
}

/* May reads go straight into slots? */
enum fg_status fgi_choose_way(struct fg_loader *loader,
                              const struct fg_loader_config *config,
                              struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    const struct fg_dataset *dataset = pipeline->dataset;
    bool is_raw = strcmp(dataset->info.format, "raw") == 0;
    enum fg_status status = FG_OK;
    bool may = config->shuffle == FG_SHUFFLE_NONE && config->decode == NULL &&
               (is_raw || config->verify == FG_OFF) &&
               dataset->shards[0].linear_stride != 0 &&
               dataset->shards[0].linear_stride ==
                   pipeline->layout.fields[0].max_bytes;

    pipeline->is_in_place = may && is_aligned(loader, err, &status);
    return status;
}

uint32_t fgi_choose_slots(const struct fg_loader *loader,
                          const struct fg_loader_config *config,
                          uint64_t ahead_bytes)
{
    const struct fgi_pipeline *pipeline = &loader->pipeline;
    uint64_t bytes = pipeline->is_in_place ? ahead_bytes : STAGED_SLOTS_BYTES;

    if (config->slots != 0) {
        return config->slots;
    }
    /* A batch may be one worker's: let each have one, and two be on loan. */
    return (uint32_t)fgi_clamp(
        fgi_ceil_div(bytes, pipeline->layout.slot_bytes) + 2,
        fgi_max(SLOTS_MIN, pipeline->is_in_place ? 0 : config->threads + 2),
        4096);
}

/* Reads a budget can hold: extents may be much smaller than read_bytes. */
uint32_t fgi_choose_depth(const struct fg_loader *loader,
                          const struct fg_loader_config *config,
                          uint64_t budget_bytes)
{
    const struct fg_dataset *dataset = loader->pipeline.dataset;
    uint64_t extent = config->read_bytes;

    if (!loader->pipeline.is_in_place) {
        uint64_t block = loader->pipeline.order.block_samples;

        extent = fgi_min(extent, block * sample_bytes(dataset));
    }
    extent = fgi_max(extent, FGI_KIB(16));
    return (uint32_t)fgi_clamp(fgi_ceil_div(budget_bytes, extent), 16, 1024);
}
