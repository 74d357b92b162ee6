/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside `feedgpu doctor`: checks, and what they find.
 *
 * A check looks at one thing on the machine (or in the copy below --sysroot)
 * and reports one finding per subject: a GPU, a disk, the process. What cannot
 * be read is UNKNOWN; FAIL is only for what stops feedgpu or is a proven hard
 * loss. Checks never change anything.
 *
 *     cmd_doctor.c      the command: runs the tables, counts, exit status
 *     doctor_report.c   findings as text and as JSON
 *     doctor_gpu.c ...  the checks, a table in each file
 */
#ifndef TOOL_DOCTOR_H
#define TOOL_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

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

struct doctor {
    const struct options *options;
    struct fg_topology *topology;  /* owned */
    const struct fg_sysroot *root; /* the topology's */
    bool is_copy;                  /* --sysroot: probing is N/A */
    const char *path;              /* PATH, or NULL */
    const char *check;             /* the running check's name */
    uint32_t counts[VERDICT_COUNT];
};

struct check {
    const char *name;  /* "gpu-link-width": stable, for programs */
    const char *title; /* "GPU link width" */
    void (*run)(struct doctor *doctor);
};

/* A table of checks under a heading. */
struct check_group {
    const char *title;
    const struct check *checks;
    uint32_t count;
};

/* Report a finding of the running check. */
void doctor_report(struct doctor *doctor, const struct finding *finding);

/* Fill a text of a finding: finding_put(f.why, "node %d", n). Cuts. */
#define finding_put(text, ...) snprintf((text), sizeof(text), __VA_ARGS__)

/* Read a file of the root without an error; false: absent or unreadable. */
bool doctor_read(const struct doctor *doctor, const char *path, char *text,
                 size_t text_bytes);

extern const struct check_group gpu_checks;     /* doctor_gpu.c */
extern const struct check_group nodes_checks;   /* doctor_nodes.c */
extern const struct check_group kernel_checks;  /* doctor_kernel.c */
extern const struct check_group process_checks; /* doctor_process.c */
extern const struct check_group disk_checks;    /* doctor_disk.c */
extern const struct check_group path_checks;    /* doctor_path.c: with PATH */

/* --measure: rates as tables on stdout, or JSON lines. doctor_measure.c */
void doctor_measure(struct doctor *doctor);

#endif /* TOOL_DOCTOR_H */
