/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations in a table of fixed size, for percentiles without keeping them
 * all: each power of two of nanoseconds has 128 buckets, less than 0.8 % wide.
 * A percentile is the mean of its bucket, so where all durations are alike it
 * is exact. The largest is kept as it is.
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
    uint64_t counts[HISTOGRAM_BUCKETS];  /* how many in each bucket */
    uint64_t sums_ns[HISTOGRAM_BUCKETS]; /* of these */
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The duration that `percent` of all are not above; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram,
                              double percent);

#endif /* TOOL_HISTOGRAM_H */
