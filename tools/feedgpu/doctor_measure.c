/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor --measure: numbers beside the checks. Reading memory for each pair of
 * nodes, copies to each GPU from each node, reading the disk below PATH. As
 * text the tables come before the findings, as JSON a line per measurement.
 *
 * It keeps what it measures busy for some seconds, writes nothing anywhere,
 * and stops within a moment on a signal.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor_measure.h"
#include "doctor_path.h"
#include "progress.h"
#include "report.h"
#include "signals.h"
#include "size.h"

/* At random less than this share of the rate in sequence is worth a word. */
#define RANDOM_SHARE_MIN 0.5

static int ask_for_signal(void *context)
{
    (void)context;
    return is_interrupted();
}

void cell_set(struct cell *cell, enum fg_status status,
              const struct fg_error *err)
{
    cell->status = status;
    if (status != FG_OK) {
        memset(&cell->rate, 0, sizeof(cell->rate));
        snprintf(cell->why, sizeof(cell->why), "%s", err->message);
    }
}

/* Nodes with CPUs, and nodes with memory; "any" where there are no nodes. */
static void list_nodes(struct measured *measured)
{
    const struct fg_topology *topology = measured->doctor->topology;
    for (uint32_t i = 0; i < fg_topology_node_count(topology); i++) {
        const struct fg_node *node = fg_topology_node(topology, i);
        if ((node->flags & FG_NODE_DEVICE_MEMORY) != 0) {
            continue;
        }
        if (node->cpu_count > 0 && measured->cpu_count < MEASURE_NODES_MAX) {
            measured->cpu_nodes[measured->cpu_count++] = node->node;
        }
        if (node->memory_bytes > 0 &&
            measured->memory_count < MEASURE_NODES_MAX) {
            measured->memory_nodes[measured->memory_count++] = node->node;
        }
    }
    if (measured->cpu_count == 0 || measured->memory_count == 0) {
        measured->cpu_nodes[0] = measured->memory_nodes[0] = -1;
        measured->cpu_count = measured->memory_count = 1;
    }
}

static struct cell *memory_cell(const struct measured *measured, uint32_t row,
                                uint32_t column)
{
    return &measured->memory[row * measured->memory_count + column];
}

static void measure_pairs(struct measured *measured)
{
    for (uint32_t i = 0;
         i < measured->cpu_count * measured->memory_count && !is_interrupted();
         i++) {
        int32_t cpu_node = measured->cpu_nodes[i / measured->memory_count];
        int32_t memory_node =
            measured->memory_nodes[i % measured->memory_count];
        struct cell *cell = &measured->memory[i];
        char first[NODE_TEXT_BYTES];
        char second[NODE_TEXT_BYTES];
        struct fg_error err;
        progress_say("measuring: memory of %s read by CPUs of %s",
                     node_text(memory_node, first),
                     node_text(cpu_node, second));
        enum fg_status status = fg_measure_memory(
            cpu_node, memory_node, &measured->config, &cell->rate, &err);
        cell_set(cell, status, &err);
        if (measured->doctor->options->json && !is_interrupted()) {
            emit_memory(cell, cpu_node, memory_node);
        }
    }
    progress_clear();
}

/* A node's own memory, or else the first. */
static struct cell *own_cell(const struct measured *measured, uint32_t row)
{
    for (uint32_t i = 0; i < measured->memory_count; i++) {
        if (measured->memory_nodes[i] == measured->cpu_nodes[row]) {
            return memory_cell(measured, row, i);
        }
    }
    return NULL;
}

/* The fastest own memory of a node that was read by as many threads. */
static double best_of_equals(const struct measured *measured,
                             const struct cell *than)
{
    double best = than->rate.bytes_per_s;
    for (uint32_t row = 0; row < measured->cpu_count; row++) {
        const struct cell *cell = own_cell(measured, row);
        if (cell != NULL && cell->status == FG_OK &&
            cell->rate.workers == than->rate.workers &&
            cell->rate.bytes_per_s > best) {
            best = cell->rate.bytes_per_s;
        }
    }
    return best;
}

