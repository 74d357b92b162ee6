/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: virtual or not, io_uring, clocks, how busy it is. */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_rules.h"

/* The flags of a first CPU fit into this; 200 more are not needed. */
#define CPUINFO_BYTES 16384

/* Does /proc/cpuinfo name the hypervisor flag? False: it cannot be read. */
static bool read_hypervisor(const struct doctor *doctor, bool *is_virtual)
{
    char text[CPUINFO_BYTES + 1];
    size_t got;
    if (fg_sysroot_read_bytes(doctor->root, "/proc/cpuinfo", text,
                              CPUINFO_BYTES, &got, NULL) != FG_OK) {
        return false;
    }
    text[got] = '\0';
    *is_virtual = strstr(text, " hypervisor") != NULL;
    return true;
}

static void check_virtual(struct doctor *doctor)
{
    struct finding f = {.subject = NULL, .verdict = VERDICT_INFO};
    char vendor[64] = "";
    char product[64] = "";
    bool is_virtual = false;
    bool is_known = read_hypervisor(doctor, &is_virtual);
    (void)doctor_read(doctor, "/sys/class/dmi/id/sys_vendor", vendor,
                      sizeof(vendor));
    (void)doctor_read(doctor, "/sys/class/dmi/id/product_name", product,
                      sizeof(product));
    /* Not every architecture has the flag. */
    is_virtual = is_virtual || doctor_has(doctor, "/sys/hypervisor/type") ||
                 rule_is_virtual(vendor) || rule_is_virtual(product);
    if (!is_known && !is_virtual) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/cpuinfo cannot be read");
        return;
    }
    const char *space = vendor[0] != '\0' && product[0] != '\0' ? " " : "";
    if (is_virtual) {
        finding_put(f.why,
                    "a virtual machine%s%s%s%s: links and nodes are what the "
                    "host shows of them",
                    vendor[0] != '\0' || product[0] != '\0' ? ", " : "", vendor,
                    space, product);
    } else {
        f.verdict = VERDICT_PASS;
        finding_put(f.why, "%s%s%s", vendor, space, product);
        if (vendor[0] == '\0' && product[0] == '\0') {
            finding_put(f.why, "not a virtual machine");
        }
    }
    finding_put(f.evidence, "/proc/cpuinfo, dmi: %s%s%s", vendor, space,
                product);
    doctor_report(doctor, &f);
}

/* Why there was no ring, from errno and the kernel's switch. */
static void explain_no_ring(const struct doctor *doctor, int reason,
                            struct finding *f)
{
    uint64_t disabled = 0;
    bool is_known = doctor_read_count(
        doctor, "/proc/sys/kernel/io_uring_disabled", &disabled);
    f->verdict = VERDICT_WARN;
    finding_put(f->why, "no ring: %s; reads fall back to pread threads",
                strerror(reason));
    if (is_known && disabled != 0) {
        finding_put(f->fix, "sysctl kernel.io_uring_disabled=0");
    } else if (reason == ENOSYS) {
        finding_put(f->fix, "use a kernel with io_uring (5.1 or later)");
    } else {
        finding_put(f->fix, "allow io_uring_setup in the container's seccomp "
                            "profile");
    }
    finding_put(f->evidence, "io_uring_disabled=%u%s", (unsigned)disabled,
                is_known ? "" : " (no such file)");
}

static void check_uring(struct doctor *doctor)
{
    struct io_uring_params params = {0};
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    if (doctor_is_copy(doctor)) {
        return;
    }
    long ring = syscall(SYS_io_uring_setup, 1, &params);
    if (ring >= 0) {
        close((int)ring);
        finding_put(f.why, "a ring could be made");
    } else {
        explain_no_ring(doctor, errno, &f);
    }
    doctor_report(doctor, &f);
}

/* Set-up flags that the reader uses where they exist; Linux 6.1 has all. */
struct ring_feature {
    unsigned flags;
    const char *name;
};

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

static bool can_set_up(unsigned flags)
{
    struct io_uring_params params = {.flags = flags};
    long ring = syscall(SYS_io_uring_setup, 1, &params);
    if (ring >= 0) {
        close((int)ring);
    }
    return ring >= 0;
}

/* Does a ring know the operation? */
static bool knows_operation(int ring, unsigned operation)
{
    size_t bytes =
        sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op);
    struct io_uring_probe *probe = calloc(1, bytes);
    bool is_known = probe != NULL &&
                    syscall(SYS_io_uring_register, ring, IORING_REGISTER_PROBE,
                            probe, 256) == 0 &&
                    operation <= probe->last_op &&
                    (probe->ops[operation].flags & IO_URING_OP_SUPPORTED) != 0;
    free(probe);
    return is_known;
}

static void check_features(struct doctor *doctor)
{
    static const struct ring_feature features[] = {
        {IORING_SETUP_SINGLE_ISSUER, "single_issuer"},
        {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
         "defer_taskrun"},
    };
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    struct io_uring_params params = {0};
    char missing[96] = "";
    if (doctor_is_copy(doctor)) {
        return;
    }
    long ring = syscall(SYS_io_uring_setup, 1, &params);
    if (ring < 0) {
        doctor_say(doctor, NULL, VERDICT_NA, "no ring can be made");
        return;
    }
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        size_t used = strlen(missing);
        if (!can_set_up(features[i].flags)) {
            snprintf(missing + used, sizeof(missing) - used, " %s",
                     features[i].name);
        }
    }
    bool can_read = knows_operation((int)ring, IORING_OP_READ_FIXED);
    close((int)ring);
    finding_put(f.why, "all that the reader uses");
    if (!can_read || missing[0] != '\0') {
        f.verdict = VERDICT_INFO;
        finding_put(f.why, "not there:%s%s; reads cost more CPU time", missing,
                    can_read ? "" : " read_fixed");
    }
    finding_put(f.evidence, "features=0x%x (io_uring_setup)", params.features);
    doctor_report(doctor, &f);
}

