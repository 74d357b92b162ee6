/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies from pinned memory of each node to each GPU. What its home node's
 * memory gives is judged by what the slowest link above the GPU carries in
 * practice. The GPU's own link is looked at while the copies run, because an
 * idle one slows down to save power.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_measure.h"
#include "progress.h"
#include "report.h"
#include "signals.h"

/* Another node's memory that is this much faster: the home node is wrong. */
#define FASTER 1.1
#define LOOK_NS UINT64_C(3000000)

/* The speed of its link now, as "32.0 GT/s PCIe"; 0: not told. */
static uint32_t link_speed_mts(const struct doctor *doctor,
                               const struct fg_pci_device *pci)
{
    char path[FG_SYSROOT_PATH_BYTES];
    char text[64];
    snprintf(path, sizeof(path), "%s/current_link_speed", pci->path);
    if (!doctor_read(doctor, path, text, sizeof(text))) {
        return 0;
    }
    return rule_link_speed_mts(text);
}

/* Called while copies run. */
static int look(void *context)
{
    struct measured *measured = context;
    struct target *target = measured->watched;
    uint64_t now = now_ns();
    if (target != NULL && target->pci != NULL &&
        now >= measured->next_look_ns) {
        uint32_t speed_mts = link_speed_mts(measured->doctor, target->pci);
        if (speed_mts > target->speed_mts) {
            target->speed_mts = speed_mts;
        }
        measured->next_look_ns = now + LOOK_NS;
    }
    return is_interrupted();
}

/* Who the device is and where. Errors: as fg_topology_find_pci. */
static enum fg_status describe(struct measured *measured, struct target *target,
                               struct fg_error *err)
{
    struct fg_topology *topology = measured->doctor->topology;
    enum fg_status status = FG_OK;
    if (target->info.bus_id[0] != '\0') {
        status = fg_topology_find_pci(topology, target->info.bus_id,
                                      &target->pci, err);
        /* A GPU is there, whatever /sys shows; a stand-in must be. */
        if (status != FG_OK && !target_is_emulated(target)) {
            target->pci = NULL;
            status = FG_OK;
        }
    }
    fg_topology_find_home(topology, target->info.bus_id, target->info.numa_node,
                          &target->home);
    if (target->pci != NULL) {
        target->limit_bytes_per_s = rule_link_limit(&target->pci->path_max);
    }
    return status;
}

static void measure_target(struct measured *measured, struct target *target,
                           struct fg_device *device)
{
    struct fg_measure_config config = measured->config;
    config.poll = look;
    config.poll_context = measured;
    /* An emulated device's copies use no link. */
    measured->watched = target_is_emulated(target) ? NULL : target;
    for (uint32_t i = 0; i < measured->memory_count && !is_interrupted(); i++) {
        int32_t node = measured->memory_nodes[i];
        struct cell *cell = &target->cells[i];
        char text[NODE_TEXT_BYTES];
        struct fg_error err;
        progress_say("measuring: copies to %s from memory of %s", target->name,
                     node_text(node, text));
        enum fg_status status =
            fg_measure_copy(device, node, &config, &cell->rate, &err);
        cell_set(cell, status, &err);
        cell->share =
            rule_share(cell->rate.bytes_per_s, target->limit_bytes_per_s);
    }
    measured->watched = NULL;
}

/* Open, measure, close. Gives what opening gave. */
static enum fg_status try_device(struct measured *measured, const char *name,
                                 struct fg_error *err)
{
    struct target *target = &measured->targets[measured->target_count];
    struct fg_device *device;
    enum fg_status status =
        fg_device_open(name, FG_DEVICE_TIME_ONLY, &device, err);
    if (status != FG_OK) {
        return status;
    }
    memset(target, 0, sizeof(*target));
    snprintf(target->name, sizeof(target->name), "%s", name);
    fg_device_get_info(device, &target->info);
    status = describe(measured, target, err);
    if (status == FG_OK) {
        measured->target_count++;
        measure_target(measured, target, device);
    }
    fg_device_close(device);
    return status;
}

