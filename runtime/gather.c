/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers' tasks: check and decode a load; gather samples into a batch's slot.
 *
 * A gather task walks the positions of its part of the batch: position ->
 * window -> run -> load -> bytes, and copies each field to its place. Only the
 * last part to finish moves the ticket on.
 */
#include <assert.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/pipeline.h"

/* A part of a batch smaller than this is not worth a second worker. */
#define PART_BYTES_MIN FGI_KIB(256)

/* One gather task's walk through the plan. */
struct walk {
    struct fgi_pipeline *pipeline;
    struct fgi_ticket *ticket;
    const struct fgi_planned_window *window; /* holds the position in hand */
    uint64_t window_number;                  /* its running number */
};

static void decode_load(void *context, uint64_t argument, void *scratch)
{
    struct fgi_pipeline *pipeline = context;
    struct fgi_load *load = fgi_plan_load(&pipeline->plan, argument);
    const struct fgi_shard *shard =
        &pipeline->dataset->shards[load->shard_index];
    enum fg_status status = FG_OK;

    if (pipeline->plan.verify && load->extent.has_checksum) {
        status = shard->ops->check(shard, &load->extent, load->stored,
                                   &load->error);
    }
    if (status == FG_OK && load->extent.needs_decode) {
        status = shard->ops->decode(shard, &load->extent, load->stored,
                                    load->raw, scratch, &load->error);
    }
    atomic_store(&load->state,
                 status == FG_OK ? FGI_LOAD_READY : FGI_LOAD_BAD);
    fgi_pipeline_kick(pipeline, FGI_WANT_LOAD);
}

void fgi_decode_start(struct fgi_pipeline *pipeline, struct fgi_load *load)
{
    struct fgi_task task = {
        .run = decode_load,
        .context = pipeline,
        .argument = (uint64_t)(load - pipeline->plan.loads),
    };

    fgi_work_push(&pipeline->work, &task);
}

static const struct fgi_planned_window *
window_at(const struct fgi_plan *plan, uint64_t number)
{
    return &plan->windows[fgi_ring_index(&plan->window_ring, number)];
}

/* Move on to the window that holds `position` of the ticket's epoch. */
static void walk_to(struct walk *walk, uint64_t position)
{
    const struct fgi_plan *plan = &walk->pipeline->plan;

    while (position < walk->window->window.begin ||
           position >= walk->window->window.end) {
        walk->window_number++;
        walk->window = window_at(plan, walk->window_number);
    }
}

/* Find the load that holds the sample at `position`. */
static const struct fgi_load *find_load(struct walk *walk, uint64_t position,
                                        uint64_t *sample)
{
    const struct fgi_plan *plan = &walk->pipeline->plan;
    const struct fgi_run *run;
    const struct fgi_load *load;
    uint64_t number;
    uint64_t place;
    uint64_t index;

    walk_to(walk, position);
    fgi_order_at(&walk->window->epoch, &walk->window->window, position, &place,
                 &index);
    number = walk->window->first_run + place - walk->window->window.first_place;
    run = &plan->runs[fgi_ring_index(&plan->run_ring, number)];
    *sample = run->first + index;
    number = run->first_load;
    load = fgi_plan_load(plan, number);
    while (*sample >= load->first + load->extent.count) {
        number++;
        load = fgi_plan_load(plan, number);
    }
    assert(*sample >= load->first);
    return load;
}

static enum fg_status call_hook(const struct fgi_pipeline *pipeline,
                                const struct fgi_sample *sample,
                                uint64_t index, uint8_t *out,
                                struct fg_error *err)
{
    int rv = pipeline->decode(sample->fields[0], sample->total_bytes, index,
                              out, pipeline->layout.fields[0].max_bytes,
                              pipeline->decode_context);

    if (rv != 0) {
        return fgi_fail(err, FG_ERR_DAMAGED,
                        "sample %llu: decode: the hook returned %d",
                        (unsigned long long)index, rv);
    }
    return FG_OK;
}

/* Copy a sample's fields to place i of the slot. */
static void copy_fields(const struct walk *walk,
                        const struct fgi_sample *sample, uint32_t i)
{
    const struct fgi_layout *layout = &walk->pipeline->layout;

    for (uint32_t k = 0; k < layout->field_count; k++) {
        uint64_t stride = layout->fields[k].max_bytes;
        uint64_t length = sample->lengths[k];
        uint8_t *to = walk->ticket->host + layout->offsets[k] + i * stride;

        assert(length <= stride);
        fgi_copy_streaming(to, sample->fields[k], length);
        if (length < stride) {
            memset(to + length, 0, stride - length);
        }
        if (layout->length_offsets[k] != FGI_NO_LENGTHS) {
            uint32_t length32 = (uint32_t)length;

            memcpy(walk->ticket->host + layout->length_offsets[k] +
                       i * sizeof(length32),
                   &length32, sizeof(length32));
        }
    }
}

