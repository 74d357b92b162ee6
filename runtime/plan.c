/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

static void free_rings(struct fgi_plan *plan)
{
    fgi_free(plan->loads);
    fgi_free(plan->runs);
    fgi_free(plan->windows);
    fgi_free(plan->batches);
}

enum fg_status fgi_plan_init(struct fgi_plan *plan,
                             const struct fgi_plan_sizes *sizes,
                             void *stage_memory, void *raw_memory,
                             struct fg_error *err)
{
    plan->loads = fgi_alloc(sizes->loads, sizeof(*plan->loads));
    plan->runs = fgi_alloc(sizes->runs, sizeof(*plan->runs));
    plan->windows = fgi_alloc(sizes->windows, sizeof(*plan->windows));
    plan->batches = fgi_alloc(sizes->batches, sizeof(*plan->batches));
    if (plan->loads == NULL || plan->runs == NULL || plan->windows == NULL ||
        plan->batches == NULL) {
        free_rings(plan);
        memset(plan, 0, sizeof(*plan));
        return fgi_fail(err, FG_ERR_MEMORY, "plan: rings of %llu extents",
                        (unsigned long long)sizes->loads);
    }
    fgi_ring_init(&plan->load_ring, sizes->loads);
    fgi_ring_init(&plan->run_ring, sizes->runs);
    fgi_ring_init(&plan->window_ring, sizes->windows);
    fgi_ring_init(&plan->batch_ring, sizes->batches);
    fgi_stage_init(&plan->stage, stage_memory, sizes->stage_bytes);
    fgi_stage_init(&plan->raw, raw_memory, sizes->raw_bytes);
    return FG_OK;
}

void fgi_plan_fini(struct fgi_plan *plan)
{
    free_rings(plan);
    memset(plan, 0, sizeof(*plan));
}

static struct fgi_planned_window *newest_window(struct fgi_plan *plan)
{
    return &plan->windows[fgi_ring_index(&plan->window_ring,
                                         plan->window_ring.tail - 1)];
}

/* Position in the epoch of the next sample to plan; wraps at its end. */
static uint64_t next_position(const struct fgi_plan *plan)
{
    uint64_t at = plan->place.position + plan->positions_done;

    return at % plan->schedule->sample_count;
}

static bool newest_holds(struct fgi_plan *plan, uint64_t position)
{
    const struct fgi_planned_window *newest;

    if (fgi_ring_is_empty(&plan->window_ring)) {
        return false;
    }
    newest = newest_window(plan);
    return newest->epoch.epoch == plan->place.epoch &&
           position >= newest->window.begin && position < newest->window.end;
}

static void set_epoch(struct fgi_plan *plan)
{
    if (!plan->has_epoch || plan->epoch.epoch != plan->place.epoch) {
        fgi_order_epoch_init(&plan->epoch, plan->order, plan->place.epoch);
        plan->has_epoch = true;
    }
}

/* Begin the window that holds `position`. False when the ring is full. */
static bool begin_window(struct fgi_plan *plan, uint64_t position)
{
    struct fgi_planned_window *planned;
    uint64_t last;

    if (fgi_ring_is_full(&plan->window_ring)) {
        return false;
    }
    planned = &plan->windows[fgi_ring_put(&plan->window_ring)];
    planned->epoch = plan->epoch;
    fgi_order_window(&plan->epoch, fgi_order_window_of(&plan->epoch, position),
                     &planned->window);
    planned->first_run = plan->run_ring.tail;
    planned->loads_end = plan->load_ring.tail;
    last = fgi_schedule_last_before(plan->schedule, plan->place.epoch,
                                    planned->window.end);
    planned->last_batch = fgi_max(last, plan->next_batch);
    plan->in_window = true;
    plan->place_next = planned->window.first_place;
    return true;
}

