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
#include "runtime/loader.h"

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
    fg_device_get_info(pipeline->device, &info);
    status = fgi_placement_choose(&loader->placement, config->numa_node,
                                  (config->flags & FG_LOADER_NUMA_STRICT) != 0,
                                  &info, err);
    if (status != FG_OK) {
        return status;
    }
    return fgi_placement_note_storage(&loader->placement,
                                      pipeline->dataset->shards[0].path, err);
}

static enum fg_status check_memory(uint64_t total, struct fg_error *err)
{
    uint64_t machine =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

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

/* A part of the arena, from `*from` on, which moves behind it. */
static struct fgi_block take_part(const struct fgi_block *arena, size_t *from,
                                  uint64_t bytes)
{
    struct fgi_block part = *arena;

    part.mapping = NULL; /* the arena's to unmap */
    part.mapping_bytes = 0;
    part.base = arena->base + *from;
    part.bytes = fgi_align_up(bytes, FGI_MIB(2));
    *from += part.bytes;
    return part;
}

/*
 * One arena holds the slots and both rings, each from a huge page on, so that
 * there is one kind of page, one policy, and one count of where they are.
 */
static enum fg_status map_memory(struct fg_loader *loader,
                                 const struct fgi_plan_sizes *sizes,
                                 struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    uint64_t slots = pipeline->slot_count * pipeline->layout.slot_bytes;
    uint64_t total = fgi_align_up(slots, FGI_MIB(2)) +
                     fgi_align_up(sizes->stage_bytes, FGI_MIB(2)) +
                     fgi_align_up(sizes->raw_bytes, FGI_MIB(2));
    size_t from = 0;
    enum fg_status status;

    status = check_memory(total, err);
    if (status == FG_OK) {
        status = fgi_placement_check_room(&loader->placement, total, err);
    }
    if (status == FG_OK) {
        status = fgi_block_map_at(&loader->arena, total,
                                  &loader->placement.place, err);
    }
    if (status == FG_OK) {
        status = fgi_placement_prove(&loader->placement, &loader->arena, err);
    }
    if (status == FG_OK) {
        pipeline->slots = take_part(&loader->arena, &from, slots);
        loader->stage = take_part(&loader->arena, &from, sizes->stage_bytes);
        loader->raw = take_part(&loader->arena, &from, sizes->raw_bytes);
    }
    return status;
}

static enum fg_status make_tickets(struct fgi_pipeline *pipeline,
                                   struct fg_error *err)
{
    uint64_t count = fgi_round_up_power((uint64_t)pipeline->slot_count +
                                        FGI_DEVICE_SLOTS + 1);
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
        if (ticket->sample_indices == NULL || ticket->sample_lengths == NULL ||
            ticket->bad == NULL) {
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
    plan->may_decode_in_slot =
        config->shuffle == FG_SHUFFLE_NONE && config->decode == NULL &&
        plan->dataset->schema.count == 1 &&
        (plan->dataset->schema.fields[0].flags & FG_FIELD_VARIABLE) == 0;
    if (pipeline->is_in_place) {
        return FG_OK;
    }
    return fgi_plan_init(plan, sizes, loader->stage.base, loader->raw.base,
                         err);
}

static enum fg_status start_threads(struct fg_loader *loader,
                                    const struct fg_loader_config *config,
                                    const struct fgi_plan_sizes *sizes,
                                    struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fgi_reader *reader = &loader->reader;
    enum fg_status status;

    status = fgi_work_init(
        &pipeline->work, config->threads, loader->placement.thread_node,
        sizes->loads + (pipeline->ticket_mask + 1) * (config->threads + 1),
        err);
    if (status != FG_OK) {
        return status;
    }
    if (!loader->is_host) {
        loader->copier.node = loader->placement.thread_node;
        status = fgi_copier_start(&loader->copier, pipeline, err);
        if (status != FG_OK) {
            return status;
        }
    }
    fgi_depth_init(&reader->depth, loader->config.inflight_bytes);
    reader->pipeline = pipeline;
    reader->engine_name = config->io;
    reader->region = (struct fgi_region){
        .base =
            pipeline->is_in_place ? pipeline->slots.base : loader->stage.base,
        .bytes =
            pipeline->is_in_place ? pipeline->slots.bytes : loader->stage.bytes,
    };
    reader->engine_config = (struct fgi_engine_config){
        .depth = fgi_choose_depth(loader, config, reader->depth.max_bytes),
        .node = loader->placement.thread_node,
        .region_count = 1,
        .regions = &reader->region,
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
        status = fgi_choose_order(loader, config, err);
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
        status = fgi_load_indexes(pipeline->dataset, err);
    }
    if (status == FG_OK) {
        status = fgi_choose_direct(loader, err);
    }
    if (status == FG_OK) {
        status = fgi_choose_way(loader, config, err);
    }
    if (status != FG_OK) {
        return status;
    }
    ahead_bytes = loader->config.inflight_bytes != 0
                      ? loader->config.inflight_bytes
                      : FGI_DEPTH_MAX_BYTES;
    pipeline->slot_count = fgi_choose_slots(loader, config, ahead_bytes);
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
    fgi_block_unmap(&loader->arena);
    fgi_placement_fini(&loader->placement);
    fgi_files_fini(&pipeline->files);
    fg_device_close(loader->owned_device);
    fg_dataset_close(pipeline->dataset);
}
