/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a running process is: on which CPUs its threads may run, on which
 * nodes its memory lies, which GPUs it has open. And putting it on a node.
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
    uint32_t reserved; /* zero */
    const char *cpus;  /* Cpus_allowed_list: "0-7" */
    const char *name;  /* of the first of them, as top shows it */
};

/* Memory of a process on one node. */
struct fg_node_memory {
    int32_t node;
    uint32_t reserved; /* zero */
    uint64_t bytes;    /* resident there, by numa_maps */
};

/* A snapshot. Pointers are the process's. */
struct fg_process_info {
    int32_t pid;
    uint32_t thread_count;
    const char *name;         /* "python3" */
    const char *cpus;         /* all threads' allowed CPUs together */
    const char *memory_nodes; /* Mems_allowed_list, or "" */
    const struct fg_thread_group *groups; /* most threads first */
    uint32_t group_count;
    uint32_t memory_count;               /* 0: numa_maps was not readable */
    const struct fg_node_memory *memory; /* by node number */
    const char *memory_error;            /* why memory_count is 0, or "" */
    uint32_t gpu_count;                  /* GPUs it has open, if known */
    uint32_t reserved;                   /* zero */
    const char *const *gpus;             /* their bus ids */
    const char *gpu_error;               /* why gpu_count may be too low, "" */
};

/*
 * Look at a process of the topology's root. The caller owns *process.
 * Errors: NOT_FOUND (no such process, or it ended meanwhile), ARGUMENT
 * (pid < 1), MEMORY. What may not be seen is named in the info.
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

#define FG_PROCESS_MIGRATE 1u /* also move its memory (migrate_pages) */

/* What fg_process_move did. */
struct fg_process_moved {
    uint32_t threads;       /* whose affinity was set */
    uint32_t threads_ended; /* that ended meanwhile */
    uint64_t pages_left;    /* that could not be moved (pinned, shared) */
};

/*
 * Let every thread of a process run on the node's CPUs, all of them, never
 * one core; threads that start meanwhile too. With FG_PROCESS_MIGRATE also
 * move its memory there. The process's cpuset still limits both.
 * Errors: NOT_FOUND (process or node), ARGUMENT (node without CPUs, pid < 1),
 * PERMISSION, UNSUPPORTED (the topology is of a copy; the kernel has no
 * migrate_pages), SYSTEM. After an error some threads may have been set.
 */
FG_EXPORT enum fg_status fg_process_move(const struct fg_topology *topology,
                                         int32_t pid, int32_t node,
                                         uint32_t flags,
                                         struct fg_process_moved *moved,
                                         struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_PROCESS_H */
