/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: which extents must be in memory for which batch, in what order
 * they are read, and when their memory may be used again. Used when samples
 * go through the staging ring (shuffled, encoded, checked, or not aligned).
 *
 *     batches   g=0 | g=1 | g=2 | ...        a batch needs the windows that
 *     windows   [ w0      ][ w1      ] ...   its positions touch; a window
 *     runs      b7 b2 b5   b0 b9 b4          needs its blocks (runs); a run
 *     loads     e0 e1 e2 e3 ...              needs its extents (loads)
 *
 * All four are rings whose entries come in order and leave in order. A window
 * leaves when the last batch that needs it is assembled, and takes its runs,
 * its loads and their bytes in the staging ring with it.
 *
 * Owner: the reader thread. Workers read windows, runs and loads that a batch
 * in their hands keeps alive; load->state is the only field they write.
 */
#ifndef FGI_RUNTIME_PLAN_H
#define FGI_RUNTIME_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/ring.h"
#include "runtime/dataset.h"
#include "runtime/files.h"
#include "runtime/order.h"
#include "runtime/schedule.h"
#include "runtime/stage.h"

enum fgi_load_state {
    FGI_LOAD_READING,  /* reader: reads outstanding */
    FGI_LOAD_DECODING, /* worker: check and decode */
    FGI_LOAD_READY,    /* raw bytes may be looked at */
    FGI_LOAD_BAD,      /* `error` says why */
};

/* An extent on its way into memory. */
struct fgi_load {
    uint64_t first; /* first sample, global */
    uint64_t shard_index;
    struct fgi_extent extent; /* its place in the shard */
    uint8_t *buffer;          /* staging: aligned start of the read */
    uint8_t *stored;          /* stored bytes, inside buffer */
    uint8_t *raw;             /* decoded bytes; == stored without a codec */
    uint64_t stage_mark;      /* to release the stored bytes */
    uint64_t raw_mark;        /* to release the decoded bytes; 0: none */
    uint32_t reads_pending;   /* reader: reads not yet back */
    bool is_submitted;        /* reader: all its reads were asked for */
    bool needs_work;          /* a worker must check or decode it */
    bool is_in_slot;          /* gathering decodes it, into the batch's slot */
    uint64_t read_ns;         /* its last read was complete */
    uint64_t ready_ns;        /* latest read_ns of it and all before it */
    uint64_t underfed_ns;     /* loader's running total at ready_ns */
    _Atomic uint32_t state;   /* enum fgi_load_state */
    struct fg_error error;    /* when BAD */
};

/* A block of the order: samples [first, ...) from load first_load on. */
struct fgi_run {
    uint64_t first;      /* first sample, global */
    uint64_t first_load; /* running number in the ring of loads */
};

struct fgi_planned_window {
    struct fgi_order_epoch epoch; /* keys */
    struct fgi_window window;     /* positions and places */
    uint64_t first_run;           /* running number of its first run */
    uint64_t loads_end;           /* running number after its last load */
    uint64_t last_batch;          /* last batch that needs it */
};

struct fgi_planned_batch {
    struct fgi_batch_place place; /* epoch, step, position, count */
    uint64_t first_window;        /* running number */
    uint64_t loads_end;           /* all loads before this one are needed */
    uint64_t planned_ns;          /* when planning began */
};

/* How far planning got. */
enum fgi_plan_step {
    FGI_PLAN_LOAD,  /* *load is new: read it */
    FGI_PLAN_BATCH, /* a batch is wholly planned; call again */
    FGI_PLAN_FULL,  /* no room now: call again when a batch is assembled */
    FGI_PLAN_END,   /* every batch is planned */
    FGI_PLAN_ERROR, /* *err: the dataset's index could not be read */
};

/* Sizes a plan needs, computed before memory is taken. */
struct fgi_plan_sizes {
    uint64_t stage_bytes; /* staging ring of stored bytes */
    uint64_t raw_bytes;   /* ring of decoded bytes; 0: none needed */
    uint64_t loads;       /* ring capacities, powers of two */
    uint64_t runs;
    uint64_t windows;
    uint64_t batches;
};

struct fgi_plan {
    struct fg_dataset *dataset;          /* borrowed */
    const struct fgi_schedule *schedule; /* borrowed */
    const struct fgi_order *order;       /* borrowed */
    struct fgi_files *files;             /* borrowed */
    bool verify;                         /* check extents that can be */
    bool may_decode_in_slot;             /* stored order, one fixed field */
    struct fgi_order_epoch epoch;        /* of the batch being planned */
    bool has_epoch;                      /* `epoch` is set */
    struct fgi_ring load_ring;
    struct fgi_ring run_ring;
    struct fgi_ring window_ring;
    struct fgi_ring batch_ring;
    struct fgi_load *loads;             /* owned */
    struct fgi_run *runs;               /* owned */
    struct fgi_planned_window *windows; /* owned */
    struct fgi_planned_batch *batches;  /* owned */
    struct fgi_stage stage;             /* stored bytes */
    struct fgi_stage raw;               /* decoded bytes */

    /* Cursor: the batch being planned, from coarse to fine. */
    uint64_t next_batch; /* its number */
    struct fgi_batch_place place;
    uint64_t positions_done; /* of place.count */
    bool in_batch;           /* place is set */
    bool in_window;          /* the newest window is not complete */
    uint64_t place_next;     /* next block of that window */
    uint64_t sample_next;    /* next sample of the block in hand */
    uint64_t sample_end;     /* one past its last; == next: no block */
};

/* What a plan for this order, schedule and dataset needs. */
void fgi_plan_measure(const struct fg_dataset *dataset,
                      const struct fgi_schedule *schedule,
                      const struct fgi_order *order, uint64_t ahead_bytes,
                      struct fgi_plan_sizes *sizes);

/* `stage_memory` and `raw_memory` have the bytes that `sizes` say. */
enum fg_status fgi_plan_init(struct fgi_plan *plan,
                             const struct fgi_plan_sizes *sizes,
                             void *stage_memory, void *raw_memory,
                             struct fg_error *err);
void fgi_plan_fini(struct fgi_plan *plan);

/* Take the next step. On FGI_PLAN_LOAD *load is filled but for its reads. */
enum fgi_plan_step fgi_plan_next(struct fgi_plan *plan, struct fgi_load **load,
                                 struct fg_error *err);

/* All batches before `batches_done` are assembled: free what only they needed.
 * Returns whether there was any. */
bool fgi_plan_release(struct fgi_plan *plan, uint64_t batches_done);

/* The load with that running number. */
static inline struct fgi_load *fgi_plan_load(const struct fgi_plan *plan,
                                             uint64_t number)
{
    return &plan->loads[fgi_ring_index(&plan->load_ring, number)];
}

#endif /* FGI_RUNTIME_PLAN_H */