/* Every GPU that CUDA numbers; ARGUMENT says that there are no more. */
static void try_gpus(struct measured *measured)
{
    struct doctor *doctor = measured->doctor;
    struct fg_error err;
    for (int i = 0; i < MEASURE_DEVICES_MAX && !is_interrupted(); i++) {
        char name[16];
        snprintf(name, sizeof(name), "cuda:%d", i);
        enum fg_status status = try_device(measured, name, &err);
        if (status == FG_ERR_ARGUMENT) {
            return;
        }
        if (status == FG_ERR_UNSUPPORTED) {
            doctor_say(doctor, NULL, VERDICT_NA, "no GPU to copy to: %s",
                       err.message);
            return;
        }
        if (status != FG_OK) {
            doctor_say(doctor, name, VERDICT_FAIL, "%s", err.message);
        }
    }
}

/* The row of its home node; of the fastest, when there is no other. */
static const struct cell *home_cell(const struct measured *measured,
                                    const struct target *target, int32_t *node)
{
    const struct cell *best = &target->cells[0];
    for (uint32_t i = 0; i < measured->memory_count; i++) {
        const struct cell *cell = &target->cells[i];
        if (measured->memory_nodes[i] == target->home.node) {
            *node = target->home.node;
            return cell;
        }
        if (cell->status == FG_OK &&
            (best->status != FG_OK ||
             cell->rate.bytes_per_s > best->rate.bytes_per_s)) {
            best = cell;
        }
    }
    *node = measured->memory_nodes[best - target->cells];
    return best;
}

static void report_home(const struct measured *measured,
                        const struct target *target, const char *subject)
{
    struct finding f = {.subject = subject};
    char text[NODE_TEXT_BYTES];
    int32_t node;
    const struct cell *cell = home_cell(measured, target, &node);
    double rate = cell->rate.bytes_per_s / 1e9;
    if (cell->status != FG_OK) {
        f.verdict =
            cell->status == FG_ERR_DEVICE ? VERDICT_FAIL : VERDICT_UNKNOWN;
        if (cell->status == FG_ERR_UNSUPPORTED) {
            f.verdict = VERDICT_NA;
        }
        finding_put(f.why, "%s", cell->why);
        doctor_report(measured->doctor, &f);
        return;
    }
    node_text(node, text);
    f.verdict = rule_copy_verdict(cell->share);
    finding_put(f.why, "%.1f GB/s from %s; what its link carries is not known",
                rate, text);
    if (cell->share >= 0) {
        finding_put(f.why,
                    "%.1f GB/s from %s, %.0f %% of the %.1f that its way up "
                    "carries in practice",
                    rate, text, 100 * cell->share,
                    target->limit_bytes_per_s / 1e9);
        finding_put(f.evidence, "median of %u rounds, %.1f to %.1f GB/s",
                    cell->rate.rounds, cell->rate.bytes_per_s_min / 1e9,
                    cell->rate.bytes_per_s_max / 1e9);
    }
    if (!target_is_emulated(target) && !rule_is_steady(&cell->rate)) {
        f.verdict = VERDICT_UNKNOWN;
        finding_put(f.why,
                    "%.1f GB/s from %s, but rounds differ by %.0f %%: "
                    "something else was at work, measure again",
                    rate, text, rule_spread_percent(&cell->rate));
    }
    if (target_is_emulated(target)) {
        f.verdict = VERDICT_INFO;
        finding_put(f.why,
                    "%.1f GB/s from %s, the emulated device's own number: "
                    "nothing was copied",
                    rate, text);
    } else if (f.verdict == VERDICT_WARN || f.verdict == VERDICT_FAIL) {
        finding_put(f.fix,
                    "stop other work and measure again; then look at link "
                    "width and speed: lspci -vv -s %s",
                    target->info.bus_id);
    }
    doctor_report(measured->doctor, &f);
}

