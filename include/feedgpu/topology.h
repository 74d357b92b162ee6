/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is near what: NUMA nodes, the PCI devices that feed or train, block
 * devices. A snapshot of /sys and /proc, of this machine or of a copy.
 *
 * What the machine does not say is unknown here (-1, 0, FG_UNKNOWN or ""), and
 * never guessed to be node 0.
 */
#ifndef FEEDGPU_TOPOLOGY_H
#define FEEDGPU_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>
#include <feedgpu/sysroot.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_topology;

#define FG_UNKNOWN UINT64_MAX /* a number of bytes that is not known */

struct fg_topology_config {
    uint32_t struct_size; /* sizeof(struct fg_topology_config) */
    uint32_t flags;       /* zero */
    const char *sysroot;  /* see fg_sysroot_open; NULL: this machine */
};

/* Fill a config with defaults. Threads: any. */
FG_EXPORT void fg_topology_config_init(struct fg_topology_config *config);

/*
 * Take a snapshot. config NULL: the defaults. On success *topology is the
 * caller's; it does not change any more. Missing folders and files are no
 * error: what they would have told is unknown.
 * Threads: any. Blocks: reads some files per device.
 * Errors: those of fg_sysroot_open, MEMORY.
 */
FG_EXPORT enum fg_status
fg_topology_open(const struct fg_topology_config *config,
                 struct fg_topology **topology, struct fg_error *err);

/* Release a snapshot and all that it lent out. NULL is allowed. */
FG_EXPORT void fg_topology_close(struct fg_topology *topology);

/* The root that it was read from. Borrowed. */
FG_EXPORT const struct fg_sysroot *
fg_topology_sysroot(const struct fg_topology *topology);

/* ---- nodes ---------------------------------------------------------- */

/* Bits of fg_node.flags. */
#define FG_NODE_DEVICE_MEMORY 1u  /* a GPU's own memory: never a host node */
#define FG_NODE_CPUS_ALLOWED 2u   /* this process may run on some of its CPUs */
#define FG_NODE_MEMORY_ALLOWED 4u /* this process may have memory there */

struct fg_hugepages {
    uint64_t page_bytes; /* 2 MiB, 1 GiB */
    uint64_t pages;      /* reserved on the node */
    uint64_t free_pages; /* of these */
};

#define FG_HUGEPAGE_SIZES_MAX 4u

/* One online NUMA node. Pointers are the topology's. */
struct fg_node {
    int32_t node;              /* its number; numbers may have holes */
    uint32_t flags;            /* FG_NODE_... bits */
    uint32_t cpu_count;        /* online CPUs; 0: none */
    uint32_t hugepage_count;   /* entries of hugepages */
    const char *cpus;          /* online ones as "0-7,16-23", or "" */
    uint64_t memory_bytes;     /* 0: none; FG_UNKNOWN */
    uint64_t free_bytes;       /* MemFree of it; FG_UNKNOWN */
    uint64_t cache_bytes;      /* page cache on it; FG_UNKNOWN */
    const uint32_t *distances; /* to each listed node, in their order; 0: ? */
    struct fg_hugepages hugepages[FG_HUGEPAGE_SIZES_MAX];
};

/* Online nodes in order of their number; 0 when the kernel names none. */
FG_EXPORT uint32_t fg_topology_node_count(const struct fg_topology *topology);

/* The index-th of them. Borrowed. */
FG_EXPORT const struct fg_node *
fg_topology_node(const struct fg_topology *topology, uint32_t index);

/* The node of that number, or NULL. Borrowed. */
FG_EXPORT const struct fg_node *
fg_topology_find_node(const struct fg_topology *topology, int32_t node);

/* ---- home nodes ----------------------------------------------------- */

/* name, text, how the home node of a device became known */
#define FG_NODE_SOURCE_MAP(X)                                                  \
    X(FG_SOURCE_UNKNOWN, "unknown", "nothing says where it hangs")             \
    X(FG_SOURCE_OVERRIDE, "override", "the user said so")                      \
    X(FG_SOURCE_SYSFS, "sysfs", "the device's numa_node")                      \
    X(FG_SOURCE_DRIVER, "driver", "the GPU's driver (host NUMA id)")           \
    X(FG_SOURCE_BRIDGE, "bridge", "the numa_node of a bridge above it")        \
    X(FG_SOURCE_LOCAL_CPUS, "local_cpus", "its local CPUs lie in one node")    \
    X(FG_SOURCE_ONLY_NODE, "only_node", "there is no other node")

