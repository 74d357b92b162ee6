/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets: see the picture in pipeline.h. */
#include <assert.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/pipeline.h"

#define BIT(state) (1u << (state))

/* From each state, the states that may follow; only asserts look at it. */
__attribute__((unused)) static const uint32_t allowed[] = {
    [FGI_TICKET_FREE] = BIT(FGI_TICKET_FILLING),
    [FGI_TICKET_FILLING] = BIT(FGI_TICKET_ASSEMBLED) | BIT(FGI_TICKET_FAILED),
    [FGI_TICKET_ASSEMBLED] = BIT(FGI_TICKET_ISSUED) | BIT(FGI_TICKET_HELD),
    [FGI_TICKET_ISSUED] = BIT(FGI_TICKET_HELD),
    [FGI_TICKET_HELD] = BIT(FGI_TICKET_FREE),
    [FGI_TICKET_FAILED] = 0,
};

void fgi_ticket_move(struct fgi_ticket *ticket, enum fgi_ticket_state to)
{
    assert(allowed[fgi_ticket_state(ticket)] & BIT(to));
    atomic_store_explicit(&ticket->state, (uint32_t)to, memory_order_release);
}

bool fgi_ticket_is_free(const struct fgi_pipeline *pipeline, uint64_t sequence)
{
    const struct fgi_ticket *ticket = fgi_pipeline_ticket(pipeline, sequence);

    return fgi_ticket_state(ticket) == FGI_TICKET_FREE &&
           atomic_load(
               &pipeline->host_turns[sequence % pipeline->slot_count]) ==
               sequence;
}

struct fgi_ticket *fgi_ticket_begin(struct fgi_pipeline *pipeline,
                                    uint64_t sequence,
                                    const struct fgi_batch_place *place)
{
    struct fgi_ticket *ticket = fgi_pipeline_ticket(pipeline, sequence);

    fgi_ticket_move(ticket, FGI_TICKET_FILLING);
    ticket->sequence = sequence;
    ticket->place = *place;
    ticket->count = place->count;
    ticket->host = pipeline->slots.base + sequence % pipeline->slot_count *
                                              pipeline->layout.slot_bytes;
    memset(&ticket->times, 0, sizeof(ticket->times));
    atomic_store_explicit(&ticket->parts_left, 0, memory_order_relaxed);
    atomic_store_explicit(&ticket->bad_count, 0, memory_order_relaxed);
    atomic_store_explicit(&ticket->payload_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&ticket->has_error, 0, memory_order_relaxed);
    return ticket;
}

void fgi_ticket_fail(struct fgi_ticket *ticket, const struct fg_error *err)
{
    uint32_t none = 0;

    /* 1 while it is being written, 2 when it may be read. */
    if (atomic_compare_exchange_strong(&ticket->has_error, &none, 1)) {
        ticket->error = *err;
        atomic_store(&ticket->has_error, 2);
    }
}

static void move_sample(const struct fgi_pipeline *pipeline,
                        struct fgi_ticket *ticket, uint32_t from, uint32_t to)
{
    const struct fgi_layout *layout = &pipeline->layout;

    for (uint32_t k = 0; k < layout->field_count; k++) {
        uint64_t stride = layout->fields[k].max_bytes;
        uint8_t *field = ticket->host + layout->offsets[k];

        memcpy(field + to * stride, field + from * stride, stride);
        if (layout->length_offsets[k] != FGI_NO_LENGTHS) {
            uint8_t *lengths = ticket->host + layout->length_offsets[k];

            memcpy(lengths + to * sizeof(uint32_t),
                   lengths + from * sizeof(uint32_t), sizeof(uint32_t));
        }
    }
    ticket->sample_indices[to] = ticket->sample_indices[from];
    ticket->sample_lengths[to] = ticket->sample_lengths[from];
}

/* Close the gaps that bad samples left; the batch becomes smaller. */
static void skip_bad(const struct fgi_pipeline *pipeline,
                     struct fgi_ticket *ticket)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < ticket->place.count; i++) {
        if (ticket->bad[i]) {
            continue;
        }
        if (kept != i) {
            move_sample(pipeline, ticket, i, kept);
        }
        kept++;
    }
    ticket->count = kept;
    fgi_layout_clear(&pipeline->layout, ticket->host, kept,
                     ticket->place.count);
}

/* The good sample nearest to i, or place.count when there is none. */
static uint32_t nearest_good(const struct fgi_ticket *ticket, uint32_t i)
{
    uint32_t count = ticket->place.count;

    for (uint32_t away = 1; away < count; away++) {
        if (away <= i && !ticket->bad[i - away]) {
            return i - away;
        }
        if (i + away < count && !ticket->bad[i + away]) {
            return i + away;
        }
    }
    return count;
}

static void substitute_bad(const struct fgi_pipeline *pipeline,
                           struct fgi_ticket *ticket)
{
    for (uint32_t i = 0; i < ticket->place.count; i++) {
        uint32_t good;

        if (!ticket->bad[i]) {
            continue;
        }
        good = nearest_good(ticket, i);
        if (good == ticket->place.count) {
            skip_bad(pipeline, ticket); /* not one is good */
            return;
        }
        move_sample(pipeline, ticket, good, i);
    }
}

/* Stored bytes of the samples that are delivered after all. */
static uint64_t count_payload(const struct fgi_ticket *ticket)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < ticket->count; i++) {
        bytes += ticket->sample_lengths[i];
    }
    return bytes;
}

void fgi_ticket_finish(struct fgi_pipeline *pipeline, struct fgi_ticket *ticket)
{
    bool has_failed = atomic_load(&ticket->has_error) != 0;
    uint32_t bad = atomic_load(&ticket->bad_count);

    if (!has_failed && bad > 0) {
        atomic_fetch_add(&pipeline->bad_samples, bad);
        if (pipeline->on_bad_sample == FG_BAD_SAMPLE_SKIP) {
            skip_bad(pipeline, ticket);
        } else {
            substitute_bad(pipeline, ticket);
        }
        atomic_store(&ticket->payload_bytes, count_payload(ticket));
    }
    ticket->times.assembled_ns = fgi_max(fgi_now_ns(), ticket->times.read_ns);
    ticket->times.copied_ns = ticket->times.assembled_ns;
    fgi_ticket_move(ticket,
                    has_failed ? FGI_TICKET_FAILED : FGI_TICKET_ASSEMBLED);
    fgi_gate_notify(&pipeline->ready);
    fgi_pipeline_kick(pipeline, FGI_WANT_ASSEMBLED);
}

void fgi_pipeline_kick(struct fgi_pipeline *pipeline, uint32_t wants)
{
    /* Whatever it finds there, whoever clears the bits must wake: between the
     * two looks the reader may have come to want something else. */
    if ((atomic_load(&pipeline->wants) & wants) != 0 &&
        atomic_exchange(&pipeline->wants, 0) != 0) {
        pipeline->engine->ops->wake(pipeline->engine);
    }
}

uint64_t fgi_pipeline_underfed_ns(const struct fgi_pipeline *pipeline,
                                  uint64_t now_ns)
{
    uint64_t since = atomic_load(&pipeline->underfed_since);
    uint64_t total = atomic_load(&pipeline->underfed_total);

    return since != 0 && now_ns > since ? total + (now_ns - since) : total;
}
