/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node a program belongs to, and putting it there. "auto" is the home
 * node of the first GPU that the program can see, by CUDA_VISIBLE_DEVICES and
 * a launcher's local rank; without a GPU, of the disk that its data lies on.
 * What the machine does not say is unknown, and then nothing is bound.
 */
#ifndef TOOL_LAUNCH_BIND_H
#define TOOL_LAUNCH_BIND_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feedgpu.h>

#include "options.h"

#define BIND_CPUS_MAX 8192
#define BIND_TEXT_BYTES 192

/* A set of CPUs, large enough for any kernel. */
struct cpu_bits {
    unsigned long words[BIND_CPUS_MAX / (8 * sizeof(unsigned long))];
};

struct launch_bind {
    bool is_wanted;             /* --bind */
    bool is_bound;              /* its CPUs were set */
    bool is_undone;             /* it has since gone elsewhere */
    int32_t node;               /* or -1 */
    char why[BIND_TEXT_BYTES];  /* "GPU 0000:c1:00.0, the first visible one" */
    char cpus[256];             /* the node's that are allowed: "0-7" */
    char now[256];              /* where it was seen last */
    char note[BIND_TEXT_BYTES]; /* what could not be done, or "" */
    struct cpu_bits set;        /* of cpus */
};

/*
 * Decide on the node. False after a complaint: --numa-node names one that is
 * not there.
 */
bool bind_choose(const struct options *options, struct launch_bind *bind);

/* Work out the CPUs: the node's, and of these the allowed ones. */
void bind_prepare(struct launch_bind *bind);

/* In the child: CPUs, then memory. Give an errno, or 0. */
int bind_cpus(const struct launch_bind *bind);
int bind_memory(const struct launch_bind *bind);

/* Note where the program runs now: "0-3". */
void bind_look(struct launch_bind *bind, const char *cpus);

/* "0-3,8" as bits. False: it is no list of CPUs. */
bool cpu_bits_parse(const char *text, struct cpu_bits *bits);

/* Bits as "0-3,8"; cut at the end of text. */
void cpu_bits_format(const struct cpu_bits *bits, char *text,
                     size_t text_bytes);

#endif /* TOOL_LAUNCH_BIND_H */
