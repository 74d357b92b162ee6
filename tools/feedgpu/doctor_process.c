/* SPDX-License-Identifier: Apache-2.0 */
/* This process, and what is started like it: nodes it may use, its limits. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "doctor.h"
#include "doctor_cgroup.h"
#include "doctor_path.h"
#include "doctor_rules.h"
#include "size.h"

/* Say who forbids: the cpuset of its control group, or its affinity. */
static void fix_placement(const struct doctor *doctor,
                          const struct fg_node *node, struct finding *f)
{
    char cpus[512];
    if (cgroup_cpuset(doctor, "cpus", cpus, sizeof(cpus)) &&
        node->cpu_count > 0 && rule_lists_meet(cpus, node->cpus)) {
        finding_put(f->fix,
                    "start it on the node: numactl --cpunodebind=%d "
                    "--preferred=%d COMMAND",
                    node->node, node->node);
        return;
    }
    finding_put(f->fix, "allow them in the job's cpuset: cpus %.60s, mems %d",
                node->cpus, node->node);
}

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
            fix_placement(doctor, node, &f);
        }
        finding_put(f.evidence,
                    "Cpus_allowed_list=%.60s Mems_allowed_list="
                    "%.60s (/proc/self/status)",
                    cpus, mems);
        doctor_report(doctor, &f);
    }
}

#define LOCKED_BYTES (UINT64_C(64) << 20) /* room to register buffers */
#define FILES_FIX "ulimit -n 65536 (docker: --ulimit nofile=65536)"
#define FILES_MIN 1024u /* feedgpu keeps half of it open */

static bool read_limit(const struct doctor *doctor, const char *name,
                       uint64_t *limit)
{
    char text[4096];
    return doctor_read(doctor, "/proc/self/limits", text, sizeof(text)) &&
           rule_limit(text, name, limit);
}

static void check_files(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    uint64_t limit;
    if (!read_limit(doctor, "Max open files", &limit)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/self/limits does not tell");
        return;
    }
    finding_put(f.why, "%" PRIu64 " files", limit);
    if (limit == UINT64_MAX) {
        finding_put(f.why, "no limit");
    } else if (limit < FILES_MIN) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "%" PRIu64 " files: shards are opened and closed over and "
                    "over; DataLoader workers fail",
                    limit);
        finding_put(f.fix, FILES_FIX);
    } else if (doctor->data != NULL && doctor->data->inputs.count > limit / 2) {
        f.verdict = VERDICT_INFO;
        finding_put(f.why,
                    "%" PRIu64 " files, of which feedgpu takes half, for the "
                    "%zu in PATH: they are opened and closed in turn",
                    limit, doctor->data->inputs.count);
        finding_put(f.fix, FILES_FIX);
    }
    finding_put(f.evidence, "Max open files %" PRIu64 " (/proc/self/limits)",
                limit);
    doctor_report(doctor, &f);
}

static void check_memlock(struct doctor *doctor)
{
    char text[128];
    char size[SIZE_TEXT_BYTES];
    uint64_t bytes;
    /* CAP_IPC_LOCK, bit 14: the limit does not bind. */
    if (doctor_read_field(doctor, "/proc/self/status", "CapEff", text,
                          sizeof(text)) &&
        strtoull(text, NULL, 16) >> 14 & 1) {
        doctor_say(doctor, NULL, VERDICT_PASS, "CAP_IPC_LOCK: no limit");
        return;
    }
    if (!read_limit(doctor, "Max locked memory", &bytes)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/self/limits does not tell");
        return;
    }
    size_format(bytes, size);
    if (bytes >= LOCKED_BYTES) {
        doctor_say(doctor, NULL, VERDICT_PASS, "%s",
                   bytes == UINT64_MAX ? "no limit" : size);
        return;
    }
    struct finding f = {.subject = NULL, .verdict = VERDICT_WARN};
    finding_put(
        f.why,
        "%s may be locked: registered buffers of io_uring may be refused "
        "without CAP_IPC_LOCK",
        size);
    finding_put(f.fix, "ulimit -l unlimited (docker: --ulimit memlock=-1)");
    finding_put(f.evidence, "Max locked memory %" PRIu64 " (/proc/self/limits)",
                bytes);
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

static void check_preload(struct doctor *doctor)
{
    const char *preload = getenv("LD_PRELOAD");
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    if (doctor_is_copy(doctor)) {
        return;
    }
    finding_put(f.why, "nothing is put in front of programs");
    if (getauxval(AT_SECURE) != 0) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why, "this process has more rights than its user: the "
                           "loader ignores LD_PRELOAD and LD_LIBRARY_PATH");
        finding_put(f.fix, "take the setuid bit or the file's capabilities "
                           "away (getcap)");
    } else if (preload != NULL && preload[0] != '\0') {
        f.verdict = VERDICT_INFO;
        finding_put(f.why, "LD_PRELOAD=%.180s", preload);
    }
    finding_put(f.evidence, "AT_SECURE=%lu, LD_PRELOAD=%.180s",
                getauxval(AT_SECURE), preload != NULL ? preload : "");
    doctor_report(doctor, &f);
}

static const struct check checks[] = {
    {.name = "process-node",
     .title = "Allowed nodes",
     .passed = "have a node that may be used",
     .reads = "Cpus_allowed_list and Mems_allowed_list in /proc/self/status, "
              "cpuset.cpus.effective",
     .warns = "no CPU or no memory of the GPU's node is allowed: WARN",
     .run = check_placement},
    {.name = "memlock",
     .title = "Locked memory",
     .reads = "Max locked memory in /proc/self/limits, CapEff",
     .warns = "less than 64 MiB without CAP_IPC_LOCK: WARN",
     .run = check_memlock},
    {.name = "open-files",
     .title = "Open files",
     .reads = "Max open files in /proc/self/limits",
     .warns = "less than 1024: WARN; less than twice the files in PATH: INFO",
     .run = check_files},
    {.name = "seccomp",
     .title = "Seccomp",
     .reads = "Seccomp in /proc/self/status",
     .warns = "a filter is on: INFO",
     .run = check_seccomp},
    {.name = "preload",
     .title = "Preloading",
     .reads = "AT_SECURE, LD_PRELOAD",
     .warns = "the loader ignores LD_PRELOAD: WARN; it is set: INFO",
     .run = check_preload},
};

const struct check_group process_checks = {"This process", checks,
                                           sizeof(checks) / sizeof(checks[0])};
