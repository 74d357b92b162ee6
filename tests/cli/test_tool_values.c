/* SPDX-License-Identifier: Apache-2.0 */
/* The tool's small parts: sizes, step times, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/feedgpu/histogram.h"
#include "tools/feedgpu/size.h"
#include "tools/feedgpu/suggest.h"

struct size_case {
    const char *text;
    uint64_t bytes;
};

static void size_parse_units_gives_bytes(void **state)
{
    static const struct size_case cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"64KiB", 65536},
        {"64 kib", 65536},
        {"1.5GiB", UINT64_C(1610612736)},
        {"0.5K", 512},
        {"10MB", 10000000},
        {"2TiB", UINT64_C(2) << 40},
        {"9223372036854775808", UINT64_C(1) << 63},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 1;
        assert_true(size_parse(cases[i].text, &bytes));
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void size_parse_nonsense_is_refused(void **state)
{
    static const char *const texts[] = {
        "",           "-1",          "KiB",
        "1XB",        "1 2",         "1.5",
        "1e3",        "0x10",        " 1",
        "1.",         "1.5.",        "9223372036854775809",
        "8388609TiB", "16777216TiB", "99999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t bytes = 7;
        assert_false(size_parse(texts[i], &bytes));
        assert_int_equal(bytes, 7);
    }
}

static void size_format_any_can_be_read(void **state)
{
    char text[SIZE_TEXT_BYTES];
    (void)state;
    assert_string_equal(size_format(0, text), "0 B");
    assert_string_equal(size_format(1023, text), "1023 B");
    assert_string_equal(size_format(1024, text), "1 KiB");
    assert_string_equal(size_format(1536, text), "1.5 KiB");
    assert_string_equal(size_format(UINT64_C(256) << 20, text), "256 MiB");
    assert_string_equal(size_format(UINT64_MAX, text), "16777216.0 TiB");
    assert_string_equal(amount_format(0.0, text), "0 B");
    assert_string_equal(amount_format(1.9345e9, text), "1.93 GB");
    assert_string_equal(amount_format(99.94e6, text), "99.9 MB");
    assert_string_equal(amount_format(999.6e6, text), "1.00 GB");
}

static struct histogram times;

static void histogram_percentile_of_none_is_zero(void **state)
{
    (void)state;
    memset(&times, 0, sizeof(times));
    assert_int_equal(histogram_percentile(&times, 50.0), 0);
}

static void histogram_percentile_of_equal_ones_is_exact(void **state)
{
    (void)state;
    memset(&times, 0, sizeof(times));
    for (int i = 0; i < 1000; i++) {
        histogram_add(&times, 20000123);
    }
    assert_int_equal(histogram_percentile(&times, 50.0), 20000123);
    assert_int_equal(histogram_percentile(&times, 99.0), 20000123);
    assert_int_equal(times.max_ns, 20000123);
}

static void histogram_percentile_of_a_ramp_is_near(void **state)
{
    (void)state;
    memset(&times, 0, sizeof(times));
    for (uint64_t i = 1; i <= 100000; i++) {
        histogram_add(&times, i * 1000);
    }
    for (int percent = 1; percent <= 99; percent++) {
        double wanted = percent * 1e6;
        double got = (double)histogram_percentile(&times, percent);
        assert_true(got > wanted * 0.992 && got < wanted * 1.008);
    }
    assert_int_equal(times.max_ns, 100000000);
}

static void histogram_add_extremes_stays_inside(void **state)
{
    (void)state;
    memset(&times, 0, sizeof(times));
    histogram_add(&times, 0);
    histogram_add(&times, 127);
    histogram_add(&times, 128);
    histogram_add(&times, UINT64_MAX);
    assert_int_equal(histogram_percentile(&times, 0.0), 0);
    assert_int_equal(histogram_percentile(&times, 50.0), 127);
    assert_int_equal(histogram_percentile(&times, 75.0), 128);
    assert_int_equal(histogram_percentile(&times, 100.0), UINT64_MAX);
}

static const char *suggest_for(const char *given)
{
    static const char *const words[] = {"pack", "info", "verify", "bench",
                                        "on-bad-sample"};
    struct suggestion best;
    suggest_init(&best, given);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        suggest_offer(&best, words[i]);
    }
    return best.word;
}

static void suggest_offer_near_words_wins(void **state)
{
    (void)state;
    assert_string_equal(suggest_for("bnech"), "bench");
    assert_string_equal(suggest_for("veryfy"), "verify");
    assert_string_equal(suggest_for("pck"), "pack");
    assert_string_equal(suggest_for("bad-sample"), "on-bad-sample");
    assert_null(suggest_for("frobnicate"));
    assert_null(suggest_for(""));
    assert_null(suggest_for("a-word-of-more-than-thirty-two-letters-is-none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_parse_units_gives_bytes),
        cmocka_unit_test(size_parse_nonsense_is_refused),
        cmocka_unit_test(size_format_any_can_be_read),
        cmocka_unit_test(histogram_percentile_of_none_is_zero),
        cmocka_unit_test(histogram_percentile_of_equal_ones_is_exact),
        cmocka_unit_test(histogram_percentile_of_a_ramp_is_near),
        cmocka_unit_test(histogram_add_extremes_stays_inside),
        cmocka_unit_test(suggest_offer_near_words_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