/* Begin the next block of the newest window. False when the ring is full. */
static bool begin_run(struct fgi_plan *plan)
{
    struct fgi_run *run;
    uint64_t first;
    uint64_t count;

    if (fgi_ring_is_full(&plan->run_ring)) {
        return false;
    }
    run = &plan->runs[fgi_ring_put(&plan->run_ring)];
    fgi_order_block(&newest_window(plan)->epoch, plan->place_next, &first,
                    &count);
    run->first = first;
    run->first_load = plan->load_ring.tail;
    plan->sample_next = first;
    plan->sample_end = first + count;
    plan->place_next++;
    return true;
}

/* Take staging memory for the extent. False when there is no room. */
static bool place_load(struct fgi_plan *plan, struct fgi_load *load,
                       uint32_t align)
{
    uint64_t begin = fgi_align_down(load->extent.offset, align);
    uint64_t end =
        fgi_align_up(load->extent.offset + load->extent.stored_bytes, align);
    struct fgi_stage before = plan->stage;

    load->buffer = fgi_stage_take(&plan->stage, end - begin, &load->stage_mark);
    if (load->buffer == NULL) {
        return false;
    }
    load->stored = load->buffer + (load->extent.offset - begin);
    load->raw = load->stored;
    load->raw_mark = 0;
    if (load->extent.needs_decode && !load->is_in_slot) {
        load->raw =
            fgi_stage_take(&plan->raw, load->extent.raw_bytes, &load->raw_mark);
        if (load->raw == NULL) {
            plan->stage = before;
            return false;
        }
    }
    return true;
}

/*
 * In stored order a block that lies in one batch is a stretch of its slot: it
 * can be decoded to where it belongs, and nothing is left to copy.
 */
static bool decodes_in_slot(const struct fgi_plan *plan,
                            const struct fgi_load *load)
{
    uint64_t batch_end = fgi_min(plan->place.position + plan->place.count,
                                 plan->schedule->sample_count);

    return plan->may_decode_in_slot && load->extent.needs_decode &&
           load->extent.raw_bytes ==
               load->extent.count * plan->dataset->schema.fields[0].max_bytes &&
           load->first >= plan->place.position &&
           load->first + load->extent.count <= batch_end;
}

/* The next extent of the block in hand. */
static enum fgi_plan_step next_load(struct fgi_plan *plan,
                                    struct fgi_load **out, struct fg_error *err)
{
    const struct fgi_file *file;
    struct fgi_load *load;
    uint64_t past;

    if (fgi_ring_is_full(&plan->load_ring)) {
        return FGI_PLAN_FULL;
    }
    load = &plan->loads[fgi_ring_index(&plan->load_ring, plan->load_ring.tail)];
    if (fgi_dataset_extent(plan->dataset, plan->sample_next,
                           plan->sample_end - plan->sample_next,
                           &load->shard_index, &load->extent, err) != FG_OK) {
        return FGI_PLAN_ERROR;
    }
    if (!fgi_files_may_acquire(plan->files, load->shard_index)) {
        return FGI_PLAN_FULL; /* until a read in flight is back */
    }
    if (fgi_files_acquire(plan->files, load->shard_index, &file, err) !=
        FG_OK) {
        return FGI_PLAN_ERROR;
    }
    load->first =
        plan->dataset->first_samples[load->shard_index] + load->extent.first;
    load->is_in_slot = decodes_in_slot(plan, load);
    if (!place_load(plan, load, file->offset_align)) {
        (void)fgi_files_release(plan->files, load->shard_index, NULL);
        return FGI_PLAN_FULL;
    }
    load->reads_pending = 0;
    load->is_submitted = false;
    load->needs_work =
        !load->is_in_slot && (load->extent.needs_decode ||
                              (plan->verify && load->extent.has_checksum));
    load->read_ns = 0;
    load->error.status = FG_OK;
    atomic_store_explicit(&load->state, FGI_LOAD_READING, memory_order_relaxed);
    fgi_ring_put(&plan->load_ring);
    past = load->first + load->extent.count;
    plan->sample_next = fgi_min(past, plan->sample_end);
    newest_window(plan)->loads_end = plan->load_ring.tail;
    *out = load;
    return FGI_PLAN_LOAD;
}

