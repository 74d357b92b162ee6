/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the disk is, from reads that overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/feeder/pace.h"

#define MIB (UINT64_C(1) << 20)
#define MS UINT64_C(1000000)

static void few_bytes_say_nothing(void **state)
{
    struct fgi_pace pace = {0};

    (void)state;
    assert_true(fgi_pace_rate(&pace) == 0);
    fgi_pace_begin(&pace, 1);
    fgi_pace_end(&pace, MIB, 0, 1 + MS);
    assert_true(fgi_pace_rate(&pace) == 0);
}

/* Eight at a time, each of 1 MiB and 4 ms: 2 MiB per ms. */
static void reads_under_way_together_share_the_time(void **state)
{
    struct fgi_pace pace = {0};
    uint64_t now_ns = 1;

    (void)state;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 8; i++) {
            fgi_pace_begin(&pace, now_ns);
        }
        now_ns += 4 * MS;
        for (uint32_t i = 0; i < 8; i++) {
            fgi_pace_end(&pace, MIB, 7 - i, now_ns);
        }
        now_ns += 1000 * MS; /* nothing to do does not count */
    }
    assert_true(fgi_pace_rate(&pace) > 1.99e3 * MIB);
    assert_true(fgi_pace_rate(&pace) < 2.01e3 * MIB);
}

static void what_was_long_ago_counts_less(void **state)
{
    struct fgi_pace pace = {0};
    uint64_t now_ns = 1;

    (void)state;
    for (int i = 0; i < 1024; i++) {
        fgi_pace_begin(&pace, now_ns);
        now_ns += MS;
        fgi_pace_end(&pace, MIB, 0, now_ns);
    }
    for (int i = 0; i < 4096; i++) {
        fgi_pace_begin(&pace, now_ns);
        now_ns += MS / 4;
        fgi_pace_end(&pace, MIB, 0, now_ns);
    }
    assert_true(fgi_pace_rate(&pace) > 3.9e3 * MIB);
}

/* Ends come in no order; one may be older than what was counted. */
static void time_does_not_run_back(void **state)
{
    struct fgi_pace pace = {0};

    (void)state;
    fgi_pace_begin(&pace, 100 * MS);
    fgi_pace_begin(&pace, 101 * MS);
    fgi_pace_end(&pace, 8 * MIB, 1, 110 * MS);
    fgi_pace_end(&pace, 8 * MIB, 0, 105 * MS);
    assert_true(fgi_pace_rate(&pace) > 1.59e3 * MIB);
    assert_true(fgi_pace_rate(&pace) < 1.61e3 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_bytes_say_nothing),
        cmocka_unit_test(reads_under_way_together_share_the_time),
        cmocka_unit_test(what_was_long_ago_counts_less),
        cmocka_unit_test(time_does_not_run_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
