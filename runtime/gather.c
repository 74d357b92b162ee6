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

#include "runtime/base/copy.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/pipeline.h"

/* A part of a batch smaller than this is not worth a second worker. */
#define PART_BYTES_MIN FGI_KIB(256)

/* Samples found before the first of them is copied, and how much of each is
 * prefetched: together they fit a core's fill buffers and its L1 cache. */
#define GROUP_SAMPLES 4
#define PREFETCH_BYTES_MAX FGI_KIB(2)
#define CACHE_LINE_BYTES 64

/* One gather task's walk through the plan. */
struct walk {
    struct fgi_pipeline *pipeline;
    struct fgi_ticket *ticket;
    const struct fgi_planned_window *window; /* holds the position in hand */
    uint64_t window_number;                  /* its running number */
    void *scratch;                           /* the worker's, for decoding */
};

/* Check a load's stored bytes, and decode them to `out`. */
static enum fg_status check_and_decode(const struct fgi_pipeline *pipeline,
                                       const struct fgi_load *load, void *out,
                                       void *scratch, struct fg_error *err)
{
    const struct fgi_shard *shard =
        &pipeline->dataset->shards[load->shard_index];
    enum fg_status status = FG_OK;

    if (pipeline->plan.verify && load->extent.has_checksum) {
        status = shard->ops->check(shard, &load->extent, load->stored, err);
    }
    if (status == FG_OK && load->extent.needs_decode) {
        status = shard->ops->decode(shard, &load->extent, load->stored, out,
                                    scratch, err);
    }
    return status;
}

static void decode_load(void *context, uint64_t argument, void *scratch)
{
    struct fgi_pipeline *pipeline = context;
    struct fgi_load *load = fgi_plan_load(&pipeline->plan, argument);
    enum fg_status status =
        check_and_decode(pipeline, load, load->raw, scratch, &load->error);

    atomic_store(&load->state, status == FG_OK ? FGI_LOAD_READY : FGI_LOAD_BAD);
    fgi_pipeline_kick(pipeline, FGI_WANT_LOAD);
}

void fgi_decode_start(struct fgi_pipeline *pipeline, struct fgi_load *load)
{
    struct fgi_task task = {
        .run = decode_load,
        .context = pipeline,
        .argument = (uint64_t)(load - pipeline->plan.loads),
    };

    fgi_work_push(&pipeline->work, FGI_TASK_DECODE, &task);
}

static const struct fgi_planned_window *window_at(const struct fgi_plan *plan,
                                                  uint64_t number)
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
                                const struct fgi_sample *sample, uint64_t index,
                                uint8_t *out, struct fg_error *err)
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

/* A sample that was found and waits to be copied. */
struct found {
    struct fgi_sample sample;
    uint64_t index;        /* global */
    enum fg_status status; /* not FG_OK: `err` says why */
    struct fg_error err;
};

/* Find the sample at `position`, and ask the caches for its bytes. */
static void find_sample(struct walk *walk, uint64_t position,
                        struct found *found)
{
    const struct fgi_load *load = find_load(walk, position, &found->index);
    const struct fgi_shard *shard =
        &walk->pipeline->dataset->shards[load->shard_index];
    uint64_t ahead;

    found->sample.total_bytes = 0;
    if (atomic_load_explicit(&load->state, memory_order_acquire) ==
        FGI_LOAD_BAD) {
        found->status = fgi_error_copy(&found->err, &load->error);
        return;
    }
    found->status = shard->ops->locate(shard, &load->extent, load->raw,
                                       (uint32_t)(found->index - load->first),
                                       &found->sample, &found->err);
    if (found->status != FG_OK) {
        return;
    }
    ahead = fgi_min(found->sample.lengths[0], PREFETCH_BYTES_MAX);
    for (uint64_t at = 0; at < ahead; at += CACHE_LINE_BYTES) {
        __builtin_prefetch(found->sample.fields[0] + at);
    }
}

