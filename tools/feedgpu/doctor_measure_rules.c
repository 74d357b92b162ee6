/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of doctor --measure. Knows no machine, so tests can feed it. */
#include <stdlib.h>
#include <string.h>

#include "doctor_measure.h"

/*
 * Measured pinned copies reach 87 to 88 % of a link's payload ceiling:
 * 12 of Gen3 x16's 15.75 GB/s is the lowest, 55 of Gen5's 63.0 the usual.
 */
#define PRACTICAL_SHARE 0.87

#define COPY_SHARE_WARN 0.8
#define COPY_SHARE_FAIL 0.5

/* A node with some of its memory channels empty reads like this. */
#define MEMORY_SHARE_WARN 0.6

/* Rounds that differ by more were disturbed. */
#define STEADY_PERCENT_MAX 30

#define LINK_GT_MAX 1000

double rule_link_limit(const struct fg_link *link)
{
    return PRACTICAL_SHARE * (double)fg_link_bytes_per_s(link);
}

double rule_share(double bytes_per_s, double limit_bytes_per_s)
{
    return limit_bytes_per_s > 0 ? bytes_per_s / limit_bytes_per_s : -1;
}

enum verdict rule_copy_verdict(double share)
{
    if (share < 0) {
        return VERDICT_UNKNOWN;
    }
    if (share < COPY_SHARE_FAIL) {
        return VERDICT_FAIL;
    }
    return share < COPY_SHARE_WARN ? VERDICT_WARN : VERDICT_PASS;
}

enum verdict rule_speed_verdict(uint32_t seen_mts, uint32_t max_mts)
{
    if (seen_mts == 0 || max_mts == 0) {
        return VERDICT_UNKNOWN;
    }
    return seen_mts < max_mts ? VERDICT_WARN : VERDICT_PASS;
}

enum verdict rule_memory_verdict(double bytes_per_s, double best_bytes_per_s)
{
    return bytes_per_s < MEMORY_SHARE_WARN * best_bytes_per_s ? VERDICT_WARN
                                                              : VERDICT_PASS;
}

double rule_spread_percent(const struct fg_rate *rate)
{
    return rate->bytes_per_s > 0
               ? 100 * (rate->bytes_per_s_max - rate->bytes_per_s_min) /
                     rate->bytes_per_s
               : 0;
}

bool rule_is_steady(const struct fg_rate *rate)
{
    return rule_spread_percent(rate) <= STEADY_PERCENT_MAX;
}

uint32_t rule_link_speed_mts(const char *text)
{
    static const char unit[] = " GT/s";
    char *end;
    double speed = strtod(text, &end);
    bool is_speed = end != text && strncmp(end, unit, strlen(unit)) == 0 &&
                    speed > 0 && speed < LINK_GT_MAX;
    return is_speed ? (uint32_t)(speed * 1000 + 0.5) : 0;
}
