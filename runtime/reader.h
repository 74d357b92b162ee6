/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader: the one thread that plans, reads and hands batches to the
 * workers. It makes its own engine, keeps `depth` bytes of reads in flight,
 * and sleeps only in the engine's wait.
 *
 *     loop:  plan and submit until the budget, memory or the data ends
 *            hand batches whose loads are ready to the workers
 *            wait for reads, or for a kick when memory becomes free
 *
 * Two ways of a batch: staged (plan.h, then gather.c), or in place, where the
 * reads land in the batch's slot and nothing is left to do.
 */
#ifndef FGI_RUNTIME_READER_H
#define FGI_RUNTIME_READER_H

#include "runtime/depth.h"
#include "runtime/pipeline.h"

/* One read and whose it is. */
struct fgi_read_op {
    struct fgi_read read;      /* the engine's while in flight */
    struct fgi_read_op *next;  /* in the free list */
    struct fgi_load *load;     /* staged: its load */
    struct fgi_ticket *ticket; /* in place: its batch */
    uint64_t shard_index;
};

/* A stretch of a file that is being cut into reads. */
struct fgi_piece {
    const struct fgi_file *file; /* NULL: no piece in hand */
    uint64_t shard_index;
    uint64_t at;               /* next byte to read, aligned */
    uint64_t end;              /* one past the last, aligned */
    uint64_t wanted_end;       /* one past the last byte that must come */
    uint8_t *buffer;           /* where byte `at` goes */
    struct fgi_load *load;     /* staged */
    struct fgi_ticket *ticket; /* in place */
};

struct fgi_reader {
    struct fgi_pipeline *pipeline;
    struct fgi_thread thread;
    const char *engine_name; /* asked for */
    struct fgi_engine_config engine_config;
    struct fgi_region region; /* slots or staging */
    char engine_note[128];    /* why this engine */
    struct fgi_read_op *ops;  /* owned, engine_config.depth */
    struct fgi_read_op *free_ops;
    struct fgi_read **done; /* owned, engine_config.depth */
    struct fgi_piece piece;
    struct fgi_depth depth;
    uint64_t inflight_bytes;
    uint64_t inflight_count;
    bool was_limited;            /* reads wanted beyond the budget */
    bool is_planned;             /* nothing is left to plan */
    uint64_t frontier;           /* loads before it are ready or bad */
    uint64_t next_dispatch;      /* next batch to hand on */
    uint64_t next_release;       /* batches before it are assembled */
    uint64_t ready_ns;           /* latest read_ns before the frontier */
    uint64_t ready_underfed_ns;  /* running total at that time */
    struct fgi_ticket *filling;  /* in place: batch being cut, or NULL */
    uint32_t samples_done;       /* of `filling` */
    uint32_t wants;              /* bits of this round */
    struct fg_error error;       /* when a plan or start fails */
    enum fg_status plan_status;  /* not FG_OK: a failure to deliver yet */
    enum fg_status start_status; /* of the engine's making */
    _Atomic uint32_t is_started; /* start_status may be read */
    _Atomic uint32_t is_idle;    /* the loop has ended */
    _Atomic uint32_t may_end;    /* nobody kicks the engine any more */
};

/* Start the thread and wait until it has its engine. */
enum fg_status fgi_reader_start(struct fgi_reader *reader,
                                struct fg_error *err);

/* fgi_pipeline.is_stopping is set: wait until the loop has ended. The engine
 * lives on, so that workers may be ended next. */
void fgi_reader_stop(struct fgi_reader *reader);

/* Reap all reads, destroy the engine, end the thread, release. */
void fgi_reader_fini(struct fgi_reader *reader);

/* Staged: set the next piece. False when there is none now. */
bool fgi_staged_next(struct fgi_reader *reader);

/* Staged: a read of a load came back. */
void fgi_staged_done(struct fgi_reader *reader, struct fgi_read_op *op);

/* Staged: hand on the batches whose loads are ready. Returns whether any
 * load or batch moved on. */
bool fgi_staged_hand_on(struct fgi_reader *reader);

/* Staged: free what only assembled batches needed. Returns whether it did. */
bool fgi_staged_release(struct fgi_reader *reader);

/* In place: set the next piece. False when there is none now. */
bool fgi_inplace_next(struct fgi_reader *reader);

/* In place: a read of the ticket came back. */
void fgi_inplace_done(struct fgi_reader *reader, struct fgi_read_op *op);

/* Fail the batch that comes next with reader->error: planning cannot go on. */
void fgi_reader_give_up(struct fgi_reader *reader);

/* Describe a read that failed. */
enum fg_status fgi_reader_read_error(const struct fgi_reader *reader,
                                     const struct fgi_read_op *op,
                                     struct fg_error *err);

#endif /* FGI_RUNTIME_READER_H */