static void report_own(struct measured *measured, uint32_t row)
{
    const struct cell *cell = own_cell(measured, row);
    char name[NODE_TEXT_BYTES];
    struct finding f = {.subject = node_text(measured->cpu_nodes[row], name)};
    if (cell == NULL) {
        doctor_say(measured->doctor, name, VERDICT_NA, "no memory of its own");
        return;
    }
    if (cell->status != FG_OK) {
        doctor_say(measured->doctor, name, VERDICT_UNKNOWN, "%s", cell->why);
        return;
    }
    double best = best_of_equals(measured, cell);
    f.verdict = rule_memory_verdict(cell->rate.bytes_per_s, best);
    finding_put(f.why, "%.1f GB/s from its own memory, %u threads",
                cell->rate.bytes_per_s / 1e9, cell->rate.workers);
    if (!rule_is_steady(&cell->rate)) {
        f.verdict = VERDICT_UNKNOWN;
        finding_put(f.why,
                    "%.1f GB/s, but rounds differ by %.0f %%: something else "
                    "was at work, measure again",
                    cell->rate.bytes_per_s / 1e9,
                    rule_spread_percent(&cell->rate));
    } else if (f.verdict == VERDICT_WARN) {
        finding_put(f.why,
                    "%.1f GB/s from its own memory, where another node with as "
                    "many CPUs reads %.1f",
                    cell->rate.bytes_per_s / 1e9, best / 1e9);
        finding_put(f.fix, "stop other work and measure again; then see that "
                           "all memory channels are filled: dmidecode -t "
                           "memory");
    } else if (cell->rate.bytes < 2 * cell->rate.cache_bytes) {
        f.verdict = VERDICT_UNKNOWN;
        finding_put(f.why, "read too little to be sure that caches did not "
                           "answer (--measure-bytes)");
    } else if (cell->rate.pages_on_node != cell->rate.pages) {
        f.verdict = VERDICT_UNKNOWN;
        finding_put(f.why,
                    "%.1f GB/s; where the memory lies cannot be asked "
                    "here",
                    cell->rate.bytes_per_s / 1e9);
    }
    finding_put(f.evidence,
                "median of %u rounds, %.1f to %.1f GB/s; pages by "
                "%s",
                cell->rate.rounds, cell->rate.bytes_per_s_min / 1e9,
                cell->rate.bytes_per_s_max / 1e9, cell->rate.verified_by);
    doctor_report(measured->doctor, &f);
}

static void check_memory(struct doctor *doctor)
{
    struct measured *measured = doctor->measured;
    measure_pairs(measured);
    if (is_interrupted()) {
        return;
    }
    if (!doctor->options->json) {
        show_memory(measured);
    }
    for (uint32_t row = 0; row < measured->cpu_count; row++) {
        report_own(measured, row);
    }
}

static int by_size(const void *a, const void *b)
{
    uint64_t first = ((const struct input_file *)a)->size;
    uint64_t second = ((const struct input_file *)b)->size;
    return (first < second) - (first > second);
}

/* Read the largest files of PATH in both orders. */
static void read_files(struct measured *measured, struct inputs *inputs,
                       struct cell *cells)
{
    static const char *const orders[] = {"sequential", "random"};
    const char *paths[FG_MEASURE_FILES_MAX];
    uint32_t count = 0;
    qsort(inputs->files, inputs->count, sizeof(inputs->files[0]), by_size);
    while (count < inputs->count && count < FG_MEASURE_FILES_MAX) {
        paths[count] = inputs->files[count].path;
        count++;
    }
    for (int i = 0; i < 2 && !is_interrupted(); i++) {
        struct fg_error err;
        progress_say("measuring: reads of %s, %s", measured->doctor->path,
                     orders[i]);
        enum fg_status status =
            fg_measure_read(paths, count, (enum fg_measure_order)i,
                            &measured->config, &cells[i].rate, &err);
        cell_set(&cells[i], status, &err);
        if (measured->doctor->options->json && !is_interrupted()) {
            emit_disk(&cells[i], measured->doctor->path, orders[i]);
        }
    }
    progress_clear();
}

