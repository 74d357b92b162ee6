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

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    size_t bucket = bucket_of(ns);
    histogram->counts[bucket]++;
    histogram->sums_ns[bucket] += ns;
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
        seen += histogram->counts[i];
        if (histogram->counts[i] > 0 && (double)seen >= wanted) {
            return histogram->sums_ns[i] / histogram->counts[i];
        }
    }
    return histogram->max_ns;
}
