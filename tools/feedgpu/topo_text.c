/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu topo as tables of 80 columns. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "size.h"
#include "topo.h"

/* The first of the kernel's names, or the kind. */
static void format_name(const struct fg_pci_device *device, char *text,
                        size_t text_bytes)
{
    const char *name = device->names[0] != '\0'
                           ? device->names
                           : fg_pci_kind_name(device->kind);
    snprintf(text, text_bytes, "%.*s", (int)strcspn(name, ","), name);
}

/* "0", "0 bridge", "?": what is not from the device itself is said. */
static void format_home(const struct fg_home *home, char *text,
                        size_t text_bytes)
{
    if (home->node < 0) {
        snprintf(text, text_bytes, "?");
    } else if (home->source == FG_SOURCE_SYSFS) {
        snprintf(text, text_bytes, "%" PRId32, home->node);
    } else {
        snprintf(text, text_bytes, "%" PRId32 "*", home->node);
    }
}

/* "2.5x16/32x16": gigatransfers and lanes, now and at best. */
static void format_link(const struct fg_pci_device *device, char *text,
                        size_t text_bytes)
{
    const struct fg_link *now = &device->link_now;
    const struct fg_link *most = &device->link_max;
    if (most->speed_mts == 0 || now->speed_mts == 0) {
        snprintf(text, text_bytes, "-");
        return;
    }
    snprintf(text, text_bytes, "%gx%" PRIu32 "/%gx%" PRIu32,
             (double)now->speed_mts / 1000, now->width,
             (double)most->speed_mts / 1000, most->width);
}

static void format_near(const struct topo *topo,
                        const struct fg_pci_device *device,
                        enum fg_pci_kind kind, char *text, size_t text_bytes)
{
    enum fg_path path = FG_PATH_UNKNOWN;
    const struct fg_pci_device *near = topo_nearest(topo, device, kind, &path);
    char name[16];
    if (near == NULL || !topo_is_compute(device)) {
        snprintf(text, text_bytes, "%s", topo_is_compute(device) ? "?" : "");
        return;
    }
    format_name(near, name, sizeof(name));
    snprintf(text, text_bytes, "%s %s", name, fg_path_name(path));
}

static void print_device(const struct topo *topo,
                         const struct fg_pci_device *device)
{
    char name[12];
    char home[16];
    char link[48];
    char disk[24];
    char nic[24];
    format_name(device, name, sizeof(name));
    format_home(&device->home, home, sizeof(home));
    format_link(device, link, sizeof(link));
    format_near(topo, device, FG_PCI_NVME, disk, sizeof(disk));
    format_near(topo, device, FG_PCI_NIC, nic, sizeof(nic));
    printf("%-7s %-13s %-4s %-12s %-11s %-11s %s\n", name, device->bus_id, home,
           link, disk, nic, topo_verdict(topo, device));
}

/* What the marks mean, for those that are there. */
static void print_legend(const struct topo *topo)
{
    bool is_shown[FG_PATH_SYS + 1] = {false};
    for (uint32_t i = 0; i < topo->device_count; i++) {
        const struct fg_pci_device *device = topo->devices[i];
        enum fg_path path = FG_PATH_UNKNOWN;
        if (!topo_is_compute(device)) {
            continue;
        }
        (void)topo_nearest(topo, device, FG_PCI_NVME, &path);
        is_shown[path] = true;
        path = FG_PATH_UNKNOWN;
        (void)topo_nearest(topo, device, FG_PCI_NIC, &path);
        is_shown[path] = true;
    }
    for (int path = FG_PATH_SELF; path <= FG_PATH_SYS; path++) {
        if (is_shown[path]) {
            printf("  %-5s %s\n", fg_path_name((enum fg_path)path),
                   fg_path_meaning((enum fg_path)path));
        }
    }
    for (uint32_t i = 0; i < topo->device_count; i++) {
        const struct fg_home *home = &topo->devices[i]->home;
        if (home->node >= 0 && home->source != FG_SOURCE_SYSFS) {
            printf("  *     not by the device itself: %s\n",
                   fg_node_source_name(home->source));
            break;
        }
    }
}

/* A disk that has its row among the devices already. */
static bool is_nvme(const struct topo *topo, const struct fg_block *block)
{
    for (uint32_t i = 0; i < fg_topology_pci_count(topo->topology); i++) {
        const struct fg_pci_device *device = fg_topology_pci(topo->topology, i);
        if (device->kind == FG_PCI_NVME &&
            strcmp(device->bus_id, block->leaves[0].bus_id) == 0) {
            return true;
        }
    }
    return false;
}

