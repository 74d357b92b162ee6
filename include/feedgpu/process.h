/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a running process is: on which CPUs its threads may run, on which
 * nodes its memory lies, which GPUs it has open. And putting it on a node.
 *
 * What may not be seen is said to be unknown, with the reason, and is never
 * shown as nothing.
 */
#ifndef FEEDGPU_PROCESS_H
#define FEEDGPU_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>
#include <feedgpu/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_process;

/* Threads of a process that may run on the same CPUs. */
struct fg_thread_group {
    uint32_t thread_count;
    uint32_t cpu_count; /* CPUs in cpus */
    const char *cpus;   /* Cpus_allowed_list: "0-7" */
    const char *nodes;  /* whose CPUs these are: "0-1"; "": unknown */
    const char *name;   /* of the first of them, as top shows it */
};

/* Memory of a process on one node. */
struct fg_node_memory {
    int32_t node;
    uint32_t reserved; /* zero */
    uint64_t bytes;    /* resident there, by numa_maps */
};

/* An NVIDIA GPU whose device file a process has open; it may use fewer. */
struct fg_process_gpu {
    char bus_id[FG_BUS_ID_BYTES]; /* "0000:c1:00.0" */
    int32_t minor;                /* N of /dev/nvidiaN */
    struct fg_home home;
};

/* A snapshot. Pointers are the process's. */
struct fg_process_info {
    int32_t pid;
    uint32_t thread_count;    /* in groups */
    const char *name;         /* "python3" */
    const char *command;      /* with its arguments, cut; "": unknown */
    const char *cpus;         /* all threads' allowed CPUs together */
    const char *nodes;        /* whose CPUs these are; "": unknown */
    const char *cpuset_cpus;  /* the most its cpuset allows; "": unknown */
    const char *memory_nodes; /* Mems_allowed_list; "": unknown */
    const struct fg_thread_group *groups; /* most threads first */
    const char *thread_error;             /* why groups may lack some, or "" */
    const struct fg_node_memory *memory;  /* by node, those with memory too */
    const char *memory_error;             /* why it is unknown, or "" */
    const struct fg_process_gpu *gpus;    /* by bus id */
    const char *gpu_error;                /* why some may be missing, or "" */
    uint32_t group_count;
    uint32_t memory_count; /* 0 with a memory_error */
    uint32_t gpu_count;
    uint32_t reserved;        /* zero */
    uint64_t memory_bytes;    /* on all nodes; FG_UNKNOWN */
    uint64_t anonymous_bytes; /* of it: no file's; FG_UNKNOWN */
};

/*
 * Look at a process of the topology's root. The topology is borrowed, and
 * must live longer. On success *process is the caller's.
 * Errors: NOT_FOUND (no such process, a thread's number, a zombie, or it ended
 * meanwhile), UNSUPPORTED (a kernel thread), ARGUMENT (pid < 1), PERMISSION,
 * DAMAGED, MEMORY. What may not be seen for want of permission is named in
 * the info.
 * Threads: any. Blocks: numa_maps of a large process takes seconds.
 */
FG_EXPORT enum fg_status fg_process_open(const struct fg_topology *topology,
                                         int32_t pid,
                                         struct fg_process **process,
                                         struct fg_error *err);

/* Release a snapshot. NULL is allowed. */
FG_EXPORT void fg_process_close(struct fg_process *process);

/* The snapshot's contents. Borrowed. */
FG_EXPORT const struct fg_process_info *
fg_process_get_info(const struct fg_process *process);

/* Bits of fg_process_move's flags. */
#define FG_PROCESS_MIGRATE 1u /* also move its memory (migrate_pages) */
#define FG_PROCESS_CHECK 2u   /* touch nothing: say whether the node will do */

/* What fg_process_move did. */
struct fg_process_moved {
    uint32_t threads;       /* whose affinity was set */
    uint32_t threads_ended; /* that ended meanwhile */
    uint32_t threads_fixed; /* that the kernel does not let be set */
    uint32_t reserved;      /* zero */
    uint64_t pages_left;    /* that the kernel says it could not move */
};

/*
 * Let every thread of a process run on the node's CPUs: all of them that its
 * cpuset allows, never one core. Threads that start meanwhile too. What
 * taskset gave it before is replaced. With FG_PROCESS_MIGRATE also move what
 * memory it has on other nodes there. Whether the node will do is checked
 * before anything is touched; so is whether the process is still the one of
 * the snapshot, by its start time. FG_PROCESS_CHECK ends there, also for a
 * copy.
 * Errors: NOT_FOUND (no such node; the process ended), ARGUMENT (the node has
 * no CPUs or is a GPU's memory, flags), PERMISSION, UNSUPPORTED (the topology
 * is of a copy; the kernel has no migrate_pages), STATE (the cpuset forbids
 * the node; threads start faster than they can be set), MEMORY, SYSTEM. After
 * an error some threads may have been set: the message says how many.
 * Threads: any. Blocks: as long as copying its memory takes.
 */
FG_EXPORT enum fg_status fg_process_move(const struct fg_process *process,
                                         int32_t node, uint32_t flags,
                                         struct fg_process_moved *moved,
                                         struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_PROCESS_H */
