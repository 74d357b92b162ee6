/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline: what the loader's threads share.
 *
 *     reader ──▶ workers ──▶ copier ──▶ consumer
 *       ▲  reads    decode,     HtoD       │ acquire, release
 *       │           assemble               │
 *       └───────── host slots ◀── turns ───┘
 *
 * A batch travels as a ticket. Its state has one owner at a time:
 *
 *     FREE ─▶ FILLING ─▶ ASSEMBLED ─▶ ISSUED ─▶ HELD ─▶ FREE
 *     reader  reader,    copier       consumer  consumer
 *             workers  (host device: consumer)
 *                └─▶ FAILED (for ever: an error is final)
 *
 * Memory is taken by turns: batch g uses host slot g % slot_count, and may
 * when that slot's turn says g. On the host device the consumer's release
 * passes the turn on; else the copier does, when the copy is complete, and the
 * consumer's release passes the device slot's turn.
 *
 * Nothing here locks across I/O; waiting is done on gates (thread.h).
 */
#ifndef FGI_RUNTIME_PIPELINE_H
#define FGI_RUNTIME_PIPELINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/loader.h>

#include "gpu/device.h"
#include "io/engine.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/thread.h"
#include "runtime/layout.h"
#include "runtime/plan.h"
#include "runtime/work.h"

enum fgi_ticket_state {
    FGI_TICKET_FREE,
    FGI_TICKET_FILLING,
    FGI_TICKET_ASSEMBLED,
    FGI_TICKET_ISSUED,
    FGI_TICKET_HELD,
    FGI_TICKET_FAILED,
};

/* A batch on its way. */
struct fgi_ticket {
    _Atomic uint32_t state; /* enum fgi_ticket_state */
    uint32_t payload_parts; /* gather tasks it was cut into */
    uint64_t sequence;      /* which batch */
    struct fgi_batch_place place;
    uint64_t first_window;       /* in the plan; unused in place */
    uint8_t *host;               /* its host slot */
    uint32_t count;              /* samples delivered: place.count, or fewer */
    _Atomic uint32_t parts_left; /* gather tasks, or reads in place */
    _Atomic uint32_t bad_count;  /* samples marked in `bad` */
    _Atomic uint64_t payload_bytes;
    uint64_t *sample_indices; /* [batch_size], global */
    uint32_t *sample_lengths; /* [batch_size], stored bytes */
    uint8_t *bad;             /* [batch_size], 1: bad */
    struct fg_batch_times times;
    _Atomic uint32_t has_error; /* the first to set it writes `error` */
    struct fg_error error;      /* when FAILED */
    struct fg_batch_field fields[FG_FIELDS_MAX]; /* as the consumer sees it */
};

/* Whose turn a slot's memory is: the batch that may use it next. */
typedef _Atomic uint64_t fgi_turn;

/* What the reader waits for besides reads; bits of fgi_pipeline.wants. */
#define FGI_WANT_TURN 1u      /* a ticket or host slot to become free */
#define FGI_WANT_ASSEMBLED 2u /* a batch to be assembled: staging is full */
#define FGI_WANT_LOAD 4u      /* a load to be decoded */

struct fgi_pipeline {
    /* Set before the threads start, constant after. */
    struct fg_dataset *dataset; /* borrowed */
    struct fg_device *device;   /* borrowed */
    struct fgi_schedule schedule;
    struct fgi_order order;
    struct fgi_layout layout;
    bool is_in_place; /* reads go straight into slots */
    enum fg_bad_sample on_bad_sample;
    fg_decode_fn decode; /* or NULL */
    void *decode_context;
    uint32_t slot_count;        /* host slots */
    uint64_t ticket_mask;       /* ticket count - 1 */
    uint64_t read_bytes;        /* most per read */
    struct fgi_block slots;     /* host slots' memory */
    struct fgi_ticket *tickets; /* owned, ticket_mask + 1 */
    fgi_turn *host_turns;       /* owned, slot_count */
    struct fgi_engine *engine;  /* the reader's; wake by any */

    /* Shared while running. */
    struct fgi_plan plan;   /* the reader's; workers look */
    struct fgi_files files; /* the reader's */
    struct fgi_work work;
    struct fgi_gate ready;        /* a ticket moved on, or the end */
    _Atomic uint32_t wants;       /* FGI_WANT_ bits */
    _Atomic uint32_t is_stopping; /* close was called */
    _Atomic uint32_t is_cancelled;
    _Atomic uint64_t bad_samples;
    _Atomic uint64_t read_count;
    _Atomic uint64_t read_bytes_total;
    _Atomic uint64_t inflight_budget;
    _Atomic uint64_t underfed_total; /* ns, ended spells */
    _Atomic uint64_t underfed_since; /* ns, 0: not underfed now */
    struct fgi_log log;
};

/* The ticket that carries batch `sequence`. */
static inline struct fgi_ticket *
fgi_pipeline_ticket(const struct fgi_pipeline *pipeline, uint64_t sequence)
{
    return &pipeline->tickets[sequence & pipeline->ticket_mask];
}

/* State of a ticket, with everything its last owner wrote. */
static inline enum fgi_ticket_state
fgi_ticket_state(const struct fgi_ticket *ticket)
{
    return (enum fgi_ticket_state)atomic_load_explicit(&ticket->state,
                                                       memory_order_acquire);
}

/* The one way to change a ticket's state; asserts that the move is allowed. */
void fgi_ticket_move(struct fgi_ticket *ticket, enum fgi_ticket_state to);

/* Take a free ticket for batch `sequence`; its slot's turn must have come. */
struct fgi_ticket *fgi_ticket_begin(struct fgi_pipeline *pipeline,
                                    uint64_t sequence,
                                    const struct fgi_batch_place *place);

/* May batch `sequence` begin: are its ticket and its host slot free? */
bool fgi_ticket_is_free(const struct fgi_pipeline *pipeline, uint64_t sequence);

/* Note an error on a ticket; the first one stays. Threads: any. */
void fgi_ticket_fail(struct fgi_ticket *ticket, const struct fg_error *err);

/* All parts are done: ASSEMBLED or FAILED, and tell who waits. */
void fgi_ticket_finish(struct fgi_pipeline *pipeline,
                       struct fgi_ticket *ticket);

/* Wake the reader if it waits for one of those bits. Threads: any. */
void fgi_pipeline_kick(struct fgi_pipeline *pipeline, uint32_t wants);

/* Running total of underfed time, now. Threads: any. */
uint64_t fgi_pipeline_underfed_ns(const struct fgi_pipeline *pipeline,
                                  uint64_t now_ns);

/* Cut a batch whose loads are ready into tasks and queue them. */
void fgi_gather_start(struct fgi_pipeline *pipeline, struct fgi_ticket *ticket);

/* Queue check and decode of a load. */
void fgi_decode_start(struct fgi_pipeline *pipeline, struct fgi_load *load);

#endif /* FGI_RUNTIME_PIPELINE_H */
