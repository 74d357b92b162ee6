/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the topology: what its files share.
 *
 *     sysroot.c   reading below a root, trusting nothing
 *     list.c      "0-3,8" to a set of numbers and back
 *     parse.c     the numbers in sysfs's and procfs's texts: pure, fuzzed
 *     nodes.c     NUMA nodes
 *     pci.c       PCI devices: attributes, names
 *     link.c      PCI Express links along the way up
 *     path.c      the way between two devices: PIX to SYS
 *     home.c      the home node of a device
 *     block.c     block devices and the disks below them
 *     topology.c  the snapshot: open, close, look up
 *
 * Running processes are process.h's.
 */
#ifndef FGI_TOPOLOGY_TOPOLOGY_H
#define FGI_TOPOLOGY_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/topology.h>

/* A set of small numbers: CPUs or nodes. */
#define FGI_SET_MAX 8192u

struct fgi_set {
    uint64_t words[FGI_SET_MAX / 64];
};

/*
 * Read "0-3,8" ("" is the empty set). Returns false, with *set empty, when it
 * is anything else or names a number from FGI_SET_MAX on. list.c
 */
bool fgi_set_parse(struct fgi_set *set, const char *text);

/*
 * Write a set as "0-3,8" into text; returns the bytes that the whole takes
 * without its end, as snprintf does. list.c
 */
size_t fgi_set_format(const struct fgi_set *set, char *text, size_t text_bytes);

void fgi_set_add(struct fgi_set *set, uint32_t number);
bool fgi_set_has(const struct fgi_set *set, uint32_t number);
uint32_t fgi_set_count(const struct fgi_set *set);
void fgi_set_intersect(struct fgi_set *set, const struct fgi_set *with);
/* Every member of `part` is in `whole`; true for the empty set. */
bool fgi_set_is_within(const struct fgi_set *part, const struct fgi_set *whole);

void fgi_set_unite(struct fgi_set *set, const struct fgi_set *with);

struct fgi_kept; /* a kept string; a list of them begins with NULL */

/* A string that lives as long as the list, or NULL without memory. */
const char *fgi_keep(struct fgi_kept **list, const char *text);

/* Give the strings of a list back. */
void fgi_kept_fini(struct fgi_kept **list);

/* A string that lives as long as the topology, or NULL without memory. */
const char *fgi_topology_keep(struct fg_topology *topology, const char *text);

struct fg_topology {
    struct fg_sysroot *root;   /* owned */
    struct fg_node *nodes;     /* owned, sorted by number */
    struct fgi_set *node_cpus; /* online CPUs of each of them */
    uint32_t node_count;
    uint32_t pci_count;
    struct fg_pci_device *pci; /* owned: the listed ones */
    uint32_t block_count;
    uint32_t looked_up_count;
    struct fg_block *blocks;          /* owned */
    struct fg_pci_device **looked_up; /* owned: found by bus id later */
    struct fgi_kept *kept;            /* owned strings */
};

/*
 * Bytes that the node could give: what is free, and half of its page cache, as
 * the rest may be dirty or in use. FG_UNKNOWN, also for NULL. nodes.c
 */
uint64_t fgi_node_room_bytes(const struct fg_node *node);

/* Fill the nodes, with their flags. Errors: MEMORY. nodes.c */
enum fg_status fgi_topology_read_nodes(struct fg_topology *topology,
                                       struct fg_error *err);

/* Fill the listed PCI devices; nodes come first. Errors: MEMORY. pci.c */
enum fg_status fgi_topology_read_pci(struct fg_topology *topology,
                                     struct fg_error *err);

/* Fill the listed block devices; nodes come first. Errors: MEMORY. block.c */
enum fg_status fgi_topology_read_blocks(struct fg_topology *topology,
                                        struct fg_error *err);

/* ---- parse.c: pure functions over texts of any content --------------- */

/* "Node 0 MemTotal:   1024 kB": the value of `key` in bytes. */
bool fgi_parse_meminfo(const char *text, const char *key, uint64_t *bytes);

/* "10 21": up to `max` distances; gives how many. */
uint32_t fgi_parse_distances(const char *text, uint32_t *distances,
                             uint32_t max);

/* "16.0 GT/s PCIe", "2.5 GT/s": megatransfers per second; 0 if unknown. */
uint32_t fgi_parse_link_speed(const char *text);

/* A whole number, decimal or 0x..., with nothing behind it. */
bool fgi_parse_number(const char *text, int64_t *number);

/* The value behind "Key:" at the start of a line, to the line's end. */
bool fgi_parse_line(const char *text, const char *key, char *value,
                    size_t value_bytes);

/* Adds the "N<node>=<pages>" words of one line of numa_maps, in bytes. */
void fgi_parse_numa_maps_line(const char *line, uint64_t *node_bytes,
                              uint32_t node_max);

/* The "anon=<pages>" word of one line of numa_maps, in bytes; 0: none. */
uint64_t fgi_parse_numa_maps_anonymous(const char *line);

/* A field of /proc/PID/stat, as proc(5) counts them from 1; from 3 on. */
bool fgi_parse_stat(const char *stat, int field, uint64_t *value);

/* "/dev/nvidia3", as a link in /proc/PID/fd has it: 3; else -1. */
int32_t fgi_parse_gpu_minor(const char *link);

/*
 * The path of a process's cpuset group in /proc/PID/cgroup: of version 1's
 * controller ("4:cpuset:/a") if there is one, else of version 2 ("0::/a").
 */
bool fgi_parse_cpuset_path(const char *text, bool *is_v1, char *path,
                           size_t path_bytes);

#endif /* FGI_TOPOLOGY_TOPOLOGY_H */