static void finish_batch(struct fgi_plan *plan)
{
    struct fgi_planned_batch *batch =
        &plan->batches[fgi_ring_put(&plan->batch_ring)];

    batch->loads_end = plan->load_ring.tail;
    plan->in_batch = false;
    plan->next_batch++;
}

/* Set the cursor on the next batch. */
static enum fgi_plan_step begin_batch(struct fgi_plan *plan)
{
    struct fgi_planned_batch *batch;

    if (plan->next_batch >= plan->schedule->batch_count) {
        return FGI_PLAN_END;
    }
    if (fgi_ring_is_full(&plan->batch_ring)) {
        return FGI_PLAN_FULL;
    }
    fgi_schedule_batch(plan->schedule, plan->next_batch, &plan->place);
    plan->positions_done = 0;
    plan->in_batch = true;
    set_epoch(plan);
    /* The entry is put, and so seen by others, when the batch is complete. */
    batch = &plan->batches[fgi_ring_index(&plan->batch_ring,
                                          plan->batch_ring.tail)];
    batch->place = plan->place;
    batch->planned_ns = fgi_now_ns();
    batch->first_window = UINT64_MAX;
    return FGI_PLAN_BATCH;
}

/* The newest window covers next_position: note it and step over it. */
static void cross_window(struct fgi_plan *plan)
{
    struct fgi_planned_window *newest = newest_window(plan);
    struct fgi_planned_batch *batch = &plan->batches[fgi_ring_index(
        &plan->batch_ring, plan->batch_ring.tail)];
    uint64_t left = plan->place.count - plan->positions_done;
    uint64_t inside = newest->window.end - next_position(plan);

    if (batch->first_window == UINT64_MAX) {
        batch->first_window = plan->window_ring.tail - 1;
    }
    newest->last_batch = fgi_max(newest->last_batch, plan->next_batch);
    plan->positions_done += fgi_min(left, inside);
}

static bool has_block(const struct fgi_plan *plan)
{
    return plan->sample_next < plan->sample_end;
}

static bool window_is_complete(struct fgi_plan *plan)
{
    const struct fgi_window *window = &newest_window(plan)->window;

    return plan->place_next == window->first_place + window->place_count;
}

enum fgi_plan_step fgi_plan_next(struct fgi_plan *plan, struct fgi_load **load,
                                 struct fg_error *err)
{
    for (;;) {
        if (!plan->in_batch) {
            enum fgi_plan_step step = begin_batch(plan);

            if (step != FGI_PLAN_BATCH) {
                return step;
            }
        } else if (plan->in_window && has_block(plan)) {
            return next_load(plan, load, err);
        } else if (plan->in_window && !window_is_complete(plan)) {
            if (!begin_run(plan)) {
                return FGI_PLAN_FULL;
            }
        } else if (plan->positions_done == plan->place.count) {
            finish_batch(plan);
            return FGI_PLAN_BATCH;
        } else if (newest_holds(plan, next_position(plan))) {
            plan->in_window = false;
            cross_window(plan);
        } else if (!begin_window(plan, next_position(plan))) {
            return FGI_PLAN_FULL;
        }
    }
}

/* Give a window's runs, loads and bytes back. */
static void drop_window(struct fgi_plan *plan)
{
    struct fgi_planned_window *oldest =
        &plan->windows[fgi_ring_take(&plan->window_ring)];
    uint64_t raw_mark = 0;
    uint64_t stage_mark = 0;

    while (plan->load_ring.head < oldest->loads_end) {
        struct fgi_load *load = &plan->loads[fgi_ring_take(&plan->load_ring)];

        stage_mark = load->stage_mark;
        raw_mark = load->raw_mark != 0 ? load->raw_mark : raw_mark;
    }
    plan->run_ring.head = oldest->first_run + oldest->window.place_count;
    if (stage_mark != 0) {
        fgi_stage_release(&plan->stage, stage_mark);
    }
    if (raw_mark != 0) {
        fgi_stage_release(&plan->raw, raw_mark);
    }
}

