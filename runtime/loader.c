/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's public face, and the consumer's side of the pipeline. */
#include "runtime/loader.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

enum fg_status fg_loader_open(const struct fg_loader_config *config,
                              struct fg_loader **out, struct fg_error *err)
{
    struct fg_loader_config checked;
    struct fg_loader *loader;
    enum fg_status status;

    status = fgi_loader_config_check(config, &checked, err);
    if (status != FG_OK) {
        return status;
    }
    loader = fgi_alloc(1, sizeof(*loader));
    if (loader == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "loader: %zu bytes",
                        sizeof(*loader));
    }
    loader->open_ns = fgi_now_ns();
    loader->fork_generation = fgi_fork_generation();
    fgi_gate_init(&loader->pipeline.ready);
    fgi_log_init(&loader->pipeline.log, checked.log, checked.log_context);
    status = fgi_loader_init(loader, &checked, err);
    if (status != FG_OK) {
        fg_loader_close(loader);
        return status;
    }
    fgi_log(&loader->pipeline.log, FG_LOG_INFO, "engine: %s",
            loader->reader.engine_note);
    *out = loader;
    return FG_OK;
}

static bool is_forked(const struct fg_loader *loader)
{
    return loader->fork_generation != fgi_fork_generation();
}

void fg_loader_close(struct fg_loader *loader)
{
    if (loader == NULL || is_forked(loader)) {
        /* In a forked child the threads, the ring and the pinned pages are
         * the parent's: touching any of them would harm it. */
        return;
    }
    fgi_loader_fini(loader);
    fgi_log_fini(&loader->pipeline.log);
    fgi_free(loader);
}

void fg_loader_cancel(struct fg_loader *loader)
{
    atomic_store(&loader->pipeline.is_cancelled, 1);
    fgi_gate_notify(&loader->pipeline.ready);
}

static enum fg_status stick(struct fg_loader *loader, struct fg_error *err)
{
    return fgi_error_copy(err, &loader->error);
}

/* The batch is where the consumer can have it. */
static bool is_ready(const struct fg_loader *loader,
                     const struct fgi_ticket *ticket)
{
    return fgi_ticket_state(ticket) ==
               (loader->is_host ? FGI_TICKET_ASSEMBLED : FGI_TICKET_ISSUED) &&
           ticket->sequence == loader->next_sequence;
}

/* Look for what ends the waiting without a batch; sets the sticky error. */
static bool has_ended(struct fg_loader *loader, const struct fgi_ticket *ticket)
{
    const struct fg_error *from = NULL;

    if (atomic_load(&loader->pipeline.is_cancelled)) {
        fgi_fail(&loader->error, FG_ERR_CANCELLED, "loader: cancelled");
        return true;
    }
    if (fgi_ticket_state(ticket) == FGI_TICKET_FAILED &&
        ticket->sequence == loader->next_sequence) {
        from = &ticket->error;
    } else if (atomic_load(&loader->copier.has_error) == 2) {
        from = &loader->copier.error;
    }
    if (from != NULL) {
        loader->error = *from;
    }
    return from != NULL;
}

static void count_wait(struct fg_loader *loader,
                       const struct fgi_ticket *ticket, uint64_t start_ns,
                       uint64_t underfed_start_ns)
{
    struct fg_span none = {.start_ns = fgi_now_ns()};
    struct fg_batch_times times = ticket->times;
    struct fg_labels labels = {{0}};
    uint64_t underfed =
        fgi_max(times.underfed_ns, underfed_start_ns) - underfed_start_ns;

    none.end_ns = none.start_ns;
    if (!loader->is_host) {
        times.copied_ns = none.end_ns; /* what it waited for was the copy */
    }
    fg_labels_add_step(&labels, start_ns, &none, &times, underfed);
    atomic_fetch_add(&loader->wait_ns, none.end_ns - start_ns);
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        atomic_fetch_add(&loader->wait_labels[i], labels.ns[i]);
    }
}

/* Block until the next batch is there. */
static enum fg_status await_batch(struct fg_loader *loader,
                                  struct fgi_ticket *ticket)
{
    uint64_t start_ns = 0;
    uint64_t underfed_ns = 0;