#define FG_NODE_SOURCE_ENUM(name, text, meaning) name,
enum fg_node_source { FG_NODE_SOURCE_MAP(FG_NODE_SOURCE_ENUM) };
#undef FG_NODE_SOURCE_ENUM

/* Text of a source ("local_cpus"). Static. Threads: any. */
FG_EXPORT const char *fg_node_source_name(enum fg_node_source source);

/* Where a device is at home. */
struct fg_home {
    int32_t node;               /* or -1: unknown */
    enum fg_node_source source; /* UNKNOWN with node -1 */
};

/*
 * Find the home node of the device at bus_id ("0000:05:00.0", any case and
 * width of the domain; "" or NULL: none), whose driver says driver_node (-1:
 * nothing). In this order: sysfs, driver, bridges, local CPUs, the only node
 * with CPUs or memory. Nodes that are not online or are device memory are
 * passed over. Never fails: *home may be unknown.
 * Threads: any. Blocks: reads some files of that device.
 */
FG_EXPORT void fg_topology_find_home(const struct fg_topology *topology,
                                     const char *bus_id, int32_t driver_node,
                                     struct fg_home *home);

/* ---- PCI devices ---------------------------------------------------- */

#define FG_BUS_ID_BYTES 24u /* "ffffffff:ff:1f.7" and some */

/* name, text, PCI classes */
#define FG_PCI_KIND_MAP(X)                                                     \
    X(FG_PCI_OTHER, "pci", "any other")                                        \
    X(FG_PCI_GPU, "gpu", "0300, 0302")                                         \
    X(FG_PCI_ACCELERATOR, "accelerator", "1200")                               \
    X(FG_PCI_NVME, "nvme", "0108")                                             \
    X(FG_PCI_NIC, "nic", "0200, 0207")

#define FG_PCI_KIND_ENUM(name, text, classes) name,
enum fg_pci_kind { FG_PCI_KIND_MAP(FG_PCI_KIND_ENUM) };
#undef FG_PCI_KIND_ENUM

/* Text of a kind ("nvme"). Static. Threads: any. */
FG_EXPORT const char *fg_pci_kind_name(enum fg_pci_kind kind);

/* A PCI Express link. */
struct fg_link {
    uint32_t speed_mts; /* per lane, megatransfers/s: 32000; 0: unknown */
    uint32_t width;     /* lanes; 0: unknown */
};

/*
 * What a link carries at most, one way, in bytes per second, after its line
 * code (8b/10b up to 5 GT/s, 128b/130b up to 32 GT/s, FLIT 242/256 above);
 * 0 if unknown. Packet headers take some 12 % more. Threads: any.
 */
FG_EXPORT uint64_t fg_link_bytes_per_s(const struct fg_link *link);

/* One PCI device. Pointers are the topology's. */
struct fg_pci_device {
    char bus_id[FG_BUS_ID_BYTES]; /* "0000:05:00.0", lower case */
    enum fg_pci_kind kind;
    uint32_t class_code;     /* 0x030200 */
    uint32_t vendor;         /* 0x10de; 0: unknown */
    uint32_t device;         /* 0: unknown */
    struct fg_home home;     /* found without a driver's word */
    const char *local_cpus;  /* "0-7", or "" */
    const char *driver;      /* "nvme", or "" */
    const char *names;       /* the kernel's, by commas: "eth0,mlx5_0", or "" */
    const char *path;        /* "/sys/devices/pci0000:00/..." */
    struct fg_link link_now; /* at the device */
    struct fg_link link_max; /* what the device could */
    struct fg_link path_now; /* the slowest on the whole way up */
    struct fg_link path_max; /* the slowest maximum on the whole way up */
    char limit_bus_id[FG_BUS_ID_BYTES]; /* whose maximum path_max is */
};

/* GPUs, accelerators, NVMe and NICs: by kind in that order, then by bus id. */
FG_EXPORT uint32_t fg_topology_pci_count(const struct fg_topology *topology);

/* The index-th of them. Borrowed. */
FG_EXPORT const struct fg_pci_device *
fg_topology_pci(const struct fg_topology *topology, uint32_t index);

