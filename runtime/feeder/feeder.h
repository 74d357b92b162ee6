/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feeder's inside: who runs, who owns what.
 *
 *     programs ──events──▶ fg-event ──wakes──▶ fg-feed ──reads──▶ engine
 *         ▲                                     │   ▲
 *         │                                jobs │   │ answers
 *         │                                     ▼   │
 *         └───────slots, entries────────────  fg-open x threads
 *
 * - "fg-feed" owns the engine, the arena, slots and files, and is the only one
 *   to write the board. All it knows is guarded by `mutex`, which it gives up
 *   only while it waits: others look in between (fg_feeder_get_stats).
 * - "fg-event" sleeps until a program has an event, shows that we live, and
 *   takes spans from the board.
 * - "fg-open" are the pool: whatever may block in the file system.
 * - "fg-warm" reads ahead into the page cache; "fg-touch" has memory ready.
 */
#ifndef FGI_FEEDER_FEEDER_H
#define FGI_FEEDER_FEEDER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feeder.h>

#include "io/engine.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"
#include "runtime/depth.h"
#include "runtime/feeder/arena.h"
#include "runtime/feeder/board.h"
#include "runtime/feeder/files.h"
#include "runtime/feeder/folders.h"
#include "runtime/feeder/look.h"
#include "runtime/feeder/memory.h"
#include "runtime/feeder/pace.h"
#include "runtime/feeder/pool.h"
#include "runtime/feeder/share.h"
#include "runtime/feeder/slots.h"
#include "runtime/feeder/spans.h"
#include "runtime/feeder/touch.h"
#include "runtime/feeder/walk.h"
#include "runtime/feeder/warm.h"

#define FGI_FEED_DEPTH 256u

/* One read in flight. */
struct fgi_feed_op {
    struct fgi_read read;
    struct fgi_feed_op *next;     /* free list */
    struct fgi_feed_block *block; /* READING or LEAVING */
    uint32_t file_index;          /* record */
};

/* What the feeder did; written by its threads, read by any. */
struct fgi_feed_counts {
    _Atomic uint64_t files;
    _Atomic uint64_t stdio_files;
    _Atomic uint64_t events;
    _Atomic uint64_t events_lost;
    _Atomic uint64_t ahead_bytes;
    _Atomic uint64_t warmed_bytes;
    _Atomic uint64_t unused_bytes;
    _Atomic uint64_t predictions;
    _Atomic uint64_t predictions_hit;
    _Atomic uint64_t changed_files;
    _Atomic uint64_t read_errors;
};

/* Reading events: where we are on the board. */
struct fgi_event_cursor {
    uint64_t head;     /* next position to take */
    uint64_t stuck_ns; /* since when the one at head is not there; 0: it is */
};

/* A small file whose last read is to be judged. */
struct fgi_doubt {
    uint64_t due_ns;
    uint32_t file_index;
    uint32_t file_id;
};

#define FGI_DOUBTS 1024u /* power of two; more are left out */

struct fg_feeder {
    struct fg_feeder_config config; /* strings are ours */
    char *io;                       /* owned */
    char **globs;                   /* owned, config.data_count of them */
    uint64_t memory_bytes;          /* the budget */
    struct fgi_log log;

    pthread_mutex_t mutex; /* guards all from here to `counts` */
    struct fgi_share share;
    struct fgi_arena arena;
    struct fgi_slots slots;
    struct fgi_records files;
    struct fgi_folders folders;
    struct fgi_walk walk;
    struct fgi_doubt *doubts; /* ring of FGI_DOUBTS, owned */
    uint32_t doubt_head;
    uint32_t doubt_tail;
    struct fgi_event_cursor cursor;
    struct fgi_depth depth;
    struct fgi_pace pace; /* of direct reads */
    uint64_t inflight_bytes;
    uint32_t inflight_count;
    bool was_limited;             /* more reads were wanted than budget */
    uint32_t active_first;        /* files to read ahead in, by active_next */
    uint32_t active_last;         /* FGI_NO_INDEX: none */
    uint32_t active_count;        /* in that list */
    struct fgi_feed_op *ops;      /* FGI_FEED_DEPTH, owned */
    struct fgi_feed_op *free_ops; /* by next */
    struct fgi_read **done;       /* FGI_FEED_DEPTH, owned */

