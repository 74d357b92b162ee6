/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a process's snapshot: what its files share.
 *
 *     process.c          open, close; is it there, is it a program
 *     process_threads.c  threads by the CPUs that they may run on
 *     process_memory.c   numa_maps
 *     process_gpus.c     open device files and the driver's list
 *     process_cpuset.c   what its control group allows
 *     process_move.c     putting it on a node
 *
 * A part that may not be seen leaves its reason in the info. Only a lack of
 * memory, or that the process has ended, is an error of the whole.
 */
#ifndef FGI_TOPOLOGY_PROCESS_H
#define FGI_TOPOLOGY_PROCESS_H

#include <feedgpu/process.h>

#include "runtime/topology/topology.h"

/* Room for a status file of /proc; fg_sysroot_read has it without the heap. */
#define FGI_PROCESS_TEXT_BYTES 16384
#define FGI_PROCESS_PATH_BYTES 96

struct fg_process {
    const struct fg_topology *topology; /* borrowed */
    struct fg_process_info info;
    struct fgi_kept *kept;          /* owned strings */
    struct fg_thread_group *groups; /* owned */
    struct fg_node_memory *memory;  /* owned */
    struct fg_process_gpu *gpus;    /* owned */
    struct fgi_set cpuset;          /* if knows_cpuset */
    struct fgi_set memory_nodes;    /* if knows_memory_nodes */
    uint64_t start_ticks;           /* by which it is told from another */
    bool knows_start;
    bool knows_cpuset;
    bool knows_memory_nodes;
};

/* Did reading fail because the process or thread is not there any more? */
bool fgi_process_is_gone(const struct fg_error *err);

/* Keep a text with its control characters made '?'. Errors: MEMORY. */
enum fg_status fgi_process_keep(struct fg_process *process, const char *text,
                                const char **kept, struct fg_error *err);

/*
 * Keep why a part is unknown, unless an earlier reason is there.
 * Errors: MEMORY, also when that was the reason.
 */
enum fg_status fgi_process_note(struct fg_process *process,
                                const struct fg_error *why, const char **noted,
                                struct fg_error *err);

/* Is pid still the process that was opened? Errors: NOT_FOUND, MEMORY. */
enum fg_status fgi_process_check(const struct fg_process *process,
                                 struct fg_error *err);

/* Fill a part of the info. Errors: MEMORY. */
enum fg_status fgi_process_read_threads(struct fg_process *process,
                                        struct fg_error *err);
enum fg_status fgi_process_read_memory(struct fg_process *process,
                                       struct fg_error *err);
enum fg_status fgi_process_read_gpus(struct fg_process *process,
                                     struct fg_error *err);
enum fg_status fgi_process_read_cpuset(struct fg_process *process,
                                       struct fg_error *err);

#endif /* FGI_TOPOLOGY_PROCESS_H */
