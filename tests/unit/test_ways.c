/* SPDX-License-Identifier: Apache-2.0 */
/* How the files of a folder are read: what the last opens tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/feeder/ways.h"

static void first_open_decides(void **state)
{
    struct fgi_ways ways = {0};

    (void)state;
    assert_false(fgi_ways_are_unseen(&ways));
    fgi_ways_move(&ways, FGI_WAY_NONE, FGI_WAY_UNSEEN);
    assert_true(fgi_ways_are_unseen(&ways));
}

/* fopen, then read on its descriptor, as C++ streams do. */
static void unseen_file_that_is_seen_after_all_is_seen(void **state)
{
    struct fgi_ways ways = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        fgi_ways_move(&ways, FGI_WAY_NONE, FGI_WAY_UNSEEN);
        fgi_ways_move(&ways, FGI_WAY_UNSEEN, FGI_WAY_SEEN);
        assert_false(fgi_ways_are_unseen(&ways));
    }
}

/* A header that is read before the rest is mapped. */
static void seen_file_that_is_unseen_after_all_is_unseen(void **state)
{
    struct fgi_ways ways = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        fgi_ways_move(&ways, FGI_WAY_NONE, FGI_WAY_SEEN);
        fgi_ways_move(&ways, FGI_WAY_SEEN, FGI_WAY_UNSEEN);
        assert_true(fgi_ways_are_unseen(&ways));
    }
}

static void folder_changes_its_way_within_some_opens(void **state)
{
    struct fgi_ways ways = {0};
    int opens = 0;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        fgi_ways_move(&ways, FGI_WAY_NONE, FGI_WAY_UNSEEN);
    }
    while (fgi_ways_are_unseen(&ways)) {
        fgi_ways_move(&ways, FGI_WAY_NONE, FGI_WAY_SEEN);
        opens++;
    }
    assert_in_range(opens, 4, 32);
    for (int i = 0; i < 100000; i++) {
        fgi_ways_move(&ways, FGI_WAY_NONE, FGI_WAY_SEEN);
    }
    opens = 0;
    while (!fgi_ways_are_unseen(&ways)) {
        fgi_ways_move(&ways, FGI_WAY_NONE, FGI_WAY_UNSEEN);
        opens++;
    }
    assert_in_range(opens, 32, 256);
}

/* What is moved back may have been halved away. */
static void counts_never_go_below_nothing(void **state)
{
    struct fgi_ways ways = {0};

    (void)state;
    for (int i = 0; i < 200; i++) {
        fgi_ways_move(&ways, FGI_WAY_UNSEEN, FGI_WAY_NONE);
        fgi_ways_move(&ways, FGI_WAY_SEEN, FGI_WAY_NONE);
    }
    assert_int_equal(ways.seen + ways.unseen, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_open_decides),
        cmocka_unit_test(unseen_file_that_is_seen_after_all_is_seen),
        cmocka_unit_test(seen_file_that_is_unseen_after_all_is_unseen),
        cmocka_unit_test(folder_changes_its_way_within_some_opens),
        cmocka_unit_test(counts_never_go_below_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
