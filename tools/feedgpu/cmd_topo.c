/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu topo: nodes and devices, and who is local to whom. One row per
 * device, so that a mismatch is seen at a glance.
 */
#include <string.h>

#include "report.h"
#include "tables.h"
#include "topo.h"
#include "topo_process.h"

bool topo_is_compute(const struct fg_pci_device *device)
{
    return device->kind == FG_PCI_GPU || device->kind == FG_PCI_ACCELERATOR;
}

const struct fg_pci_device *topo_nearest(const struct topo *topo,
                                         const struct fg_pci_device *device,
                                         enum fg_pci_kind kind,
                                         enum fg_path *path)
{
    const struct fg_pci_device *best = NULL;
    for (uint32_t i = 0; i < fg_topology_pci_count(topo->topology); i++) {
        const struct fg_pci_device *other = fg_topology_pci(topo->topology, i);
        enum fg_path way = fg_topology_path(topo->topology, device, other);
        /* The classes are in order of distance; unknown comes first. */
        if (other->kind == kind && way != FG_PATH_UNKNOWN &&
            (best == NULL || way < *path)) {
            best = other;
            *path = way;
        }
    }
    return best;
}

/* Is the width less than the device could? The speed says nothing: an idle
 * GPU slows its link down. */
static bool is_narrow(const struct fg_pci_device *device)
{
    return device->link_now.width > 0 &&
           device->link_now.width < device->link_max.width;
}

static bool has_narrow_way(const struct fg_pci_device *device)
{
    return fg_link_bytes_per_s(&device->path_max) <
           fg_link_bytes_per_s(&device->link_max);
}

const char *topo_verdict(const struct topo *topo,
                         const struct fg_pci_device *device)
{
    const struct fg_node *node =
        fg_topology_find_node(topo->topology, device->home.node);
    if (device->home.node < 0) {
        return "node unknown";
    }
    if (node != NULL && (node->flags & FG_NODE_MEMORY_ALLOWED) == 0) {
        return "no memory";
    }
    if (node != NULL && (node->flags & FG_NODE_CPUS_ALLOWED) == 0) {
        return "no CPUs";
    }
    if (is_narrow(device)) {
        return "link narrow";
    }
    return has_narrow_way(device) ? "way narrow" : "ok";
}

/* The devices to show: all, or those that were named. */
static bool collect(struct topo *topo, const struct options *options)
{
    struct fg_error err;
    for (int i = 0; i < options->operand_count; i++) {
        enum fg_status status =
            fg_topology_find_pci(topo->topology, options->operands[i],
                                 &topo->devices[topo->device_count], &err);
        if (status != FG_OK) {
            topo->status =
                status == FG_ERR_ARGUMENT ? STATUS_USAGE : STATUS_FAILED;
            complain("%s", err.message);
            return false;
        }
        topo->device_count++;
    }
    for (uint32_t i = 0;
         options->operand_count == 0 &&
         i < fg_topology_pci_count(topo->topology) && i < TOPO_DEVICES_MAX;
         i++) {
        topo->devices[topo->device_count++] =
            fg_topology_pci(topo->topology, i);
    }
    return true;
}

static int run(const struct options *options)
{
    struct topo topo = {.topology = NULL};
    struct fg_topology_config config;
    struct fg_error err;
    if (topo_process_is_wanted(options)) {
        return topo_process_run(options);
    }
    if (options->operand_count > TOPO_DEVICES_MAX) {
        complain("topo: more than %d devices", TOPO_DEVICES_MAX);
        return STATUS_USAGE;
    }
    fg_topology_config_init(&config);
    config.sysroot = options->sysroot;
    if (fg_topology_open(&config, &topo.topology, &err) != FG_OK) {
        return complain_error(&err);
    }
    if (collect(&topo, options)) {
        if (options->json) {
            topo_print_json(&topo);
        } else {
            topo_print_text(&topo);
        }
    }
    fg_topology_close(topo.topology);
    return topo.status;
}

static const struct option own_options[] = {
    {"sysroot", 0, OPTION_TEXT, offsetof(struct options, sysroot), "DIR", 0, 0,
     "this machine",
     "read /sys and /proc from a copy of another machine's below DIR"},
};

#define PROCESS(member) offsetof(struct options, process.member)
#define PID_MAX 4194304 /* the kernel's own limit */

static const struct option process_options[] = {
    {"pid", 0, OPTION_U32, PROCESS(pid), "PID", 1, PID_MAX, "none",
     "show a running process: its GPUs, its threads' CPUs, where its memory "
     "lies, and what to change"},
    {"node", 0, OPTION_INDEX, PROCESS(node), "N", 0, 0, "its GPUs'",
     "where the process should be"},
    {"apply", 0, OPTION_FLAG, PROCESS(apply), NULL, 0, 0, NULL,
     "let all its threads run on the CPUs of --node; asks first, and shows "
     "before and after"},
    {"migrate", 0, OPTION_FLAG, PROCESS(migrate), NULL, 0, 0, NULL,
     "with --apply: move its memory to the node too"},
    {"yes", 0, OPTION_FLAG, PROCESS(yes), NULL, 0, 0, NULL,
     "with --apply: do not ask"},
};

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct option_group own_group = {"What to look at",
                                              ROWS(own_options)};
static const struct option_group process_group = {"A running process",
                                                  ROWS(process_options)};

const struct command topo_command = {
    .name = "topo",
    .synopsis = "[OPTION]... [BUS_ID]...",
    .summary = "GPUs, NVMe, NICs and NUMA nodes; who is local to whom",
    .story =
        "Shows a row per GPU, accelerator, NVMe disk and network card: the "
        "NUMA node it hangs off and what said so, its PCIe link now and at "
        "best, the nearest disk and network card with the class of the way "
        "between, as nvidia-smi topo -m prints it, and a verdict. Then disks "
        "that are made of several, and the nodes. With bus ids only those "
        "devices, whatever their class."
        "\n\n"
        "The verdict 'no memory' or 'no CPUs' means that this process may not "
        "use those of the device's node (cpuset); 'link narrow' that fewer "
        "lanes are in use than the device has; 'way narrow' that a bridge "
        "above it carries less. An idle GPU slows its link down: its speed "
        "now is no fault."
        "\n\n"
        "With --pid it shows a running process instead, and what to change "
        "about it. Its children are processes of their own.",
    .examples = "  feedgpu topo\n"
                "  feedgpu topo --json | grep '\"kind\":\"gpu\"'\n"
                "  feedgpu topo 0000:c1:00.0\n"
                "  feedgpu topo --sysroot copied-machine\n"
                "  feedgpu topo --pid 4711\n"
                "  feedgpu topo --apply --pid 4711 --node 1 --migrate\n",
    .operands_min = 0,
    .operands_max = INT32_MAX,
    .operand = "BUS_ID",
    .groups = {&own_group, &process_group, &general_group},
    .run = run,
};
