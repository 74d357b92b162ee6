/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/depth.h"

#include "runtime/base/clock.h"
#include "runtime/base/math.h"

/* Long enough to average over a device's hiccups, in time and in turns. */
#define INTERVAL_NS (100 * FGI_NS_PER_MS)
#define INTERVAL_BUDGETS 16
#define WORTH_IT 1.05

void fgi_depth_init(struct fgi_depth *depth, uint64_t fixed_bytes)
{
    depth->is_fixed = fixed_bytes != 0;
    depth->budget_bytes =
        fixed_bytes != 0 ? fixed_bytes : FGI_DEPTH_START_BYTES;
    depth->max_bytes = fixed_bytes != 0 ? fixed_bytes : FGI_DEPTH_MAX_BYTES;
    depth->since_ns = 0;
    depth->bytes = 0;
    depth->last_rate = 0;
}

static bool interval_is_over(const struct fgi_depth *depth, uint64_t now_ns)
{
    return now_ns - depth->since_ns >= INTERVAL_NS &&
           depth->bytes >= INTERVAL_BUDGETS * depth->budget_bytes;
}

static void decide(struct fgi_depth *depth, double rate)
{
    if (depth->last_rate > 0 && rate < depth->last_rate * WORTH_IT) {
        depth->budget_bytes /= 2; /* the last doubling brought nothing */
        depth->is_fixed = true;
        return;
    }
    if (depth->budget_bytes * 2 > depth->max_bytes) {
        depth->is_fixed = true;
        return;
    }
    depth->last_rate = rate;
    depth->budget_bytes *= 2;
}

void fgi_depth_add(struct fgi_depth *depth, uint64_t bytes, bool was_limited,
                   uint64_t now_ns)
{
    if (depth->is_fixed) {
        return;
    }
    if (!was_limited || depth->since_ns == 0) {
        depth->since_ns = now_ns;
        depth->bytes = 0;
        return;
    }
    depth->bytes += bytes;
    if (interval_is_over(depth, now_ns)) {
        decide(depth,
               (double)depth->bytes / (double)(now_ns - depth->since_ns) * 1e9);
        depth->since_ns = now_ns;
        depth->bytes = 0;
    }
}
