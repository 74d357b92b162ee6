/* SPDX-License-Identifier: Apache-2.0 */
/* NUMA: where devices are at home, and what the kernel does about nodes. */
#include <string.h>

#include "doctor.h"
#include "size.h"

static void check_home(struct doctor *doctor)
{
    uint32_t nodes = doctor_node_count(doctor);
    if (nodes <= 1) {
        doctor_say(doctor, NULL, nodes == 0 ? VERDICT_UNKNOWN : VERDICT_NA,
                   nodes == 0 ? "the kernel names no nodes" : "only one node");
        return;
    }
    for (uint32_t i = 0; i < fg_topology_pci_count(doctor->topology); i++) {
        const struct fg_pci_device *device =
            fg_topology_pci(doctor->topology, i);
        if (device->home.node < 0) {
            doctor_say(doctor, device->bus_id, VERDICT_UNKNOWN,
                       "nothing says on which node this %s is",
                       fg_pci_kind_name(device->kind));
        } else {
            doctor_say(doctor, device->bus_id, VERDICT_PASS,
                       "%s on node %d (%s)", fg_pci_kind_name(device->kind),
                       device->home.node,
                       fg_node_source_name(device->home.source));
        }
    }
}

/* How many NVMe are at home on the node, and elsewhere. */
static void count_nvme(const struct doctor *doctor, int32_t node,
                       uint32_t *near, uint32_t *far)
{
    *near = *far = 0;
    for (uint32_t i = 0; i < fg_topology_pci_count(doctor->topology); i++) {
        const struct fg_pci_device *device =
            fg_topology_pci(doctor->topology, i);
        if (device->kind == FG_PCI_NVME && device->home.node >= 0) {
            *(device->home.node == node ? near : far) += 1;
        }
    }
}

static void check_pairs(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        struct finding f = {.subject = gpu->bus_id, .verdict = VERDICT_PASS};
        uint32_t near;
        uint32_t far;
        count_nvme(doctor, gpu->home.node, &near, &far);
        finding_put(f.why, "%u NVMe on its node, %u elsewhere", near, far);
        if (near + far == 0) {
            f.verdict = VERDICT_NA;
        } else if (gpu->home.node < 0) {
            f.verdict = VERDICT_UNKNOWN;
        } else if (near == 0) {
            f.verdict = VERDICT_WARN;
            finding_put(f.why,
                        "no NVMe on its node %d: all data crosses the "
                        "interconnect",
                        gpu->home.node);
            finding_put(f.fix, "move an NVMe, or use a GPU on the NVMe's node "
                               "(feedgpu topo)");
        }
        finding_put(f.evidence, "numa_node of the devices in "
                                "/sys/bus/pci/devices");
        doctor_report(doctor, &f);
    }
}

static void check_memory(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    if (doctor_node_count(doctor) <= 1) {
        doctor_say(doctor, NULL, VERDICT_NA, "only one node");
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        struct finding f = {.subject = gpu->bus_id, .verdict = VERDICT_PASS};
        char amount[SIZE_TEXT_BYTES];
        const struct fg_node *node =
            fg_topology_find_node(doctor->topology, gpu->home.node);
        if (node == NULL || node->free_bytes == FG_UNKNOWN) {
            doctor_say(doctor, gpu->bus_id, VERDICT_UNKNOWN,
                       node == NULL ? "its home node is not known"
                                    : "its node's meminfo cannot be read");
            continue;
        }
        size_format(node->free_bytes, amount);
        finding_put(f.why, "%s free on its node %d", amount, node->node);
        if (node->free_bytes < POOL_BYTES) {
            f.verdict = VERDICT_WARN;
            finding_put(f.why,
                        "only %s free on its node %d: buffers would lie on "
                        "another",
                        amount, node->node);
            finding_put(f.fix, "see who fills it: numastat -m; the page cache "
                               "goes with: echo 1 > /proc/sys/vm/drop_caches");
        }
        finding_put(f.evidence,
                    "MemFree=%s (/sys/devices/system/node/node%d/meminfo)",
                    amount, node->node);
        doctor_report(doctor, &f);
    }
}

/* A switch of the kernel that should be 0 on a machine with several nodes. */
static void check_zero(struct doctor *doctor, const char *path,
                       const char *harm)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    uint64_t value;
    if (!doctor_read_count(doctor, path, &value)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN, "%s cannot be read", path);
        return;
    }
    finding_put(f.why, "off");
    if (value != 0 && doctor_node_count(doctor) > 1) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why, "on: %s", harm);
        finding_put(f.fix, "echo 0 > %s", path);
    } else if (value != 0) {
        finding_put(f.why, "on, with one node");
    }
    finding_put(f.evidence, "%u (%s)", (unsigned)value, path);
    doctor_report(doctor, &f);
}

static void check_balancing(struct doctor *doctor)
{
    check_zero(doctor, "/proc/sys/kernel/numa_balancing",
               "the kernel unmaps pages to watch who uses them");
}

static void check_reclaim(struct doctor *doctor)
{
    check_zero(doctor, "/proc/sys/vm/zone_reclaim_mode",
               "a full node drops its cache instead of using another node");
}

static const struct check checks[] = {
    {.name = "device-node",
     .title = "Home node",
     .passed = "have a known home node",
     .reads = "numa_node and local_cpulist of GPUs, NVMe and NICs, and of the "
              "bridges above",
     .warns = "-1 with several nodes: UNKNOWN",
     .run = check_home},
    {.name = "gpu-nvme",
     .title = "GPU and NVMe",
     .passed = "have an NVMe on their node",
     .reads = "the home nodes of both",
     .warns = "no NVMe on the GPU's node: WARN",
     .run = check_pairs},
    {.name = "node-memory",
     .title = "Free on GPU's node",
     .passed = "have room on their node",
     .reads = "/sys/devices/system/node/node*/meminfo",
     .warns = "less than 1 GiB free: WARN",
     .run = check_memory},
    {.name = "numa-balancing",
     .title = "NUMA balancing",
     .reads = "/proc/sys/kernel/numa_balancing",
     .warns = "on, with several nodes: WARN",
     .run = check_balancing},
    {.name = "zone-reclaim",
     .title = "Zone reclaim",
     .reads = "/proc/sys/vm/zone_reclaim_mode",
     .warns = "on, with several nodes: WARN",
     .run = check_reclaim},
};

const struct check_group nodes_checks = {"NUMA", checks,
                                         sizeof(checks) / sizeof(checks[0])};
