/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: huge pages, shared memory, mappings. */
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "doctor.h"
#include "doctor_rules.h"
#include "size.h"

static void check_huge(struct doctor *doctor)
{
    uint32_t said = 0;
    for (uint32_t i = 0; i < fg_topology_node_count(doctor->topology); i++) {
        const struct fg_node *node = fg_topology_node(doctor->topology, i);
        if ((node->flags & FG_NODE_DEVICE_MEMORY) != 0 ||
            node->memory_bytes == 0) {
            continue;
        }
        for (uint32_t k = 0; k < node->hugepage_count; k++) {
            const struct fg_hugepages *pages = &node->hugepages[k];
            char subject[16];
            char size[SIZE_TEXT_BYTES];
            if (pages->pages == 0 && k > 0) {
                continue; /* one line a node says that there are none */
            }
            snprintf(subject, sizeof(subject), "node%d", node->node);
            size_format(pages->page_bytes, size);
            doctor_say(doctor, subject, VERDICT_INFO,
                       pages->pages == 0
                           ? "no pages of %s are reserved; none are needed"
                           : "%s: %" PRIu64 " of %" PRIu64 " pages are free",
                       size, pages->free_pages, pages->pages);
            said++;
        }
    }
    if (said == 0) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "no node tells its huge pages");
    }
}

#define THP "/sys/kernel/mm/transparent_hugepage/"

static void check_thp(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    char text[128];
    char enabled[32];
    char defrag[32];
    if (!doctor_read(doctor, THP "enabled", text, sizeof(text)) ||
        !rule_chosen(text, enabled, sizeof(enabled))) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN, THP "enabled cannot be read");
        return;
    }
    if (!doctor_read(doctor, THP "defrag", text, sizeof(text)) ||
        !rule_chosen(text, defrag, sizeof(defrag))) {
        snprintf(defrag, sizeof(defrag), "?");
    }
    finding_put(f.why, "%s, defrag %s", enabled, defrag);
    if (strcmp(enabled, "never") == 0) {
        f.verdict = VERDICT_INFO;
        finding_put(f.why, "never: buffers are of small pages, and take longer "
                           "to set up");
        finding_put(f.fix, "echo madvise > " THP "enabled");
    } else if (strcmp(defrag, "always") == 0) {
        f.verdict = VERDICT_INFO;
        finding_put(f.why, "defrag always: programs stop while the kernel "
                           "compacts memory");
        finding_put(f.fix, "echo madvise > " THP "defrag");
    }
    finding_put(f.evidence, "enabled=%s defrag=%s (" THP ")", enabled, defrag);
    doctor_report(doctor, &f);
}

/* What docker gives without --shm-size. */
#define SHM_SMALL_BYTES (UINT64_C(64) << 20)

static void check_shm(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    struct statvfs shm;
    char size[SIZE_TEXT_BYTES];
    if (doctor_is_copy(doctor)) {
        return;
    }
    if (statvfs("/dev/shm", &shm) != 0) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN, "there is no /dev/shm");
        return;
    }
    uint64_t bytes = (uint64_t)shm.f_blocks * shm.f_frsize;
    size_format(bytes, size);
    finding_put(f.why, "%s", size);
    if (bytes <= SHM_SMALL_BYTES) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "%s: workers of a PyTorch DataLoader will die of bus "
                    "errors (feedgpu does not use it)",
                    size);
        finding_put(f.fix, "docker run --shm-size=16g, or --ipc=host");
    }
    finding_put(f.evidence, "%" PRIu64 " bytes (statvfs /dev/shm)", bytes);
    doctor_report(doctor, &f);
}

#define MAPS "/proc/sys/vm/max_map_count"
#define MAPS_USUAL 65530u

static void check_maps(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    uint64_t count;
    if (!doctor_read_count(doctor, MAPS, &count)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN, MAPS " cannot be read");
        return;
    }
    finding_put(f.why, "%" PRIu64, count);
    if (count < MAPS_USUAL) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "%" PRIu64 ": programs that map many files will fail",
                    count);
        finding_put(f.fix, "sysctl vm.max_map_count=%u", MAPS_USUAL);
    }
    finding_put(f.evidence, "%" PRIu64 " (" MAPS ")", count);
    doctor_report(doctor, &f);
}

static const struct check checks[] = {
    {.name = "hugepages",
     .title = "Reserved huge pages",
     .reads = "nr_hugepages and free_hugepages of each node",
     .warns = "always INFO: they are needed only if asked for",
     .run = check_huge},
    {.name = "thp",
     .title = "Transparent pages",
     .reads = "transparent_hugepage/enabled and defrag",
     .warns = "never, or defrag always: INFO",
     .run = check_thp},
    {.name = "shm",
     .title = "/dev/shm",
     .reads = "statvfs /dev/shm",
     .warns = "64 MiB or less: WARN, DataLoader workers need it",
     .run = check_shm},
    {.name = "max-map-count",
     .title = "Mappings",
     .reads = "/proc/sys/vm/max_map_count",
     .warns = "less than 65530: WARN",
     .run = check_maps},
};

const struct check_group memory_checks = {"Memory", checks,
                                          sizeof(checks) / sizeof(checks[0])};
