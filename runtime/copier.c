/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/copier.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"

/* Larger copies would hold up the program's own small ones; smaller ones pay
 * the launch more often. */
#define COPY_BYTES_MAX FGI_MIB(8)

/* One driver call on more than this holds a lock of the whole machine long. */
#define PIN_BYTES_MAX FGI_MIB(512)

static const struct fgi_device_ops *device_ops(const struct fgi_copier *copier)
{
    return copier->pipeline->device->ops;
}

static void set_error(struct fgi_copier *copier, const struct fg_error *err)
{
    uint32_t none = 0;

    if (atomic_compare_exchange_strong(&copier->has_error, &none, 1)) {
        copier->error = *err;
        atomic_store(&copier->has_error, 2);
    }
    fgi_gate_notify(&copier->pipeline->ready);
}

static bool can_issue(const struct fgi_copier *copier)
{
    const struct fgi_ticket *ticket =
        fgi_pipeline_ticket(copier->pipeline, copier->next_issue);
    uint32_t slot = copier->next_issue % FGI_DEVICE_SLOTS;

    return fgi_ticket_state(ticket) == FGI_TICKET_ASSEMBLED &&
           ticket->sequence == copier->next_issue &&
           atomic_load(&copier->turns[slot]) == copier->next_issue;
}

static void remember(struct fgi_copier *copier, uint64_t sequence,
                     uint64_t copied_ns)
{
    struct fgi_copied *entry = &copier->history[sequence % FGI_COPIED_RING];

    atomic_store(&entry->sequence, 0);
    atomic_store(&entry->copied_ns, copied_ns);
    atomic_store(&entry->sequence, sequence + 1);
}

/* Queue the copies of one slot, and the events behind them. */
static enum fg_status copy_slot(struct fgi_copier *copier,
                                const struct fgi_ticket *ticket,
                                struct fg_error *err)
{
    struct fg_device *device = copier->pipeline->device;
    const struct fgi_device_ops *ops = device_ops(copier);
    uint64_t bytes = copier->pipeline->layout.slot_bytes;
    uint32_t slot = ticket->sequence % FGI_DEVICE_SLOTS;
    uint8_t *to = copier->memory + slot * bytes;
    enum fg_status status = FG_OK;

    if (ticket->sequence >= FGI_DEVICE_SLOTS) {
        status =
            ops->stream_wait(device, copier->stream, copier->freed[slot], err);
    }
    for (uint64_t at = 0; at < bytes && status == FG_OK; at += COPY_BYTES_MAX) {
        status = ops->copy(device, copier->stream, to + at, ticket->host + at,
                           fgi_min(COPY_BYTES_MAX, bytes - at), err);
    }
    if (status == FG_OK) {
        status =
            ops->event_record(device, copier->ready[slot], copier->stream, err);
    }
    if (status == FG_OK) {
        status = ops->event_record(
            device,
            copier->copied[ticket->sequence % copier->pipeline->slot_count],
            copier->stream, err);
    }
    return status;
}

static void issue(struct fgi_copier *copier)
{
    struct fgi_pipeline *pipeline = copier->pipeline;
    struct fgi_ticket *ticket =
        fgi_pipeline_ticket(pipeline, copier->next_issue);
    uint32_t slot = copier->next_issue % FGI_DEVICE_SLOTS;
    struct fg_error err;
    uint64_t known_ns;

    if (copy_slot(copier, ticket, &err) != FG_OK) {
        set_error(copier, &err);
        return;
    }
    known_ns = device_ops(copier)->event_passed_ns(pipeline->device,
                                                   copier->ready[slot]);
    ticket->times.copied_ns = known_ns;
    if (known_ns != 0) {
        remember(copier, copier->next_issue, known_ns);
    }
    copier->next_issue++;
    fgi_ticket_move(ticket, FGI_TICKET_ISSUED);
    fgi_gate_notify(&pipeline->ready);
}

