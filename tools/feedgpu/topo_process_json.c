/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu topo --pid --json. Unknown is null, with its reason beside it. */
#include <string.h>

#include "json.h"
#include "topo_process.h"

static void put_known(json_t *object, const char *key, const char *text)
{
    if (text[0] == '\0') {
        json_object_set_new(object, key, json_null());
    } else {
        json_put_text(object, key, text);
    }
}

static void put_bytes_known(json_t *object, const char *key, uint64_t bytes)
{
    if (bytes == FG_UNKNOWN) {
        json_object_set_new(object, key, json_null());
    } else {
        json_put_count(object, key, bytes);
    }
}

static void put_node(json_t *object, const char *key, int32_t node)
{
    json_object_set_new(object, key,
                        node < 0 ? json_null() : json_integer(node));
}

static json_t *gpus(const struct fg_process_info *info)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < info->gpu_count; i++) {
        const struct fg_process_gpu *gpu = &info->gpus[i];
        json_t *entry = json_object();
        json_put_text(entry, "bus_id", gpu->bus_id);
        json_put_count(entry, "minor", (uint64_t)gpu->minor);
        put_node(entry, "numa_node", gpu->home.node);
        json_put_text(entry, "numa_source",
                      fg_node_source_name(gpu->home.source));
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *threads(const struct fg_process_info *info)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < info->group_count; i++) {
        const struct fg_thread_group *group = &info->groups[i];
        json_t *entry = json_object();
        json_put_count(entry, "count", group->thread_count);
        json_put_text(entry, "name", group->name);
        json_put_text(entry, "cpus", group->cpus);
        json_put_count(entry, "cpu_count", group->cpu_count);
        put_known(entry, "nodes", group->nodes);
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *memory(const struct fg_process_info *info)
{
    json_t *list = info->memory_error[0] == '\0' ? json_array() : json_null();
    for (uint32_t i = 0; i < info->memory_count; i++) {
        json_t *entry = json_object();
        put_node(entry, "node", info->memory[i].node);
        json_put_count(entry, "bytes", info->memory[i].bytes);
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *verdict(const struct advice *advice)
{
    json_t *object = json_object();
    json_object_set_new(object, "ok", json_boolean(advice->is_good));
    put_node(object, "node", advice->node);
    json_put_text(object, "why", advice->why);
    json_put_count(object, "threads_elsewhere", advice->threads_elsewhere);
    put_bytes_known(object, "bytes_elsewhere", advice->bytes_elsewhere);
    put_known(object, "obstacle", advice->obstacle);
    put_known(object, "command", advice->command);
    return object;
}

void topo_emit_process(const struct fg_process *process, const char *when,
                       const struct advice *advice)
{
    const struct fg_process_info *info = fg_process_get_info(process);
    json_t *object = json_begin("topo");
    json_put_text(object, "kind", "process");
    json_put_text(object, "when", when);
    json_put_count(object, "pid", (uint64_t)info->pid);
    json_put_text(object, "name", info->name);
    put_known(object, "command", info->command);
    json_object_set_new(object, "gpus", gpus(info));
    put_known(object, "gpu_error", info->gpu_error);
    put_known(object, "cpuset_cpus", info->cpuset_cpus);
    put_known(object, "memory_nodes", info->memory_nodes);
    json_put_count(object, "thread_count", info->thread_count);
    put_known(object, "cpus", info->cpus);
    put_known(object, "nodes", info->nodes);
    json_object_set_new(object, "threads", threads(info));
    put_known(object, "thread_error", info->thread_error);
    put_bytes_known(object, "memory_bytes", info->memory_bytes);
    put_bytes_known(object, "anonymous_bytes", info->anonymous_bytes);
    json_object_set_new(object, "memory", memory(info));
    put_known(object, "memory_error", info->memory_error);
    if (advice != NULL) {
        json_object_set_new(object, "verdict", verdict(advice));
    }
    json_emit(object);
}

void topo_emit_moved(const struct fg_process *process, int32_t node,
                     const struct fg_process_moved *moved)
{
    json_t *object = json_begin("topo");
    json_put_text(object, "kind", "moved");
    json_put_count(object, "pid", (uint64_t)fg_process_get_info(process)->pid);
    put_node(object, "node", node);
    json_put_count(object, "threads", moved->threads);
    json_put_count(object, "threads_ended", moved->threads_ended);
    json_put_count(object, "threads_fixed", moved->threads_fixed);
    json_put_count(object, "pages_left", moved->pages_left);
    json_emit(object);
}
