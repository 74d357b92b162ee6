/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a loader: dataset, device, schedule, order, memory, threads, in
 * that order; taking it down in reverse. One fini that is safe on a half-built
 * loader does all the undoing.
 */
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"
#include "runtime/loader.h"

/* About one read, where the format has no blocks of its own. */
#define ORDER_BLOCK_BYTES FGI_MIB(1)
#define SLOTS_MIN 4
#define STAGED_SLOTS_BYTES FGI_MIB(4)

/* Cached files have no latency to hide: with little in flight, what one core
 * copies out of the page cache is still in the L3 when the next core needs it.
 * Asking a few shards is enough to know. */
#define CACHED_INFLIGHT_BYTES FGI_MIB(2)
#define CACHED_ASKED_MAX 16

#define INDEXES_LOADED_MAX 256

static enum fg_status open_parts(struct fg_loader *loader,
                                 const struct fg_loader_config *config,
                                 struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fg_device_info info;
    enum fg_status status;

    status = fg_dataset_open(config->dataset, &config->dataset_config,
                             &pipeline->dataset, err);
    if (status != FG_OK) {
        return status;
    }
    pipeline->device = config->use_device;
    if (pipeline->device == NULL) {
        status = fg_device_open(config->device, 0, &loader->owned_device, err);
        if (status != FG_OK) {
            return status;
        }
        pipeline->device = loader->owned_device;
    }
    loader->is_host = pipeline->device->ops->is_host;
    loader->node = config->numa_node;
    if (config->numa_node == FG_NODE_AUTO) {
        fg_device_get_info(pipeline->device, &info);
        loader->node = info.numa_node;
        if (loader->node < 0 && fgi_numa_node_count() == 1) {
            loader->node = 0; /* there is no other */
        }
    }
    return FG_OK;
}

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

static enum fg_status set_order(struct fg_loader *loader,
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
static enum fg_status choose_direct(struct fg_loader *loader,
                                    struct fg_error *err)
{
    struct fgi_files *files = &loader->pipeline.files;
    uint64_t shards = loader->pipeline.dataset->info.shard_count;
    uint64_t asked = fgi_min(shards, CACHED_ASKED_MAX);

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
    }
    files->direct = FGI_DIRECT_OFF;
    if (loader->config.inflight_bytes == 0) {
        loader->config.inflight_bytes = CACHED_INFLIGHT_BYTES;
    }
    return FG_OK;
}

/* A few shards' indexes are small: load them here, so that nothing is left to
 * allocate later. Many are loaded when each is first needed. */
static enum fg_status load_indexes(struct fg_dataset *dataset,
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
    *status = fgi_dataset_extent(pipeline->dataset, 0, 1, &shard_index,
                                 &extent, err);
    result = *status == FG_OK && extent.offset % file->offset_align == 0 &&
             pipeline->layout.fields[0].max_bytes % file->offset_align == 0;
    fgi_files_drop(&pipeline->files, 0);
    return result;
}

/* May reads go straight into slots? */
static enum fg_status choose_way(struct fg_loader *loader,
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

static enum fg_status check_memory(uint64_t total, struct fg_error *err)
{
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) *
                       (uint64_t)sysconf(_SC_PAGESIZE);

    if (total <= machine / 10 * 9) {
        return FG_OK;
    }
    return fgi_fail(err, FG_ERR_MEMORY,
                    "memory: wanted %llu MiB for slots and staging, this "
                    "machine has %llu MiB (likely cause: batch, slots or "
                    "shuffle window too large)",
                    (unsigned long long)(total >> 20),
                    (unsigned long long)(machine >> 20));
}

static uint32_t choose_slots(const struct fg_loader *loader,
                             const struct fg_loader_config *config,
                             uint64_t ahead_bytes)
{
    const struct fgi_pipeline *pipeline = &loader->pipeline;
    uint64_t bytes = pipeline->is_in_place ? ahead_bytes : STAGED_SLOTS_BYTES;

    if (config->slots != 0) {
        return config->slots;
    }
    return (uint32_t)fgi_clamp(
        fgi_ceil_div(bytes, pipeline->layout.slot_bytes) + 2, SLOTS_MIN, 4096);
}

