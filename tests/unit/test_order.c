/* SPDX-License-Identifier: Apache-2.0 */
/* The order: every sample once, whatever the geometry; and frozen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/order.h"

#define SAMPLES_MAX 5000

static uint8_t seen[SAMPLES_MAX];

static const uint64_t sample_counts[] = {1, 2, 3, 7, 64, 65, 99, 1000, 1023};
static const uint64_t block_counts[] = {1, 2, 3, 10, 64, 100, 1000, 4096};
static const uint64_t window_counts[] = {1, 2, 3, 7, 64, 5000};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef void (*order_fn)(const struct fgi_order *order);

/* Run over every mode, size, block and window. */
static void for_each_order(order_fn run)
{
    for (int mode = 0; mode < 3; mode++) {
        for (size_t n = 0; n < COUNT(sample_counts); n++) {
            for (size_t b = 0; b < COUNT(block_counts); b++) {
                for (size_t w = 0; w < COUNT(window_counts); w++) {
                    struct fgi_order order;

                    fgi_order_init(&order, (enum fg_shuffle)mode, 11 + n,
                                   sample_counts[n], block_counts[b],
                                   window_counts[w]);
                    run(&order);
                }
            }
        }
    }
}

static void fail_order(const struct fgi_order *order, const char *what,
                       uint64_t at)
{
    fail_msg("shuffle %d of %llu in blocks of %llu, windows of %llu: %s at "
             "%llu",
             (int)order->shuffle, (unsigned long long)order->sample_count,
             (unsigned long long)order->block_samples,
             (unsigned long long)order->window_blocks, what,
             (unsigned long long)at);
}

static void must_cover(const struct fgi_order *order)
{
    for (uint64_t number = 0; number < 2; number++) {
        struct fgi_order_epoch epoch;

        fgi_order_epoch_init(&epoch, order, number);
        memset(seen, 0, order->sample_count);
        for (uint64_t i = 0; i < order->sample_count; i++) {
            uint64_t sample = fgi_order_sample(&epoch, i);

            if (sample >= order->sample_count || seen[sample]++ != 0) {
                fail_order(order, "lost or twice", i);
            }
        }
    }
}

static void order_sample_any_geometry_is_every_sample_once(void **state)
{
    (void)state;
    for_each_order(must_cover);
}

/* Windows follow one another without a gap, and hold what they say. */
static void must_tile(const struct fgi_order *order)
{
    struct fgi_order_epoch epoch;
    uint64_t position = 0;
    uint64_t place = 0;

    fgi_order_epoch_init(&epoch, order, 3);
    for (uint64_t w = 0; w < order->window_count; w++) {
        struct fgi_window window;
        uint64_t samples = 0;

        fgi_order_window(&epoch, w, &window);
        if (window.begin != position || window.first_place != place ||
            window.place_count == 0 || window.end <= window.begin) {
            fail_order(order, "windows do not tile", w);
        }
        for (uint64_t p = 0; p < window.place_count; p++) {
            uint64_t first;
            uint64_t count;

            fgi_order_block(&epoch, place + p, &first, &count);
            samples += count;
            if (first % order->block_samples != 0 || count == 0 ||
                first + count > order->sample_count) {
                fail_order(order, "not a block", place + p);
            }
        }
        if (samples != window.end - window.begin) {
            fail_order(order, "blocks do not fill the window", w);
        }
        position = window.end;
        place += window.place_count;
    }
    if (position != order->sample_count || place != order->block_count) {
        fail_order(order, "windows end early", position);
    }
}

static void order_window_any_geometry_tiles_the_epoch(void **state)
{
    (void)state;
    for_each_order(must_tile);
}

