/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside `doctor --measure`.
 *
 *     doctor_measure.c        the checks: memory and disk
 *     doctor_measure_copy.c   the checks: copies, and the link under them
 *     doctor_measure_show.c   tables as text, measurements as JSON
 *     doctor_measure_rules.c  arithmetic that needs no machine
 */
#ifndef TOOL_DOCTOR_MEASURE_H
#define TOOL_DOCTOR_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feedgpu.h>

#include "doctor.h"

#define MEASURE_NODES_MAX 64
#define MEASURE_DEVICES_MAX 64

/* One measurement: a rate, or why there is none. */
struct cell {
    enum fg_status status; /* FG_OK: rate holds; else `why` */
    struct fg_rate rate;
    char why[256];
    double share; /* copies: of what the link carries; below 0: unknown */
};

/* A device that copies were measured to. */
struct target {
    char name[32]; /* "cuda:0", or what --device said */
    struct fg_device_info info;
    const struct fg_pci_device *pci; /* the topology's, or NULL */
    struct fg_home home;
    double limit_bytes_per_s; /* what its link carries in practice; 0: ? */
    uint32_t speed_mts;       /* fastest seen while copying; 0: not seen */
    struct cell cells[MEASURE_NODES_MAX]; /* by index of memory node */
};

/* All of a run. */
struct measured {
    int32_t cpu_nodes[MEASURE_NODES_MAX];
    int32_t memory_nodes[MEASURE_NODES_MAX];
    uint32_t cpu_count;     /* entries of cpu_nodes */
    uint32_t memory_count;  /* entries of memory_nodes */
    struct cell *memory;    /* owned: a row for each of cpu_nodes */
    struct target *targets; /* owned, MEASURE_DEVICES_MAX */
    uint32_t target_count;  /* entries in use */
    struct fg_measure_config config;
    struct target *watched; /* whose link is looked at now, or NULL */
    uint64_t next_look_ns;  /* when to look again */
    struct doctor *doctor;
};

static inline bool target_is_emulated(const struct target *target)
{
    return target->info.kind[0] == 'e';
}

/* The check of copies, and of the links that they were seen on. */
void measure_copies(struct doctor *doctor);
void measure_links(struct doctor *doctor);

/* Fill a cell with what a call returned. */
void cell_set(struct cell *cell, enum fg_status status,
              const struct fg_error *err);

/* ---- doctor_measure_show.c ---- */

void show_memory(const struct measured *measured);
void show_copies(const struct measured *measured);
void show_disk(const struct cell *cells, const char *path);

/* A measurement as a JSON line. */
void emit_memory(const struct cell *cell, int32_t cpu_node,
                 int32_t memory_node);
void emit_copy(const struct target *target, const struct cell *cell,
               int32_t memory_node);
void emit_disk(const struct cell *cell, const char *path, const char *order);

/* "node 3", or "any node" for -1. */
#define NODE_TEXT_BYTES 16
const char *node_text(int32_t node, char *text);

/* ---- doctor_measure_rules.c ---- */

/* Of a link's payload, what copies reach in practice; 0: link unknown. */
double rule_link_limit(const struct fg_link *link);

/* Share of a limit; -1 when the limit is not known. */
double rule_share(double bytes_per_s, double limit_bytes_per_s);

/* Of a copy that reached this share: UNKNOWN, FAIL, WARN or PASS. */
enum verdict rule_copy_verdict(double share);

/* Of a link at this speed under load, that could have `max`; 0: unknown. */
enum verdict rule_speed_verdict(uint32_t seen_mts, uint32_t max_mts);

/* Of a node's own memory beside the best of its equals. */
enum verdict rule_memory_verdict(double bytes_per_s, double best_bytes_per_s);

/* Largest minus smallest round, in percent of the median. */
double rule_spread_percent(const struct fg_rate *rate);

/* Do the rounds agree well enough to judge by them? */
bool rule_is_steady(const struct fg_rate *rate);

/* "32.0 GT/s PCIe" is 32000; 0: it is anything else. */
uint32_t rule_link_speed_mts(const char *text);

#endif /* TOOL_DOCTOR_MEASURE_H */
