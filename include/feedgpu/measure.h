/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of this machine, measured: reading the memory of a node, copies from
 * a node's pinned memory to a device, reading files. Every rate is the median
 * of several rounds, with the slowest and the fastest beside it; memory and
 * copies have one before that is not counted.
 *
 * Nothing is written anywhere. A measurement uses what it measures to the
 * full: training beside it is slower meanwhile.
 */
#ifndef FEEDGPU_MEASURE_H
#define FEEDGPU_MEASURE_H

#include <stdint.h>

#include <feedgpu/device.h>
#include <feedgpu/error.h>
#include <feedgpu/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FG_MEASURE_ROUNDS_MAX 101u
#define FG_MEASURE_FILES_MAX 256u

/*
 * Called by the measuring thread while work is under way, every few
 * milliseconds where nothing is wrong. Must not block: what it takes may count
 * as the work's time. Non-zero stops the measurement with CANCELLED.
 */
typedef int (*fg_measure_poll_fn)(void *context);

/* How to measure. Fill with fg_measure_config_init, then change. */
struct fg_measure_config {
    uint32_t struct_size;    /* sizeof(struct fg_measure_config) */
    uint32_t rounds;         /* that count, 1 to FG_MEASURE_ROUNDS_MAX; 5 */
    uint64_t bytes;          /* of a round; 0: enough for what is measured */
    uint64_t round_ns;       /* files: a round ends after this; 0.3 s */
    fg_measure_poll_fn poll; /* or NULL */
    void *poll_context;      /* passed to poll */
};

/* Fill a config with defaults. Threads: any. */
FG_EXPORT void fg_measure_config_init(struct fg_measure_config *config);

/* The file was read past the page cache (O_DIRECT). */
#define FG_RATE_DIRECT 1u
/* The file is in memory, on no disk (tmpfs). */
#define FG_RATE_MEMORY 2u

/* A rate, and what says how far to trust it. Strings are static. */
struct fg_rate {
    double bytes_per_s;      /* median of the rounds */
    double bytes_per_s_min;  /* the slowest round */
    double bytes_per_s_max;  /* the fastest round */
    uint32_t rounds;         /* that were counted */
    uint32_t workers;        /* threads that read memory, reads under way */
    uint64_t bytes;          /* of one round; files: of the last */
    uint64_t cache_bytes;    /* memory: of the CPUs' last-level caches; 0: ? */
    uint64_t pages;          /* memory, copy: of the buffer */
    uint64_t pages_on_node;  /* of these on memory_node: all, or not known */
    uint64_t page_bytes;     /* of one */
    const char *page_kind;   /* "hugetlb", "thp", "small"; files: "" */
    const char *verified_by; /* "move_pages", "numa_maps", "nothing" */
    const char *engine;      /* files: "uring" or "pread"; else "" */
    uint32_t flags;          /* FG_RATE_... bits */
    uint32_t reserved;       /* zero */
};

/*
 * Measure reading of memory on memory_node by all allowed CPUs of cpu_node at
 * once: a thread for each, kept on the node and not on a core. -1 stands for
 * any. bytes 0: several times the last-level caches, at least 1 GiB for four
 * threads or more, and no more than half of what is free.
 * Errors: ARGUMENT (no such node, no CPUs or no memory there), PERMISSION (not
 * allowed), MEMORY (no room; pages came from elsewhere), CANCELLED, SYSTEM.
 * Threads: any. Blocks: for about a second.
 */
FG_EXPORT enum fg_status
fg_measure_memory(int32_t cpu_node, int32_t memory_node,
                  const struct fg_measure_config *config, struct fg_rate *rate,
                  struct fg_error *err);

/*
 * Measure HtoD copies from pinned memory on memory_node (-1: any), 4 MiB each
 * on one stream. bytes 0: 256 MiB. Where bytes really move, it checks that
 * what has arrived is what was sent. On an emulated device the rate is that of
 * its profile: nothing was measured then.
 * Errors: as fg_measure_memory; UNSUPPORTED (a host device copies nothing),
 * DEVICE. Threads: any. Blocks: for about a second.
 */
FG_EXPORT enum fg_status fg_measure_copy(struct fg_device *device,
                                         int32_t memory_node,
                                         const struct fg_measure_config *config,
                                         struct fg_rate *rate,
                                         struct fg_error *err);

enum fg_measure_order {
    FG_MEASURE_SEQUENTIAL = 0, /* file by file, from front to back */
    FG_MEASURE_RANDOM = 1,     /* pieces of all files, in no order */
};

/*
 * Measure reading of files, 1 MiB at a time, many reads under way, with
 * O_DIRECT; where the file system refuses that, through the page cache, and
 * then FG_RATE_DIRECT is not set. A round ends after `bytes` (0: 1 GiB) or
 * round_ns, whichever is first. The first round is counted too, since a second
 * look at the same bytes would be another thing. `paths` are borrowed, 1 to
 * FG_MEASURE_FILES_MAX of them.
 * Errors: NOT_FOUND, PERMISSION, ARGUMENT (no file, nothing in them), READ,
 * MEMORY, CANCELLED, SYSTEM. Threads: any. Blocks: rounds times round_ns.
 */
FG_EXPORT enum fg_status fg_measure_read(const char *const *paths,
                                         uint32_t path_count,
                                         enum fg_measure_order order,
                                         const struct fg_measure_config *config,
                                         struct fg_rate *rate,
                                         struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_MEASURE_H */
