/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu doctor: runs the tables of checks; the exit status is the worst. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "doctor_nvml.h"
#include "doctor_path.h"
#include "report.h"
#include "signals.h"
#include "tables.h"

/* Doctor's own statuses: a run that could not begin has no clean bill. */
#define STATUS_UNABLE 2

/* What weighs most comes first: so do the fixes. */
const struct check_group *const doctor_groups[] = {
    &gpu_checks,    &driver_checks, &state_checks,   &nodes_checks,
    &disk_checks,   &path_checks,   &process_checks, &cgroup_checks,
    &kernel_checks, &memory_checks, &pcie_checks,    &measure_checks,
    NULL,
};

/* Checks of PATH need one, and measuring takes time. */
static bool is_asked_for(const struct doctor *doctor,
                         const struct check_group *group)
{
    if (group == &path_checks) {
        return doctor->data != NULL;
    }
    return group != &measure_checks || doctor->options->measure;
}

static void run_group(struct doctor *doctor, const struct check_group *group)
{
    doctor->group = group;
    if (group == &measure_checks) {
        doctor_measure(doctor);
        return;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        doctor->check = &group->checks[i];
        doctor->check->run(doctor);
        doctor->check_count++;
    }
}

/* Say what cannot be meant, and give false. */
static bool is_usable(const struct options *options)
{
    if (options->operand_count > 0 && options->operands[0][0] == '\0') {
        complain("PATH: got an empty name");
        return false;
    }
    if (options->operand_count > 0 && options->sysroot != NULL) {
        complain("%s: got PATH and --sysroot: wanted one of them, a copy of "
                 "/sys and /proc knows no files",
                 options->operands[0]);
        return false;
    }
    return true;
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

static void close_doctor(struct doctor *doctor)
{
    nvml_close(doctor->nvml);
    path_close(doctor->data);
    fg_topology_close(doctor->topology);
    free(doctor->records);
}

static int run(const struct options *options)
{
    struct doctor doctor = {.options = options};
    struct fg_topology_config config;
    struct fg_error err;
    if (options->checks) {
        doctor_list(options->json);
        return STATUS_DONE;
    }
    if (!is_usable(options) || !check_usage(options)) {
        return STATUS_UNABLE;
    }
    fg_topology_config_init(&config);
    config.sysroot = options->sysroot;
    if (fg_topology_open(&config, &doctor.topology, &err) != FG_OK) {
        complain("%s", err.message);
        return STATUS_UNABLE;
    }
    doctor.root = fg_topology_sysroot(doctor.topology);
    doctor.is_copy = fg_sysroot_is_copy(doctor.root);
    if (options->operand_count > 0) {
        doctor.path = options->operands[0];
        doctor.data = path_open(&doctor);
        if (doctor.data == NULL) {
            close_doctor(&doctor);
            return STATUS_UNABLE;
        }
    }
    for (size_t i = 0; doctor_groups[i] != NULL; i++) {
        if (is_asked_for(&doctor, doctor_groups[i])) {
            run_group(&doctor, doctor_groups[i]);
        }
    }
    doctor_finish(&doctor);
    close_doctor(&doctor);
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
     NULL, "every finding by itself, with its evidence"},
    {"checks", 0, OPTION_FLAG, offsetof(struct options, checks), NULL, 0, 0,
     NULL,
     "list the checks, what each reads and what it tells; look at "
     "nothing"},
};

static const struct option_group doctor_group = {
    "What to look at", doctor_options,
    sizeof(doctor_options) / sizeof(doctor_options[0])};

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
    .story =
        "Looks at GPUs, their driver and links, NUMA nodes, this process's "
        "limits, the kernel and the disks, and changes nothing. With PATH, "
        "a file, a folder, a glob pattern in quotes or @LIST, also at the "
        "way from that data to the GPU: file system, disks, direct reads, "
        "page cache. What cannot be read is unknown, never a fault; nor "
        "is a virtual machine.\n\n"
        "Exit status: 0 clean, 1 warnings, 2 failures, wrong usage or a "
        "PATH or --sysroot that cannot be read.",
    .examples = "  feedgpu doctor\n"
                "  feedgpu doctor shards\n"
                "  feedgpu doctor --json\n"
                "  feedgpu doctor --sysroot copied-machine\n"
                "  feedgpu doctor --measure /data/train\n",
    .operands_min = 0,
    .operands_max = 1,
    .operand = "PATH",
    .groups = {&doctor_group, &measure_group, &general_group},
    .run = run,
};
