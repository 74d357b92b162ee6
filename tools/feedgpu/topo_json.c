/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu topo --json: a line per node, device and block device. */
#include <string.h>

#include "json.h"
#include "topo.h"

static json_t *begin(const char *kind)
{
    json_t *object = json_begin("topo");
    json_put_text(object, "kind", kind);
    return object;
}

/* Unknown is null, never a number. */
static void put_bytes_known(json_t *object, const char *key, uint64_t bytes)
{
    json_object_set_new(object, key,
                        bytes == FG_UNKNOWN ? json_null()
                                            : json_integer((json_int_t)bytes));
}

static void put_home(json_t *object, const struct fg_home *home)
{
    json_object_set_new(object, "numa_node",
                        home->node < 0 ? json_null()
                                       : json_integer(home->node));
    json_put_text(object, "numa_source", fg_node_source_name(home->source));
}

static json_t *hugepages(const struct fg_node *node)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < node->hugepage_count; i++) {
        json_t *entry = json_object();
        json_put_count(entry, "page_bytes", node->hugepages[i].page_bytes);
        json_put_count(entry, "pages", node->hugepages[i].pages);
        json_put_count(entry, "free_pages", node->hugepages[i].free_pages);
        json_array_append_new(list, entry);
    }
    return list;
}

static void print_node(const struct topo *topo, const struct fg_node *node)
{
    json_t *object = begin("node");
    json_t *distances = json_array();
    json_object_set_new(object, "node", json_integer(node->node));
    json_put_text(object, "cpus", node->cpus);
    put_bytes_known(object, "memory_bytes", node->memory_bytes);
    put_bytes_known(object, "free_bytes", node->free_bytes);
    for (uint32_t i = 0; i < fg_topology_node_count(topo->topology); i++) {
        json_array_append_new(distances,
                              node->distances[i] == 0
                                  ? json_null()
                                  : json_integer(node->distances[i]));
    }
    json_object_set_new(object, "distances", distances);
    json_object_set_new(object, "hugepages", hugepages(node));
    json_object_set_new(
        object, "device_memory",
        json_boolean((node->flags & FG_NODE_DEVICE_MEMORY) != 0));
    json_object_set_new(
        object, "cpus_allowed",
        json_boolean((node->flags & FG_NODE_CPUS_ALLOWED) != 0));
    json_object_set_new(
        object, "memory_allowed",
        json_boolean((node->flags & FG_NODE_MEMORY_ALLOWED) != 0));
    json_emit(object);
}

static void put_link(json_t *object, const char *key,
                     const struct fg_link *link)
{
    json_t *entry = json_null();
    if (link->speed_mts > 0 && link->width > 0) {
        entry = json_object();
        json_put_real(entry, "gt_per_s", (double)link->speed_mts / 1000);
        json_put_count(entry, "width", link->width);
        json_put_count(entry, "bytes_per_s", fg_link_bytes_per_s(link));
    }
    json_object_set_new(object, key, entry);
}

static void put_nearest(json_t *object, const struct topo *topo,
                        const struct fg_pci_device *device, const char *key,
                        enum fg_pci_kind kind)
{
    enum fg_path path = FG_PATH_UNKNOWN;
    const struct fg_pci_device *near = topo_nearest(topo, device, kind, &path);
    json_t *entry = json_null();
    if (near != NULL) {
        entry = json_object();
        json_put_text(entry, "bus_id", near->bus_id);
        json_put_text(entry, "names", near->names);
        json_put_text(entry, "path", fg_path_name(path));
    }
    json_object_set_new(object, key, entry);
}

static void print_device(const struct topo *topo,
                         const struct fg_pci_device *device)
{
    json_t *object = begin(fg_pci_kind_name(device->kind));
    json_put_text(object, "bus_id", device->bus_id);
    put_home(object, &device->home);
    json_put_text(object, "names", device->names);
    json_put_text(object, "driver", device->driver);
    json_put_count(object, "class", device->class_code);
    json_put_count(object, "vendor", device->vendor);
    json_put_count(object, "device", device->device);
    json_put_text(object, "local_cpus", device->local_cpus);
    put_link(object, "link_now", &device->link_now);
    put_link(object, "link_max", &device->link_max);
    put_link(object, "path_now", &device->path_now);
    put_link(object, "path_max", &device->path_max);
    json_put_text(object, "limited_by", device->limit_bus_id);
    put_nearest(object, topo, device, "nearest_nvme", FG_PCI_NVME);
    put_nearest(object, topo, device, "nearest_nic", FG_PCI_NIC);
    json_put_text(object, "verdict", topo_verdict(topo, device));
    json_emit(object);
}

static void print_block(const struct fg_block *block)
{
    json_t *object = begin("block");
    json_t *leaves = json_array();
    json_put_text(object, "name", block->name);
    put_home(object, &block->home);
    json_object_set_new(object, "split", json_boolean(block->is_split != 0));
    for (uint32_t i = 0; i < block->leaf_count; i++) {
        json_t *leaf = json_object();
        json_put_text(leaf, "name", block->leaves[i].name);
        json_put_text(leaf, "bus_id", block->leaves[i].bus_id);
        put_home(leaf, &block->leaves[i].home);
        json_array_append_new(leaves, leaf);
    }
    json_object_set_new(object, "leaves", leaves);
    json_emit(object);
}

void topo_print_json(const struct topo *topo)
{
    for (uint32_t i = 0; i < fg_topology_node_count(topo->topology); i++) {
        print_node(topo, fg_topology_node(topo->topology, i));
    }
    for (uint32_t i = 0; i < topo->device_count; i++) {
        print_device(topo, topo->devices[i]);
    }
    for (uint32_t i = 0; i < fg_topology_block_count(topo->topology); i++) {
        print_block(fg_topology_block(topo->topology, i));
    }
}
