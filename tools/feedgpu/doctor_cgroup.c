/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: the CPU time and the memory that this process may use.
 *
 * A limit of any parent binds, so the way from the process's own group to the
 * root is walked and the tightest one taken. Version 2 is looked for first,
 * then version 1 with a hierarchy per controller. In a container the path that
 * /proc/self/cgroup gives may be the host's: what is not there is passed over,
 * and the root of what is mounted is the container's own group.
 */
#include "doctor_cgroup.h"

#include <inttypes.h>
#include <string.h>

#include "doctor_rules.h"
#include "size.h"

#define ROOT "/sys/fs/cgroup"
#define PATH_BYTES 512

/* Where a controller's files are: below base, in group and its parents. */
struct place {
    const char *base;
    char group[256];
};

/* Reads a limit in one group's folder; false: it has none. */
typedef bool (*read_fn)(const struct doctor *doctor, const char *folder,
                        struct cgroup_limit *limit);

static bool find_unified(const struct doctor *doctor, struct place *place)
{
    char text[4096];
    place->base = ROOT;
    if (!doctor_has(doctor, ROOT "/cgroup.controllers")) {
        place->base = ROOT "/unified";
        if (!doctor_has(doctor, ROOT "/unified/cgroup.controllers")) {
            return false;
        }
    }
    return doctor_read(doctor, "/proc/self/cgroup", text, sizeof(text)) &&
           rule_cgroup(text, "", place->group, sizeof(place->group));
}

static bool find_version_1(const struct doctor *doctor, const char *controller,
                           struct place *place)
{
    static const struct {
        const char *controller;
        const char *base;
    } bases[] = {
        {"cpu", ROOT "/cpu"},
        {"memory", ROOT "/memory"},
        {"cpuset", ROOT "/cpuset"},
    };
    char text[4096];
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        if (strcmp(bases[i].controller, controller) == 0) {
            place->base = bases[i].base;
            return doctor_has(doctor, place->base) &&
                   doctor_read(doctor, "/proc/self/cgroup", text,
                               sizeof(text)) &&
                   rule_cgroup(text, controller, place->group,
                               sizeof(place->group));
        }
    }
    return false;
}

/* The tightest limit from the group up; false: no group had the file. */
static bool walk_up(const struct doctor *doctor, const struct place *place,
                    read_fn read, struct cgroup_limit *limit)
{
    char group[sizeof(place->group)];
    bool is_known = false;
    snprintf(group, sizeof(group), "%s", place->group);
    *limit = (struct cgroup_limit){.value = UINT64_MAX};
    do {
        struct cgroup_limit here = {.value = UINT64_MAX};
        char folder[PATH_BYTES];
        snprintf(folder, sizeof(folder), "%s%s", place->base,
                 strcmp(group, "/") == 0 ? "" : group);
        if (read(doctor, folder, &here)) {
            is_known = true;
            if (here.value < limit->value) {
                *limit = here;
            }
        }
    } while (rule_parent(group));
    return is_known;
}

/* Read folder/name, and note its path as the limit's place. */
static bool read_file(const struct doctor *doctor, const char *folder,
                      const char *name, char *text, size_t text_bytes)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return doctor_read(doctor, path, text, text_bytes);
}

static void note(struct cgroup_limit *limit, const char *folder,
                 const char *name)
{
    if (limit->value != UINT64_MAX) {
        snprintf(limit->where, sizeof(limit->where), "%.120s/%s", folder, name);
    }
}

static bool read_cpu_max(const struct doctor *doctor, const char *folder,
                         struct cgroup_limit *limit)
{
    char text[64];
    if (!read_file(doctor, folder, "cpu.max", text, sizeof(text)) ||
        !rule_cpu_max(text, &limit->value)) {
        return false;
    }
    note(limit, folder, "cpu.max");
    return true;
}

