/* SPDX-License-Identifier: Apache-2.0 */
/* Disks: the queue of each that lies at the bottom. */
#include <string.h>

#include "doctor.h"
#include "doctor_rules.h"

static void check_scheduler(struct doctor *doctor)
{
    for (uint32_t i = 0; i < fg_topology_block_count(doctor->topology); i++) {
        const struct fg_block *block = fg_topology_block(doctor->topology, i);
        char path[96];
        char text[256];
        char choice[64];
        if (strncmp(block->name, "nvme", 4) != 0) {
            continue;
        }
        snprintf(path, sizeof(path), "/sys/block/%s/queue/scheduler",
                 block->name);
        if (!doctor_read(doctor, path, text, sizeof(text)) ||
            !rule_chosen(text, choice, sizeof(choice))) {
            doctor_say(doctor, block->name, VERDICT_UNKNOWN,
                       "its scheduler cannot be read");
            continue;
        }
        struct finding f = {.subject = block->name, .verdict = VERDICT_PASS};
        finding_put(f.why, "%s", choice);
        if (strcmp(choice, "none") != 0) {
            f.verdict = VERDICT_WARN;
            finding_put(f.why, "%s orders requests that an NVMe orders better",
                        choice);
            finding_put(f.fix, "echo none > %s", path);
        }
        finding_put(f.evidence, "%s (%s)", choice, path);
        doctor_report(doctor, &f);
    }
}

static const struct check checks[] = {
    {"disk-scheduler", "NVMe scheduler", check_scheduler},
};

const struct check_group disk_checks = {"Disks", checks,
                                        sizeof(checks) / sizeof(checks[0])};
