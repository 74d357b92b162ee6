/* SPDX-License-Identifier: Apache-2.0 */
/* See pace.h. */
#include "runtime/feeder/pace.h"

#include "runtime/base/clock.h"

/* Before that it says nothing; beyond, half is forgotten. */
#define BYTES_MIN (UINT64_C(4) << 20)
#define BYTES_MAX (UINT64_C(512) << 20)

void fgi_pace_begin(struct fgi_pace *pace, uint64_t now_ns)
{
    if (pace->since_ns == 0) {
        pace->since_ns = now_ns;
    }
}

void fgi_pace_end(struct fgi_pace *pace, uint64_t bytes, uint32_t left,
                  uint64_t now_ns)
{
    if (pace->since_ns != 0 && now_ns > pace->since_ns) {
        pace->busy_ns += now_ns - pace->since_ns;
        pace->since_ns = now_ns;
    }
    pace->bytes += bytes;
    if (left == 0) {
        pace->since_ns = 0;
    }
    if (pace->bytes > BYTES_MAX) {
        pace->bytes /= 2;
        pace->busy_ns /= 2;
    }
}

double fgi_pace_rate(const struct fgi_pace *pace)
{
    if (pace->bytes < BYTES_MIN || pace->busy_ns == 0) {
        return 0;
    }
    return (double)pace->bytes / (double)pace->busy_ns * (double)FGI_NS_PER_S;
}