static enum fg_status map_memory(struct fg_loader *loader,
                                 const struct fgi_plan_sizes *sizes,
                                 struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    uint64_t slots = pipeline->slot_count * pipeline->layout.slot_bytes;
    enum fg_status status;

    status = check_memory(slots + sizes->stage_bytes + sizes->raw_bytes, err);
    if (status == FG_OK) {
        status = fgi_block_map(&pipeline->slots, slots, loader->node, err);
    }
    if (status == FG_OK && sizes->stage_bytes > 0) {
        status = fgi_block_map(&loader->stage, sizes->stage_bytes,
                               loader->node, err);
    }
    if (status == FG_OK && sizes->raw_bytes > 0) {
        status =
            fgi_block_map(&loader->raw, sizes->raw_bytes, loader->node, err);
    }
    if (status == FG_OK) {
        loader->placement.home_node = loader->node;
        loader->placement.page_bytes =
            fgi_page_bytes(pipeline->slots.pages);
        loader->placement.page_kind = fgi_pages_name(pipeline->slots.pages);
        fgi_numa_verify(pipeline->slots.base, pipeline->slots.bytes,
                        &loader->placement);
    }
    return status;
}

static enum fg_status make_tickets(struct fgi_pipeline *pipeline,
                                   struct fg_error *err)
{
    uint64_t count = fgi_round_up_power(
        (uint64_t)pipeline->slot_count + FGI_DEVICE_SLOTS + 1);
    uint32_t batch_size = pipeline->layout.batch_size;

    pipeline->tickets = fgi_alloc(count, sizeof(*pipeline->tickets));
    pipeline->host_turns =
        fgi_alloc(pipeline->slot_count, sizeof(*pipeline->host_turns));
    if (pipeline->tickets == NULL || pipeline->host_turns == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "loader: %llu batches",
                        (unsigned long long)count);
    }
    pipeline->ticket_mask = count - 1;
    for (uint64_t i = 0; i < pipeline->slot_count; i++) {
        atomic_store(&pipeline->host_turns[i], i);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct fgi_ticket *ticket = &pipeline->tickets[i];

        ticket->sequence = UINT64_MAX;
        ticket->sample_indices = fgi_alloc(batch_size, sizeof(uint64_t));
        ticket->sample_lengths = fgi_alloc(batch_size, sizeof(uint32_t));
        ticket->bad = fgi_alloc(batch_size, 1);
        if (ticket->sample_indices == NULL ||
            ticket->sample_lengths == NULL || ticket->bad == NULL) {
            return fgi_fail(err, FG_ERR_MEMORY, "loader: batch of %u samples",
                            batch_size);
        }
    }
    return FG_OK;
}

static enum fg_status make_plan(struct fg_loader *loader,
                                const struct fg_loader_config *config,
                                const struct fgi_plan_sizes *sizes,
                                struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fgi_plan *plan = &pipeline->plan;

    plan->dataset = pipeline->dataset;
    plan->schedule = &pipeline->schedule;
    plan->order = &pipeline->order;
    plan->files = &pipeline->files;
    plan->verify = config->verify != FG_OFF;
    if (pipeline->is_in_place) {
        return FG_OK;
    }
    return fgi_plan_init(plan, sizes, loader->stage.base, loader->raw.base,
                         err);
}

