/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a program on a node: all of the node's CPUs that this process may
 * use, never one core, and memory there as long as there is some. The child
 * does it to itself before it becomes the program, so that there is no moment
 * at which the program is elsewhere. A program may move away again: it is
 * looked at while it runs, and the report tells.
 */
#include "launch_bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORD_BITS (8 * sizeof(unsigned long))
#define NODES_MAX 1024
#define POLICY_PREFERRED 1 /* MPOL_PREFERRED of linux/mempolicy.h */

static bool has_bit(const struct cpu_bits *bits, size_t cpu)
{
    return (bits->words[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1) != 0;
}

bool cpu_bits_parse(const char *text, struct cpu_bits *bits)
{
    memset(bits, 0, sizeof(*bits));
    while (*text != '\0') {
        char *end;
        unsigned long first = strtoul(text, &end, 10);
        unsigned long last = first;
        if (end == text || *text == '-') {
            return false;
        }
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
            if (end == text || *text == '-') {
                return false;
            }
        }
        if (first > last || last >= BIND_CPUS_MAX ||
            (*end != ',' && *end != '\0')) {
            return false;
        }
        for (unsigned long cpu = first; cpu <= last; cpu++) {
            bits->words[cpu / WORD_BITS] |= 1ul << (cpu % WORD_BITS);
        }
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

void cpu_bits_format(const struct cpu_bits *bits, char *text, size_t text_bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t cpu = 0; cpu < BIND_CPUS_MAX; cpu++) {
        size_t last = cpu;
        if (!has_bit(bits, cpu)) {
            continue;
        }
        while (last + 1 < BIND_CPUS_MAX && has_bit(bits, last + 1)) {
            last++;
        }
        if (length + 16 > text_bytes) {
            return;
        }
        length += (size_t)snprintf(text + length, text_bytes - length, "%s%zu",
                                   length > 0 ? "," : "", cpu);
        if (last > cpu) {
            length += (size_t)snprintf(text + length, text_bytes - length,
                                       "-%zu", last);
        }
        cpu = last;
    }
}

static void decline(struct launch_bind *bind, const char *why)
{
    bind->is_wanted = false;
    snprintf(bind->note, sizeof(bind->note), "not bound: %.170s", why);
}

void bind_prepare(struct launch_bind *bind)
{
    struct cpu_bits allowed;
    unsigned long any = 0;
    if (!bind->is_wanted) {
        return;
    }
    if (bind->node < 0) {
        decline(bind, bind->why);
        return;
    }
    memset(&allowed, 0, sizeof(allowed));
    /* The raw call: the kernel may have more CPUs than a cpu_set_t. */
    if (syscall(SYS_sched_getaffinity, 0, sizeof(allowed.words),
                allowed.words) < 0) {
        decline(bind, strerror(errno));
        return;
    }
    for (size_t i = 0; i < sizeof(allowed.words) / sizeof(allowed.words[0]);
         i++) {
        bind->set.words[i] &= allowed.words[i];
        any |= bind->set.words[i];
    }
    if (any == 0) {
        decline(bind, "none of the node's CPUs may be used here");
        return;
    }
    cpu_bits_format(&bind->set, bind->cpus, sizeof(bind->cpus));
}

int bind_cpus(const struct launch_bind *bind)
{
    return syscall(SYS_sched_setaffinity, 0, sizeof(bind->set.words),
                   bind->set.words) == 0
               ? 0
               : errno;
}

int bind_memory(const struct launch_bind *bind)
{
    unsigned long nodes[NODES_MAX / WORD_BITS] = {0};
    size_t node = (size_t)bind->node;
    if (node >= NODES_MAX) {
        return EINVAL;
    }
    nodes[node / WORD_BITS] |= 1ul << (node % WORD_BITS);
    return syscall(SYS_set_mempolicy, POLICY_PREFERRED, nodes,
                   (unsigned long)NODES_MAX) == 0
               ? 0
               : errno;
}

void bind_look(struct launch_bind *bind, const char *cpus)
{
    struct cpu_bits now;
    snprintf(bind->now, sizeof(bind->now), "%s", cpus);
    if (!cpu_bits_parse(cpus, &now)) {
        return;
    }
    for (size_t i = 0; i < sizeof(now.words) / sizeof(now.words[0]); i++) {
        if ((now.words[i] & ~bind->set.words[i]) != 0) {
            bind->is_undone = true;
        }
    }
}
