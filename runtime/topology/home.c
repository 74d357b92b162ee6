/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The home node of a device. Sources are asked in the order of
 * fg_topology_find_home; one that names a node which is not online, or which
 * is a GPU's own memory, has said nothing. -1 is normal in virtual machines
 * and never means node 0.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/base/bus_id.h"
#include "runtime/topology/device.h"

/* May memory for a device be placed there, or threads for it run there? */
static bool is_host_node(const struct fg_topology *topology, int64_t number)
{
    const struct fg_node *node;

    if (number < 0 || number >= FGI_SET_MAX) {
        return false;
    }
    node = fg_topology_find_node(topology, (int32_t)number);
    return node != NULL && (node->flags & FG_NODE_DEVICE_MEMORY) == 0;
}

static bool set_home(const struct fg_topology *topology, int64_t node,
                     enum fg_node_source source, struct fg_home *home)
{
    if (!is_host_node(topology, node)) {
        return false;
    }
    *home = (struct fg_home){.node = (int32_t)node, .source = source};
    return true;
}

/* The nearest bridge above that knows its node. */
static bool ask_bridges(const struct fg_topology *topology, const char *path,
                        struct fg_home *home)
{
    char above[FG_SYSROOT_PATH_BYTES];
    int64_t node;

    snprintf(above, sizeof(above), "%s", path);
    while (fgi_device_go_up(above)) {
        if (fgi_device_number(topology, above, "numa_node", &node) &&
            set_home(topology, node, FG_SOURCE_BRIDGE, home)) {
            return true;
        }
    }
    return false;
}

/* The node that holds all local CPUs, if that says anything. */
static bool ask_cpus(const struct fg_topology *topology, const char *path,
                     struct fg_home *home)
{
    struct fgi_set local;
    struct fgi_set online = {{0}};

    for (uint32_t i = 0; i < topology->node_count; i++) {
        fgi_set_unite(&online, &topology->node_cpus[i]);
    }
    if (!fgi_device_local_cpus(topology, path, &local)) {
        return false;
    }
    fgi_set_intersect(&local, &online);
    /* All CPUs of the machine is what sysfs says when it does not know. */
    if (fgi_set_count(&local) == 0 || fgi_set_is_within(&online, &local)) {
        return false;
    }
    for (uint32_t i = 0; i < topology->node_count; i++) {
        if (fgi_set_is_within(&local, &topology->node_cpus[i])) {
            return set_home(topology, topology->nodes[i].node,
                            FG_SOURCE_LOCAL_CPUS, home);
        }
    }
    return false;
}

/* Without NUMA in the kernel there are no nodes, and one place for memory. */
static bool has_no_numa(const struct fg_topology *topology)
{
    char path[FG_SYSROOT_PATH_BYTES];

    return topology->node_count == 0 && !fg_sysroot_is_copy(topology->root) &&
           fg_sysroot_resolve(topology->root, "/sys/devices/system/node", path,
                              NULL) == FG_ERR_NOT_FOUND &&
           fg_sysroot_resolve(topology->root, "/sys/devices/system/cpu", path,
                              NULL) == FG_OK;
}

/* The only node that can hold or do anything for a device. */
static bool ask_nodes(const struct fg_topology *topology, struct fg_home *home)
{
    const struct fg_node *only = NULL;

    if (has_no_numa(topology)) {
        *home = (struct fg_home){.node = 0, .source = FG_SOURCE_ONLY_NODE};
        return true;
    }
    for (uint32_t i = 0; i < topology->node_count; i++) {
        const struct fg_node *node = &topology->nodes[i];

        if ((node->flags & FG_NODE_DEVICE_MEMORY) != 0 ||
            (node->cpu_count == 0 && node->memory_bytes == 0)) {
            continue;
        }
        if (only != NULL) {
            return false;
        }
        only = node;
    }
    return only != NULL &&
           set_home(topology, only->node, FG_SOURCE_ONLY_NODE, home);
}

void fgi_home_of_path(const struct fg_topology *topology, const char *path,
                      int32_t driver_node, struct fg_home *home)
{
    int64_t node;

    if (fgi_device_number(topology, path, "numa_node", &node) &&
        set_home(topology, node, FG_SOURCE_SYSFS, home)) {
        return;
    }
    if (set_home(topology, driver_node, FG_SOURCE_DRIVER, home) ||
        ask_bridges(topology, path, home) || ask_cpus(topology, path, home) ||
        ask_nodes(topology, home)) {
        return;
    }
    *home = (struct fg_home){.node = -1, .source = FG_SOURCE_UNKNOWN};
}

void fgi_home_without_path(const struct fg_topology *topology,
                           int32_t driver_node, struct fg_home *home)
{
    if (!set_home(topology, driver_node, FG_SOURCE_DRIVER, home) &&
        !ask_nodes(topology, home)) {
        *home = (struct fg_home){.node = -1, .source = FG_SOURCE_UNKNOWN};
    }
}

void fg_topology_find_home(const struct fg_topology *topology,
                           const char *bus_id, int32_t driver_node,
                           struct fg_home *home)
{
    char usual[FG_BUS_ID_BYTES];
    char link[64];
    char path[FG_SYSROOT_PATH_BYTES];

    if (bus_id != NULL && fgi_bus_id_parse(bus_id, usual)) {
        snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", usual);
        if (fg_sysroot_resolve(topology->root, link, path, NULL) == FG_OK) {
            fgi_home_of_path(topology, path, driver_node, home);
            return;
        }
    }
    fgi_home_without_path(topology, driver_node, home);
}
