/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel: io_uring, how busy the machine is, whether it is virtual. */
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_rules.h"

static void check_uring(struct doctor *doctor)
{
    struct io_uring_params params = {0};
    struct finding f = {.subject = NULL, .verdict = VERDICT_WARN};
    uint64_t disabled = 0;
    bool is_known = doctor_read_count(
        doctor, "/proc/sys/kernel/io_uring_disabled", &disabled);
    if (doctor->is_copy) {
        doctor_say(doctor, NULL, VERDICT_NA, "a copy cannot be probed");
        return;
    }
    long ring = syscall(SYS_io_uring_setup, 1, &params);
    if (ring >= 0) {
        close((int)ring);
        doctor_say(doctor, NULL, VERDICT_PASS, "a ring could be made");
        return;
    }
    finding_put(f.why, "no ring: %s; reads fall back to pread threads",
                strerror(errno));
    if (is_known && disabled != 0) {
        finding_put(f.fix, "sysctl kernel.io_uring_disabled=0");
    } else {
        finding_put(f.fix, "allow io_uring_setup in the container's seccomp "
                           "profile");
    }
    finding_put(f.evidence, "io_uring_disabled=%u%s", (unsigned)disabled,
                is_known ? "" : " (no such file)");
    doctor_report(doctor, &f);
}

static void check_pressure(struct doctor *doctor)
{
    char text[512];
    double percent;
    if (!doctor_read(doctor, "/proc/pressure/cpu", text, sizeof(text)) ||
        !rule_pressure(text, "some", &percent)) {
        doctor_say(doctor, NULL, VERDICT_UNKNOWN,
                   "/proc/pressure/cpu cannot be read");
    } else if (percent > 20) {
        struct finding f = {.subject = "cpu", .verdict = VERDICT_WARN};
        finding_put(f.why, "threads waited for a CPU %.1f %% of the time",
                    percent);
        finding_put(f.fix, "find what else runs: top");
        finding_put(f.evidence, "some avg10=%.2f (/proc/pressure/cpu)",
                    percent);
        doctor_report(doctor, &f);
    } else {
        doctor_say(doctor, "cpu", VERDICT_PASS, "little waiting");
    }
}

static const struct check checks[] = {
    {"io-uring", "io_uring", check_uring},
    {"pressure", "Pressure", check_pressure},
};

const struct check_group kernel_checks = {"Kernel", checks,
                                          sizeof(checks) / sizeof(checks[0])};
