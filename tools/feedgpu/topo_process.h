/* SPDX-License-Identifier: Apache-2.0 */
/* Inside `feedgpu topo --pid`: a process, what to change, and changing it. */
#ifndef TOOL_TOPO_PROCESS_H
#define TOOL_TOPO_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feedgpu.h>

#include "options.h"

/* What to change about a process. */
struct advice {
    int32_t node;               /* where it should be; -1: cannot be said */
    bool is_good;               /* nothing to change */
    bool migrates;              /* its memory should move too */
    uint32_t threads_elsewhere; /* that may run on other nodes' CPUs */
    uint64_t bytes_elsewhere;   /* on other nodes; FG_UNKNOWN */
    char why[128];              /* why that node, or none */
    char obstacle[FG_ERROR_MESSAGE_BYTES]; /* why it would fail, or "" */
    char command[80];                      /* to type, or "" */
};

/* Judge a process; node: where it should be, -1 to find out. topo_advice.c */
void topo_advise(const struct fg_topology *topology,
                 const struct fg_process *process, int32_t node,
                 struct advice *advice);

/* The process as tables: all, or its threads and memory only.
 * topo_process_text.c */
void topo_print_process(const struct fg_process *process);
void topo_print_placement(const struct fg_process *process);
void topo_print_advice(const struct fg_topology *topology,
                       const struct fg_process *process,
                       const struct advice *advice);

/*
 * The process as one object; when: "now", "before" or "after"; advice: NULL
 * but for "now". topo_process_json.c
 */
void topo_emit_process(const struct fg_process *process, const char *when,
                       const struct advice *advice);
void topo_emit_moved(const struct fg_process *process, int32_t node,
                     const struct fg_process_moved *moved);

/* Run `topo` with --pid, --node, --apply, --yes or --migrate: the exit
 * status. topo_process.c */
int topo_process_run(const struct options *options);

/* Was one of these options given? */
bool topo_process_is_wanted(const struct options *options);

#endif /* TOOL_TOPO_PROCESS_H */
