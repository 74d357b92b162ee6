/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of the doctor's checks. Knows no machine, so tests can feed it.
 * Functions that return bool write their outputs only when they return true.
 */
#ifndef TOOL_DOCTOR_RULES_H
#define TOOL_DOCTOR_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole decimal number and nothing else but blanks at its end. */
bool rule_count(const char *text, uint64_t *count);

/*
 * Read cgroup's cpu.max: "200000 100000" is 2 CPUs, "max 100000" no limit.
 * *milli_cpus: thousandths of a CPU; UINT64_MAX: no limit.
 */
bool rule_cpu_max(const char *text, uint64_t *milli_cpus);

/* Read memory.max: a number or "max" (UINT64_MAX). */
bool rule_memory_max(const char *text, uint64_t *bytes);

/* A share of PSI: "some avg10=12.34 ..."; line is "some" or "full". */
bool rule_pressure(const char *text, const char *line, double *percent);

/*
 * True if two lists as "0-3,8" have a number in common. Lists that cannot be
 * read have none.
 */
bool rule_lists_meet(const char *a, const char *b);

/* How many numbers a list as "0-3,8" has; 0: it cannot be read. */
uint64_t rule_list_count(const char *list);

/* Value behind "KEY:" at a line's start; blanks around the colon go. */
bool rule_field(const char *text, const char *key, char *value,
                size_t value_bytes);

/* Soft limit of /proc/self/limits: "Max open files"; UINT64_MAX: none. */
bool rule_limit(const char *text, const char *name, uint64_t *limit);

/*
 * The path of a controller's group in /proc/self/cgroup: "cpu", "memory"; ""
 * is the one of cgroup v2.
 */
bool rule_cgroup(const char *text, const char *controller, char *path,
                 size_t path_bytes);

/* The choice in brackets: "[none] mq-deadline" gives "none". */
bool rule_chosen(const char *text, char *choice, size_t choice_bytes);

/*
 * The limit at hand in a cgroup's parents: cuts the last part off a path.
 * "/a/b" becomes "/a", "/a" becomes "/"; false at "/".
 */
bool rule_parent(char *path);

/* ---- doctor_rules_pci.c ---------------------------------------------- */

/* What a bridge's Access Control Services do. */
enum acs {
    ACS_ABSENT,   /* the capability is not there */
    ACS_OFF,      /* there, but peers may speak directly */
    ACS_REDIRECT, /* requests or completions go up to the root */
    ACS_HIDDEN,   /* fewer than 4096 bytes could be read: needs root */
    ACS_DAMAGED,  /* capabilities in a circle */
};

/* Walk the extended capabilities of a PCI configuration space. */
enum acs rule_acs(const uint8_t *config, size_t bytes);

/* A kernel's line about a PCI device that a link above it limits. */
struct limited {
    char bus_id[24];       /* the device */
    char limit_bus_id[24]; /* whose link it is */
    double got_gbits;      /* per second */
    double able_gbits;     /* what the device could */
};

/* Read "... available PCIe bandwidth, limited by ..." out of a line. */
bool rule_limited(const char *line, struct limited *limited);

/* How a device's memory accesses are translated. */
enum iommu {
    IOMMU_UNKNOWN,
    IOMMU_OFF,      /* there is none, or it is off */
    IOMMU_IDENTITY, /* passthrough */
    IOMMU_LAZY,     /* translated, old translations are dropped in bulk */
    IOMMU_STRICT,   /* translated, each is dropped at once */
};

/* From the type of the device's group: "identity", "DMA", "DMA-FQ". */
enum iommu rule_iommu(const char *type);

/* What NVML's reasons for a slower clock say: "heat, power brake", or "". */
void rule_throttle(uint64_t reasons, char *text, size_t text_bytes);

/* CUDA's version number as text: 13010 is "13.1". */
void rule_cuda_version(uint32_t number, char *text, size_t text_bytes);

/* Can a driver that knows the CUDA version `driver` run what has `own`? */
enum cuda_match {
    CUDA_FITS,
    CUDA_NONE,    /* own is 0: built without */
    CUDA_TOO_NEW, /* own is of a newer major version */
};
enum cuda_match rule_cuda_match(uint32_t own, uint32_t driver);

/* ---- doctor_rules_data.c --------------------------------------------- */

/* A mount of /proc/self/mountinfo. */
struct mount {
    char point[256];
    char type[32];    /* "ext4" */
    char source[128]; /* "/dev/md0" */
    char options[128];
};

/* The mount that an absolute path without links is on. */
bool rule_mount(const char *mountinfo, const char *path, struct mount *mount);

enum fs {
    FS_DISK,    /* on block devices */
    FS_MEMORY,  /* tmpfs */
    FS_LAYERS,  /* overlay */
    FS_PROGRAM, /* fuse, and what a hypervisor hands in */
    FS_NETWORK, /* nfs, lustre */
    FS_OTHER,
};

/* The kind of a file system, by its type's name. */
enum fs rule_fs(const char *type);

/* The queue of a disk; FG_UNKNOWN (UINT64_MAX): not read. */
struct queue {
    uint64_t request_kib;     /* max_sectors_kb */
    uint64_t request_kib_max; /* max_hw_sectors_kb */
    uint64_t requests;        /* nr_requests */
};

/* True if requests are smaller than they should be. */
bool rule_requests_are_small(const struct queue *queue);

/* How a data set compares with the memory that may cache it. */
enum cover {
    COVER_WHOLE, /* fits: from the second epoch on nothing is read */
    COVER_PART,  /* less than five times: the cache flatters a measurement */
    COVER_LITTLE,
};
enum cover rule_cover(uint64_t data_bytes, uint64_t memory_bytes);

/*
 * True for a governor that keeps clocks low: powersave, unless the driver
 * (intel_pstate, amd-pstate-epp: it means something else there) decides.
 */
bool rule_governor_is_slow(const char *governor, const char *driver);

/* True if the firmware's vendor or product names a hypervisor. */
bool rule_is_virtual(const char *maker);

#endif /* TOOL_DOCTOR_RULES_H */
