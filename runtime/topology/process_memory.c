/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a process's memory lies: numa_maps has a line for each mapping, with
 * pages by node in units of the mapping's page size. The file of a process
 * with many mappings is long, so it is read line by line.
 */
#include <stdio.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/process.h"
#include "runtime/topology/sysroot.h"

#define NODES_MAX 1024 /* the kernel's own limit */

struct scan {
    uint64_t node_bytes[NODES_MAX];
    uint64_t anonymous_bytes;
};

/* What does not fit stays at the most that does. */
static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) || sum == FG_UNKNOWN
               ? FG_UNKNOWN - 1
               : sum;
}

static bool take_line(const char *line, void *context)
{
    struct scan *scan = context;

    fgi_parse_numa_maps_line(line, scan->node_bytes, NODES_MAX);
    scan->anonymous_bytes =
        add(scan->anonymous_bytes, fgi_parse_numa_maps_anonymous(line));
    return true;
}

/* To be listed: it holds some of the memory, or could. */
static bool is_listed(const struct fg_process *process, const struct scan *scan,
                      int32_t number)
{
    const struct fg_node *node =
        fg_topology_find_node(process->topology, number);

    return scan->node_bytes[number] > 0 ||
           (node != NULL && node->memory_bytes > 0);
}

static enum fg_status keep(struct fg_process *process, const struct scan *scan,
                           struct fg_error *err)
{
    struct fg_process_info *info = &process->info;
    uint32_t count = 0;

    for (int32_t i = 0; i < NODES_MAX; i++) {
        count += is_listed(process, scan, i);
    }
    process->memory = fgi_alloc(count, sizeof(*process->memory));
    if (process->memory == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "process %d: got no memory",
                        info->pid);
    }
    info->memory = process->memory;
    info->memory_bytes = 0;
    info->anonymous_bytes = scan->anonymous_bytes;
    for (int32_t i = 0; i < NODES_MAX; i++) {
        if (is_listed(process, scan, i)) {
            process->memory[info->memory_count++] = (struct fg_node_memory){
                .node = i, .bytes = scan->node_bytes[i]};
            info->memory_bytes = add(info->memory_bytes, scan->node_bytes[i]);
        }
    }
    return FG_OK;
}

enum fg_status fgi_process_read_memory(struct fg_process *process,
                                       struct fg_error *err)
{
    struct scan *scan = fgi_alloc(1, sizeof(*scan));
    char path[FGI_PROCESS_PATH_BYTES];
    struct fg_error why;
    enum fg_status status;

    if (scan == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "process %d: got no memory",
                        process->info.pid);
    }
    snprintf(path, sizeof(path), "/proc/%d/numa_maps", process->info.pid);
    if (fgi_sysroot_read_lines(process->topology->root, path, take_line, scan,
                               &why) == FG_OK) {
        status = keep(process, scan, err);
    } else {
        status =
            fgi_process_note(process, &why, &process->info.memory_error, err);
    }
    fgi_free(scan);
    return status;
}