    struct fgi_feed_counts counts;
    struct fgi_spans spans; /* has a mutex of its own, to be taken first */
    struct fgi_looker looker;
    struct fgi_pool pool;
    struct fgi_touch touch;
    struct fgi_warm warm;
    struct fgi_thread feed_thread;
    struct fgi_thread event_thread;
    struct fgi_engine *engine; /* fg-feed's; others only wake it */
    char engine_note[128];
    const char *engine_name;
    _Atomic uint64_t calm_ns;     /* how late events may be taken */
    struct fgi_gate gate;         /* of the flags below */
    _Atomic uint32_t is_started;  /* fg-feed tried to make its engine */
    _Atomic uint32_t is_stopping; /* close was called */
    _Atomic uint32_t is_idle;     /* fg-feed's loop has ended */
    _Atomic uint32_t may_end;     /* nobody wakes the engine any more */
    enum fg_status start_status;  /* of the engine */
    struct fg_error start_error;
};

/* ---- ahead.c: the thread that reads ------------------------------------- */

/* Start it; returns once it has its engine. */
enum fg_status fgi_ahead_start(struct fg_feeder *feeder, struct fg_error *err);

/* Let its loop end, entries hidden. The thread lives until fgi_ahead_join. */
void fgi_ahead_stop(struct fg_feeder *feeder);
void fgi_ahead_join(struct fg_feeder *feeder);

/* There may be something to do. Threads: any. */
void fgi_ahead_wake(void *feeder);

/* Put a file on the list of those to read ahead in. */
void fgi_ahead_activate(struct fg_feeder *feeder, struct fgi_record *record);

/* ---- listen.c: the thread that listens to programs ----------------------- */

void fgi_listen_main(void *feeder);

/* Let it end, and wait for that. */
void fgi_listen_stop(struct fg_feeder *feeder);

/* ---- blocks.c: blocks into the arena and out ---------------------------- */

enum fgi_take {
    FGI_TAKE_DONE,    /* a read is under way */
    FGI_TAKE_NO_ROOM, /* not now: everything in the way is wanted */
    FGI_TAKE_NEVER,   /* not this block */
};

/* Begin to read that block of a FED file whose descriptor is open. */
enum fgi_take fgi_block_fetch(struct fg_feeder *feeder,
                              struct fgi_record *record, uint32_t block);

/* A read has ended: publish its block, or take it back. */
void fgi_block_finish(struct fg_feeder *feeder, struct fgi_feed_op *op);

/* Blocks that a file has. */
uint64_t fgi_block_count(const struct fgi_record *record);

/* Whether that block is there, or under way. */
bool fgi_block_is_there(struct fg_feeder *feeder,
                        const struct fgi_record *record, uint64_t block);

/* Take a file away from programs and forget it as soon as no read is under
 * way. */
void fgi_file_retire(struct fg_feeder *feeder, struct fgi_record *record);

/* A read of it has ended, or it left the list: forget it if it is retired,
 * close it if all of it is there. */
void fgi_file_end(struct fg_feeder *feeder, struct fgi_record *record);

/* ---- plan.c: which block next -------------------------------------------- */

/* Submit what the budget allows. */
void fgi_plan_run(struct fg_feeder *feeder, uint64_t now_ns);

/* Whether all of a file can stay: what was missed once is worth reading only
 * for another epoch. */
bool fgi_plan_can_keep(const struct fg_feeder *feeder,
                       const struct fgi_record *record);

