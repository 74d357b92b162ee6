/* SPDX-License-Identifier: Apache-2.0 */
/* Which file of a folder is opened next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/feeder/board.h"
#include "runtime/feeder/predict.h"

#define ROOM 64u

/* Name i of a folder whose own order is a mixture of the sorted one. */
static uint32_t mixed(uint32_t i, uint32_t count)
{
    return (uint32_t)((uint64_t)i * 7919 % count);
}

/* A folder of names "00000" and so on, in mixed order; count is no multiple
 * of 7919. */
static void make(struct fgi_listing *listing, uint32_t count)
{
    char *names = fgi_alloc((size_t)count + 1, 6);

    for (uint32_t i = 0; i < count; i++) {
        snprintf(names + (size_t)i * 6, 6, "%05u", mixed(i, count) % 100000);
    }
    assert_true(fgi_listing_init(listing, names, count));
}

static uint32_t find(const struct fgi_listing *listing, uint32_t sorted)
{
    char name[16];

    snprintf(name, sizeof(name), "%05u", sorted);
    return fgi_listing_find(listing, name);
}

static void find_each_name_gives_its_number(void **state)
{
    struct fgi_listing listing;

    (void)state;
    make(&listing, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(find(&listing, mixed(i, 1000)), i);
        assert_int_equal(listing.known[i].rank, mixed(i, 1000));
    }
    assert_int_equal(fgi_listing_find(&listing, "nobody"), FGI_NO_NAME);
    fgi_listing_fini(&listing);
}

static void find_in_an_empty_folder_gives_none(void **state)
{
    struct fgi_listing listing;

    (void)state;
    assert_true(fgi_listing_init(&listing, NULL, 0));
    assert_int_equal(fgi_listing_find(&listing, "a"), FGI_NO_NAME);
    fgi_listing_fini(&listing);
}

static void init_without_memory_leaves_it_empty(void **state)
{
    struct fgi_listing listing;

    (void)state;
    for (unsigned n = 1; n <= 3; n++) {
        char *names = fgi_strdup("a");

        fgi_alloc_fail_after(n);
        assert_false(fgi_listing_init(&listing, names, 1));
        fgi_alloc_fail_after(0);
        assert_int_equal(listing.count, 0);
        assert_null(listing.names);
    }
}

static void open_in_sorted_order_is_believed(void **state)
{
    struct fgi_listing listing;
    enum fgi_order_kind order;
    uint32_t next[ROOM];

    (void)state;
    make(&listing, 1000);
    for (uint32_t i = 0; i < 5; i++) {
        fgi_listing_open(&listing, find(&listing, i));
    }
    assert_true(fgi_listing_order(&listing, &order));
    assert_int_equal(order, FGI_ORDER_SORTED);
    assert_int_equal(
        fgi_listing_next(&listing, order, find(&listing, 4), 10, next, ROOM),
        10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(listing.known[next[i]].rank, 5 + i);
    }
    fgi_listing_fini(&listing);
}

static void open_in_the_folders_order_is_believed(void **state)
{
    struct fgi_listing listing;
    enum fgi_order_kind order;
    uint32_t next[ROOM];

    (void)state;
    make(&listing, 1000);
    for (uint32_t i = 0; i < 5; i++) {
        fgi_listing_open(&listing, i);
    }
    assert_true(fgi_listing_order(&listing, &order));
    assert_int_equal(order, FGI_ORDER_FOLDER);
    assert_int_equal(fgi_listing_next(&listing, order, 4, 3, next, ROOM), 3);
    assert_int_equal(next[0], 5);
    assert_int_equal(next[2], 7);
    fgi_listing_fini(&listing);
}

static void open_by_two_workers_in_batches_is_believed(void **state)
{
    struct fgi_listing listing;
    enum fgi_order_kind order;

    (void)state;
    make(&listing, 1000);
    for (uint32_t batch = 0; batch < 8; batch += 2) {
        for (uint32_t i = 0; i < 16; i++) {
            fgi_listing_open(&listing, find(&listing, batch * 16 + i));
            fgi_listing_open(&listing, find(&listing, (batch + 1) * 16 + i));
        }
    }
    assert_true(fgi_listing_order(&listing, &order));
    assert_int_equal(order, FGI_ORDER_SORTED);
    fgi_listing_fini(&listing);
}

