/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of the doctor's checks. Knows no machine, so tests can feed it. */
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

/* The choice in brackets: "[none] mq-deadline" gives "none". */
bool rule_chosen(const char *text, char *choice, size_t choice_bytes);

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

/*
 * The limit at hand in a cgroup's parents: cuts the last part off a path.
 * "/a/b" becomes "/a", "/a" becomes "/"; false at "/".
 */
bool rule_parent(char *path);

#endif /* TOOL_DOCTOR_RULES_H */
