/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to change about a process. It belongs to the node of its GPUs; where
 * these are not known, to the node where its threads are held already, or
 * most of its memory is. What cannot be decided is said, and not guessed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo_process.h"

/* Libraries shared with others stay where they are: a tenth may be away. */
#define SHARE_ELSEWHERE 10

/* "1" is one node; "0-1", "0,2" and "" are not. */
static bool is_one_node(const char *nodes, int32_t *node)
{
    if (nodes[0] == '\0' || strpbrk(nodes, ",-") != NULL) {
        return false;
    }
    *node = (int32_t)strtol(nodes, NULL, 10);
    return true;
}

/* Do its GPUs decide? Either for a node, or that nothing else may. */
static bool ask_gpus(const struct fg_process_info *info, struct advice *advice)
{
    int32_t home = -1;
    for (uint32_t i = 0; i < info->gpu_count; i++) {
        int32_t node = info->gpus[i].home.node;
        if (node >= 0 && home >= 0 && node != home) {
            snprintf(advice->why, sizeof(advice->why),
                     "it has GPUs of several nodes open: choose one by --node");
            return true;
        }
        home = node >= 0 ? node : home;
    }
    if (home < 0) {
        return false;
    }
    advice->node = home;
    snprintf(advice->why, sizeof(advice->why), "%s hang off node %" PRId32,
             info->gpu_error[0] == '\0' ? "its GPUs"
                                        : "those of its GPUs that are known",
             home);
    return true;
}

/* The node that holds three quarters of its memory. */
static bool ask_memory(const struct fg_process_info *info, int32_t *node)
{
    for (uint32_t i = 0; i < info->memory_count; i++) {
        if (info->memory[i].bytes > info->memory_bytes / 4 * 3) {
            *node = info->memory[i].node;
            return true;
        }
    }
    return false;
}

/* Nodes that a process could be put on. */
static uint32_t count_nodes(const struct fg_topology *topology)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fg_topology_node_count(topology); i++) {
        count += fg_topology_node(topology, i)->cpu_count > 0;
    }
    return count;
}

static void choose_node(const struct fg_topology *topology,
                        const struct fg_process_info *info,
                        struct advice *advice)
{
    const char *gpus = info->gpu_count > 0 ? "its GPUs' nodes are unknown"
                       : info->gpu_error[0] != '\0' ? "its GPUs are unknown"
                                                    : "no NVIDIA GPU is open";
    if (advice->node >= 0) {
        snprintf(advice->why, sizeof(advice->why),
                 "node %" PRId32 " was asked for", advice->node);
    } else if (count_nodes(topology) == 0) {
        snprintf(advice->why, sizeof(advice->why), "the nodes are unknown");
    } else if (count_nodes(topology) == 1) {
        snprintf(advice->why, sizeof(advice->why),
                 "this machine has one node with CPUs");
        advice->is_good = true;
    } else if (ask_gpus(info, advice)) {
        return;
    } else if (is_one_node(info->nodes, &advice->node)) {
        snprintf(advice->why, sizeof(advice->why),
                 "%s; its threads run on node %" PRId32, gpus, advice->node);
    } else if (ask_memory(info, &advice->node)) {
        snprintf(advice->why, sizeof(advice->why),
                 "%s; most of its memory is on node %" PRId32, gpus,
                 advice->node);
    } else {
        snprintf(advice->why, sizeof(advice->why),
                 "%s; it is on several nodes: choose one by --node", gpus);
    }
}

static void count_elsewhere(const struct fg_process_info *info,
                            struct advice *advice)
{
    uint64_t bytes = info->memory_bytes;
    for (uint32_t i = 0; i < info->group_count; i++) {
        int32_t node = -1;
        if (!is_one_node(info->groups[i].nodes, &node) ||
            node != advice->node) {
            advice->threads_elsewhere += info->groups[i].thread_count;
        }
    }
    for (uint32_t i = 0; i < info->memory_count; i++) {
        if (info->memory[i].node == advice->node) {
            bytes -= info->memory[i].bytes;
        }
    }
    advice->bytes_elsewhere = bytes;
    advice->migrates =
        bytes != FG_UNKNOWN && bytes > info->memory_bytes / SHARE_ELSEWHERE;
}

void topo_advise(const struct fg_topology *topology,
                 const struct fg_process *process, int32_t node,
                 struct advice *advice)
{
    const struct fg_process_info *info = fg_process_get_info(process);
    struct fg_process_moved moved;
    struct fg_error err;
    memset(advice, 0, sizeof(*advice));
    advice->node = node;
    advice->bytes_elsewhere = FG_UNKNOWN;
    choose_node(topology, info, advice);
    if (advice->node < 0) {
        return;
    }
    count_elsewhere(info, advice);
    /* What is unknown is not good. */
    if (advice->threads_elsewhere == 0 && !advice->migrates &&
        info->thread_error[0] == '\0' && info->memory_error[0] == '\0') {
        advice->is_good = true;
        return;
    }
    if (advice->threads_elsewhere == 0 && !advice->migrates) {
        return;
    }
    if (fg_process_move(process, advice->node,
                        FG_PROCESS_CHECK |
                            (advice->migrates ? FG_PROCESS_MIGRATE : 0),
                        &moved, &err) != FG_OK) {
        snprintf(advice->obstacle, sizeof(advice->obstacle), "%s", err.message);
        return;
    }
    snprintf(advice->command, sizeof(advice->command),
             "feedgpu topo --apply --pid %" PRId32 " --node %" PRId32 "%s",
             info->pid, advice->node, advice->migrates ? " --migrate" : "");
}