/* The way of the reader (window, place, index) is the way of order_sample. */
static void must_agree(const struct fgi_order *order)
{
    struct fgi_order_epoch epoch;

    fgi_order_epoch_init(&epoch, order, 1);
    for (uint64_t i = 0; i < order->sample_count; i++) {
        struct fgi_window window;
        uint64_t place;
        uint64_t index;
        uint64_t first;
        uint64_t count;

        fgi_order_window(&epoch, fgi_order_window_of(&epoch, i), &window);
        if (i < window.begin || i >= window.end) {
            fail_order(order, "window_of is wrong", i);
        }
        fgi_order_at(&epoch, &window, i, &place, &index);
        if (place < window.first_place ||
            place >= window.first_place + window.place_count) {
            fail_order(order, "place outside of its window", i);
        }
        fgi_order_block(&epoch, place, &first, &count);
        if (index >= count || first + index != fgi_order_sample(&epoch, i)) {
            fail_order(order, "place and index lead elsewhere", i);
        }
    }
}

static void order_at_any_position_leads_to_order_sample(void **state)
{
    (void)state;
    for_each_order(must_agree);
}

static void order_sample_without_shuffle_is_the_position(void **state)
{
    struct fgi_order order;
    struct fgi_order_epoch epoch;

    (void)state;
    for (uint64_t number = 0; number < 3; number++) {
        fgi_order_init(&order, FG_SHUFFLE_NONE, number, 1003, 10, 7);
        fgi_order_epoch_init(&epoch, &order, number);
        for (uint64_t i = 0; i < 1003; i++) {
            assert_int_equal(fgi_order_sample(&epoch, i), i);
        }
    }
}

static unsigned count_alike(const struct fgi_order_epoch *a,
                            const struct fgi_order_epoch *b)
{
    unsigned alike = 0;

    for (uint64_t i = 0; i < a->order->sample_count; i++) {
        alike += fgi_order_sample(a, i) == fgi_order_sample(b, i);
    }
    return alike;
}

static void order_of_other_epochs_and_seeds_differs(void **state)
{
    (void)state;
    for (int mode = FG_SHUFFLE_BLOCK; mode <= FG_SHUFFLE_FULL; mode++) {
        struct fgi_order order;
        struct fgi_order other;
        struct fgi_order_epoch a;
        struct fgi_order_epoch b;

        fgi_order_init(&order, (enum fg_shuffle)mode, 5, 4001, 10, 20);
        fgi_order_init(&other, (enum fg_shuffle)mode, 6, 4001, 10, 20);
        fgi_order_epoch_init(&a, &order, 0);
        for (uint64_t number = 1; number < 10; number++) {
            fgi_order_epoch_init(&b, &order, number);
            assert_true(count_alike(&a, &b) < 20);
        }
        fgi_order_epoch_init(&b, &other, 0);
        assert_true(count_alike(&a, &b) < 20);
        /* Seed 5 epoch 1 is not seed 6 epoch 0, nor 0 and 6. */
        fgi_order_epoch_init(&a, &order, 1);
        assert_true(count_alike(&a, &b) < 20);
    }
}

/* The short tail block stands at every place sometimes. */
static void order_tail_of_many_epochs_stands_everywhere(void **state)
{
    struct fgi_order order;
    unsigned places[11] = {0};

    (void)state;
    fgi_order_init(&order, FG_SHUFFLE_BLOCK, 1, 103, 10, 3);
    for (uint64_t number = 0; number < 1000; number++) {
        struct fgi_order_epoch epoch;

        fgi_order_epoch_init(&epoch, &order, number);
        assert_true(epoch.tail_place <= 10);
        places[epoch.tail_place]++;
    }
    for (int i = 0; i < 11; i++) {
        assert_true(places[i] > 40);
    }
}

/* Block shuffle mixes samples of one block with those of others. */
static void order_window_mixes_its_blocks(void **state)
{
    struct fgi_order order;
    struct fgi_order_epoch epoch;
    unsigned same = 0;

    (void)state;
    fgi_order_init(&order, FG_SHUFFLE_BLOCK, 1, 4000, 100, 20);
    fgi_order_epoch_init(&epoch, &order, 0);
    for (uint64_t i = 1; i < 4000; i++) {
        same += fgi_order_sample(&epoch, i) / 100 ==
                fgi_order_sample(&epoch, i - 1) / 100;
    }
    /* By chance every twentieth: 200 of 4000. */
    assert_in_range(same, 140, 260);
}

