/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Print the home node of each GPU, and the NVMe disk that is nearest to it:
 * what a program asks before it places threads and memory of its own.
 *
 *     example_home_node [SYSROOT]
 *
 * SYSROOT holds a copy of another machine's /sys and /proc.
 */
#include <stdio.h>

#include <feedgpu/feedgpu.h>

static const struct fg_pci_device *
nearest_disk(const struct fg_topology *topology,
             const struct fg_pci_device *gpu)
{
    const struct fg_pci_device *best = NULL;
    enum fg_path best_path = FG_PATH_UNKNOWN;

    for (uint32_t i = 0; i < fg_topology_pci_count(topology); i++) {
        const struct fg_pci_device *disk = fg_topology_pci(topology, i);
        enum fg_path path = fg_topology_path(topology, gpu, disk);

        /* The classes are in order of distance; UNKNOWN comes first. */
        if (disk->kind == FG_PCI_NVME && path != FG_PATH_UNKNOWN &&
            (best == NULL || path < best_path)) {
            best = disk;
            best_path = path;
        }
    }
    return best;
}

static void print_gpu(const struct fg_topology *topology,
                      const struct fg_pci_device *gpu)
{
    const struct fg_pci_device *disk = nearest_disk(topology, gpu);

    if (gpu->home.node < 0) {
        printf("%s: home node unknown", gpu->bus_id);
    } else {
        printf("%s: node %d by %s", gpu->bus_id, gpu->home.node,
               fg_node_source_name(gpu->home.source));
    }
    if (disk != NULL) {
        printf(", nearest disk %s (%s)", disk->names,
               fg_path_name(fg_topology_path(topology, gpu, disk)));
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct fg_topology_config config;
    struct fg_topology *topology;
    struct fg_error err;
    uint32_t gpus = 0;

    fg_topology_config_init(&config);
    config.sysroot = argc > 1 ? argv[1] : NULL;
    if (fg_topology_open(&config, &topology, &err) != FG_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (uint32_t i = 0; i < fg_topology_pci_count(topology); i++) {
        const struct fg_pci_device *device = fg_topology_pci(topology, i);

        if (device->kind == FG_PCI_GPU || device->kind == FG_PCI_ACCELERATOR) {
            print_gpu(topology, device);
            gpus++;
        }
    }
    if (gpus == 0) {
        printf("no GPU\n");
    }
    fg_topology_close(topology);
    return 0;
}