bool fgi_plan_release(struct fgi_plan *plan, uint64_t batches_done)
{
    uint64_t before = plan->window_ring.head;

    /* The newest window may yet be needed by the next batch. */
    while (fgi_ring_count(&plan->window_ring) > 1 &&
           plan->windows[fgi_ring_index(&plan->window_ring,
                                        plan->window_ring.head)]
                   .last_batch < batches_done) {
        drop_window(plan);
    }
    return plan->window_ring.head != before;
}

/* raw keeps no blocks: an extent is just the samples asked for. */
static bool has_blocks(const struct fg_dataset *dataset)
{
    return strcmp(dataset->info.format, "raw") != 0;
}

/*
 * Most extents that a window of the order can take. A block of the order that
 * lies on the shards' own blocks is one extent; where a shard before it ended
 * in a short block, it takes parts of two; and each end of a shard inside the
 * window adds some, of which there are no more than shards.
 */
static uint64_t loads_per_window(const struct fg_dataset *dataset,
                                 const struct fgi_order *order)
{
    uint64_t block_samples = order->block_samples;
    uint64_t blocks = order->window_blocks;
    uint64_t shards = dataset->info.shard_count;
    uint64_t smallest = UINT64_MAX;
    bool is_aligned = true;
    uint64_t ends;

    for (uint64_t i = 0; i < shards; i++) {
        uint64_t samples = dataset->shards[i].sample_count;

        smallest = fgi_min(smallest, samples);
        is_aligned =
            is_aligned && (samples % block_samples == 0 || i + 1 == shards);
    }
    if (!has_blocks(dataset)) {
        ends = is_aligned ? 0 : blocks * (1 + block_samples / smallest);
        return blocks + fgi_min(ends, shards);
    }
    if (is_aligned && block_samples <= dataset->info.block_samples) {
        return blocks;
    }
    blocks *= 1 + fgi_ceil_div(block_samples, dataset->info.block_samples);
    ends = order->window_blocks * (1 + block_samples / smallest);
    return blocks + 2 * fgi_min(ends, shards);
}

void fgi_plan_measure(const struct fg_dataset *dataset,
                      const struct fgi_schedule *schedule,
                      const struct fgi_order *order, uint64_t ahead_bytes,
                      struct fgi_plan_sizes *sizes)
{
    uint64_t per_window = loads_per_window(dataset, order);
    uint64_t window_samples = order->block_samples * order->window_blocks;
    uint64_t windows =
        fgi_min(fgi_ceil_div(schedule->batch_size, window_samples),
                order->window_count) +
        1;
    uint64_t stored_max = 0;
    uint64_t raw_max = 0;
    bool has_codec = strcmp(dataset->info.codec, "none") != 0;
    uint64_t stored;
    uint64_t raw;

    for (uint64_t i = 0; i < dataset->info.shard_count; i++) {
        const struct fgi_shard *shard = &dataset->shards[i];

        stored_max = fgi_max(
            stored_max, fgi_max(shard->extent_bytes_max, shard->linear_stride));
        raw_max = fgi_max(raw_max, shard->raw_bytes_max);
    }
    stored = has_blocks(dataset) ? per_window * stored_max
                                 : window_samples * stored_max;
    stored += per_window * 3 * FGI_STAGE_ALIGN;
    raw = per_window * fgi_align_up(raw_max, FGI_STAGE_ALIGN);
    /* The windows a batch can touch, what is read ahead of them, and what a
     * ring leaves unused at its end. */
    sizes->stage_bytes = fgi_align_up(windows * stored + ahead_bytes +
                                          stored_max + 3 * FGI_STAGE_ALIGN,
                                      FGI_MIB(2));
    sizes->raw_bytes = !has_codec ? 0
                                  : fgi_align_up(windows * raw + ahead_bytes +
                                                     raw_max + FGI_STAGE_ALIGN,
                                                 FGI_MIB(2));
    sizes->windows = fgi_round_up_power(fgi_max(2 * windows + 2, 1024));
    sizes->runs = fgi_round_up_power(
        fgi_max((windows + 2) * order->window_blocks, sizes->windows));
    sizes->loads =
        fgi_round_up_power(fgi_max((windows + 2) * per_window, 2048));
    sizes->batches = 4096;
}
