/* SPDX-License-Identifier: Apache-2.0 */
/* Log-linear buckets: exact below 128 ns, then 128 for each doubling. */
#include "histogram.h"

#include <stddef.h>

#define FINE (UINT64_C(1) << HISTOGRAM_FINE_BITS)

static size_t bucket_of(uint64_t ns)
{
    if (ns < FINE) {
        return (size_t)ns;
    }
    int power = 63 - __builtin_clzll(ns);
    int shift = power - HISTOGRAM_FINE_BITS;
    uint64_t fine = (ns >> shift) - FINE;
    return (size_t)(((uint64_t)(shift + 1) << HISTOGRAM_FINE_BITS) + fine);
}

/* The middle of a bucket. */
static uint64_t value_of(size_t bucket)
{
    if (bucket < FINE) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_FINE_BITS) - 1;
    uint64_t low = (FINE + (bucket & (FINE - 1))) << shift;
    return low + ((UINT64_C(1) << shift) >> 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->count++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    double wanted = (double)histogram->count * percent / 100.0;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t value = value_of(i);
            return value < histogram->max_ns ? value : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
