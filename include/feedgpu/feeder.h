/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A feeder reads ahead for other programs, unmodified ones, that run with
 * libfeedgpu-preload.so. It lives in the process that starts them: `feedgpu
 * run` is such a process.
 *
 * The programs tell it through shared memory which files they open and how
 * they read; it reads ahead with io_uring into memory on one NUMA node, from
 * which the shim serves their reads, or warms the page cache where the shim
 * cannot see the reads. What it has read stays until its memory is full, so
 * that a second epoch finds it; nothing is evicted for that.
 *
 * docs/run.md tells the rules that keep programs correct.
 */
#ifndef FEEDGPU_FEEDER_H
#define FEEDGPU_FEEDER_H

#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>
#include <feedgpu/log.h>
#include <feedgpu/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_feeder;

/* Bits of fg_feeder_config.flags. */
#define FG_FEEDER_OBSERVE 1u /* measure only: read nothing, serve nothing */

struct fg_feeder_config {
    uint32_t struct_size;    /* sizeof(struct fg_feeder_config) */
    uint32_t flags;          /* FG_FEEDER_... bits */
    int32_t numa_node;       /* of memory and threads; FG_NODE_NONE: any */
    uint32_t threads;        /* that open and read small files; 0: 8 */
    uint64_t memory_bytes;   /* for file contents; 0: see below */
    uint64_t file_bytes_min; /* smaller files are left alone */
    const char *const *data; /* globs of files to feed; NULL: by the rules */
    uint32_t data_count;     /* of these */
    uint32_t reserved;       /* zero */
    const char *io;          /* "auto", "uring", "pread" */
    fg_log_fn log;           /* NULL: quiet */
    void *log_context;       /* handed to log */
};

/*
 * Fill a config with defaults: everything that is a regular file of at least
 * 16 KiB, opened read-only and not below the system's folders; memory_bytes
 * 0 is a quarter of the memory that is available when it opens, the control
 * group's limit counted in, 64 MiB at least. Threads: any.
 */
FG_EXPORT void fg_feeder_config_init(struct fg_feeder_config *config);

/*
 * Open a feeder. Strings are copied. Its threads run until it is closed.
 * Threads: any. Blocks: shortly; memory is taken in the background.
 * Errors: ARGUMENT, MEMORY, SYSTEM.
 */
FG_EXPORT enum fg_status fg_feeder_open(const struct fg_feeder_config *config,
                                        struct fg_feeder **feeder,
                                        struct fg_error *err);

/*
 * What a program must find in its environment, as "NAME=VALUE". Borrowed.
 * It also needs LD_PRELOAD with the path of libfeedgpu-preload.so.
 */
FG_EXPORT const char *fg_feeder_environment(const struct fg_feeder *feeder);

/* What was asked of the feeder and what it did, since it was opened. */
struct fg_feeder_stats {
    uint32_t struct_size;     /* in: sizeof(struct fg_feeder_stats) */
    uint32_t flags;           /* of the config */
    uint64_t files;           /* looked at */
    uint64_t opens;           /* of these, by programs */
    uint64_t open_ns;         /* in open calls */
    uint64_t reads;           /* calls on them */
    uint64_t arena_bytes;     /* served from the feeder's memory */
    uint64_t kernel_bytes;    /* read by the kernel */
    uint64_t kernel_ns;       /* programs' threads in these reads */
    uint64_t wait_ns;         /* asleep for a block under way */
    uint64_t copy_ns;         /* copying served bytes */
    uint64_t fallbacks;       /* copies done again by the kernel */
    uint64_t mapped_bytes;    /* by mmap: their faults are not seen */
    uint64_t stdio_files;     /* by fopen: their reads are not seen */
    uint64_t events;          /* from programs */
    uint64_t events_lost;     /* the feeder was late */
    uint64_t ahead_bytes;     /* read ahead into memory */
    uint64_t warmed_bytes;    /* read ahead into the page cache */
    uint64_t unused_bytes;    /* of ahead_bytes, dropped before use */
    uint64_t kept_bytes;      /* in memory for another epoch */
    uint64_t memory_bytes;    /* the budget */
    uint64_t predictions;     /* files opened ahead of the programs */
    uint64_t predictions_hit; /* of these, opened by a program later */
    uint64_t changed_files;   /* dropped because they changed */
    uint64_t read_errors;     /* of the feeder's own reads; not reported */
    const char *engine;       /* "uring", "pread"; static */
    char engine_note[128];    /* what it may use, or why not */
    char order[64];           /* how files were predicted: "directory", ... */
    struct fg_placement placement; /* of the memory, once it is all there */
};

/* Read the counters. Threads: any. Blocks: never for long. */
FG_EXPORT void fg_feeder_get_stats(struct fg_feeder *feeder,
                                   struct fg_feeder_stats *stats);

/* A thread of a program. */
struct fg_feeder_actor {
    int32_t pid;
    int32_t tid;
    char name[16];         /* of the thread */
    uint64_t reads;        /* calls on watched files */
    uint64_t arena_bytes;  /* copied from the feeder's memory */
    uint64_t kernel_bytes; /* read by the kernel */
    uint64_t kernel_ns;    /* in the kernel's reads */
    uint64_t wait_ns;      /* asleep for a block under way */
    uint64_t copy_ns;      /* copying */
    uint64_t opens;
    uint64_t open_ns;
    uint64_t first_ns; /* CLOCK_MONOTONIC of its first read */
    uint64_t last_ns;  /* end of its last read */
};

/* Files of one folder. */
struct fg_feeder_group {
    char folder[256]; /* its end, when it is longer */
    char pattern[32]; /* "sequential", "strided", "whole", "random" */
    uint64_t files;   /* opened by programs */
    uint64_t opens;
    uint64_t open_ns;
    uint64_t reads;
    uint64_t arena_bytes;
    uint64_t kernel_bytes;
    uint64_t blocked_ns;   /* in read calls */
    uint64_t mapped_bytes; /* by mmap */
};

/*
 * Threads of programs, most blocked first: fills up to `room` and gives how
 * many there are in all. Threads: any.
 */
FG_EXPORT uint32_t fg_feeder_get_actors(struct fg_feeder *feeder,
                                        struct fg_feeder_actor *actors,
                                        uint32_t room);

/* The same for folders. Threads: any. */
FG_EXPORT uint32_t fg_feeder_get_groups(struct fg_feeder *feeder,
                                        struct fg_feeder_group *groups,
                                        uint32_t room);

/*
 * Stop reading ahead and release everything. Programs that still run go on
 * with the kernel's reads. NULL is allowed. Blocks: until reads in flight are
 * done.
 */
FG_EXPORT void fg_feeder_close(struct fg_feeder *feeder);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_FEEDER_H */
