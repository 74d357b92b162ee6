/* SPDX-License-Identifier: Apache-2.0 */
/* The keyed bijection: onto, keyed, and even enough for a shuffle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/permute.h"

#define COUNT_MAX ((1u << 20) + 1)

static uint8_t seen[COUNT_MAX];

static void must_be_bijection(uint64_t count, uint64_t key)
{
    struct fgi_permute permute;

    fgi_permute_init(&permute, count, key);
    memset(seen, 0, count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t to = fgi_permute_at(&permute, i);

        if (to >= count || seen[to]++ != 0) {
            fail_msg("count %llu key %llu: index %llu goes to %llu",
                     (unsigned long long)count, (unsigned long long)key,
                     (unsigned long long)i, (unsigned long long)to);
        }
    }
}

static void permute_at_every_small_count_is_a_bijection(void **state)
{
    (void)state;
    for (uint64_t count = 1; count <= 3000; count++) {
        must_be_bijection(count, count % 7);
    }
}

static void permute_at_counts_around_powers_is_a_bijection(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= 20; bits++) {
        uint64_t power = UINT64_C(1) << bits;

        for (uint64_t key = 0; key < 3; key++) {
            uint64_t wild = fgi_mix(bits, key);

            must_be_bijection(power - 1, wild);
            must_be_bijection(power, wild);
            must_be_bijection(power + 1, wild);
        }
    }
}

/* Too many to visit: still in range, and no two of a sample alike. */
static void permute_at_huge_counts_stays_in_range(void **state)
{
    const uint64_t counts[] = {
        UINT64_C(1) << 32,       (UINT64_C(1) << 32) + 1, UINT64_C(1) << 63,
        (UINT64_C(1) << 63) + 1, UINT64_MAX - 1,          UINT64_MAX,
    };

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct fgi_permute permute;
        uint64_t before = UINT64_MAX;

        fgi_permute_init(&permute, counts[c], 9);
        for (uint64_t i = 0; i < 1000; i++) {
            uint64_t to = fgi_permute_at(&permute, i);

            assert_true(to < counts[c]);
            assert_true(to != before);
            before = to;
        }
        assert_true(fgi_permute_at(&permute, counts[c] - 1) < counts[c]);
    }
}

static void permute_at_other_keys_differs(void **state)
{
    struct fgi_permute a;
    struct fgi_permute b;

    (void)state;
    for (uint64_t key = 0; key < 100; key++) {
        int alike = 0;

        fgi_permute_init(&a, 1000, key);
        fgi_permute_init(&b, 1000, key + 1);
        for (uint64_t i = 0; i < 1000; i++) {
            alike += fgi_permute_at(&a, i) == fgi_permute_at(&b, i);
        }
        /* One is expected; 12 are a chance of about 10^-9. */
        assert_true(alike < 12);
    }
}

static void permute_at_same_key_is_the_same(void **state)
{
    struct fgi_permute a;
    struct fgi_permute b;

    (void)state;
    fgi_permute_init(&a, 12345, 6);
    fgi_permute_init(&b, 12345, 6);
    for (uint64_t i = 0; i < 12345; i++) {
        assert_int_equal(fgi_permute_at(&a, i), fgi_permute_at(&b, i));
    }
}

/* Where does index 0, and the last one, go under 64,000 keys? Chi-square over
 * 64 cells with 63 degrees of freedom: mean 63, deviation 11.2. */
static void permute_at_many_keys_is_even(void **state)
{
    (void)state;
    for (uint64_t count = 61; count <= 67; count++) {
        for (uint64_t index = 0; index < count; index += count - 1) {
            double expected = 64000.0 / (double)count;
            double square = 0;
            unsigned cells[67] = {0};

            for (uint64_t key = 0; key < 64000; key++) {
                struct fgi_permute permute;

                fgi_permute_init(&permute, count, key);
                cells[fgi_permute_at(&permute, index)]++;
            }
            for (uint64_t i = 0; i < count; i++) {
                double off = cells[i] - expected;

                square += off * off / expected;
            }
            assert_true(square < 63 + 6 * 11.2);
        }
    }
}

/* Neighbours are torn apart: as many follow each other as by chance (1). */
static void permute_at_neighbours_are_torn_apart(void **state)
{
    (void)state;
    for (uint64_t key = 0; key < 50; key++) {
        struct fgi_permute permute;
        uint64_t before;
        int together = 0;

        fgi_permute_init(&permute, 10000, key);
        before = fgi_permute_at(&permute, 0);
        for (uint64_t i = 1; i < 10000; i++) {
            uint64_t to = fgi_permute_at(&permute, i);

            together += to == before + 1;
            before = to;
        }
        assert_true(together < 12);
    }
}

static void mix_arguments_are_not_exchangeable(void **state)
{
    (void)state;
    for (uint64_t a = 0; a < 50; a++) {
        for (uint64_t b = a + 1; b < 50; b++) {
            assert_true(fgi_mix(a, b) != fgi_mix(b, a));
            assert_true(fgi_mix(a, b) != fgi_mix(a, b + 1));
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(permute_at_every_small_count_is_a_bijection),
        cmocka_unit_test(permute_at_counts_around_powers_is_a_bijection),
        cmocka_unit_test(permute_at_huge_counts_stays_in_range),
        cmocka_unit_test(permute_at_other_keys_differs),
        cmocka_unit_test(permute_at_same_key_is_the_same),
        cmocka_unit_test(permute_at_many_keys_is_even),
        cmocka_unit_test(permute_at_neighbours_are_torn_apart),
        cmocka_unit_test(mix_arguments_are_not_exchangeable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