/* What the memory of other nodes gives, beside the home node's. */
static void report_others(const struct measured *measured,
                          const struct target *target, const char *subject)
{
    int32_t home;
    const struct cell *near = home_cell(measured, target, &home);
    const struct cell *far = NULL;
    for (uint32_t i = 0; i < measured->memory_count; i++) {
        const struct cell *cell = &target->cells[i];
        if (cell != near && cell->status == FG_OK &&
            (far == NULL || cell->rate.bytes_per_s > far->rate.bytes_per_s)) {
            far = cell;
        }
    }
    if (near->status != FG_OK || far == NULL || target->home.node < 0 ||
        target_is_emulated(target)) {
        return;
    }
    struct finding f = {.subject = subject, .verdict = VERDICT_INFO};
    int32_t node = measured->memory_nodes[far - target->cells];
    double ratio = far->rate.bytes_per_s / near->rate.bytes_per_s;
    finding_put(f.why,
                "memory of node %d gives it %.0f %% of what its home node %d "
                "gives",
                node, 100 * ratio, home);
    if (ratio > FASTER) {
        f.verdict = VERDICT_WARN;
        finding_put(f.fix,
                    "the firmware may name the wrong node: compare "
                    "feedgpu bench --numa-node %d",
                    node);
    }
    finding_put(f.evidence, "%.1f and %.1f GB/s", far->rate.bytes_per_s / 1e9,
                near->rate.bytes_per_s / 1e9);
    doctor_report(measured->doctor, &f);
}

static const char *subject_of(const struct target *target)
{
    return target->info.bus_id[0] != '\0' ? target->info.bus_id : target->name;
}

void measure_copies(struct doctor *doctor)
{
    struct measured *measured = doctor->measured;
    const char *wanted = doctor->options->loader.device;
    struct fg_error err;
    if (strcmp(wanted, "auto") == 0) {
        try_gpus(measured);
    } else if (try_device(measured, wanted, &err) != FG_OK) {
        doctor_say(doctor, wanted, VERDICT_FAIL, "%s", err.message);
    }
    progress_clear();
    for (uint32_t i = 0; i < measured->target_count && !is_interrupted(); i++) {
        const struct target *target = &measured->targets[i];
        for (uint32_t n = 0; n < measured->memory_count; n++) {
            if (doctor->options->json) {
                emit_copy(target, &target->cells[n], measured->memory_nodes[n]);
            }
        }
        report_home(measured, target, subject_of(target));
        report_others(measured, target, subject_of(target));
    }
    if (!doctor->options->json && measured->target_count > 0 &&
        !is_interrupted()) {
        show_copies(measured);
    }
}

void measure_links(struct doctor *doctor)
{
    const struct measured *measured = doctor->measured;
    if (measured->target_count == 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "no copy ran");
    }
    for (uint32_t i = 0; i < measured->target_count; i++) {
        const struct target *target = &measured->targets[i];
        struct finding f = {.subject = subject_of(target)};
        if (strcmp(target->info.kind, "cuda") != 0) {
            doctor_say(doctor, f.subject, VERDICT_NA, "%s: it uses no link",
                       target->info.kind);
            continue;
        }
        uint32_t max =
            target->pci != NULL ? target->pci->path_max.speed_mts : 0;
        f.verdict = rule_speed_verdict(target->speed_mts, max);
        finding_put(f.why, "%.1f of %.1f GT/s while copying",
                    target->speed_mts / 1e3, max / 1e3);
        if (f.verdict == VERDICT_UNKNOWN) {
            finding_put(f.why, "the kernel does not tell the speed");
        } else if (f.verdict == VERDICT_WARN) {
            finding_put(f.fix,
                        "reseat the card, check riser, slot and the firmware's "
                        "limit for the slot: lspci -vv -s %s",
                        f.subject);
        }
        finding_put(f.evidence, "current_link_speed, fastest of some looks");
        doctor_report(doctor, &f);
    }
}