/* Frozen: state files and published runs depend on it. If this fails, the
 * order has changed, and that is never right. */
struct golden {
    enum fg_shuffle shuffle;
    uint64_t seed;
    uint64_t epoch;
    uint64_t samples;
    uint64_t block;
    uint64_t window;
    uint64_t wanted[16];
};

static const struct golden goldens[] = {
    {FG_SHUFFLE_NONE,
     UINT64_C(0),
     UINT64_C(0),
     UINT64_C(100),
     10,
     1,
     {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
    {FG_SHUFFLE_BLOCK,
     UINT64_C(42),
     UINT64_C(0),
     UINT64_C(1000),
     10,
     16,
     {463, 311, 465, 216, 316, 624, 529, 278, 545, 219, 535, 466, 920, 271, 36,
      468}},
    {FG_SHUFFLE_BLOCK,
     UINT64_C(42),
     UINT64_C(1),
     UINT64_C(1003),
     10,
     16,
     {837, 269, 439, 573, 69, 337, 976, 642, 832, 599, 574, 248, 184, 691, 243,
      246}},
    {FG_SHUFFLE_BLOCK,
     UINT64_C(7),
     UINT64_C(0),
     UINT64_C(1281167),
     6,
     891,
     {512569, 659145, 1266118, 527749, 1104762, 996253, 292261, 1077019, 860841,
      520382, 362290, 1099526, 1077515, 200964, 265316, 583801}},
    {FG_SHUFFLE_FULL,
     UINT64_C(42),
     UINT64_C(0),
     UINT64_C(1000),
     1,
     1,
     {244, 370, 765, 146, 469, 297, 648, 288, 375, 695, 312, 854, 408, 98, 871,
      59}},
    {FG_SHUFFLE_FULL,
     UINT64_C(42),
     UINT64_C(3),
     UINT64_C(1000000007),
     1,
     1,
     {448782477, 494444590, 481519253, 128434546, 949288463, 410601706,
      474349355, 554181051, 634743452, 646243578, 742308681, 472334225,
      235458078, 960558694, 365863142, 602164349}},
    {FG_SHUFFLE_FULL,
     UINT64_C(18446744073709551615),
     UINT64_C(1099511627776),
     UINT64_C(281474976710656),
     1,
     1,
     {28779603060544, 276481668433099, 31145450281205, 169262709536814,
      135451061888627, 71971121452435, 12406822768691, 161612292845704,
      115114228348993, 209072797142061, 52068638178268, 119340070717530,
      211990289262524, 33199565946077, 228317444746357, 197843949622475}},
};

static void order_sample_golden_runs_never_change(void **state)
{
    (void)state;
    for (size_t g = 0; g < COUNT(goldens); g++) {
        const struct golden *golden = &goldens[g];
        struct fgi_order order;
        struct fgi_order_epoch epoch;

        fgi_order_init(&order, golden->shuffle, golden->seed, golden->samples,
                       golden->block, golden->window);
        fgi_order_epoch_init(&epoch, &order, golden->epoch);
        for (uint64_t i = 0; i < 16; i++) {
            uint64_t got = fgi_order_sample(&epoch, i);

            if (got != golden->wanted[i]) {
                fail_msg("run %zu, position %llu: got %llu wanted %llu", g,
                         (unsigned long long)i, (unsigned long long)got,
                         (unsigned long long)golden->wanted[i]);
            }
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_sample_any_geometry_is_every_sample_once),
        cmocka_unit_test(order_window_any_geometry_tiles_the_epoch),
        cmocka_unit_test(order_at_any_position_leads_to_order_sample),
        cmocka_unit_test(order_sample_without_shuffle_is_the_position),
        cmocka_unit_test(order_of_other_epochs_and_seeds_differs),
        cmocka_unit_test(order_tail_of_many_epochs_stands_everywhere),
        cmocka_unit_test(order_window_mixes_its_blocks),
        cmocka_unit_test(order_sample_golden_runs_never_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