/*
 * Write the usual form of a bus id: "C1:00.0", "00000000:C1:00.0" become
 * "0000:c1:00.0"; a domain above ffff keeps its digits. bus_id has
 * FG_BUS_ID_BYTES. Errors: ARGUMENT. Threads: any.
 */
FG_EXPORT enum fg_status fg_bus_id_parse(const char *text, char *bus_id,
                                         struct fg_error *err);

/*
 * Get the PCI device of that bus id, whatever its class. Borrowed: the
 * topology keeps what it has looked up.
 * Threads: one at a time. Blocks: reads some files.
 * Errors: ARGUMENT (no bus id), NOT_FOUND (no such device), MEMORY.
 */
FG_EXPORT enum fg_status
fg_topology_find_pci(struct fg_topology *topology, const char *bus_id,
                     const struct fg_pci_device **device, struct fg_error *err);

/* name, text, meaning: as `nvidia-smi topo -m` prints them */
#define FG_PATH_MAP(X)                                                         \
    X(FG_PATH_UNKNOWN, "?", "the way is not known")                            \
    X(FG_PATH_SELF, "X", "the same device")                                    \
    X(FG_PATH_PIX, "PIX", "at most one PCIe bridge between")                   \
    X(FG_PATH_PXB, "PXB", "several PCIe bridges, no host bridge")              \
    X(FG_PATH_PHB, "PHB", "one PCIe host bridge, mostly the CPU")              \
    X(FG_PATH_NODE, "NODE", "several host bridges of one NUMA node")           \
    X(FG_PATH_SYS, "SYS", "the interconnect between NUMA nodes")

#define FG_PATH_ENUM(name, text, meaning) name,
enum fg_path { FG_PATH_MAP(FG_PATH_ENUM) };
#undef FG_PATH_ENUM

/* Text of a path class ("PIX"). Static. Threads: any. */
FG_EXPORT const char *fg_path_name(enum fg_path path);

/* What a path class means, in words. Static. Threads: any. */
FG_EXPORT const char *fg_path_meaning(enum fg_path path);

/* The class of the way between two devices. Threads: any. Blocks: never. */
FG_EXPORT enum fg_path fg_topology_path(const struct fg_topology *topology,
                                        const struct fg_pci_device *a,
                                        const struct fg_pci_device *b);

/* ---- block devices -------------------------------------------------- */

/* A disk at the bottom: what it hangs off. */
struct fg_block_leaf {
    char name[32];                /* "nvme0n1", "sda" */
    char bus_id[FG_BUS_ID_BYTES]; /* of its controller, or "" */
    struct fg_home home;
};

#define FG_BLOCK_LEAVES_MAX 64u

/* A block device and the disks it lies on. */
struct fg_block {
    char name[32];       /* "md0", "nvme0n1p2" */
    char disk[32];       /* the whole disk it is part of: "nvme0n1" */
    struct fg_home home; /* if all leaves are at home on one node */
    uint32_t leaf_count; /* 1 for a plain disk: itself */
    uint32_t is_split;   /* 1: leaves are at home on several nodes */
    struct fg_block_leaf leaves[FG_BLOCK_LEAVES_MAX];
};

/* Whole disks and what is made of them (md, dm), without loop, ram, zram. */
FG_EXPORT uint32_t fg_topology_block_count(const struct fg_topology *topology);

/* The index-th of them. Borrowed. */
FG_EXPORT const struct fg_block *
fg_topology_block(const struct fg_topology *topology, uint32_t index);

/*
 * Look a block device up by name, partitions too.
 * Errors: NOT_FOUND, ARGUMENT (no name), DAMAGED (slaves in a circle, more
 * than FG_BLOCK_LEAVES_MAX). Threads: any. Blocks: reads some files.
 */
FG_EXPORT enum fg_status
fg_topology_find_block(const struct fg_topology *topology, const char *name,
                       struct fg_block *block, struct fg_error *err);

/*
 * Look up the block device that a file or folder of this machine lies on, by
 * its device number, then by its mount's source (btrfs, overlay).
 * Errors: NOT_FOUND (tmpfs, NFS: no block device), UNSUPPORTED (the topology
 * is of a copy), and those of stat. Threads: any.
 */
FG_EXPORT enum fg_status
fg_topology_find_block_of(const struct fg_topology *topology, const char *path,
                          struct fg_block *block, struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_TOPOLOGY_H */
