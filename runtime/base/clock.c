/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/clock.h"

#include <errno.h>

/* Longer than a timer's usual lateness, short enough to spin. */
#define SPIN_NS (150 * FGI_NS_PER_US)

static void sleep_absolute(uint64_t deadline_ns)
{
    struct timespec at = {
        .tv_sec = (time_t)(deadline_ns / FGI_NS_PER_S),
        .tv_nsec = (long)(deadline_ns % FGI_NS_PER_S),
    };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) ==
           EINTR) {
    }
}

void fgi_sleep_until(uint64_t deadline_ns)
{
    if (deadline_ns > fgi_now_ns() + SPIN_NS) {
        sleep_absolute(deadline_ns - SPIN_NS);
    }
    while (fgi_now_ns() < deadline_ns) {
        fgi_cpu_relax();
    }
}

void fgi_sleep_ns(uint64_t duration_ns)
{
    uint64_t now_ns = fgi_now_ns();

    sleep_absolute(duration_ns > FGI_NEVER - now_ns ? FGI_NEVER
                                                    : now_ns + duration_ns);
}
