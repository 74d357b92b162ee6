/* SPDX-License-Identifier: Apache-2.0 */
/* Looks in vain: how many are left out, and of which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/feeder/vain.h"

#define MANY 1000

static void make_all_vain(struct fgi_vain *vain)
{
    for (int i = 0; i < MANY; i++) {
        fgi_vain_note(vain, true);
    }
    assert_true(fgi_vain_is_all(vain));
}

static void some_in_vain_change_nothing(void **state)
{
    struct fgi_vain vain = {0};

    (void)state;
    for (int i = 0; i < MANY; i++) {
        assert_true(fgi_vain_may_look(&vain, FGI_VAIN_OPENED));
        assert_true(fgi_vain_may_look(&vain, FGI_VAIN_EXPECTED));
        fgi_vain_note(&vain, i % 20 != 0);
        assert_false(fgi_vain_is_all(&vain));
    }
}

static void half_is_left_out(void **state)
{
    struct fgi_vain vain = {0};
    int looks = 0;

    (void)state;
    make_all_vain(&vain);
    for (int i = 0; i < MANY; i++) {
        looks += fgi_vain_may_look(&vain, FGI_VAIN_EXPECTED);
    }
    assert_int_equal(looks, MANY / 2);
}

/* As a program opens its files: each of them is told, then expects others. */
static void each_kind_has_its_share_however_they_take_turns(void **state)
{
    (void)state;
    for (uint32_t first = 0; first < 4; first++) {
        struct fgi_vain vain = {.skipped = {first % 2, first / 2}};
        int looks[FGI_VAIN_KINDS] = {0};

        make_all_vain(&vain);
        for (int i = 0; i < MANY; i++) {
            looks[FGI_VAIN_EXPECTED] +=
                fgi_vain_may_look(&vain, FGI_VAIN_EXPECTED);
            looks[FGI_VAIN_OPENED] += fgi_vain_may_look(&vain, FGI_VAIN_OPENED);
        }
        assert_int_equal(looks[FGI_VAIN_EXPECTED], MANY / 2);
        assert_int_equal(looks[FGI_VAIN_OPENED], MANY / 2);
    }
}

static void one_that_was_not_in_vain_ends_it(void **state)
{
    struct fgi_vain vain = {0};

    (void)state;
    make_all_vain(&vain);
    fgi_vain_note(&vain, false);
    assert_false(fgi_vain_is_all(&vain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_in_vain_change_nothing),
        cmocka_unit_test(half_is_left_out),
        cmocka_unit_test(each_kind_has_its_share_however_they_take_turns),
        cmocka_unit_test(one_that_was_not_in_vain_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