    for (;;) {
        uint32_t seen = fgi_gate_read(&loader->pipeline.ready);

        if (has_ended(loader, ticket)) {
            return loader->error.status;
        }
        if (is_ready(loader, ticket)) {
            break;
        }
        if (start_ns == 0) {
            start_ns = fgi_now_ns();
            underfed_ns = fgi_pipeline_underfed_ns(&loader->pipeline, start_ns);
        }
        fgi_gate_wait(&loader->pipeline.ready, seen, FGI_NEVER);
    }
    if (start_ns != 0) {
        count_wait(loader, ticket, start_ns, underfed_ns);
    }
    return FG_OK;
}

static void describe(const struct fg_loader *loader, struct fgi_ticket *ticket,
                     struct fg_batch *batch)
{
    const struct fgi_layout *layout = &loader->pipeline.layout;
    uint8_t *base = ticket->host;

    memset(batch, 0, sizeof(*batch));
    batch->slot_index =
        (uint32_t)(ticket->sequence % loader->pipeline.slot_count);
    if (!loader->is_host) {
        batch->slot_index = ticket->sequence % FGI_DEVICE_SLOTS;
        base = loader->copier.memory + batch->slot_index * layout->slot_bytes;
    }
    fgi_layout_describe(layout, base, ticket->fields);
    batch->epoch = ticket->place.epoch;
    batch->step = ticket->place.step;
    batch->sequence = ticket->sequence;
    batch->count = ticket->count;
    batch->capacity = layout->batch_size;
    batch->field_count = layout->field_count;
    batch->fields = ticket->fields;
    batch->sample_indices = ticket->sample_indices;
    batch->sample_lengths = ticket->sample_lengths;
    batch->data = base;
    batch->host_data = loader->is_host ? base : NULL;
    batch->bytes = layout->slot_bytes;
    batch->payload_bytes = atomic_load(&ticket->payload_bytes);
    batch->times = ticket->times;
}

/* Is the batch whose slot the next one takes still on loan? To wait for it
 * would be to wait for the caller. */
static bool is_slot_held(const struct fg_loader *loader, uint32_t slot_count)
{
    return loader->next_sequence >= slot_count &&
           fgi_ticket_state(fgi_pipeline_ticket(
               &loader->pipeline, loader->next_sequence - slot_count)) ==
               FGI_TICKET_HELD;
}

static enum fg_status check_call(struct fg_loader *loader, struct fg_error *err)
{
    uint32_t slot_count =
        loader->is_host ? loader->pipeline.slot_count : FGI_DEVICE_SLOTS;

    if (is_forked(loader)) {
        return fgi_fail(err, FG_ERR_STATE,
                        "loader: acquire: called in a forked child; open a "
                        "loader there instead");
    }
    if (loader->error.status != FG_OK) {
        return stick(loader, err);
    }
    if (is_slot_held(loader, slot_count)) {
        return fgi_fail(
            err, FG_ERR_STATE,
            "loader: acquire: got batch %llu still on loan, whose "
            "slot batch %llu takes: release it first (there are "
            "%u slots)",
            (unsigned long long)(loader->next_sequence - slot_count),
            (unsigned long long)loader->next_sequence, slot_count);
    }
    return FG_OK;
}

enum fg_status fg_loader_acquire(struct fg_loader *loader, fg_stream stream,
                                 struct fg_batch *batch, struct fg_error *err)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fgi_ticket *ticket =
        fgi_pipeline_ticket(pipeline, loader->next_sequence);
    enum fg_status status = check_call(loader, err);

    if (status != FG_OK) {
        return status;
    }
    if (loader->next_sequence >= pipeline->schedule.batch_count) {
        return FG_END;
    }
    if (await_batch(loader, ticket) != FG_OK) {
        return stick(loader, err);
    }
    if (!loader->is_host) {
        status =
            fgi_copier_acquire(&loader->copier, ticket, stream, &loader->error);
        if (status != FG_OK) {
            return stick(loader, err);
        }
    }
    fgi_ticket_move(ticket, FGI_TICKET_HELD);
    loader->next_sequence++;
    describe(loader, ticket, batch);
    if (atomic_load(&loader->first_batch_ns) == 0) {
        atomic_store(&loader->first_batch_ns, fgi_now_ns() - loader->open_ns);
    }
    atomic_fetch_add(&loader->batches, 1);
    atomic_fetch_add(&loader->samples, batch->count);
    atomic_fetch_add(&loader->payload_bytes, batch->payload_bytes);
    return FG_OK;
}

