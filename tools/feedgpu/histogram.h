/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations in a table of fixed size, for percentiles without keeping them
 * all: each power of two of nanoseconds has 128 buckets, so a percentile is
 * right to 0.4 %. The largest is kept exactly.
 */
#ifndef TOOL_HISTOGRAM_H
#define TOOL_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_FINE_BITS 7
#define HISTOGRAM_BUCKETS                                                      \
    ((64 - HISTOGRAM_FINE_BITS + 1) << HISTOGRAM_FINE_BITS)

struct histogram {
    uint64_t count;                      /* durations */
    uint64_t max_ns;                     /* the largest */
    uint64_t buckets[HISTOGRAM_BUCKETS]; /* how many in each */
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The duration that `percent` of all are not above; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram,
                              double percent);

#endif /* TOOL_HISTOGRAM_H */
