/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu doctor: runs the tables of checks; the exit status is the worst. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "doctor_rules.h"
#include "report.h"
#include "signals.h"
#include "tables.h"

/* Doctor's own statuses: a run that could not begin has no clean bill. */
#define STATUS_UNABLE 2

bool doctor_read(const struct doctor *doctor, const char *path, char *text,
                 size_t text_bytes)
{
    return fg_sysroot_read(doctor->root, path, text, text_bytes, NULL) == FG_OK;
}

bool doctor_read_count(const struct doctor *doctor, const char *path,
                       uint64_t *count)
{
    char text[64];
    return doctor_read(doctor, path, text, sizeof(text)) &&
           rule_count(text, count);
}

bool doctor_read_field(const struct doctor *doctor, const char *path,
                       const char *key, char *text, size_t text_bytes)
{
    char file[8192];
    size_t length = strlen(key);
    if (!doctor_read(doctor, path, file, sizeof(file))) {
        return false;
    }
    for (const char *line = file; line != NULL;) {
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            line += length + 1;
            line += strspn(line, " \t");
            snprintf(text, text_bytes, "%.*s", (int)strcspn(line, "\n"), line);
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

const struct fg_pci_device *doctor_next_gpu(const struct doctor *doctor,
                                            uint32_t *index)
{
    while (*index < fg_topology_pci_count(doctor->topology)) {
        const struct fg_pci_device *device =
            fg_topology_pci(doctor->topology, (*index)++);
        if (device->kind == FG_PCI_GPU || device->kind == FG_PCI_ACCELERATOR) {
            return device;
        }
    }
    return NULL;
}

bool doctor_lacks_gpu(struct doctor *doctor)
{
    uint32_t index = 0;
    if (doctor_next_gpu(doctor, &index) != NULL) {
        return false;
    }
    doctor_say(doctor, NULL, VERDICT_NA, "no GPU here");
    return true;
}

uint32_t doctor_node_count(const struct doctor *doctor)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fg_topology_node_count(doctor->topology); i++) {
        const struct fg_node *node = fg_topology_node(doctor->topology, i);
        count += (node->flags & FG_NODE_DEVICE_MEMORY) == 0;
    }
    return count;
}

static void run_group(struct doctor *doctor, const struct check_group *group)
{
    doctor->group = group;
    for (uint32_t i = 0; i < group->count; i++) {
        doctor->check = &group->checks[i];
        doctor->check->run(doctor);
    }
}

/* What only goes with --measure, and what it does not go with. */
static bool check_usage(const struct options *options)
{
    const char *word = NULL;
    if (options->measure && options->sysroot != NULL) {
        complain("doctor: --measure: measures this machine, --sysroot is a "
                 "copy of one");
        return false;
    }
    if (strcmp(options->loader.device, "auto") != 0) {
        word = "device";
    } else if (options->measure_bytes != 0) {
        word = "measure-bytes";
    }
    if (word != NULL && !options->measure) {
        complain("doctor: --%s: goes with --measure", word);
        return false;
    }
    return true;
}

static int run(const struct options *options)
{
    static const struct check_group *const groups[] = {
        &gpu_checks,    &nodes_checks, &process_checks,
        &kernel_checks, &disk_checks,
    };
    struct doctor doctor = {.options = options};
    doctor.path = options->operand_count > 0 ? options->operands[0] : NULL;
    struct fg_topology_config config;
    struct fg_error err;
    if (!check_usage(options)) {
        return STATUS_USAGE;
    }
    fg_topology_config_init(&config);
    config.sysroot = options->sysroot;
    if (fg_topology_open(&config, &doctor.topology, &err) != FG_OK) {
        complain("%s", err.message);
        return STATUS_UNABLE;
    }
    doctor.root = fg_topology_sysroot(doctor.topology);
    doctor.is_copy = fg_sysroot_is_copy(doctor.root);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        run_group(&doctor, groups[i]);
    }
    if (options->measure) {
        doctor_measure(&doctor);
    }
    doctor_finish(&doctor);
    fg_topology_close(doctor.topology);
    free(doctor.records);
    if (is_interrupted()) {
        complain("interrupted: not all was measured");
        return status_of_signal();
    }
    return doctor_exit_status(&doctor);
}

static const struct option doctor_options[] = {
    {"sysroot", 0, OPTION_TEXT, offsetof(struct options, sysroot), "DIR", 0, 0,
     "this machine", "a folder with a copy of another machine's sys and proc"},
    {"verbose", 'v', OPTION_FLAG, offsetof(struct options, verbose), NULL, 0, 0,
     NULL, "also each check that is not known or does not apply"},
};

static const struct option_group doctor_group = {"What to look at",
                                                 doctor_options, 2};

static const struct option measure_options[] = {
    {"measure", 0, OPTION_FLAG, offsetof(struct options, measure), NULL, 0, 0,
     NULL,
     "also measure, for some seconds: memory between nodes, copies from each "
     "node to each GPU, reads of the files in PATH"},
    {"device", 0, OPTION_TEXT, offsetof(struct options, loader.device), "NAME",
     0, 0, NULL, "copy to this one; auto: to every GPU"},
    {"measure-bytes", 0, OPTION_SIZE, offsetof(struct options, measure_bytes),
     "SIZE", UINT64_C(2) << 20, UINT64_C(1) << 40, "chosen for the machine",
     "bytes of a round: more where caches are very large"},
};

static const struct option_group measure_group = {"What to measure",
                                                  measure_options, 3};

const struct command doctor_command = {
    .name = "doctor",
    .synopsis = "[OPTION]... [PATH]",
    .summary = "find what slows feeding on this machine, and how to fix it",
    .story = "Looks at GPUs, NUMA nodes, this process's limits, the kernel and "
             "the disks, and changes nothing. What cannot be read is unknown, "
             "never a fault; nor is a virtual machine.\n\n"
             "Exit status: 0 clean, 1 warnings, 2 failures, wrong usage or a "
             "--sysroot that cannot be read.",
    .examples = "  feedgpu doctor\n"
                "  feedgpu doctor --json\n"
                "  feedgpu doctor --sysroot copied-machine\n"
                "  feedgpu doctor --measure /data/train\n",
    .operands_min = 0,
    .operands_max = 1,
    .operand = "PATH",
    .groups = {&doctor_group, &measure_group, &general_group},
    .run = run,
};
