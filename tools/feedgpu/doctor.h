/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside `feedgpu doctor`: checks, and what they find.
 *
 * A check looks at one thing on the machine (or in the copy below --sysroot)
 * and reports one finding per subject: a GPU, a disk, the process. What cannot
 * be read is UNKNOWN; FAIL is only for what stops feedgpu or is a proven hard
 * loss. Checks never change anything.
 *
 *     cmd_doctor.c       the command: runs the tables, exit status
 *     doctor_report.c    findings: counted, kept or sent as JSON, exit status
 *     doctor_text.c      findings as text: folded, wrapped, what to fix first
 *     doctor_list.c      the checks themselves: --checks
 *     doctor_read.c      reading files, going through GPUs and nodes
 *     doctor_rules*.c    arithmetic of the checks that needs no machine
 *     doctor_nvml.c      what the GPU's driver tells
 *     doctor_gpu.c ...   the checks, a table in each file
 */
#ifndef TOOL_DOCTOR_H
#define TOOL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <feedgpu/feedgpu.h>

#include "options.h"

enum verdict {
    VERDICT_PASS,
    VERDICT_INFO,
    VERDICT_WARN,    /* exit status 1 */
    VERDICT_FAIL,    /* exit status 2 */
    VERDICT_UNKNOWN, /* absent or unreadable */
    VERDICT_NA,      /* does not apply here: shown as N/A */
    VERDICT_COUNT,
};

/* One finding. Texts are copied by doctor_report. */
struct finding {
    const char *subject; /* "0000:05:00.0", "nvme0n1", "process"; or "" */
    enum verdict verdict;
    char why[256];      /* one sentence: what was found and what it means */
    char fix[256];      /* what to do, as a command where there is one; or "" */
    char evidence[256]; /* "numa_node=1 (/sys/.../numa_node)"; or "" */
};

struct nvml; /* doctor_nvml.h */
struct path; /* doctor_path.h */

struct doctor {
    const struct options *options;
    struct fg_topology *topology;    /* owned */
    const struct fg_sysroot *root;   /* the topology's */
    bool is_copy;                    /* --sysroot: probing is N/A */
    const char *path;                /* PATH, or NULL */
    struct path *data;               /* owned: what PATH is; NULL without */
    struct nvml *nvml;               /* owned: once a check has asked */
    const struct check_group *group; /* the running check's */
    const struct check *check;       /* the running one */
    struct record *records;          /* owned: all findings, for the text */
    uint32_t record_count;           /* of these */
    uint32_t record_room;            /* entries that records has room for */
    uint32_t check_count;            /* checks that were run */
    uint32_t counts[VERDICT_COUNT];
    struct measured *measured; /* --measure, while it runs; or NULL */
};

/*
 * A check. `reads` and `warns` are for --checks and docs/doctor.md, which is
 * tested against them.
 */
struct check {
    const char *name;  /* "gpu-link-width": stable, for programs */
    const char *title; /* "GPU link width": at most 20 letters */
    void (*run)(struct doctor *doctor);
    const char *passed; /* "8 of 8 ...": where their sentences differ */
    const char *reads;  /* what it looks at */
    const char *warns;  /* when it is no pass */
};

/* A table of checks under a heading. */
struct check_group {
    const char *title;
    const struct check *checks;
    uint32_t count;
};

/* A finding that is kept until the text is printed. */
struct record {
    const struct check_group *group;
    const struct check *check;
    struct finding finding; /* its subject is not used */
    char subject[64];       /* a copy of it */
};

/* Report a finding of the running check. */
void doctor_report(struct doctor *doctor, const struct finding *finding);

/* Report one with only a sentence. Subject NULL: none. */
void doctor_say(struct doctor *doctor, const char *subject,
                enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Show what has been found: as text all of it, as JSON the counts. */
void doctor_finish(const struct doctor *doctor);

/* The text of doctor_finish. doctor_text.c */
void doctor_put_text(const struct doctor *doctor);

/*
 * Print text and a newline, wrapped to 80 columns: its first word is at
 * `column`, its lines after the first begin at `indent`. doctor_text.c
 */
void doctor_put_wrapped(const char *text, int column, int indent);

/* 0 clean, 1 warnings, 2 failures. */
int doctor_exit_status(const struct doctor *doctor);

/* All tables, in the order in which they run; NULL ends. cmd_doctor.c */
extern const struct check_group *const doctor_groups[];

/* --checks: print the checks and what each looks at. doctor_list.c */
void doctor_list(bool is_json);

/* Fill a text of a finding: finding_put(f.why, "node %d", n). Cuts. */
#define finding_put(text, ...) snprintf((text), sizeof(text), __VA_ARGS__)

/* Read a file of the root without an error; false: absent or unreadable. */
bool doctor_read(const struct doctor *doctor, const char *path, char *text,
                 size_t text_bytes);

/* Read a file that holds one whole number and nothing else. */
bool doctor_read_count(const struct doctor *doctor, const char *path,
                       uint64_t *count);

/* Value behind "KEY:" in a file like /proc/self/status, without blanks. */
bool doctor_read_field(const struct doctor *doctor, const char *path,
                       const char *key, char *text, size_t text_bytes);

/* A text up to 1 MiB, or NULL; the caller frees it. */
char *doctor_read_long(const struct doctor *doctor, const char *path);

/* True if there is a file or folder. */
bool doctor_has(const struct doctor *doctor, const char *path);

/* How many names a folder has that begin so; false: it cannot be read. */
bool doctor_count_names(const struct doctor *doctor, const char *path,
                        const char *start, uint32_t *count);

/* True after N/A has been said, if this is a copy of another machine. */
bool doctor_is_copy(struct doctor *doctor);

/* The next GPU or accelerator from *index on, or NULL. Moves *index. */
const struct fg_pci_device *doctor_next_gpu(const struct doctor *doctor,
                                            uint32_t *index);

/* True after N/A has been said, if there is no GPU here. */
bool doctor_lacks_gpu(struct doctor *doctor);

/* True if there is a GPU of NVIDIA's. */
bool doctor_has_nvidia(const struct doctor *doctor);

/* True if GPUDirect Storage's kernel module is loaded. */
bool doctor_has_gds(const struct doctor *doctor);

/* Nodes that are no device's memory. */
uint32_t doctor_node_count(const struct doctor *doctor);

/* What a loader with default options takes on the host, at most. */
#define POOL_BYTES (UINT64_C(1) << 30)

extern const struct check_group gpu_checks;     /* doctor_gpu.c */
extern const struct check_group driver_checks;  /* doctor_driver.c */
extern const struct check_group state_checks;   /* doctor_state.c */
extern const struct check_group nodes_checks;   /* doctor_nodes.c */
extern const struct check_group memory_checks;  /* doctor_memory.c */
extern const struct check_group pcie_checks;    /* doctor_pcie.c */
extern const struct check_group process_checks; /* doctor_process.c */
extern const struct check_group cgroup_checks;  /* doctor_cgroup.c */
extern const struct check_group kernel_checks;  /* doctor_kernel.c */
extern const struct check_group disk_checks;    /* doctor_disk.c */
extern const struct check_group path_checks;    /* doctor_data.c: with PATH */

extern const struct check_group measure_checks; /* with --measure */

/* --measure: rates as tables on stdout, or JSON lines. doctor_measure.c */
void doctor_measure(struct doctor *doctor);

#endif /* TOOL_DOCTOR_H */
