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

/* name, what took the time */
#define FG_FEEDER_SPAN_MAP(X)                                                  \
    X(FG_FEEDER_KERNEL, "kernel")                                              \
    X(FG_FEEDER_H2D, "copy to the GPU")                                        \
    X(FG_FEEDER_COPY, "another copy")                                          \
    X(FG_FEEDER_MEMSET, "memset")                                              \
    X(FG_FEEDER_READ, "read call")

#define FG_FEEDER_SPAN_ENUM(name, text) name,
enum fg_feeder_span_kind { FG_FEEDER_SPAN_MAP(FG_FEEDER_SPAN_ENUM) };
#undef FG_FEEDER_SPAN_ENUM

/* Text of a kind ("copy to the GPU"). Static. Threads: any. */
FG_EXPORT const char *fg_feeder_span_name(enum fg_feeder_span_kind kind);

/* Where the host's side of a copy lies. */
enum fg_feeder_memory {
    FG_FEEDER_MEMORY_UNKNOWN = 0, /* managed memory, or no host's side */
    FG_FEEDER_PAGEABLE = 1,
    FG_FEEDER_PINNED = 2,
};

/* One thing that a GPU did, or one read call that blocked for 50 us or more. */
struct fg_feeder_span {
    enum fg_feeder_span_kind kind;
    enum fg_feeder_memory memory; /* of copies */
    int32_t pid;                  /* of the program */
    uint32_t gpu;                 /* as fg_feeder_gpu.index; READ: 0 */
    uint32_t lane;                /* stream; READ: thread's id */
    uint32_t reserved;            /* zero */
    uint64_t start_ns;            /* CLOCK_MONOTONIC */
    uint64_t end_ns;
    uint64_t bytes;   /* copies, READ */
    const char *path; /* READ: of the file, or ""; else "" */
};

typedef void (*fg_feeder_span_fn)(const struct fg_feeder_span *span,
                                  void *context);

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
    fg_feeder_span_fn span;  /* NULL: spans are only summed up */
    void *span_context;      /* handed to span */
};

/*
 * Fill a config with defaults: everything that is a regular file of at least
 * 16 KiB, opened read-only and not below the system's folders; memory_bytes
 * 0 is a quarter of the memory that is available when it opens, the control
 * group's limit counted in, 64 MiB at least. Threads: any.
 *
 * `span` is called for each span, in no order, on a thread of the feeder or of
 * who asks for GPUs, never by two at once; it must not call the feeder.
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
    uint64_t spans;                /* told by programs: see fg_feeder_span */
    uint64_t spans_lost;           /* the feeder was late */
    uint64_t spans_wrong;          /* not to be believed */
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
/* Folders, likewise. */
FG_EXPORT uint32_t fg_feeder_get_groups(struct fg_feeder *feeder,
                                        struct fg_feeder_group *groups,
                                        uint32_t room);

/* Copies of one kind. */
struct fg_feeder_copies {
    uint64_t count;
    uint64_t bytes;
    uint64_t ns;       /* sum of their times */
    uint64_t small;    /* of less than 64 KiB */
    uint64_t alone;    /* copies to the GPU that overlapped no kernel */
    uint64_t alone_ns; /* sum of their times */
};

/*
 * A GPU that programs used. Its window is from the first kernel's start to the
 * last one's end; labels sum to it exactly. Of these there are: COMPUTE, some
 * kernel ran; H2D, none did and a copy to the GPU was under way;
 * STORAGE_DEVICE, else, and some read call was blocking, in whatever process;
 * OTHER, else, and it copied or set memory; HOST, else.
 */
struct fg_feeder_gpu {
    uint32_t index;    /* as fg_feeder_span.gpu */
    uint32_t reserved; /* zero */
    char bus_id[24];   /* "0000:c1:00.0", or "" */
    char name[64];     /* or "" */
    uint64_t first_ns; /* of the window, CLOCK_MONOTONIC */
    uint64_t last_ns;
    struct fg_labels labels;
    uint64_t idle_read_ns; /* no kernel, and some read was blocking */
    uint64_t busy_read_ns; /* some kernel, and some read was blocking */
    uint64_t kernels;
    uint64_t kernel_ns;               /* sum of their times */
    struct fg_feeder_copies pinned;   /* to the GPU, by the host's memory */
    struct fg_feeder_copies pageable; /* likewise */
    struct fg_feeder_copies unknown;  /* likewise */
    struct fg_feeder_copies other;    /* not to the GPU */
    uint64_t memsets;
    uint64_t memset_ns;
    uint64_t late; /* records that came too late to be labelled wholly */
};

/*
 * GPUs by index: fills up to `room` and gives how many there are in all. To be
 * called when the programs have ended: what they tell after that is late.
 * Threads: any. Blocks: while all that was told is summed up.
 */
FG_EXPORT uint32_t fg_feeder_get_gpus(struct fg_feeder *feeder,
                                      struct fg_feeder_gpu *gpus,
                                      uint32_t room);

/* A process in which the CUDA driver has started, and its recorder. */
struct fg_feeder_recorder {
    int32_t pid;
    uint32_t is_on;    /* 1: it has recorded */
    uint32_t is_whole; /* 1: and told all when the process ended */
    uint32_t version;  /* of CUPTI's interface; 0: it has none */
    uint64_t records;
    uint64_t dropped; /* CUPTI had no room for them */
    uint64_t untimed; /* had no times */
    uint64_t unknown; /* not to be understood */
    char note[128];   /* why it is off, or "" */
};

/* Recorders in order of their start, as fg_feeder_get_gpus. */
FG_EXPORT uint32_t fg_feeder_get_recorders(struct fg_feeder *feeder,
                                           struct fg_feeder_recorder *recorders,
                                           uint32_t room);

/*
 * Stop reading ahead and release everything. Programs that still run go on
 * with the kernel's reads. NULL is allowed. Blocks: until reads in flight are
 * done. A file system far away that does not answer is waited for 2 seconds:
 * threads that it holds after that stay, with some memory, until it answers or
 * the process ends.
 */
FG_EXPORT void fg_feeder_close(struct fg_feeder *feeder);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_FEEDER_H */
