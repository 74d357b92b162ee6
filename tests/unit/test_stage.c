/* SPDX-License-Identifier: Apache-2.0 */
/* The staging ring: what is out is never given twice, and all comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/permute.h"
#include "runtime/stage.h"

#define PAGES 64
#define BYTES (PAGES * FGI_STAGE_ALIGN)

static _Alignas(FGI_STAGE_ALIGN) uint8_t memory[BYTES];

static void take_aligns_and_goes_up(void **state)
{
    struct fgi_stage stage;
    uint64_t mark;

    (void)state;
    fgi_stage_init(&stage, memory, BYTES);
    assert_ptr_equal(fgi_stage_take(&stage, 1, &mark), memory);
    assert_ptr_equal(fgi_stage_take(&stage, FGI_STAGE_ALIGN + 1, &mark),
                     memory + FGI_STAGE_ALIGN);
    assert_ptr_equal(fgi_stage_take(&stage, 5, &mark),
                     memory + 3 * FGI_STAGE_ALIGN);
}

static void take_all_then_nothing_is_left(void **state)
{
    struct fgi_stage stage;
    uint64_t mark;
    uint64_t second;

    (void)state;
    fgi_stage_init(&stage, memory, BYTES);
    assert_ptr_equal(fgi_stage_take(&stage, BYTES, &mark), memory);
    assert_null(fgi_stage_take(&stage, 1, &second));
    fgi_stage_release(&stage, mark);
    assert_ptr_equal(fgi_stage_take(&stage, BYTES, &mark), memory);
}

static void take_more_than_the_ring_is_refused(void **state)
{
    struct fgi_stage stage;
    uint64_t mark;

    (void)state;
    fgi_stage_init(&stage, memory, BYTES);
    assert_null(fgi_stage_take(&stage, BYTES + 1, &mark));
    assert_non_null(fgi_stage_take(&stage, 1, &mark));
}

static void take_after_an_empty_ring_starts_over(void **state)
{
    struct fgi_stage stage;
    uint64_t mark;

    (void)state;
    fgi_stage_init(&stage, memory, BYTES);
    assert_non_null(fgi_stage_take(&stage, BYTES / 2, &mark));
    fgi_stage_release(&stage, mark);
    /* Nothing is out: the whole must be to be had in one piece. */
    assert_ptr_equal(fgi_stage_take(&stage, BYTES, &mark), memory);
}

static void take_what_does_not_fit_at_the_end_wraps(void **state)
{
    struct fgi_stage stage;
    uint64_t first;
    uint64_t second;
    uint64_t third;

    (void)state;
    fgi_stage_init(&stage, memory, BYTES);
    assert_non_null(fgi_stage_take(&stage, BYTES / 2, &first));
    assert_non_null(fgi_stage_take(&stage, BYTES / 4, &second));
    assert_null(fgi_stage_take(&stage, BYTES / 2, &third));
    fgi_stage_release(&stage, first);
    assert_ptr_equal(fgi_stage_take(&stage, BYTES / 2, &third), memory);
    fgi_stage_release(&stage, third);
    assert_ptr_equal(fgi_stage_take(&stage, BYTES, &first), memory);
}

/* First in, first out, at random: each piece is filled with its number, and
 * still holds it when it goes. */
static void take_and_release_at_random_never_overlaps(void **state)
{
    struct piece {
        uint8_t *at;
        uint64_t bytes;
        uint64_t mark;
        uint8_t fill;
    } pieces[PAGES];
    struct fgi_stage stage;
    unsigned head = 0;
    unsigned count = 0;

    (void)state;
    fgi_stage_init(&stage, memory, BYTES);
    for (uint64_t i = 0; i < 200000; i++) {
        uint64_t bytes = 1 + fgi_mix(1, i) % (BYTES / (1 + i % 16));
        struct piece *piece = &pieces[(head + count) % PAGES];
        uint64_t mark;
        uint8_t *at =
            count < PAGES ? fgi_stage_take(&stage, bytes, &mark) : NULL;

        if (at != NULL) {
            assert_int_equal((uintptr_t)at % FGI_STAGE_ALIGN, 0);
            assert_true(at >= memory && at + bytes <= memory + BYTES);
            *piece = (struct piece){at, bytes, mark, (uint8_t)i};
            at[0] = piece->fill;
            at[bytes - 1] = piece->fill;
            count++;
            continue;
        }
        assert_true(count > 0); /* an empty ring has room for anything */
        piece = &pieces[head++ % PAGES];
        count--;
        assert_int_equal(piece->at[0], piece->fill);
        assert_int_equal(piece->at[piece->bytes - 1], piece->fill);
        fgi_stage_release(&stage, piece->mark);
        head %= PAGES;
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_aligns_and_goes_up),
        cmocka_unit_test(take_all_then_nothing_is_left),
        cmocka_unit_test(take_more_than_the_ring_is_refused),
        cmocka_unit_test(take_after_an_empty_ring_starts_over),
        cmocka_unit_test(take_what_does_not_fit_at_the_end_wraps),
        cmocka_unit_test(take_and_release_at_random_never_overlaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