static bool read_cpu_quota(const struct doctor *doctor, const char *folder,
                           struct cgroup_limit *limit)
{
    char quota[32];
    char period[32];
    char text[80];
    if (!read_file(doctor, folder, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
        !read_file(doctor, folder, "cpu.cfs_period_us", period,
                   sizeof(period))) {
        return false;
    }
    snprintf(text, sizeof(text), "%s %s",
             strcmp(quota, "-1") == 0 ? "max" : quota, period);
    if (!rule_cpu_max(text, &limit->value)) {
        return false;
    }
    note(limit, folder, "cpu.cfs_quota_us");
    return true;
}

static bool read_bytes(const struct doctor *doctor, const char *folder,
                       const char *name, struct cgroup_limit *limit)
{
    char text[64];
    if (!read_file(doctor, folder, name, text, sizeof(text)) ||
        !rule_memory_max(text, &limit->value)) {
        return false;
    }
    /* Version 1 writes "no limit" as a number near 2^63. */
    if (limit->value > INT64_MAX / 2) {
        limit->value = UINT64_MAX;
    }
    note(limit, folder, name);
    return true;
}

static bool read_memory_max(const struct doctor *doctor, const char *folder,
                            struct cgroup_limit *limit)
{
    return read_bytes(doctor, folder, "memory.max", limit);
}

static bool read_memory_high(const struct doctor *doctor, const char *folder,
                             struct cgroup_limit *limit)
{
    return read_bytes(doctor, folder, "memory.high", limit);
}

static bool read_memory_limit(const struct doctor *doctor, const char *folder,
                              struct cgroup_limit *limit)
{
    return read_bytes(doctor, folder, "memory.limit_in_bytes", limit);
}

/* Is the controller on in version 2? Its root group has no files of limits. */
static bool is_unified(const struct doctor *doctor, const struct place *place,
                       const char *controller)
{
    char path[PATH_BYTES];
    char text[512];
    snprintf(path, sizeof(path), "%s/cgroup.controllers", place->base);
    for (char *at = doctor_read(doctor, path, text, sizeof(text)) ? text : NULL;
         at != NULL; at = strchr(at, ' ')) {
        size_t length = strlen(controller);
        at += *at == ' ' ? 1 : 0;
        if (strncmp(at, controller, length) == 0 &&
            (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool find_limit(const struct doctor *doctor, const char *controller,
                       read_fn read, read_fn read_old,
                       struct cgroup_limit *limit)
{
    struct place place;
    if (find_unified(doctor, &place) &&
        is_unified(doctor, &place, controller)) {
        (void)walk_up(doctor, &place, read, limit);
        return true;
    }
    return read_old != NULL && find_version_1(doctor, controller, &place) &&
           walk_up(doctor, &place, read_old, limit);
}

bool cgroup_cpu(const struct doctor *doctor, struct cgroup_limit *limit)
{
    return find_limit(doctor, "cpu", read_cpu_max, read_cpu_quota, limit);
}

bool cgroup_memory(const struct doctor *doctor, struct cgroup_limit *limit)
{
    return find_limit(doctor, "memory", read_memory_max, read_memory_limit,
                      limit);
}

bool cgroup_memory_high(const struct doctor *doctor, struct cgroup_limit *limit)
{
    return find_limit(doctor, "memory", read_memory_high, NULL, limit);
}

bool cgroup_cpuset(const struct doctor *doctor, const char *what, char *list,
                   size_t list_bytes)
{
    struct place place;
    char name[64];
    bool is_found =
        find_unified(doctor, &place) && is_unified(doctor, &place, "cpuset");
    snprintf(name, sizeof(name), "cpuset.%.16s.effective", what);
    if (!is_found) {
        is_found = find_version_1(doctor, "cpuset", &place);
        snprintf(name, sizeof(name), "cpuset.effective_%.16s", what);
    }
    while (is_found) {
        char folder[PATH_BYTES];
        snprintf(folder, sizeof(folder), "%s%s", place.base,
                 strcmp(place.group, "/") == 0 ? "" : place.group);
        if (read_file(doctor, folder, name, list, list_bytes)) {
            return true;
        }
        is_found = rule_parent(place.group);
    }
    return false;
}

#define THREADS_MAX 8u /* that a loader starts by itself */

/* The threads that a loader would start: as asked, or one per allowed CPU. */
static uint64_t thread_count(const struct doctor *doctor)
{
    char cpus[4096];
    uint64_t allowed = 0;
    if (doctor_read_field(doctor, "/proc/self/status", "Cpus_allowed_list",
                          cpus, sizeof(cpus))) {
        allowed = rule_list_count(cpus);
    }
    return allowed > 0 && allowed < THREADS_MAX ? allowed : THREADS_MAX;
}

static void check_quota(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    struct cgroup_limit limit;
    if (!cgroup_cpu(doctor, &limit)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "no control group tells a CPU quota");
        return;
    }
    uint64_t threads = thread_count(doctor);
    double cpus = (double)limit.value / 1000;
    finding_put(f.why, "no quota");
    if (limit.value != UINT64_MAX) {
        finding_put(f.why, "%.1f CPUs for %" PRIu64 " threads", cpus, threads);
        finding_put(f.evidence, "%.1f CPUs (%s)", cpus, limit.where);
    }
    if (limit.value < threads * 1000) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "%.1f CPUs for %" PRIu64 " threads: once they are used up, "
                    "all of them stop for the rest of the period",
                    cpus, threads);
        finding_put(f.fix, "raise it (docker --cpus, Kubernetes limits.cpu), "
                           "or start fewer --threads");
    }
    doctor_report(doctor, &f);
}

/* Not even the reads that are under way fit in less. */
#define MEMORY_MIN_BYTES (UINT64_C(64) << 20)

static void judge_memory(const struct cgroup_limit *limit, struct finding *f)
{
    char size[SIZE_TEXT_BYTES];
    f->verdict = VERDICT_PASS;
    finding_put(f->why, "no limit");
    if (limit->value == UINT64_MAX) {
        return;
    }
    size_format(limit->value, size);
    finding_put(f->why, "%s", size);
    finding_put(f->evidence, "%s (%s)", size, limit->where);
    if (limit->value < POOL_BYTES) {
        bool is_hopeless = limit->value < MEMORY_MIN_BYTES;
        f->verdict = is_hopeless ? VERDICT_FAIL : VERDICT_WARN;
        finding_put(f->why, "%s: %s", size,
                    is_hopeless ? "a loader does not fit into it"
                                : "a loader with large windows may not fit, "
                                  "and the kernel would kill it");
        finding_put(f->fix, "raise it (docker --memory, Kubernetes "
                            "limits.memory), or choose a smaller "
                            "--window-bytes");
    }
}

static void check_limit(struct doctor *doctor)
{
    struct finding f = {.subject = NULL};
    struct cgroup_limit limit;
    if (!cgroup_memory(doctor, &limit)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "no control group tells a memory limit");
        return;
    }
    judge_memory(&limit, &f);
    doctor_report(doctor, &f);
}

static void check_high(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    struct cgroup_limit limit;
    char size[SIZE_TEXT_BYTES];
    if (!cgroup_memory_high(doctor, &limit)) {
        doctor_say(doctor, NULL, VERDICT_NA, "only control groups v2 have it");
        return;
    }
    finding_put(f.why, "no limit");
    if (limit.value != UINT64_MAX) {
        size_format(limit.value, size);
        finding_put(f.why, "%s", size);
        finding_put(f.evidence, "%s (%s)", size, limit.where);
    }
    if (limit.value < POOL_BYTES) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why,
                    "%s: above it the kernel slows the process down to get "
                    "memory back",
                    size);
        finding_put(f.fix, "echo max > %.150s", limit.where);
    }
    doctor_report(doctor, &f);
}

static const struct check checks[] = {
    {.name = "cpu-quota",
     .title = "CPU quota",
     .reads = "cpu.max (v1: cpu.cfs_quota_us) of the group and its parents",
     .warns = "fewer CPUs than a loader starts threads: WARN",
     .run = check_quota},
    {.name = "memory-limit",
     .title = "Memory limit",
     .reads = "memory.max (v1: memory.limit_in_bytes) of the group and its "
              "parents",
     .warns = "less than 1 GiB: WARN; less than 64 MiB: FAIL",
     .run = check_limit},
    {.name = "memory-high",
     .title = "Memory throttle",
     .reads = "memory.high of the group and its parents",
     .warns = "less than 1 GiB: WARN",
     .run = check_high},
};

const struct check_group cgroup_checks = {"Control group", checks,
                                          sizeof(checks) / sizeof(checks[0])};