static void print_leaves(const struct fg_block *block)
{
    for (uint32_t i = 0; i < block->leaf_count; i++) {
        char home[16];
        format_home(&block->leaves[i].home, home, sizeof(home));
        printf(" %s@%s", block->leaves[i].name, home);
    }
}

static void print_blocks(const struct topo *topo)
{
    bool is_first = true;
    for (uint32_t i = 0; i < fg_topology_block_count(topo->topology); i++) {
        const struct fg_block *block = fg_topology_block(topo->topology, i);
        bool is_plain = block->leaf_count == 1 &&
                        strcmp(block->leaves[0].name, block->name) == 0;
        char home[16];
        if (is_plain && is_nvme(topo, block)) {
            continue;
        }
        if (is_first) {
            printf("\n%-12s %-8s %s\n", "block device", "node",
                   "made of, or its PCI device");
            is_first = false;
        }
        format_home(&block->home, home, sizeof(home));
        printf("%-12s %-8s", block->name,
               block->is_split != 0 ? "several" : home);
        if (!is_plain) {
            print_leaves(block);
        } else {
            const char *bus_id = block->leaves[0].bus_id;
            printf(" %s", bus_id[0] != '\0' ? bus_id : "no PCI device");
        }
        putchar('\n');
    }
}

static void print_size_known(uint64_t bytes)
{
    char size[SIZE_TEXT_BYTES];
    printf(" %9s", bytes == FG_UNKNOWN ? "?" : size_format(bytes, size));
}

static const char *allowed(const struct fg_node *node)
{
    if ((node->flags & FG_NODE_DEVICE_MEMORY) != 0) {
        return "GPU memory";
    }
    switch (node->flags & (FG_NODE_CPUS_ALLOWED | FG_NODE_MEMORY_ALLOWED)) {
    case FG_NODE_CPUS_ALLOWED | FG_NODE_MEMORY_ALLOWED:
        return "yes";
    case FG_NODE_CPUS_ALLOWED:
        return "CPUs only";
    case FG_NODE_MEMORY_ALLOWED:
        return "memory only";
    default:
        return "no";
    }
}

/* Grace Hopper has nodes for parts of a GPU that nobody has made. */
static bool is_empty(const struct fg_node *node)
{
    return node->cpu_count == 0 && node->memory_bytes == 0;
}

static void print_empty_nodes(const struct topo *topo)
{
    bool is_first = true;
    for (uint32_t i = 0; i < fg_topology_node_count(topo->topology); i++) {
        const struct fg_node *node = fg_topology_node(topo->topology, i);
        if (is_empty(node)) {
            printf("%s%" PRId32, is_first ? "without CPUs and memory: " : " ",
                   node->node);
            is_first = false;
        }
    }
    if (!is_first) {
        putchar('\n');
    }
}

static void print_nodes(const struct topo *topo)
{
    uint32_t count = fg_topology_node_count(topo->topology);
    if (count == 0) {
        printf("\nNUMA nodes: not known\n");
        return;
    }
    printf("\n%-4s %-18s %9s %9s %-12s %s\n", "node", "CPUs", "memory", "free",
           "allowed", "distances");
    for (uint32_t i = 0; i < count; i++) {
        const struct fg_node *node = fg_topology_node(topo->topology, i);
        if (is_empty(node)) {
            continue;
        }
        printf("%-4" PRId32 " %-18s", node->node,
               node->cpus[0] == '\0' ? "none" : node->cpus);
        print_size_known(node->memory_bytes);
        print_size_known(node->free_bytes);
        printf(" %-12s", allowed(node));
        for (uint32_t k = 0; k < count; k++) {
            if (!is_empty(fg_topology_node(topo->topology, k))) {
                printf("%s%" PRIu32, k == 0 ? "" : " ", node->distances[k]);
            }
        }
        putchar('\n');
    }
    print_empty_nodes(topo);
}

void topo_print_text(const struct topo *topo)
{
    if (topo->device_count == 0) {
        printf("no GPU, NVMe disk or network card on PCI\n");
    } else {
        printf("%-7s %-13s %-4s %-12s %-11s %-11s %s\n", "device", "bus id",
               "node", "link GT/s", "NVMe", "NIC", "verdict");
    }
    for (uint32_t i = 0; i < topo->device_count; i++) {
        print_device(topo, topo->devices[i]);
    }
    print_legend(topo);
    print_blocks(topo);
    print_nodes(topo);
}
