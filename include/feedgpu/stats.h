/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time went, where the memory lies, how much was read. */
#ifndef FEEDGPU_STATS_H
#define FEEDGPU_STATS_H

#include <stdint.h>

#include <feedgpu/batch.h>
#include <feedgpu/device.h>
#include <feedgpu/export.h>
#include <feedgpu/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Every instant has one label. name, text, what it means.
 * The labels of a step sum to its wall time exactly.
 */
#define FG_LABEL_MAP(X)                                                        \
    X(FG_LABEL_COMPUTE, "compute", "the device computed")                      \
    X(FG_LABEL_H2D, "h2d", "batch assembled, its copy not complete")           \
    X(FG_LABEL_PREP, "prep", "batch read, decode or assembly not done")        \
    X(FG_LABEL_STORAGE_DEVICE, "storage_device",                               \
      "reads outstanding, enough of them in flight")                           \
    X(FG_LABEL_STORAGE_UNDERFED, "storage_underfed",                           \
      "reads outstanding, too few in flight: the loader's own fault")          \
    X(FG_LABEL_HOST, "host", "batch on the device, next launch not issued")    \
    X(FG_LABEL_SYNC, "sync", "barrier, collective or checkpoint")              \
    X(FG_LABEL_OTHER, "other", "none of these")

#define FG_LABEL_ENUM(name, text, meaning) name,
enum fg_label { FG_LABEL_MAP(FG_LABEL_ENUM) FG_LABEL_COUNT };
#undef FG_LABEL_ENUM

/* Text of a label ("storage_device"). Static. Threads: any. */
FG_EXPORT const char *fg_label_name(enum fg_label label);

/* Nanoseconds per label. */
struct fg_labels {
    uint64_t ns[FG_LABEL_COUNT];
};

/*
 * Label every nanosecond of one step's window [window_start_ns, compute end).
 * The device was idle from window_start_ns to compute.start_ns; that gap is
 * split by the state of the batch that was needed: reads outstanding
 * (storage, of which underfed_ns are underfed), then prep, then h2d, then
 * host. Adds to *labels exactly compute.end_ns - window_start_ns.
 * underfed_ns: how much of the gap's storage part was underfed (clipped).
 * Threads: any. Blocks: never. Pure.
 */
FG_EXPORT void fg_labels_add_step(struct fg_labels *labels,
                                  uint64_t window_start_ns,
                                  const struct fg_span *compute,
                                  const struct fg_batch_times *times,
                                  uint64_t underfed_ns);

/* Pages that the kernel put on another node than the home node. */
struct fg_node_pages {
    int32_t node;
    uint32_t reserved; /* zero */
    uint64_t pages;
};

#define FG_PLACEMENT_ELSEWHERE_MAX 8u

/* Where the arena (slots and read buffers) and the threads are. */
struct fg_placement {
    int32_t home_node;               /* wanted node, -1: unknown */
    enum fg_node_source home_source; /* how it became known */
    uint64_t pages;                  /* in the arena */
    uint64_t pages_on_home_node;     /* equal to pages if unknown node */
    uint64_t page_bytes;             /* 4096, 2 MiB (huge), 1 GiB */
    const char *page_kind;           /* "hugetlb", "thp" or "small"; static */
    const char *verified_by;         /* "move_pages", "numa_maps", "nothing" */
    const char *policy;       /* "preferred", "bind", "first touch", "none" */
    uint32_t elsewhere_count; /* entries of elsewhere */
    int32_t storage_node;     /* home of the dataset's disk; -1: unknown */
    struct fg_node_pages elsewhere[FG_PLACEMENT_ELSEWHERE_MAX]; /* most first */
    char storage[32]; /* block device of the dataset: "nvme0n1", or "" */
    char cpus[64];    /* CPUs of our threads: "0-7"; "": as the program's */
    char note[192];   /* what was refused, what crosses nodes; or "" */
};

/* A snapshot of a loader's counters. Sums from its opening on. */
struct fg_loader_stats {
    uint64_t batches;             /* acquired */
    uint64_t samples;             /* in them */
    uint64_t payload_bytes;       /* in them */
    uint64_t read_bytes;          /* asked of storage */
    uint64_t reads;               /* requests */
    uint64_t read_retries;        /* EAGAIN, EINTR, short */
    uint64_t bad_samples;         /* skipped or substituted */
    uint64_t wait_ns;             /* in acquire, blocked on the CPU */
    uint64_t first_batch_ns;      /* from open to the first acquire's return */
    uint64_t underfed_ns;         /* reads wanted, too few in flight */
    uint64_t inflight_bytes;      /* budget now */
    struct fg_labels wait_labels; /* wait_ns by cause */
    struct fg_placement placement;
    const char *engine;    /* "uring", "pread", "null" */
    const char *direct;    /* "on", "off", "mixed" */
    const char *device;    /* "cuda", "emulated", "host" */
    char engine_note[128]; /* why this engine; registered or not */
    uint32_t slots;        /* host slots */
    uint32_t threads;      /* decode and assembly threads */
};

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_STATS_H */
