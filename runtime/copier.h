/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copier: hands assembled batches to the device. Its own copy stream, and
 * two events per device slot:
 *
 *     ready  recorded on the copy stream behind the copies; acquire makes the
 *            consumer's stream wait for it
 *     freed  recorded on the consumer's stream by release; the copy stream
 *            waits for it before the slot is written again
 *
 * and one per host slot, `copied`, whose passing gives the host slot back.
 * The host never waits for the device but in the copier's own thread, for the
 * oldest copy, when there is nothing else to do.
 */
#ifndef FGI_RUNTIME_COPIER_H
#define FGI_RUNTIME_COPIER_H

#include "runtime/pipeline.h"

#define FGI_DEVICE_SLOTS 3u
#define FGI_COPIED_RING 1024u

/* When a batch's copy was complete. */
struct fgi_copied {
    _Atomic uint64_t sequence; /* of the batch, + 1; 0: none */
    _Atomic uint64_t copied_ns;
};

struct fgi_copier {
    struct fgi_pipeline *pipeline;
    struct fgi_thread thread;
    fg_stream stream;                  /* owned */
    uint8_t *memory;                   /* owned: the device slots */
    fgi_event ready[FGI_DEVICE_SLOTS]; /* owned */
    fgi_event freed[FGI_DEVICE_SLOTS]; /* owned */
    fgi_event *copied;                 /* owned, one per host slot */
    fgi_turn turns[FGI_DEVICE_SLOTS];  /* of the device slots */
    uint64_t pinned_bytes;             /* of the slots' block */
    uint64_t next_issue;               /* next batch to copy */
    uint64_t next_recycle;             /* oldest copy not known done */
    struct fgi_copied history[FGI_COPIED_RING];
    _Atomic uint32_t has_error; /* 2: `error` may be read */
    struct fg_error error;
    int node; /* whose CPUs the thread runs on, or -1; set before start */
};

/* Pin the slots, take device memory, start the thread on the CPUs of
 * copier->node. Not for host devices. On failure fini is still to be called. */
enum fg_status fgi_copier_start(struct fgi_copier *copier,
                                struct fgi_pipeline *pipeline,
                                struct fg_error *err);

/* End the thread (is_stopping is set), wait for copies, release. Safe on a
 * zeroed or half-started copier. */
void fgi_copier_fini(struct fgi_copier *copier);

/* The consumer's side: make `stream` wait for the ticket's copy. */
enum fg_status fgi_copier_acquire(struct fgi_copier *copier,
                                  const struct fgi_ticket *ticket,
                                  fg_stream stream, struct fg_error *err);

/* The consumer's side: the work on `stream` so far is the last to use it. */
void fgi_copier_release(struct fgi_copier *copier,
                        const struct fgi_ticket *ticket, fg_stream stream);

/* 0 when it is not known (any more). Threads: any. */
uint64_t fgi_copier_copied_ns(const struct fgi_copier *copier,
                              uint64_t sequence);

#endif /* FGI_RUNTIME_COPIER_H */