/* Put a found sample to place i of the batch. */
static void place_sample(struct walk *walk, struct found *found, uint32_t i)
{
    const struct fgi_pipeline *pipeline = walk->pipeline;
    struct fgi_ticket *ticket = walk->ticket;

    ticket->bad[i] = 0;
    ticket->sample_indices[i] = found->index;
    ticket->sample_lengths[i] = (uint32_t)found->sample.total_bytes;
    if (found->status == FG_OK && pipeline->decode != NULL) {
        found->status = call_hook(pipeline, &found->sample, found->index,
                                  ticket->host + pipeline->layout.offsets[0] +
                                      i * pipeline->layout.fields[0].max_bytes,
                                  &found->err);
    } else if (found->status == FG_OK) {
        copy_fields(walk, &found->sample, i);
    }
    if (found->status != FG_OK) {
        mark_bad(walk, i, &found->err);
    }
}

/* Gather samples [begin, end) of the batch. Returns their stored bytes. */
static uint64_t gather_range(struct walk *walk, uint32_t begin, uint32_t end)
{
    const struct fgi_ticket *ticket = walk->ticket;
    uint64_t wrap = walk->pipeline->schedule.sample_count;
    struct found found[GROUP_SAMPLES];
    uint64_t bytes = 0;

    /* Groups: while one sample is copied, the next ones' bytes are already
     * on their way from memory. Shuffled samples are nobody's neighbours. */
    for (uint32_t i = begin; i < end; i += GROUP_SAMPLES) {
        uint32_t count = (uint32_t)fgi_min(GROUP_SAMPLES, end - i);

        for (uint32_t k = 0; k < count; k++) {
            find_sample(walk, (ticket->place.position + i + k) % wrap,
                        &found[k]);
        }
        for (uint32_t k = 0; k < count; k++) {
            place_sample(walk, &found[k], i + k);
            bytes += found[k].sample.total_bytes;
        }
    }
    return bytes;
}

/* Decode a load to where its samples belong: from place i of the batch on.
 * Returns the samples' bytes. */
static uint64_t decode_in_slot(struct walk *walk, const struct fgi_load *load,
                               uint32_t i)
{
    const struct fgi_pipeline *pipeline = walk->pipeline;
    struct fgi_ticket *ticket = walk->ticket;
    uint64_t stride = pipeline->layout.fields[0].max_bytes;
    struct fg_error err = {.status = FG_OK};
    enum fg_status status;

    if (atomic_load_explicit(&load->state, memory_order_acquire) ==
        FGI_LOAD_BAD) {
        status = fgi_error_copy(&err, &load->error);
    } else {
        status = check_and_decode(pipeline, load,
                                  ticket->host + pipeline->layout.offsets[0] +
                                      i * stride,
                                  walk->scratch, &err);
    }
    for (uint32_t k = 0; k < load->extent.count; k++) {
        ticket->bad[i + k] = 0;
        ticket->sample_indices[i + k] = load->first + k;
        ticket->sample_lengths[i + k] = status == FG_OK ? (uint32_t)stride : 0;
        if (status != FG_OK) {
            mark_bad(walk, i + k, &err);
        }
    }
    return status == FG_OK ? load->extent.count * stride : 0;
}

/*
 * Gather samples [begin, end) of a batch of which some loads are decoded
 * straight into the slot: whole, by the part that has the load's first sample.
 */
static uint64_t gather_loads(struct walk *walk, uint32_t begin, uint32_t end)
{
    uint64_t wrap = walk->pipeline->schedule.sample_count;
    uint64_t bytes = 0;

    for (uint32_t i = begin; i < end;) {
        uint64_t index;
        const struct fgi_load *load =
            find_load(walk, (walk->ticket->place.position + i) % wrap, &index);
        uint64_t next = i + (load->first + load->extent.count - index);

        if (!load->is_in_slot) {
            next = fgi_min(next, end);
            bytes += gather_range(walk, i, (uint32_t)next);
        } else if (index == load->first) {
            bytes += decode_in_slot(walk, load, i);
        }
        i = (uint32_t)fgi_min(next, end);
    }
    return bytes;
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
    struct walk walk = {
        .pipeline = pipeline, .ticket = ticket, .scratch = scratch};
    uint32_t begin = part_begin(ticket, part);
    uint32_t end = part_begin(ticket, part + 1);
    uint64_t bytes;

    walk.window_number = ticket->first_window;
    walk.window = window_at(&pipeline->plan, walk.window_number);
    bytes = pipeline->plan.may_decode_in_slot ? gather_loads(&walk, begin, end)
                                              : gather_range(&walk, begin, end);
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

        fgi_work_push(&pipeline->work, FGI_TASK_ASSEMBLE, &task);
    }
}