/* Give back host slots whose copies are complete. */
static bool recycle(struct fgi_copier *copier)
{
    struct fgi_pipeline *pipeline = copier->pipeline;
    uint64_t before = copier->next_recycle;

    while (copier->next_recycle < copier->next_issue) {
        uint64_t sequence = copier->next_recycle;
        uint32_t slot = (uint32_t)(sequence % pipeline->slot_count);
        struct fg_error err;
        bool passed;

        if (device_ops(copier)->event_query(pipeline->device,
                                            copier->copied[slot], &passed,
                                            &err) != FG_OK) {
            set_error(copier, &err);
            break;
        }
        if (!passed) {
            break;
        }
        if (fgi_copier_copied_ns(copier, sequence) == 0) {
            remember(copier, sequence, fgi_now_ns());
        }
        atomic_store(&pipeline->host_turns[slot],
                     sequence + pipeline->slot_count);
        copier->next_recycle++;
    }
    if (copier->next_recycle == before) {
        return false;
    }
    fgi_pipeline_kick(pipeline, FGI_WANT_TURN);
    return true;
}

/* Nothing to issue: sleep until the oldest copy is done, or a batch comes. */
static void wait_for_work(struct fgi_copier *copier, uint32_t seen)
{
    struct fgi_pipeline *pipeline = copier->pipeline;
    struct fg_error err;

    if (copier->next_recycle == copier->next_issue) {
        fgi_gate_wait(&pipeline->ready, seen, FGI_NEVER);
        return;
    }
    if (device_ops(copier)->event_synchronize(
            pipeline->device,
            copier->copied[copier->next_recycle % pipeline->slot_count],
            &err) != FG_OK) {
        set_error(copier, &err);
    }
}

static void copier_main(void *context)
{
    struct fgi_copier *copier = context;
    struct fgi_pipeline *pipeline = copier->pipeline;
    struct fg_error err;

    if (device_ops(copier)->bind_thread(pipeline->device, &err) != FG_OK) {
        set_error(copier, &err);
        return;
    }
    while (!atomic_load(&pipeline->is_stopping) &&
           !atomic_load(&copier->has_error)) {
        uint32_t seen = fgi_gate_read(&pipeline->ready);
        bool has_moved = recycle(copier);

        if (can_issue(copier)) {
            issue(copier);
            has_moved = true;
        }
        if (!has_moved) {
            wait_for_work(copier, seen);
        }
    }
}

/* Pin the slots in chunks of whole slots: a copy must not span two. */
static enum fg_status pin_slots(struct fgi_copier *copier, struct fg_error *err)
{
    struct fgi_pipeline *pipeline = copier->pipeline;
    uint64_t slot_bytes = pipeline->layout.slot_bytes;
    uint64_t total = slot_bytes * pipeline->slot_count;
    uint64_t chunk = fgi_max(PIN_BYTES_MAX / slot_bytes, 1) * slot_bytes;

    while (copier->pinned_bytes < total) {
        uint64_t bytes = fgi_min(chunk, total - copier->pinned_bytes);
        enum fg_status status = device_ops(copier)->pin(
            pipeline->device, pipeline->slots.base + copier->pinned_bytes,
            bytes, err);

        if (status != FG_OK) {
            return status;
        }
        copier->pinned_bytes += bytes;
    }
    return FG_OK;
}

static void unpin_slots(struct fgi_copier *copier)
{
    struct fgi_pipeline *pipeline = copier->pipeline;
    uint64_t slot_bytes = pipeline->layout.slot_bytes;
    uint64_t chunk = fgi_max(PIN_BYTES_MAX / slot_bytes, 1) * slot_bytes;

    while (copier->pinned_bytes > 0) {
        uint64_t bytes = copier->pinned_bytes % chunk;

        bytes = bytes == 0 ? chunk : bytes;
        copier->pinned_bytes -= bytes;
        device_ops(copier)->unpin(pipeline->device,
                                  pipeline->slots.base + copier->pinned_bytes,
                                  bytes);
    }
}

static enum fg_status make_events(struct fgi_copier *copier,
                                  struct fg_error *err)
{
    struct fgi_pipeline *pipeline = copier->pipeline;
    const struct fgi_device_ops *ops = device_ops(copier);
    enum fg_status status = FG_OK;

    copier->copied = fgi_alloc(pipeline->slot_count, sizeof(fgi_event));
    if (copier->copied == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "copier: %u events",
                        pipeline->slot_count);
    }
    for (uint32_t i = 0; i < FGI_DEVICE_SLOTS && status == FG_OK; i++) {
        atomic_store(&copier->turns[i], i);
        status =
            ops->event_create(pipeline->device, false, &copier->ready[i], err);
        if (status == FG_OK) {
            status = ops->event_create(pipeline->device, false,
                                       &copier->freed[i], err);
        }
    }
    for (uint32_t i = 0; i < pipeline->slot_count && status == FG_OK; i++) {
        status =
            ops->event_create(pipeline->device, true, &copier->copied[i], err);
    }
    return status;
}

