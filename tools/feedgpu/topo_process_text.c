/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu topo --pid as tables of 80 columns. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "size.h"
#include "topo_process.h"

#define COLUMNS 80
#define GROUPS_SHOWN 16 /* --json has them all */

/* Print the rest of a line, cut to its end. */
static void print_cut(const char *text, int column)
{
    int room = COLUMNS - 1 - column;
    if ((int)strlen(text) <= room) {
        puts(text);
    } else {
        printf("%.*s...\n", room - 3, text);
    }
}

/* Print words from a column on, at which later lines begin too. */
static void print_wrapped(const char *text, int begin)
{
    int column = begin;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (column > begin && column + 1 + length > COLUMNS - 1) {
            printf("\n%*s", begin, "");
            column = begin;
        }
        column += printf("%s%.*s", column > begin ? " " : "", length, text);
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* Print why something is unknown, from a column on. */
static void print_unknown(const char *why, int column)
{
    char text[FG_ERROR_MESSAGE_BYTES + 16];
    snprintf(text, sizeof(text), "unknown: %s", why);
    print_wrapped(text, column);
}

static void print_gpus(const struct fg_process_info *info)
{
    for (uint32_t i = 0; i < info->gpu_count; i++) {
        const struct fg_process_gpu *gpu = &info->gpus[i];
        printf("%-9s %s", i == 0 ? "GPUs open" : "", gpu->bus_id);
        if (gpu->home.node < 0) {
            printf("  node unknown\n");
        } else {
            printf("  node %" PRId32 "\n", gpu->home.node);
        }
    }
    if (info->gpu_error[0] != '\0') {
        printf("%-9s ", info->gpu_count == 0 ? "GPUs open" : "");
        print_unknown(info->gpu_error, 10);
    } else if (info->gpu_count == 0) {
        printf("%-9s none of NVIDIA's\n", "GPUs open");
    }
}

static void print_threads(const struct fg_process_info *info)
{
    uint32_t left = 0;
    printf("\n%7s  %-8s %-16s %s\n", "threads", "of nodes", "first thread",
           "may run on CPUs");
    for (uint32_t i = 0; i < info->group_count; i++) {
        const struct fg_thread_group *group = &info->groups[i];
        if (i >= GROUPS_SHOWN) {
            left += group->thread_count;
            continue;
        }
        printf("%7" PRIu32 "  %-8s %-16s ", group->thread_count,
               group->nodes[0] == '\0' ? "?" : group->nodes, group->name);
        print_cut(group->cpus, 35);
    }
    if (left > 0) {
        printf("%7" PRIu32 "  on other CPUs\n", left);
    }
    if (info->thread_error[0] != '\0') {
        printf("%9s", "");
        print_unknown(info->thread_error, 9);
    }
}

static double share(uint64_t bytes, uint64_t of_bytes)
{
    return of_bytes == 0 ? 0.0 : 100.0 * (double)bytes / (double)of_bytes;
}

static void print_memory(const struct fg_process_info *info)
{
    char size[SIZE_TEXT_BYTES];
    if (info->memory_error[0] != '\0') {
        printf("\nmemory    ");
        print_unknown(info->memory_error, 10);
        return;
    }
    printf("\n%-4s  %10s  %5s\n", "node", "memory", "share");
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const struct fg_node_memory *memory = &info->memory[i];
        printf("%-4" PRId32 "  %10s  %3.0f %%\n", memory->node,
               size_format(memory->bytes, size),
               share(memory->bytes, info->memory_bytes));
    }
    printf("%-4s  %10s", "all", size_format(info->memory_bytes, size));
    printf("  of it %s anonymous\n", size_format(info->anonymous_bytes, size));
}

void topo_print_placement(const struct fg_process *process)
{
    print_threads(fg_process_get_info(process));
    print_memory(fg_process_get_info(process));
}

void topo_print_process(const struct fg_process *process)
{
    const struct fg_process_info *info = fg_process_get_info(process);
    printf("process   %" PRId32 " %s\n", info->pid, info->name);
    if (info->command[0] != '\0') {
        printf("command   ");
        print_cut(info->command, 10);
    }
    print_gpus(info);
    printf("cpuset    CPUs ");
    print_cut(info->cpuset_cpus[0] == '\0' ? "unknown" : info->cpuset_cpus, 15);
    printf("          memory of nodes ");
    print_cut(info->memory_nodes[0] == '\0' ? "unknown" : info->memory_nodes,
              26);
    topo_print_placement(process);
}

/* What is not where it should be. */
static void print_elsewhere(const struct fg_topology *topology,
                            const struct fg_process_info *info,
                            const struct advice *advice)
{
    const struct fg_node *node = fg_topology_find_node(topology, advice->node);
    char size[SIZE_TEXT_BYTES];
    if (advice->threads_elsewhere > 0) {
        printf("          %" PRIu32 " of %" PRIu32
               " threads may run on other nodes\n",
               advice->threads_elsewhere, info->thread_count);
    }
    if (!advice->migrates) {
        return;
    }
    printf("          %s of memory (%.0f %%) on other nodes\n",
           size_format(advice->bytes_elsewhere, size),
           share(advice->bytes_elsewhere, info->memory_bytes));
    if (node != NULL && node->free_bytes != FG_UNKNOWN) {
        printf("          node %" PRId32 " has %s%s free\n", node->node,
               node->free_bytes < advice->bytes_elsewhere ? "only " : "",
               size_format(node->free_bytes, size));
    }
}

void topo_print_advice(const struct fg_topology *topology,
                       const struct fg_process *process,
                       const struct advice *advice)
{
    printf("\nverdict   %s\n", advice->why);
    if (advice->node >= 0) {
        print_elsewhere(topology, fg_process_get_info(process), advice);
    }
    if (advice->is_good) {
        printf("          ok: nothing to change\n");
    } else if (advice->obstacle[0] != '\0') {
        printf("          cannot be changed:\n          ");
        print_wrapped(advice->obstacle, 10);
    } else if (advice->command[0] != '\0') {
        printf("change    %s\n", advice->command);
    } else if (advice->node >= 0) {
        printf("          what is known is there\n");
    }
}