/* CPUs by governor, while they are counted. */
struct governors {
    const struct doctor *doctor;
    uint32_t known;  /* CPUs that have one */
    uint32_t slow;   /* of these */
    char first[32];  /* the governor of one of them */
    char driver[32]; /* its driver */
};

static bool take_cpu(const char *name, void *context)
{
    struct governors *found = context;
    char path[128];
    char governor[32];
    char driver[32] = "";
    if (strncmp(name, "cpu", 3) != 0 || name[3] < '0' || name[3] > '9') {
        return true;
    }
    snprintf(path, sizeof(path),
             "/sys/devices/system/cpu/%.32s/cpufreq/scaling_governor", name);
    if (!doctor_read(found->doctor, path, governor, sizeof(governor))) {
        return true;
    }
    snprintf(path, sizeof(path),
             "/sys/devices/system/cpu/%.32s/cpufreq/scaling_driver", name);
    (void)doctor_read(found->doctor, path, driver, sizeof(driver));
    bool is_slow = rule_governor_is_slow(governor, driver);
    if (found->known == 0 || (is_slow && found->slow == 0)) {
        snprintf(found->first, sizeof(found->first), "%s", governor);
        snprintf(found->driver, sizeof(found->driver), "%s", driver);
    }
    found->known++;
    found->slow += is_slow;
    return true;
}

static void check_governor(struct doctor *doctor)
{
    struct governors found = {.doctor = doctor};
    struct finding f = {.subject = NULL, .verdict = VERDICT_PASS};
    (void)fg_sysroot_list(doctor->root, "/sys/devices/system/cpu", take_cpu,
                          &found, NULL);
    if (found.known == 0) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "no CPU tells its governor (virtual machines do not)");
        return;
    }
    finding_put(f.why, "%s", found.first);
    if (found.slow > 0) {
        f.verdict = VERDICT_WARN;
        finding_put(f.why, "%u of %u CPUs stay at low clocks (%s)", found.slow,
                    found.known, found.first);
        finding_put(f.fix, "cpupower frequency-set -g performance");
    }
    finding_put(f.evidence, "scaling_governor=%s scaling_driver=%s",
                found.first, found.driver);
    doctor_report(doctor, &f);
}

/* What of /proc/pressure is too much. */
static const struct pressure {
    const char *file;
    const char *line;
    double percent_max;
    const char *harm;
    const char *fix;
} pressures[] = {
    {"cpu", "some", 20, "threads waited for a CPU", "find what else runs: top"},
    {"io", "full", 20, "nothing ran because all waited for disks",
     "find what else reads and writes: iotop"},
    {"memory", "full", 5, "nothing ran because all waited for memory",
     "find what takes it: ps -eo rss,comm --sort=-rss | head"},
};

static void check_pressure(struct doctor *doctor)
{
    for (size_t i = 0; i < sizeof(pressures) / sizeof(pressures[0]); i++) {
        const struct pressure *pressure = &pressures[i];
        struct finding f = {.subject = pressure->file, .verdict = VERDICT_PASS};
        char path[64];
        char text[512];
        double percent;
        snprintf(path, sizeof(path), "/proc/pressure/%s", pressure->file);
        if (!doctor_read(doctor, path, text, sizeof(text)) ||
            !rule_pressure(text, pressure->line, &percent)) {
            doctor_say(doctor, pressure->file, VERDICT_UNKNOWN,
                       "%s cannot be read", path);
            continue;
        }
        finding_put(f.why, "little waiting");
        if (percent > pressure->percent_max) {
            f.verdict = VERDICT_WARN;
            finding_put(f.why, "%s %.1f %% of the time", pressure->harm,
                        percent);
            finding_put(f.fix, "%s", pressure->fix);
        }
        finding_put(f.evidence, "%s avg10=%.2f (%s)", pressure->line, percent,
                    path);
        doctor_report(doctor, &f);
    }
}

static const struct check checks[] = {
    {.name = "virtual",
     .title = "Virtual machine",
     .reads = "the hypervisor flag in /proc/cpuinfo, /sys/class/dmi/id, "
              "/sys/hypervisor",
     .warns = "it is one: INFO, never a fault",
     .run = check_virtual},
    {.name = "io-uring",
     .title = "io_uring",
     .reads = "a trial ring, /proc/sys/kernel/io_uring_disabled",
     .warns = "none can be made: WARN, reads fall back to threads",
     .run = check_uring},
    {.name = "io-uring-features",
     .title = "io_uring features",
     .reads = "trial rings, IORING_REGISTER_PROBE",
     .warns = "something that the reader uses is not there: INFO",
     .run = check_features},
    {.name = "cpu-governor",
     .title = "CPU governor",
     .reads = "cpufreq/scaling_governor and scaling_driver of each CPU",
     .warns = "powersave, unless intel_pstate or amd-pstate-epp decide: WARN",
     .run = check_governor},
    {.name = "pressure",
     .title = "Pressure",
     .reads = "/proc/pressure/cpu, io and memory, the last 10 s",
     .warns = "cpu some > 20 %, io full > 20 %, memory full > 5 %: WARN",
     .run = check_pressure},
};

const struct check_group kernel_checks = {"Machine", checks,
                                          sizeof(checks) / sizeof(checks[0])};
