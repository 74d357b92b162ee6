/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMA nodes. Those that are online, in order of their number, which may have
 * holes. What a node's files do not say is unknown; a machine without
 * /sys/devices/system/node has no nodes here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/topology.h"

#define NODES "/sys/devices/system/node"
#define TEXT_BYTES 16384
#define PATH_BYTES 192

/* What reading the nodes needs on the way. */
struct scan {
    struct fg_topology *topology;
    struct fgi_set listed;      /* nodeN folders */
    struct fgi_set cpus_online; /* of the machine */
    bool knows_cpus;            /* cpus_online was there */
    bool is_short;              /* memory was too short for a list */
    char *text;                 /* owned, TEXT_BYTES */
};

static bool read_text(struct scan *scan, const char *path)
{
    return fg_sysroot_read(scan->topology->root, path, scan->text, TEXT_BYTES,
                           NULL) == FG_OK;
}

static bool read_node_file(struct scan *scan, int32_t node, const char *name)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), NODES "/node%d/%s", node, name);
    return read_text(scan, path);
}

/* Missing folders are unknown; memory that is short is an error. */
static void list(struct scan *scan, const char *path, fg_sysroot_name_fn take,
                 void *context)
{
    if (fg_sysroot_list(scan->topology->root, path, take, context, NULL) ==
        FG_ERR_MEMORY) {
        scan->is_short = true;
    }
}

static bool take_folder(const char *name, void *context)
{
    struct scan *scan = context;
    int64_t node;

    if (strncmp(name, "node", 4) == 0 && name[4] >= '0' && name[4] <= '9' &&
        fgi_parse_number(name + 4, &node) && node < FGI_SET_MAX) {
        fgi_set_add(&scan->listed, (uint32_t)node);
    }
    return true;
}

/* The nodes to describe: folders of nodes that are online. */
static void find_nodes(struct scan *scan)
{
    struct fgi_set online;

    list(scan, NODES, take_folder, scan);
    if (read_text(scan, NODES "/online") &&
        fgi_set_parse(&online, scan->text)) {
        fgi_set_intersect(&scan->listed, &online);
    }
    scan->knows_cpus = read_text(scan, "/sys/devices/system/cpu/online") &&
                       fgi_set_parse(&scan->cpus_online, scan->text);
}

static void read_memory(struct scan *scan, struct fg_node *node)
{
    uint64_t active;
    uint64_t inactive;

    node->memory_bytes = node->free_bytes = node->cache_bytes = FG_UNKNOWN;
    if (read_node_file(scan, node->node, "meminfo")) {
        (void)fgi_parse_meminfo(scan->text, "MemTotal", &node->memory_bytes);
        (void)fgi_parse_meminfo(scan->text, "MemFree", &node->free_bytes);
        if (fgi_parse_meminfo(scan->text, "Active(file)", &active) &&
            fgi_parse_meminfo(scan->text, "Inactive(file)", &inactive)) {
            node->cache_bytes = active + inactive;
        }
    }
}

static enum fg_status read_cpus(struct scan *scan, struct fg_node *node,
                                struct fgi_set *cpus, struct fg_error *err)
{
    if (!read_node_file(scan, node->node, "cpulist") ||
        !fgi_set_parse(cpus, scan->text)) {
        memset(cpus, 0, sizeof(*cpus));
    }
    if (scan->knows_cpus) {
        fgi_set_intersect(cpus, &scan->cpus_online);
    }
    node->cpu_count = fgi_set_count(cpus);
    fgi_set_format(cpus, scan->text, TEXT_BYTES);
    node->cpus = fgi_topology_keep(scan->topology, scan->text);
    if (node->cpus == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: node %d", node->node);
    }
    return FG_OK;
}

static enum fg_status read_distances(struct scan *scan, struct fg_node *node,
                                     struct fg_error *err)
{
    uint32_t count = scan->topology->node_count;
    uint32_t *distances = fgi_alloc(count, sizeof(*distances));

    if (distances == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: node %d", node->node);
    }
    node->distances = distances;
    if (read_node_file(scan, node->node, "distance") &&
        fgi_parse_distances(scan->text, distances, count) != count) {
        memset(distances, 0, count * sizeof(*distances));
    }
    return FG_OK;
}

/* What take_hugepages fills. */
struct hugepages_scan {
    struct scan *scan;
    struct fg_node *node;
};

static bool read_count(struct scan *scan, int32_t node, const char *folder,
                       const char *name, uint64_t *count)
{
    char path[112];
    int64_t value;

    snprintf(path, sizeof(path), "hugepages/%.64s/%s", folder, name);
    if (!read_node_file(scan, node, path) ||
        !fgi_parse_number(scan->text, &value) || value < 0) {
        return false;
    }
    *count = (uint64_t)value;
    return true;
}

static bool take_hugepages(const char *name, void *context)
{
    struct hugepages_scan *scan = context;
    struct fg_node *node = scan->node;
    struct fg_hugepages *entry = &node->hugepages[node->hugepage_count];
    char kib[24] = "";
    char unit[4] = "";
    int64_t size;

    if (sscanf(name, "hugepages-%20[0-9]%3s", kib, unit) != 2 ||
        strcmp(unit, "kB") != 0 || !fgi_parse_number(kib, &size) ||
        size > INT64_MAX / 1024) {
        return true;
    }
    if (read_count(scan->scan, node->node, name, "nr_hugepages",
                   &entry->pages) &&
        read_count(scan->scan, node->node, name, "free_hugepages",
                   &entry->free_pages)) {
        entry->page_bytes = (uint64_t)size * 1024;
        node->hugepage_count++;
    }
    return node->hugepage_count < FG_HUGEPAGE_SIZES_MAX;
}