void fg_loader_release(struct fg_loader *loader, struct fg_batch *batch,
                       fg_stream stream)
{
    struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fgi_ticket *ticket;

    if (batch == NULL || batch->fields == NULL || is_forked(loader)) {
        return;
    }
    ticket = fgi_pipeline_ticket(pipeline, batch->sequence);
    assert(ticket->sequence == batch->sequence);
    batch->fields = NULL; /* a second release of it does nothing */
    if (loader->is_host) {
        fgi_ticket_move(ticket, FGI_TICKET_FREE);
        atomic_store(
            &pipeline->host_turns[batch->sequence % pipeline->slot_count],
            batch->sequence + pipeline->slot_count);
    } else {
        fgi_copier_release(&loader->copier, ticket, stream);
        fgi_ticket_move(ticket, FGI_TICKET_FREE);
    }
    fgi_pipeline_kick(pipeline, FGI_WANT_TURN);
}

static const char *direct_text(const struct fgi_files *files)
{
    if (files->direct_count == 0) {
        return "off";
    }
    return files->buffered_count == 0 ? "on" : "mixed";
}

void fg_loader_get_stats(const struct fg_loader *loader,
                         struct fg_loader_stats *stats)
{
    const struct fgi_pipeline *pipeline = &loader->pipeline;
    struct fgi_engine_report report;

    memset(stats, 0, sizeof(*stats));
    pipeline->engine->ops->report(pipeline->engine, &report);
    stats->batches = atomic_load(&loader->batches);
    stats->samples = atomic_load(&loader->samples);
    stats->payload_bytes = atomic_load(&loader->payload_bytes);
    stats->read_bytes = atomic_load(&pipeline->read_bytes_total);
    stats->reads = atomic_load(&pipeline->read_count);
    stats->read_retries = report.retries;
    stats->bad_samples = atomic_load(&pipeline->bad_samples);
    stats->wait_ns = atomic_load(&loader->wait_ns);
    stats->first_batch_ns = atomic_load(&loader->first_batch_ns);
    stats->underfed_ns = fgi_pipeline_underfed_ns(pipeline, fgi_now_ns());
    stats->inflight_bytes = atomic_load(&pipeline->inflight_budget);
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        stats->wait_labels.ns[i] = atomic_load(&loader->wait_labels[i]);
    }
    stats->placement = loader->placement.report;
    stats->engine = report.name;
    stats->direct = direct_text(&pipeline->files);
    stats->device = pipeline->device->ops->kind;
    /* The reader's note also says why an engine was not taken. */
    snprintf(stats->engine_note, sizeof(stats->engine_note), "%s",
             loader->reader.engine_note);
    stats->slots = pipeline->slot_count;
    stats->threads = pipeline->work.thread_count;
}

void fg_loader_get_state(const struct fg_loader *loader,
                         struct fg_loader_state *state)
{
    const struct fgi_order *order = &loader->pipeline.order;

    memset(state, 0, sizeof(*state));
    state->version = 1;
    state->identity = loader->pipeline.dataset->info.identity;
    state->seed = order->seed;
    state->shuffle = (uint32_t)order->shuffle;
    state->block_samples = order->block_samples;
    state->window_samples = order->block_samples * order->window_blocks;
    fgi_schedule_after(&loader->pipeline.schedule, loader->next_sequence,
                       &state->epoch, &state->position);
}

uint64_t fg_loader_get_copied_ns(const struct fg_loader *loader,
                                 uint64_t sequence)
{
    return fgi_copier_copied_ns(&loader->copier, sequence);
}

struct fg_device *fg_loader_device(struct fg_loader *loader)
{
    return loader->pipeline.device;
}

struct fg_dataset *fg_loader_dataset(struct fg_loader *loader)
{
    return loader->pipeline.dataset;
}

uint64_t fg_loader_steps_per_epoch(const struct fg_loader *loader)
{
    return loader->pipeline.schedule.epoch_steps;
}
