/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor --measure makes of the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/feedgpu/doctor_measure.h"

static bool is_near(double got, double wanted)
{
    return got > wanted * 0.999 && got < wanted * 1.001;
}

static void link_limit_of_each_generation_is_what_copies_reach(void **state)
{
    static const struct {
        struct fg_link link;
        double gb_per_s;
    } rows[] = {
        {{8000, 16}, 13.70},  /* about 12 is measured */
        {{16000, 16}, 27.41}, /* about 26 */
        {{32000, 16}, 54.82}, /* about 55 */
        {{32000, 8}, 27.41},
    };
    static const struct fg_link unknown = {0, 16};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(
            is_near(rule_link_limit(&rows[i].link) / 1e9, rows[i].gb_per_s));
    }
    assert_true(rule_link_limit(&unknown) == 0);
}

static void copy_verdict_around_each_limit_is_right(void **state)
{
    (void)state;
    assert_int_equal(rule_copy_verdict(rule_share(55, 0)), VERDICT_UNKNOWN);
    assert_int_equal(rule_copy_verdict(rule_share(0, 55)), VERDICT_FAIL);
    assert_int_equal(rule_copy_verdict(0.4999), VERDICT_FAIL);
    assert_int_equal(rule_copy_verdict(0.5), VERDICT_WARN);
    assert_int_equal(rule_copy_verdict(0.7999), VERDICT_WARN);
    assert_int_equal(rule_copy_verdict(0.8), VERDICT_PASS);
    assert_int_equal(rule_copy_verdict(1.02), VERDICT_PASS);
}

static void speed_verdict_below_the_maximum_is_a_warning(void **state)
{
    (void)state;
    assert_int_equal(rule_speed_verdict(32000, 32000), VERDICT_PASS);
    assert_int_equal(rule_speed_verdict(16000, 32000), VERDICT_WARN);
    /* A way up that is slower than the card's own link is another check. */
    assert_int_equal(rule_speed_verdict(32000, 16000), VERDICT_PASS);
    assert_int_equal(rule_speed_verdict(0, 32000), VERDICT_UNKNOWN);
    assert_int_equal(rule_speed_verdict(32000, 0), VERDICT_UNKNOWN);
}

static void memory_verdict_far_below_its_equals_is_a_warning(void **state)
{
    (void)state;
    assert_int_equal(rule_memory_verdict(100, 100), VERDICT_PASS);
    assert_int_equal(rule_memory_verdict(60, 100), VERDICT_PASS);
    assert_int_equal(rule_memory_verdict(59, 100), VERDICT_WARN);
}

static void spread_is_of_the_median(void **state)
{
    struct fg_rate rate = {
        .bytes_per_s = 50, .bytes_per_s_min = 45, .bytes_per_s_max = 55};
    struct fg_rate none = {.bytes_per_s = 0};

    (void)state;
    assert_true(is_near(rule_spread_percent(&rate), 20));
    assert_true(rule_spread_percent(&none) == 0);
}

static void rounds_that_differ_by_a_third_are_not_judged(void **state)
{
    struct fg_rate rate = {
        .bytes_per_s = 100, .bytes_per_s_min = 80, .bytes_per_s_max = 110};

    (void)state;
    assert_true(rule_is_steady(&rate));
    rate.bytes_per_s_min = 79;
    assert_false(rule_is_steady(&rate));
}

static void link_speed_of_sysfs_texts_is_read(void **state)
{
    static const struct {
        const char *text;
        uint32_t mts;
    } rows[] = {
        {"32.0 GT/s PCIe", 32000},
        {"2.5 GT/s PCIe", 2500},
        {"8 GT/s", 8000},
        {"Unknown speed", 0},
        {"", 0},
        {"32.0", 0},
        {"-8.0 GT/s PCIe", 0},
        {"1e9 GT/s PCIe", 0},
        {"nan GT/s", 0},
        {" GT/s", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rule_link_speed_mts(rows[i].text), rows[i].mts);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_limit_of_each_generation_is_what_copies_reach),
        cmocka_unit_test(copy_verdict_around_each_limit_is_right),
        cmocka_unit_test(speed_verdict_below_the_maximum_is_a_warning),
        cmocka_unit_test(memory_verdict_far_below_its_equals_is_a_warning),
        cmocka_unit_test(spread_is_of_the_median),
        cmocka_unit_test(rounds_that_differ_by_a_third_are_not_judged),
        cmocka_unit_test(link_speed_of_sysfs_texts_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
