/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node a program belongs to. GPUs are taken in the order of their bus
 * ids, as CUDA numbers them with CUDA_DEVICE_ORDER=PCI_BUS_ID; no context is
 * created and no driver asked, for the program may want the GPU exclusively.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch_bind.h"
#include "report.h"

#define VENDOR_NVIDIA 0x10de
#define GPUS_MAX 64
#define VISIBLE "CUDA_VISIBLE_DEVICES"

/* The GPUs of the machine, and which of them a program will take. */
struct gpus {
    const struct fg_topology *topology;
    const struct fg_pci_device *all[GPUS_MAX];
    uint32_t count;          /* entries of all */
    const char *visible;     /* CUDA_VISIBLE_DEVICES, or NULL */
    const char *rank_source; /* variable that rank is from, or NULL */
    uint32_t rank;           /* local rank */
};

static bool read_number(const char *text, uint32_t *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || value > 65535) {
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

static void read_rank(struct gpus *gpus)
{
    static const char *const names[] = {"LOCAL_RANK", "SLURM_LOCALID",
                                        "OMPI_COMM_WORLD_LOCAL_RANK"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = getenv(names[i]);
        if (text != NULL && read_number(text, &gpus->rank)) {
            gpus->rank_source = names[i];
            return;
        }
    }
}

static void collect(struct gpus *gpus, const struct fg_topology *topology)
{
    memset(gpus, 0, sizeof(*gpus));
    gpus->topology = topology;
    gpus->visible = getenv(VISIBLE);
    for (uint32_t i = 0; i < fg_topology_pci_count(topology); i++) {
        const struct fg_pci_device *device = fg_topology_pci(topology, i);
        if (device->kind == FG_PCI_GPU && device->vendor == VENDOR_NVIDIA &&
            gpus->count < GPUS_MAX) {
            gpus->all[gpus->count++] = device;
        }
    }
    read_rank(gpus);
}

/* Does the driver's page of this GPU name an UUID that begins so? */
static bool has_uuid(const struct gpus *gpus,
                     const struct fg_pci_device *device, const char *uuid)
{
    char path[96];
    char text[2048];
    snprintf(path, sizeof(path), "/proc/driver/nvidia/gpus/%s/information",
             device->bus_id);
    if (fg_sysroot_read(fg_topology_sysroot(gpus->topology), path, text,
                        sizeof(text), NULL) != FG_OK) {
        return false;
    }
    const char *found = strstr(text, "GPU-");
    return found != NULL && strncmp(found, uuid, strlen(uuid)) == 0;
}

/* The GPU that one entry of CUDA_VISIBLE_DEVICES means, or NULL. */
static const struct fg_pci_device *find_entry(const struct gpus *gpus,
                                              const char *entry)
{
    uint32_t index;
    if (read_number(entry, &index)) {
        return index < gpus->count ? gpus->all[index] : NULL;
    }
    for (uint32_t i = 0; i < gpus->count && strncmp(entry, "GPU-", 4) == 0;
         i++) {
        if (has_uuid(gpus, gpus->all[i], entry)) {
            return gpus->all[i];
        }
    }
    return NULL;
}

static uint32_t count_visible(const struct gpus *gpus)
{
    uint32_t count = 1;
    if (gpus->visible == NULL) {
        return gpus->count;
    }
    if (gpus->visible[0] == '\0' || gpus->visible[0] == '-') {
        return 0;
    }
    for (const char *c = gpus->visible; *c != '\0'; c++) {
        count += *c == ',' ? 1 : 0;
    }
    return count;
}

static const struct fg_pci_device *find_visible(const struct gpus *gpus,
                                                uint32_t index)
{
    char entry[96];
    const char *next = gpus->visible;
    if (next == NULL) {
        return index < gpus->count ? gpus->all[index] : NULL;
    }
    while (index-- > 0) {
        next += strcspn(next, ",");
        next += *next == ',' ? 1 : 0;
    }
    snprintf(entry, sizeof(entry), "%.*s", (int)strcspn(next, ","), next);
    return find_entry(gpus, entry);
}

/* True when the program has GPUs; the node may still be unknown. */
static bool choose_gpu(const struct gpus *gpus, struct launch_bind *bind)
{
    uint32_t visible = count_visible(gpus);
    uint32_t index = gpus->rank_source != NULL && visible > 1 ? gpus->rank : 0;
    char who[64] = "the first visible one";
    if (gpus->count == 0 || visible == 0) {
        return false;
    }
    if (gpus->rank_source != NULL) {
        snprintf(who, sizeof(who), "by %s=%u", gpus->rank_source,
                 (unsigned)gpus->rank);
    }
    if (index >= visible) {
        snprintf(bind->why, sizeof(bind->why), "%s, and %u GPUs are visible",
                 who, (unsigned)visible);
        return true;
    }
    const struct fg_pci_device *device = find_visible(gpus, index);
    if (device == NULL) {
        snprintf(bind->why, sizeof(bind->why),
                 "not known which GPU " VISIBLE "=%.64s means", gpus->visible);
        return true;
    }
    bind->node = device->home.node;
    snprintf(bind->why, sizeof(bind->why), "GPU %s, %s%s", device->bus_id, who,
             device->home.node < 0 ? ": its node is not known" : "");
    return true;
}

/* A place on the disk with the data: a folder, or what a glob begins with. */
static void data_place(const struct run_options *run, char *path,
                       size_t path_bytes)
{
    if (getcwd(path, path_bytes) == NULL) {
        snprintf(path, path_bytes, ".");
    }
    if (run->roots.count > 0) {
        snprintf(path, path_bytes, "%s", run->roots.items[0]);
    } else if (run->data.count > 0) {
        const char *glob = run->data.items[0];
        int length = (int)strcspn(glob, "*?[");
        snprintf(path, path_bytes, "%.*s", length, glob);
        char *slash = strrchr(path, '/');
        if (slash != NULL && glob[length] != '\0') {
            slash[slash == path ? 1 : 0] = '\0';
        }
    }
}

static void choose_disk(const struct run_options *run,
                        const struct fg_topology *topology,
                        struct launch_bind *bind)
{
    struct fg_block block;
    struct fg_error err;
    char path[1024];
    data_place(run, path, sizeof(path));
    if (fg_topology_find_block_of(topology, path, &block, &err) != FG_OK) {
        snprintf(bind->why, sizeof(bind->why),
                 "no GPU is visible, and no disk is known to hold %.80s", path);
        return;
    }
    bind->node = block.home.node;
    snprintf(bind->why, sizeof(bind->why), "disk %s, which holds %.80s%s",
             block.name, path,
             block.home.node < 0 ? "; its node is not known" : "");
}

static bool choose_given(int32_t number, const struct fg_topology *topology,
                         struct launch_bind *bind)
{
    const struct fg_node *node = fg_topology_find_node(topology, number);
    if (node == NULL || (node->flags & FG_NODE_DEVICE_MEMORY) != 0) {
        complain("run: --numa-node: node %d: %s", (int)number,
                 node == NULL ? "not online here" : "it is a GPU's memory");
        return false;
    }
    bind->node = number;
    snprintf(bind->why, sizeof(bind->why), "as --numa-node says");
    return true;
}

bool bind_choose(const struct options *options, struct launch_bind *bind)
{
    struct fg_topology_config config;
    struct fg_topology *topology;
    struct fg_error err;
    struct gpus gpus;
    bool is_good = true;
    memset(bind, 0, sizeof(*bind));
    bind->node = FG_NODE_NONE;
    bind->is_wanted = options->run.is_binding;
    snprintf(bind->why, sizeof(bind->why), "as --numa-node none says");
    if (options->run.numa_node == FG_NODE_NONE) {
        return true;
    }
    fg_topology_config_init(&config);
    config.sysroot = options->sysroot;
    if (fg_topology_open(&config, &topology, &err) != FG_OK) {
        snprintf(bind->why, sizeof(bind->why), "%.180s", err.message);
        return true;
    }
    if (options->run.numa_node >= 0) {
        is_good = choose_given(options->run.numa_node, topology, bind);
    } else {
        collect(&gpus, topology);
        if (!choose_gpu(&gpus, bind)) {
            choose_disk(&options->run, topology, bind);
        }
    }
    const struct fg_node *node = fg_topology_find_node(topology, bind->node);
    if (node == NULL || !cpu_bits_parse(node->cpus, &bind->set)) {
        bind->node = FG_NODE_NONE;
    }
    fg_topology_close(topology);
    return is_good;
}
