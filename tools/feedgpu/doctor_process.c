/* SPDX-License-Identifier: Apache-2.0 */
/* This process: the nodes it may use, its quota and its limits. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "doctor_rules.h"

static void check_placement(struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    char cpus[512];
    char mems[256];
    if (doctor_lacks_gpu(doctor)) {
        return;
    }
    if (!doctor_read_field(doctor, "/proc/self/status", "Cpus_allowed_list",
                           cpus, sizeof(cpus)) ||
        !doctor_read_field(doctor, "/proc/self/status", "Mems_allowed_list",
                           mems, sizeof(mems))) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/self/status does not tell");
        return;
    }
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        const struct fg_node *node =
            fg_topology_find_node(doctor->topology, gpu->home.node);
        char number[16];
        if (node == NULL) {
            doctor_say(doctor, gpu->bus_id, VERDICT_UNKNOWN,
                       "its home node is not known");
            continue;
        }
        struct finding f = {.subject = gpu->bus_id, .verdict = VERDICT_PASS};
        snprintf(number, sizeof(number), "%d", node->node);
        finding_put(f.why, "CPUs and memory of node %d are allowed",
                    node->node);
        if ((node->cpu_count > 0 && !rule_lists_meet(cpus, node->cpus)) ||
            !rule_lists_meet(mems, number)) {
            f.verdict = VERDICT_WARN;
            finding_put(f.why, "CPUs or memory of its node %d are forbidden",
                        node->node);
            finding_put(f.fix,
                        "allow them in the job's cpuset: cpus %.60s, "
                        "mems %d",
                        node->cpus, node->node);
        }
        finding_put(f.evidence,
                    "Cpus_allowed_list=%.60s Mems_allowed_list="
                    "%.60s (/proc/self/status)",
                    cpus, mems);
        doctor_report(doctor, &f);
    }
}

static void check_memlock(struct doctor *doctor)
{
    char text[128];
    uint64_t bytes;
    /* CAP_IPC_LOCK, bit 14: the limit does not bind. */
    if (doctor_read_field(doctor, "/proc/self/status", "CapEff", text,
                          sizeof(text)) &&
        strtoull(text, NULL, 16) >> 14 & 1) {
        doctor_say(doctor, NULL, VERDICT_PASS, "CAP_IPC_LOCK: no limit");
        return;
    }
    char file[4096];
    const char *line = NULL;
    if (doctor_read(doctor, "/proc/self/limits", file, sizeof(file))) {
        line = strstr(file, "Max locked memory");
    }
    if (line == NULL) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/self/limits does not tell");
        return;
    }
    line += strlen("Max locked memory");
    line += strspn(line, " ");
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, " \n"), line);
    if (!rule_count(text, &bytes) || bytes >= UINT64_C(64) << 20) {
        doctor_say(doctor, NULL, VERDICT_PASS, "%s", text);
        return;
    }
    struct finding f = {.subject = NULL, .verdict = VERDICT_WARN};
    finding_put(f.why,
                "%s bytes may be locked: registered buffers of io_uring "
                "may be refused without CAP_IPC_LOCK",
                text);
    finding_put(f.fix, "ulimit -l unlimited (docker: --ulimit memlock=-1)");
    finding_put(f.evidence, "Max locked memory %s (/proc/self/limits)", text);
    doctor_report(doctor, &f);
}

static void check_seccomp(struct doctor *doctor)
{
    char text[32];
    if (!doctor_read_field(doctor, "/proc/self/status", "Seccomp", text,
                           sizeof(text))) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/self/status does not tell");
    } else if (strcmp(text, "0") == 0) {
        doctor_say(doctor, NULL, VERDICT_PASS, "no filter");
    } else {
        doctor_say(doctor, NULL, VERDICT_INFO,
                   "a filter is on: it may forbid io_uring and mbind");
    }
}

static const struct check checks[] = {
    {"process-node", "Allowed nodes", check_placement},
    {"memlock", "Locked memory", check_memlock},
    {"seccomp", "Seccomp", check_seccomp},
};

const struct check_group process_checks = {"This process", checks,
                                           sizeof(checks) / sizeof(checks[0])};