static void read_hugepages(struct scan *scan, struct fg_node *node)
{
    struct hugepages_scan hugepages = {.scan = scan, .node = node};
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), NODES "/node%d/hugepages", node->node);
    list(scan, path, take_hugepages, &hugepages);
}

/* The node of a GPU's memory, by NVIDIA's driver: Grace Hopper. */
static bool take_gpu(const char *name, void *context)
{
    struct scan *scan = context;
    char path[PATH_BYTES];
    char value[32];
    int64_t number;

    snprintf(path, sizeof(path), "/proc/driver/nvidia/gpus/%.64s/numa_status",
             name);
    if (read_text(scan, path) &&
        fgi_parse_line(scan->text, "Node", value, sizeof(value)) &&
        fgi_parse_number(value, &number) && number >= 0 &&
        number < FGI_SET_MAX) {
        for (uint32_t i = 0; i < scan->topology->node_count; i++) {
            struct fg_node *node = &scan->topology->nodes[i];

            /* A node with CPUs is no GPU's, whatever the file says. */
            if (node->node == number && node->cpu_count == 0) {
                node->flags |= FG_NODE_DEVICE_MEMORY;
            }
        }
    }
    return true;
}

/* A set of /proc/self/status; false when it does not say. */
static bool read_allowed(struct scan *scan, const char *key,
                         struct fgi_set *set)
{
    char value[TEXT_BYTES / 4];

    return read_text(scan, "/proc/self/status") &&
           fgi_parse_line(scan->text, key, value, sizeof(value)) &&
           fgi_set_parse(set, value);
}

static void read_flags(struct scan *scan)
{
    struct fg_topology *topology = scan->topology;
    struct fgi_set cpus;
    struct fgi_set memory;
    bool knows_cpus = read_allowed(scan, "Cpus_allowed_list", &cpus);
    bool knows_memory = read_allowed(scan, "Mems_allowed_list", &memory);

    for (uint32_t i = 0; i < topology->node_count; i++) {
        struct fg_node *node = &topology->nodes[i];
        struct fgi_set common = topology->node_cpus[i];

        if (knows_cpus) {
            fgi_set_intersect(&common, &cpus);
        }
        if (fgi_set_count(&common) > 0) {
            node->flags |= FG_NODE_CPUS_ALLOWED;
        }
        if (node->memory_bytes > 0 &&
            (!knows_memory || fgi_set_has(&memory, (uint32_t)node->node))) {
            node->flags |= FG_NODE_MEMORY_ALLOWED;
        }
    }
    list(scan, "/proc/driver/nvidia/gpus", take_gpu, scan);
}

static enum fg_status read_all(struct scan *scan, struct fg_error *err)
{
    struct fg_topology *topology = scan->topology;
    enum fg_status status = FG_OK;
    uint32_t count = fgi_set_count(&scan->listed);
    uint32_t next = 0;

    topology->nodes = fgi_alloc(count, sizeof(*topology->nodes));
    topology->node_cpus = fgi_alloc(count, sizeof(*topology->node_cpus));
    if (topology->nodes == NULL || topology->node_cpus == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: %u nodes", count);
    }
    topology->node_count = count;
    for (uint32_t i = 0; i < FGI_SET_MAX && status == FG_OK; i++) {
        struct fg_node *node = &topology->nodes[next];

        if (!fgi_set_has(&scan->listed, i)) {
            continue;
        }
        node->node = (int32_t)i;
        read_memory(scan, node);
        read_hugepages(scan, node);
        status = read_cpus(scan, node, &topology->node_cpus[next], err);
        if (status == FG_OK) {
            status = read_distances(scan, node, err);
        }
        next++;
    }
    if (status == FG_OK) {
        read_flags(scan);
    }
    if (status == FG_OK && scan->is_short) {
        status = fgi_fail(err, FG_ERR_MEMORY, "topology: nodes");
    }
    return status;
}

enum fg_status fgi_topology_read_nodes(struct fg_topology *topology,
                                       struct fg_error *err)
{
    struct scan *scan = fgi_alloc(1, sizeof(*scan));
    enum fg_status status;

    if (scan != NULL) {
        scan->topology = topology;
        scan->text = fgi_alloc(TEXT_BYTES, 1);
    }
    if (scan == NULL || scan->text == NULL) {
        fgi_free(scan);
        return fgi_fail(err, FG_ERR_MEMORY, "topology: nodes");
    }
    find_nodes(scan);
    status = read_all(scan, err);
    fgi_free(scan->text);
    fgi_free(scan);
    return status;
}

uint64_t fgi_node_room_bytes(const struct fg_node *node)
{
    if (node == NULL || node->free_bytes == FG_UNKNOWN) {
        return FG_UNKNOWN;
    }
    return node->free_bytes +
           (node->cache_bytes == FG_UNKNOWN ? 0 : node->cache_bytes / 2);
}
