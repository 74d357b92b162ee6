/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/ring.h"

static void ring_new_is_empty(void **state)
{
    struct fgi_ring ring;

    (void)state;
    fgi_ring_init(&ring, 4);
    assert_true(fgi_ring_is_empty(&ring));
    assert_false(fgi_ring_is_full(&ring));
    assert_true(fgi_ring_count(&ring) == 0);
}

static void ring_filled_is_full(void **state)
{
    struct fgi_ring ring;

    (void)state;
    fgi_ring_init(&ring, 4);
    for (uint64_t i = 0; i < 4; i++) {
        assert_false(fgi_ring_is_full(&ring));
        assert_true(fgi_ring_put(&ring) == i);
    }
    assert_true(fgi_ring_is_full(&ring));
    assert_true(fgi_ring_count(&ring) == 4);
}

static void ring_of_one_entry_works(void **state)
{
    struct fgi_ring ring;

    (void)state;
    fgi_ring_init(&ring, 1);
    for (int i = 0; i < 5; i++) {
        assert_true(fgi_ring_put(&ring) == 0);
        assert_true(fgi_ring_is_full(&ring));
        assert_true(fgi_ring_take(&ring) == 0);
        assert_true(fgi_ring_is_empty(&ring));
    }
}

/* Run it beside a plain queue model, with the counters about to wrap. */
static void ring_across_the_wrap_keeps_first_in_first_out(void **state)
{
    struct fgi_ring ring;
    uint64_t entries[8];
    uint64_t put = 0;
    uint64_t taken = 0;
    uint32_t seed = 12345;

    (void)state;
    fgi_ring_init(&ring, 8);
    ring.head = ring.tail = UINT64_MAX - 20;
    for (int i = 0; i < 10000; i++) {
        seed = seed * 1664525u + 1013904223u;
        if ((seed >> 16) % 2 == 0 && !fgi_ring_is_full(&ring)) {
            entries[fgi_ring_put(&ring)] = put++;
        } else if (!fgi_ring_is_empty(&ring)) {
            assert_true(entries[fgi_ring_take(&ring)] == taken++);
        }
        assert_true(fgi_ring_count(&ring) == put - taken);
    }
    assert_true(taken > 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_new_is_empty),
        cmocka_unit_test(ring_filled_is_full),
        cmocka_unit_test(ring_of_one_entry_works),
        cmocka_unit_test(ring_across_the_wrap_keeps_first_in_first_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