/* Reads a budget can hold: extents may be much smaller than read_bytes. */
static uint32_t choose_depth(const struct fg_loader *loader,
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

static enum fg_status start_threads(struct fg_loader *loader,
                                    const struct fg_loader_config *config,
                                    const struct fgi_plan_sizes *sizes,
                                    struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fgi_reader *reader = &loader->reader;
    enum fg_status status;

    status = fgi_work_init(&pipeline->work, config->threads, loader->node,
                           sizes->loads + (pipeline->ticket_mask + 1) *
                                              (config->threads + 1),
                           err);
    if (status != FG_OK) {
        return status;
    }
    if (!loader->is_host) {
        status = fgi_copier_start(&loader->copier, pipeline, err);
        if (status != FG_OK) {
            return status;
        }
    }
    fgi_depth_init(&reader->depth, loader->config.inflight_bytes);
    reader->pipeline = pipeline;
    reader->engine_name = config->io;
    reader->regions[0] = (struct fgi_region){
        .base = pipeline->is_in_place ? pipeline->slots.base
                                      : loader->stage.base,
        .bytes = pipeline->is_in_place ? pipeline->slots.bytes
                                       : loader->stage.bytes,
    };
    reader->engine_config = (struct fgi_engine_config){
        .depth = choose_depth(loader, config, reader->depth.max_bytes),
        .node = loader->node,
        .region_count = 1,
        .regions = reader->regions,
    };
    return fgi_reader_start(reader, err);
}

static enum fgi_direct direct_mode(enum fg_choice choice)
{
    switch (choice) {
    case FG_ON:
        return FGI_DIRECT_ON;
    case FG_OFF:
        return FGI_DIRECT_OFF;
    default:
        return FGI_DIRECT_AUTO;
    }
}

static void set_constants(struct fg_loader *loader,
                          const struct fg_loader_config *config)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;

    pipeline->on_bad_sample = config->on_bad_sample;
    pipeline->decode = config->decode;
    pipeline->decode_context = config->decode_context;
    pipeline->read_bytes = config->read_bytes;
    loader->config = *config;
}

enum fg_status fgi_loader_init(struct fg_loader *loader,
                               const struct fg_loader_config *config,
                               struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fgi_plan_sizes sizes = {0};
    uint64_t ahead_bytes;
    enum fg_status status;

    set_constants(loader, config);
    status = open_parts(loader, config, err);
    if (status == FG_OK) {
        status = set_order(loader, config, err);
    }
    if (status == FG_OK) {
        status = fgi_layout_init(
            &pipeline->layout, config->batch_size,
            config->decode != NULL ? config->decode_field
                                   : pipeline->dataset->info.fields,
            config->decode != NULL ? 1 : pipeline->dataset->info.field_count,
            err);
    }
    if (status == FG_OK) {
        status = fgi_files_init(&pipeline->files, pipeline->dataset,
                                direct_mode(config->direct), err);
    }
    if (status == FG_OK) {
        status = load_indexes(pipeline->dataset, err);
    }
    if (status == FG_OK) {
        status = choose_direct(loader, err);
    }
    if (status == FG_OK) {
        status = choose_way(loader, config, err);
    }
    if (status != FG_OK) {
        return status;
    }
    ahead_bytes = 2 * (loader->config.inflight_bytes != 0
                           ? loader->config.inflight_bytes
                           : FGI_DEPTH_MAX_BYTES);
    pipeline->slot_count = choose_slots(loader, config, ahead_bytes);
    if (!pipeline->is_in_place) {
        fgi_plan_measure(pipeline->dataset, &pipeline->schedule,
                         &pipeline->order, ahead_bytes, &sizes);
    }
    status = map_memory(loader, &sizes, err);
    if (status == FG_OK) {
        status = make_tickets(pipeline, err);
    }
    if (status == FG_OK) {
        status = make_plan(loader, config, &sizes, err);
    }
    if (status == FG_OK) {
        status = start_threads(loader, config, &sizes, err);
    }
    return status;
}

static void free_tickets(struct fgi_pipeline *pipeline)
{
    for (uint64_t i = 0;
         pipeline->tickets != NULL && i <= pipeline->ticket_mask; i++) {
        fgi_free(pipeline->tickets[i].sample_indices);
        fgi_free(pipeline->tickets[i].sample_lengths);
        fgi_free(pipeline->tickets[i].bad);
    }
    fgi_free(pipeline->tickets);
    fgi_free(pipeline->host_turns);
}

void fgi_loader_fini(struct fg_loader *loader)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;

    atomic_store(&pipeline->is_stopping, 1);
    fgi_gate_notify(&pipeline->ready);
    fgi_reader_stop(&loader->reader);
    fgi_copier_fini(&loader->copier);
    fgi_work_fini(&pipeline->work);
    fgi_reader_fini(&loader->reader);
    /* No thread of ours is left, no read is in flight. */
    fgi_plan_fini(&pipeline->plan);
    free_tickets(pipeline);
    fgi_block_unmap(&loader->raw);
    fgi_block_unmap(&loader->stage);
    fgi_block_unmap(&pipeline->slots);
    fgi_files_fini(&pipeline->files);
    fg_device_close(loader->owned_device);
    fg_dataset_close(pipeline->dataset);
}
