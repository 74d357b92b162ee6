/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <feedgpu/version.h>

#include "runtime/base/math.h"

#define TOP UINT64_MAX

static void add_at_the_limit_is_told_apart(void **state)
{
    uint64_t sum = 0;

    (void)state;
    assert_true(fgi_add(TOP - 1, 1, &sum));
    assert_true(sum == TOP);
    assert_false(fgi_add(TOP, 1, &sum));
}

static void mul_at_the_limit_is_told_apart(void **state)
{
    uint64_t product = 0;

    (void)state;
    assert_true(fgi_mul(TOP / 3, 3, &product));
    assert_true(product == TOP);
    assert_false(fgi_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &product));
    assert_true(fgi_mul(TOP, 0, &product));
    assert_true(product == 0);
}

static void clamp_keeps_to_both_ends(void **state)
{
    (void)state;
    assert_true(fgi_clamp(0, 3, 9) == 3);
    assert_true(fgi_clamp(5, 3, 9) == 5);
    assert_true(fgi_clamp(TOP, 3, 9) == 9);
    assert_true(fgi_min(TOP, 0) == 0);
    assert_true(fgi_max(TOP, 0) == TOP);
}

static void is_power_of_two_over_all_bits(void **state)
{
    (void)state;
    assert_false(fgi_is_power_of_two(0));
    for (unsigned i = 0; i < 64; i++) {
        uint64_t bit = UINT64_C(1) << i;

        assert_true(fgi_is_power_of_two(bit));
        assert_true(i == 0 || !fgi_is_power_of_two(bit | 1));
        assert_true(i < 2 || !fgi_is_power_of_two(bit - 1));
    }
}

static void align_rounds_to_the_neighbours(void **state)
{
    (void)state;
    assert_true(fgi_align_down(4097, 4096) == 4096);
    assert_true(fgi_align_up(4097, 4096) == 8192);
    assert_true(fgi_align_up(4096, 4096) == 4096);
    assert_true(fgi_align_up(0, 4096) == 0);
    assert_true(fgi_align_up(TOP - 4095, 4096) == TOP - 4095);
    assert_true(fgi_align_down(TOP, 1) == TOP);
}

static void ceil_div_never_overflows(void **state)
{
    (void)state;
    assert_true(fgi_ceil_div(0, 7) == 0);
    assert_true(fgi_ceil_div(7, 7) == 1);
    assert_true(fgi_ceil_div(8, 7) == 2);
    assert_true(fgi_ceil_div(TOP, 1) == TOP);
    assert_true(fgi_ceil_div(TOP, TOP - 1) == 2);
}

static void round_up_power_of_each_size_holds_it(void **state)
{
    (void)state;
    assert_true(fgi_round_up_power(0) == 1);
    assert_true(fgi_round_up_power(1) == 1);
    for (unsigned i = 1; i < 63; i++) {
        uint64_t bit = UINT64_C(1) << i;

        assert_true(fgi_round_up_power(bit) == bit);
        assert_true(fgi_round_up_power(bit + 1) == 2 * bit);
    }
    assert_true(fgi_round_up_power(UINT64_C(1) << 63) == UINT64_C(1) << 63);
}

static void size_words_are_powers_of_1024(void **state)
{
    (void)state;
    assert_true(FGI_KIB(3) == 3072);
    assert_true(FGI_MIB(3) == UINT64_C(3) * 1024 * 1024);
    assert_true(FGI_GIB(8) == UINT64_C(8) * 1024 * 1024 * 1024);
}

static void version_text_is_made_of_its_numbers(void **state)
{
    (void)state;
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
    assert_string_equal(fg_version(),
                        TEXT(FG_VERSION_MAJOR) "." TEXT(
                            FG_VERSION_MINOR) "." TEXT(FG_VERSION_PATCH));
    assert_string_equal(fg_version(), FG_VERSION_TEXT);
    assert_memory_equal(fg_build_features(), "uring numa zstd", 15);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_at_the_limit_is_told_apart),
        cmocka_unit_test(mul_at_the_limit_is_told_apart),
        cmocka_unit_test(clamp_keeps_to_both_ends),
        cmocka_unit_test(is_power_of_two_over_all_bits),
        cmocka_unit_test(align_rounds_to_the_neighbours),
        cmocka_unit_test(ceil_div_never_overflows),
        cmocka_unit_test(round_up_power_of_each_size_holds_it),
        cmocka_unit_test(size_words_are_powers_of_1024),
        cmocka_unit_test(version_text_is_made_of_its_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