/* Put the sample at `position` to place i. */
static enum fg_status gather_sample(struct walk *walk, uint64_t position,
                                    uint32_t i, struct fg_error *err)
{
    const struct fgi_pipeline *pipeline = walk->pipeline;
    struct fgi_ticket *ticket = walk->ticket;
    struct fgi_sample sample;
    const struct fgi_shard *shard;
    const struct fgi_load *load;
    enum fg_status status;
    uint64_t index;

    load = find_load(walk, position, &index);
    ticket->sample_indices[i] = index;
    ticket->sample_lengths[i] = 0;
    if (atomic_load_explicit(&load->state, memory_order_acquire) ==
        FGI_LOAD_BAD) {
        return fgi_error_copy(err, &load->error);
    }
    shard = &pipeline->dataset->shards[load->shard_index];
    status = shard->ops->locate(shard, &load->extent, load->raw,
                                (uint32_t)(index - load->first), &sample, err);
    if (status != FG_OK) {
        return status;
    }
    ticket->sample_lengths[i] = (uint32_t)sample.total_bytes;
    if (pipeline->decode != NULL) {
        return call_hook(pipeline, &sample, index,
                         ticket->host + pipeline->layout.offsets[0] +
                             i * pipeline->layout.fields[0].max_bytes,
                         err);
    }
    copy_fields(walk, &sample, i);
    return FG_OK;
}

static void mark_bad(struct walk *walk, uint32_t i, const struct fg_error *err)
{
    struct fgi_pipeline *pipeline = walk->pipeline;

    /* A changed file is not a bad sample: nothing that follows is right. */
    if (pipeline->on_bad_sample == FG_BAD_SAMPLE_FAIL ||
        err->status == FG_ERR_CHANGED) {
        fgi_ticket_fail(walk->ticket, err);
        return;
    }
    walk->ticket->bad[i] = 1;
    atomic_fetch_add(&walk->ticket->bad_count, 1);
    fgi_log(&pipeline->log, FG_LOG_WARN, "bad sample: %s", err->message);
}

/* First sample of part `part` of a batch that is cut into `parts`. */
static uint32_t part_begin(const struct fgi_ticket *ticket, uint32_t part)
{
    return (uint32_t)((uint64_t)ticket->place.count * part /
                      ticket->payload_parts);
}

/* What stands behind the batch's samples is zero. */
static void clear_rest(const struct fgi_pipeline *pipeline,
                       struct fgi_ticket *ticket)
{
    fgi_layout_clear(&pipeline->layout, ticket->host, ticket->place.count,
                     pipeline->layout.batch_size);
}

static void gather_part(void *context, uint64_t argument, void *scratch)
{
    struct fgi_pipeline *pipeline = context;
    uint32_t part = (uint32_t)(argument >> 48);
    struct fgi_ticket *ticket =
        &pipeline->tickets[argument & UINT64_C(0xffffffffffff)];
    uint32_t end = part_begin(ticket, part + 1);
    uint64_t bytes = 0;
    struct walk walk = {.pipeline = pipeline, .ticket = ticket};
    struct fg_error err;

    (void)scratch;
    walk.window_number = ticket->first_window;
    walk.window = window_at(&pipeline->plan, walk.window_number);
    for (uint32_t i = part_begin(ticket, part); i < end; i++) {
        uint64_t position = (ticket->place.position + i) %
                            pipeline->schedule.sample_count;

        ticket->bad[i] = 0;
        if (gather_sample(&walk, position, i, &err) != FG_OK) {
            mark_bad(&walk, i, &err);
        }
        bytes += ticket->sample_lengths[i];
    }
    if (part == 0) {
        clear_rest(pipeline, ticket);
    }
    atomic_fetch_add(&ticket->payload_bytes, bytes);
    if (atomic_fetch_sub(&ticket->parts_left, 1) == 1) {
        fgi_ticket_finish(pipeline, ticket);
    }
}

void fgi_gather_start(struct fgi_pipeline *pipeline, struct fgi_ticket *ticket)
{
    uint64_t parts = fgi_clamp(pipeline->layout.slot_bytes / PART_BYTES_MIN, 1,
                               pipeline->work.thread_count);

    if (ticket->place.count == 0) {
        clear_rest(pipeline, ticket);
        fgi_ticket_finish(pipeline, ticket);
        return;
    }
    parts = fgi_min(parts, ticket->place.count);
    ticket->payload_parts = (uint32_t)parts;
    atomic_store(&ticket->parts_left, (uint32_t)parts);
    for (uint64_t part = 0; part < parts; part++) {
        struct fgi_task task = {
            .run = gather_part,
            .context = pipeline,
            .argument = part << 48 | (uint64_t)(ticket - pipeline->tickets),
        };

        fgi_work_push(&pipeline->work, &task);
    }
}