static void report_disk(struct doctor *doctor, const struct cell *cells,
                        uint64_t bytes)
{
    struct finding f = {.subject = doctor->path, .verdict = VERDICT_INFO};
    if (cells[0].status != FG_OK || cells[1].status != FG_OK) {
        doctor_say(doctor, doctor->path, VERDICT_UNKNOWN, "%s",
                   cells[0].status != FG_OK ? cells[0].why : cells[1].why);
        return;
    }
    double sequential = cells[0].rate.bytes_per_s;
    double random = cells[1].rate.bytes_per_s;
    finding_put(f.why, "%.2f GB/s in sequence, %.2f at random%s",
                sequential / 1e9, random / 1e9,
                random < RANDOM_SHARE_MIN * sequential
                    ? ": --shuffle block reads faster than full"
                    : "");
    if ((cells[0].rate.flags & FG_RATE_MEMORY) != 0) {
        f.verdict = VERDICT_NA;
        finding_put(f.why, "its files are in memory (tmpfs), on no disk");
    } else if ((cells[0].rate.flags & FG_RATE_DIRECT) == 0) {
        f.verdict = VERDICT_UNKNOWN;
        finding_put(f.why,
                    "%.2f GB/s through the page cache: its file system "
                    "has no O_DIRECT",
                    sequential / 1e9);
    }
    finding_put(f.evidence,
                "median of %u rounds, %.2f to %.2f and %.2f to "
                "%.2f GB/s%s",
                cells[0].rate.rounds, cells[0].rate.bytes_per_s_min / 1e9,
                cells[0].rate.bytes_per_s_max / 1e9,
                cells[1].rate.bytes_per_s_min / 1e9,
                cells[1].rate.bytes_per_s_max / 1e9,
                bytes < cells[0].rate.bytes ? "; the same bytes again and again"
                                            : "");
    doctor_report(doctor, &f);
}

static void check_disk(struct doctor *doctor)
{
    struct cell cells[2] = {{.status = FG_OK}};
    if (doctor->data == NULL) {
        doctor_say(doctor, NULL, VERDICT_NA,
                   "no PATH: doctor --measure PATH reads its files");
        return;
    }
    read_files(doctor->measured, &doctor->data->inputs, cells);
    if (is_interrupted()) {
        return;
    }
    if (!doctor->options->json) {
        show_disk(cells, doctor->path);
    }
    report_disk(doctor, cells, doctor->data->inputs.bytes);
}

static const struct check checks[] = {
    {.name = "measured-memory",
     .title = "Memory read",
     .run = check_memory,
     .reads = "--measure: memory of each node, by the CPUs of each",
     .warns = "INFO; UNKNOWN: rounds differ by over 30 %, pages not proven"},
    {.name = "measured-copy",
     .title = "Copies to the GPU",
     .run = measure_copies,
     .reads = "--measure: pinned copies from each node to each GPU",
     .warns =
         "WARN below 80 % of what the link carries in practice, FAIL below "
         "50 %; WARN: another node is faster than the home node"},
    {.name = "measured-link-speed",
     .title = "Link while copying",
     .run = measure_links,
     .reads = "--measure: current_link_speed while copies run",
     .warns = "WARN: slower than it could be, under load"},
    {.name = "measured-disk",
     .title = "Disk reads",
     .run = check_disk,
     .reads = "--measure PATH: reads of its files, in sequence and at random",
     .warns = "INFO; UNKNOWN: no direct reads there"},
};

const struct check_group measure_checks = {"Measured", checks,
                                           sizeof(checks) / sizeof(checks[0])};

void doctor_measure(struct doctor *doctor)
{
    struct measured measured = {.doctor = doctor};
    fg_measure_config_init(&measured.config);
    measured.config.bytes = doctor->options->measure_bytes;
    measured.config.poll = ask_for_signal;
    list_nodes(&measured);
    measured.memory = calloc((size_t)measured.cpu_count * measured.memory_count,
                             sizeof(*measured.memory));
    measured.targets = calloc(MEASURE_DEVICES_MAX, sizeof(*measured.targets));
    doctor->measured = &measured;
    doctor->group = &measure_checks;
    for (uint32_t i = 0; i < measure_checks.count; i++) {
        doctor->check = &checks[i];
        if (measured.memory == NULL || measured.targets == NULL) {
            doctor_say(doctor, NULL, VERDICT_UNKNOWN, "out of memory");
        } else if (!is_interrupted()) {
            checks[i].run(doctor);
            doctor->check_count++;
        }
    }
    doctor->measured = NULL;
    free(measured.memory);
    free(measured.targets);
}