enum fg_status fgi_copier_start(struct fgi_copier *copier,
                                struct fgi_pipeline *pipeline,
                                struct fg_error *err)
{
    const struct fgi_device_ops *ops = pipeline->device->ops;
    void *memory = NULL;
    enum fg_status status;

    copier->pipeline = pipeline;
    status = ops->bind_thread(pipeline->device, err);
    if (status == FG_OK) {
        status = pin_slots(copier, err);
    }
    if (status == FG_OK) {
        status = ops->alloc(pipeline->device,
                            FGI_DEVICE_SLOTS * pipeline->layout.slot_bytes,
                            &memory, err);
        copier->memory = memory;
    }
    if (status == FG_OK) {
        status =
            ops->stream_create(pipeline->device, true, &copier->stream, err);
    }
    if (status == FG_OK) {
        status = make_events(copier, err);
    }
    if (status == FG_OK) {
        status = fgi_thread_start(&copier->thread, "fg-copy", copier->node,
                                  copier_main, copier, err);
    }
    return status;
}

static void destroy_event(struct fgi_copier *copier, fgi_event event)
{
    if (event != NULL) {
        device_ops(copier)->event_destroy(copier->pipeline->device, event);
    }
}

void fgi_copier_fini(struct fgi_copier *copier)
{
    struct fg_device *device;

    if (copier->pipeline == NULL) {
        return;
    }
    device = copier->pipeline->device;
    fgi_gate_notify(&copier->pipeline->ready);
    fgi_thread_join(&copier->thread);
    if (copier->stream != NULL) {
        (void)device_ops(copier)->stream_synchronize(device, copier->stream,
                                                     NULL);
    }
    for (uint32_t i = 0; i < FGI_DEVICE_SLOTS; i++) {
        destroy_event(copier, copier->ready[i]);
        destroy_event(copier, copier->freed[i]);
    }
    for (uint32_t i = 0;
         copier->copied != NULL && i < copier->pipeline->slot_count; i++) {
        destroy_event(copier, copier->copied[i]);
    }
    fgi_free(copier->copied);
    if (copier->stream != NULL) {
        device_ops(copier)->stream_destroy(device, copier->stream);
    }
    if (copier->memory != NULL) {
        device_ops(copier)->free(device, copier->memory,
                                 FGI_DEVICE_SLOTS *
                                     copier->pipeline->layout.slot_bytes);
    }
    unpin_slots(copier);
    memset(copier, 0, sizeof(*copier));
}

enum fg_status fgi_copier_acquire(struct fgi_copier *copier,
                                  const struct fgi_ticket *ticket,
                                  fg_stream stream, struct fg_error *err)
{
    return device_ops(copier)->stream_wait(
        copier->pipeline->device, stream,
        copier->ready[ticket->sequence % FGI_DEVICE_SLOTS], err);
}

void fgi_copier_release(struct fgi_copier *copier,
                        const struct fgi_ticket *ticket, fg_stream stream)
{
    uint32_t slot = ticket->sequence % FGI_DEVICE_SLOTS;
    struct fg_error err;

    if (device_ops(copier)->event_record(copier->pipeline->device,
                                         copier->freed[slot], stream,
                                         &err) != FG_OK) {
        set_error(copier, &err);
    }
    atomic_store(&copier->turns[slot], ticket->sequence + FGI_DEVICE_SLOTS);
    fgi_gate_notify(&copier->pipeline->ready);
}

uint64_t fgi_copier_copied_ns(const struct fgi_copier *copier,
                              uint64_t sequence)
{
    const struct fgi_copied *entry =
        &copier->history[sequence % FGI_COPIED_RING];
    uint64_t copied_ns;

    if (atomic_load(&entry->sequence) != sequence + 1) {
        return 0;
    }
    copied_ns = atomic_load(&entry->copied_ns);
    return atomic_load(&entry->sequence) == sequence + 1 ? copied_ns : 0;
}
