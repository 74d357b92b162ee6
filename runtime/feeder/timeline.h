/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each GPU's time went, out of what programs tell about kernels, copies
 * and blocking reads. Nothing but arithmetic, in a fixed amount of memory.
 *
 * Slices come as they come: a GPU's records arrive buffer by buffer, so they
 * are out of order by up to some seconds. A heap holds them back, and a sweep
 * takes them by their starts once nothing earlier is expected any more. A
 * slice that comes after the sweep has passed its start is late: it is
 * counted, and what of it is still ahead takes part.
 *
 *     add ──▶ heap (HORIZON_NS, or until it is full) ──▶ sweep ──▶ labels
 *
 * Between two starts, each kind of activity is a piece at the front: what was
 * active at the first start, up to its end. So one sorted comparison labels
 * the piece, whatever the number of slices:
 *
 *     start                                   next start
 *       |--------- kernels --------|               |     compute
 *       |------------ copies to it ----------|     |     h2d
 *       |---- reads -----|                         |
 *                                            |-----|     host
 *
 * A GPU's window goes from its first kernel's start to its last one's end.
 * Labels for what follows a kernel are kept apart until another one comes.
 */
#ifndef FGI_FEEDER_TIMELINE_H
#define FGI_FEEDER_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

#include "runtime/feeder/board.h"

#define FGI_HORIZON_NS UINT64_C(30000000000)

/* Copies of less are small: their fixed cost is more than their bytes'. */
#define FGI_COPY_BYTES_MIN 65536u

/* Copies to a GPU that run at once, at most; more are judged early. */
#define FGI_LONELY_MAX 64u

/* A span as the sweep needs it. */
struct fgi_slice {
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t bytes;
    uint8_t kind;   /* enum fgi_span_kind */
    uint8_t memory; /* enum fgi_span_memory */
    uint16_t gpu;   /* READ: of all */
};

/* Copies to a GPU from one kind of host memory. */
struct fgi_copies {
    uint64_t count;
    uint64_t bytes;
    uint64_t ns;        /* sum of their times */
    uint64_t small;     /* of less than FGI_COPY_BYTES_MIN */
    uint64_t lonely;    /* that overlapped no kernel */
    uint64_t lonely_ns; /* sum of their times */
};

#define FGI_MEMORY_KINDS 3u

/* What an idle GPU's time is split into. */
struct fgi_idle {
    uint64_t h2d_ns;     /* a copy to it was under way */
    uint64_t storage_ns; /* else, and some read was blocking */
    uint64_t other_ns;   /* else, and it copied or set memory */
    uint64_t host_ns;    /* else */
    uint64_t read_ns;    /* some read was blocking, whatever else */
};

struct fgi_gpu_time {
    bool has_kernel;
    uint64_t first_ns;  /* of the window */
    uint64_t cursor_ns; /* everything before is labelled */
    uint64_t compute_ns;
    uint64_t busy_read_ns; /* of these, some read was blocking */
    struct fgi_idle idle;  /* between kernels */
    struct fgi_idle tail;  /* since the last one */

    uint64_t kernel_until_ns; /* the latest end of those begun */
    uint64_t h2d_until_ns;
    uint64_t other_until_ns;

    uint64_t kernels;
    uint64_t kernel_ns; /* sum of their times: they may overlap */
    uint64_t memsets;
    uint64_t memset_ns;
    struct fgi_copies h2d[FGI_MEMORY_KINDS]; /* by enum fgi_span_memory */
    struct fgi_copies other;                 /* all other copies */
    uint64_t late;

    /* Copies begun that no kernel has met, without those that have ended. */
    struct fgi_slice lonely[FGI_LONELY_MAX];
    uint32_t lonely_count;
};

struct fgi_timeline {
    struct fgi_slice *heap; /* by start; owned */
    uint32_t room;          /* entries it can have */
    uint32_t count;
    uint64_t newest_ns;        /* latest start seen */
    uint64_t swept_ns;         /* latest start taken */
    uint64_t read_until_ns;    /* the latest end of reads begun */
    uint64_t late;             /* slices, reads included */
    struct fgi_gpu_time *gpus; /* FGI_GPUS_MAX; owned */
};

/* Errors: MEMORY. On failure, fini is due too. */
enum fg_status fgi_timeline_init(struct fgi_timeline *timeline, uint32_t room,
                                 struct fg_error *err);
void fgi_timeline_fini(struct fgi_timeline *timeline);

/* Add a slice: end >= start, gpu < FGI_GPUS_MAX, a known kind and memory. */
void fgi_timeline_add(struct fgi_timeline *timeline,
                      const struct fgi_slice *slice);

/* Take all that is held back: what comes later and is earlier, is late. */
void fgi_timeline_finish(struct fgi_timeline *timeline);

#endif /* FGI_FEEDER_TIMELINE_H */
