/* SPDX-License-Identifier: Apache-2.0 */
/* The in-flight budget, fed by devices that are a formula. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/depth.h"

#define MIB (UINT64_C(1) << 20)

/* A device whose rate grows with what is in flight, up to `most` of it. */
static uint64_t run_device(struct fgi_depth *depth, uint64_t most,
                           uint64_t latency_ns, uint64_t seconds)
{
    uint64_t now = FGI_NS_PER_S;
    uint64_t end = now + seconds * FGI_NS_PER_S;

    while (now < end) {
        uint64_t inflight =
            depth->budget_bytes < most ? depth->budget_bytes : most;

        now += latency_ns * MIB / inflight;
        fgi_depth_add(depth, MIB, true, now);
    }
    return depth->budget_bytes;
}

static void add_fixed_budget_stays(void **state)
{
    struct fgi_depth depth;

    (void)state;
    fgi_depth_init(&depth, 12345);
    assert_int_equal(run_device(&depth, 1024 * MIB, FGI_NS_PER_MS, 5), 12345);
}

static void add_device_that_is_full_at_16_mib_stays(void **state)
{
    struct fgi_depth depth;

    (void)state;
    fgi_depth_init(&depth, 0);
    assert_int_equal(depth.budget_bytes, 16 * MIB);
    assert_int_equal(run_device(&depth, 16 * MIB, 10 * FGI_NS_PER_MS, 20),
                     16 * MIB);
    assert_true(depth.is_fixed);
}

static void add_device_that_wants_32_mib_gets_it(void **state)
{
    struct fgi_depth depth;

    (void)state;
    fgi_depth_init(&depth, 0);
    assert_int_equal(run_device(&depth, 32 * MIB, 10 * FGI_NS_PER_MS, 20),
                     32 * MIB);
}

static void add_device_that_wants_more_ends_at_the_limit(void **state)
{
    struct fgi_depth depth;

    (void)state;
    fgi_depth_init(&depth, 0);
    assert_int_equal(run_device(&depth, 4096 * MIB, 100 * FGI_NS_PER_MS, 60),
                     FGI_DEPTH_MAX_BYTES);
    assert_true(depth.is_fixed);
}

static void add_reads_that_nobody_held_back_say_nothing(void **state)
{
    struct fgi_depth depth;

    (void)state;
    fgi_depth_init(&depth, 0);
    for (uint64_t i = 1; i < 100000; i++) {
        fgi_depth_add(&depth, MIB, false, i * FGI_NS_PER_MS);
    }
    assert_int_equal(depth.budget_bytes, FGI_DEPTH_START_BYTES);
    assert_false(depth.is_fixed);
}

static void add_budget_never_leaves_its_bounds(void **state)
{
    struct fgi_depth depth;
    uint64_t now = 1;

    (void)state;
    fgi_depth_init(&depth, 0);
    for (uint64_t i = 0; i < 300000; i++) {
        now += (i * 2654435761u) % 3000000;
        fgi_depth_add(&depth, 4096 + (i * 40503u) % MIB, i % 97 != 0, now);
        assert_true(depth.budget_bytes >= FGI_DEPTH_START_BYTES &&
                    depth.budget_bytes <= FGI_DEPTH_MAX_BYTES);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_fixed_budget_stays),
        cmocka_unit_test(add_device_that_is_full_at_16_mib_stays),
        cmocka_unit_test(add_device_that_wants_32_mib_gets_it),
        cmocka_unit_test(add_device_that_wants_more_ends_at_the_limit),
        cmocka_unit_test(add_reads_that_nobody_held_back_say_nothing),
        cmocka_unit_test(add_budget_never_leaves_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