/* Whether a reader is still to come to that block. */
bool fgi_plan_wants(const struct fgi_record *record,
                    const struct fgi_feed_block *block, uint64_t now_ns);

/* ---- events.c ------------------------------------------------------------ */

/* Take all events that are there. False: one is late, ask again soon. */
bool fgi_events_run(struct fg_feeder *feeder, uint64_t now_ns);

/* ---- spans.c ------------------------------------------------------------- */

/* Take the next spans; a final run passes over those that are still being
 * written. True: there may be more. */
bool fgi_spans_run(struct fg_feeder *feeder, bool is_final);

/* ---- watch.c: what programs tell ------------------------------------------
 */

/* How soon a file that could not be fed is looked at again, if it is used. */
#define FGI_RETRY_NS FGI_NS_PER_S

/* A program's event, checked. */
void fgi_watch_event(struct fg_feeder *feeder, const struct fgi_event *event,
                     uint64_t now_ns);

/* A record for a file; one that was not used lately may go for it. NULL: no
 * place. */
struct fgi_record *fgi_watch_add(struct fg_feeder *feeder,
                                 const struct fgi_feed_key *key,
                                 uint64_t now_ns);

/* A file's pattern, made at the first call. NULL: out of memory, or a file of
 * one block, which needs none. */
struct fgi_pattern *fgi_watch_pattern(struct fgi_record *record);

/* Tell programs what to do with a file's reads: look for them in memory if it
 * is FED, else leave them to the kernel, and tell of each or not. */
void fgi_watch_decide(struct fg_feeder *feeder, struct fgi_record *record);

/* Whether to look at a file again, which could not be fed before. */
bool fgi_watch_may_look(const struct fgi_record *record, uint64_t now_ns);

/* Its path may be known now: what waited for that is done. */
void fgi_watch_settle(struct fg_feeder *feeder, struct fgi_record *record);

/* Close descriptors that nobody needs. */
void fgi_watch_idle(struct fg_feeder *feeder, uint64_t now_ns);

/* ---- inspect.c: looking files over ----------------------------------------
 */

/* Ask the pool to look at a file (again). */
void fgi_inspect_ask(struct fg_feeder *feeder, struct fgi_record *record,
                     const struct fgi_feed_key *key, const char *path);

/* Ask the pool to look at a file that is expected, to be read past the shim
 * or not. False: out of memory. */
typedef void (*fgi_guess_fn)(void *feeder, uint64_t reference,
                             struct fgi_look_answer *answer, uint64_t now_ns);
bool fgi_inspect_guess(struct fg_feeder *feeder, const char *path,
                       bool is_unseen, uint64_t reference, fgi_guess_fn finish);

/* Feed an expected file that was found fit. NULL: there is nothing to read. */
struct fgi_record *fgi_inspect_expect(struct fg_feeder *feeder,
                                      struct fgi_look_answer *answer,
                                      uint64_t now_ns);

/* Read a FED file from its start, as if it had been opened. False: all of
 * that is there. */
bool fgi_inspect_restart(struct fg_feeder *feeder, struct fgi_record *record,
                         uint64_t now_ns);

/* ---- doubt.c: small files that were read too soon for us ------------------
 */

/* A small file that is not fed was read: look at that shortly after. */
void fgi_doubt_add(struct fg_feeder *feeder, struct fgi_record *record,
                   uint64_t now_ns);

/* Have those read by the page cache that a disk had to bring. */
void fgi_doubt_run(struct fg_feeder *feeder, uint64_t now_ns);

/* ---- rules.c --------------------------------------------------------------
 */

/* Write the path rules for programs. Errors: ARGUMENT (do not fit). */
enum fg_status fgi_rules_write(char rules[FGI_BOARD_RULES_BYTES],
                               const char *const *globs, uint32_t glob_count,
                               struct fg_error *err);

/* ---- counting --------------------------------------------------------------
 */

static inline void fgi_count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

#endif /* FGI_FEEDER_FEEDER_H */