static void open_in_shuffled_order_is_not_believed(void **state)
{
    struct fgi_listing listing;
    enum fgi_order_kind order;
    uint32_t believed = 0;

    (void)state;
    make(&listing, 9000);
    for (uint64_t i = 0; i < 2000; i++) {
        fgi_listing_open(&listing, (uint32_t)(fgi_board_hash(i) % 9000));
        believed += fgi_listing_order(&listing, &order) ? 1 : 0;
    }
    assert_int_equal(believed, 0);
    fgi_listing_fini(&listing);
}

static void next_does_not_expect_a_name_twice(void **state)
{
    struct fgi_listing listing;
    uint32_t next[ROOM];

    (void)state;
    make(&listing, 100);
    fgi_listing_open(&listing, 0);
    assert_int_equal(
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, 0, 8, next, ROOM), 8);
    fgi_listing_open(&listing, 1);
    assert_int_equal(
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, 1, 8, next, ROOM), 1);
    assert_int_equal(next[0], 9);
    fgi_listing_fini(&listing);
}

static void next_in_another_epoch_expects_them_again(void **state)
{
    struct fgi_listing listing;
    uint32_t next[ROOM];

    (void)state;
    make(&listing, 100);
    for (uint32_t i = 0; i < 100; i++) {
        fgi_listing_open(&listing, i);
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, i, 8, next, ROOM);
    }
    fgi_listing_open(&listing, 0);
    assert_int_equal(
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, 0, 8, next, ROOM), 8);
    fgi_listing_fini(&listing);
}

static void next_at_the_end_expects_nothing(void **state)
{
    struct fgi_listing listing;
    uint32_t next[ROOM];

    (void)state;
    make(&listing, 100);
    assert_int_equal(
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, 99, 8, next, ROOM), 0);
    assert_int_equal(
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, 97, 8, next, ROOM), 2);
    fgi_listing_fini(&listing);
}

static void next_gives_no_more_than_there_is_room(void **state)
{
    struct fgi_listing listing;
    uint32_t next[ROOM];

    (void)state;
    make(&listing, 100);
    assert_int_equal(
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, 0, 50, next, 3), 3);
    assert_int_equal(
        fgi_listing_next(&listing, FGI_ORDER_FOLDER, 0, 50, next, 0), 0);
    fgi_listing_fini(&listing);
}

static void after_each_name_is_the_next_of_the_order(void **state)
{
    struct fgi_listing listing;

    (void)state;
    make(&listing, 100);
    assert_int_equal(fgi_listing_after(&listing, FGI_ORDER_FOLDER, 41), 42);
    assert_int_equal(fgi_listing_after(&listing, FGI_ORDER_FOLDER, 99),
                     FGI_NO_NAME);
    assert_int_equal(
        fgi_listing_after(&listing, FGI_ORDER_SORTED, find(&listing, 41)),
        find(&listing, 42));
    assert_int_equal(
        fgi_listing_after(&listing, FGI_ORDER_SORTED, find(&listing, 99)),
        FGI_NO_NAME);
    fgi_listing_fini(&listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find_each_name_gives_its_number),
        cmocka_unit_test(find_in_an_empty_folder_gives_none),
        cmocka_unit_test(init_without_memory_leaves_it_empty),
        cmocka_unit_test(open_in_sorted_order_is_believed),
        cmocka_unit_test(open_in_the_folders_order_is_believed),
        cmocka_unit_test(open_by_two_workers_in_batches_is_believed),
        cmocka_unit_test(open_in_shuffled_order_is_not_believed),
        cmocka_unit_test(next_does_not_expect_a_name_twice),
        cmocka_unit_test(next_in_another_epoch_expects_them_again),
        cmocka_unit_test(next_at_the_end_expects_nothing),
        cmocka_unit_test(next_gives_no_more_than_there_is_room),
        cmocka_unit_test(after_each_name_is_the_next_of_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
