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

static void small_reads_are_pieces_where_the_disk_is_fast(void **state)
{
    (void)state;
    /* 4 KiB take 4.9 us to serve: as long as a disk of 0.83 GB/s. */
    assert_true(fgi_ways_are_pieces(1000, 1000 * 4096, 2e9));
    assert_false(fgi_ways_are_pieces(1000, 1000 * 4096, 0.5e9));
    assert_false(fgi_ways_are_pieces(1000, 1000 * 4096, 0));
    assert_false(fgi_ways_are_pieces(1000, 1000 * 16384, 2e9));
    assert_true(fgi_ways_are_pieces(1000, 1000 * 16384, 7e9));
}

static void large_reads_are_no_pieces_on_any_disk(void **state)
{
    (void)state;
    assert_false(fgi_ways_are_pieces(1000, 1000 * 32768, 1e12));
    assert_false(fgi_ways_are_pieces(1000, 1000 << 20, 1e12));
}

static void few_reads_say_nothing(void **state)
{
    (void)state;
    assert_false(fgi_ways_are_pieces(0, 0, 1e12));
    assert_false(fgi_ways_are_pieces(FGI_PIECES_MIN - 1, 4096, 1e12));
    assert_true(fgi_ways_are_pieces(FGI_PIECES_MIN, 4096, 1e12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_open_decides),
        cmocka_unit_test(unseen_file_that_is_seen_after_all_is_seen),
        cmocka_unit_test(seen_file_that_is_unseen_after_all_is_unseen),
        cmocka_unit_test(folder_changes_its_way_within_some_opens),
        cmocka_unit_test(counts_never_go_below_nothing),
        cmocka_unit_test(small_reads_are_pieces_where_the_disk_is_fast),
        cmocka_unit_test(large_reads_are_no_pieces_on_any_disk),
        cmocka_unit_test(few_reads_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
