/* SPDX-License-Identifier: Apache-2.0 */
/* How a file is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/math.h"
#include "runtime/feeder/board.h"
#include "runtime/feeder/pattern.h"

/* A read by reader 1 or another, at a clock that moves. */
static struct fgi_stream *read_by(struct fgi_pattern *pattern, uint64_t reader,
                                  uint64_t offset, uint64_t bytes)
{
    const struct fgi_feed_read read = {
        .offset = offset,
        .bytes = bytes,
        .reader = reader,
        .now_ns = 1000 + pattern->reads,
    };

    return fgi_pattern_read(pattern, &read);
}

static void read_first_at_some_place_expects_nothing(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream = read_by(&pattern, 1, FGI_MIB(7), 100);

    (void)state;
    assert_int_equal(stream->kind, FGI_PATTERN_UNKNOWN);
    assert_int_equal(pattern.kind, FGI_PATTERN_UNKNOWN);
    assert_int_equal(stream->window_bytes, 0);
}

static void start_then_reads_in_order_double_the_window(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream = fgi_pattern_start(&pattern, 1);
    uint64_t window = FGI_WINDOW_BYTES_OPEN;

    (void)state;
    assert_int_equal(stream->window_bytes, window);
    assert_int_equal(stream->ahead, 0);
    for (uint64_t i = 0; i < 8; i++) {
        assert_ptr_equal(read_by(&pattern, 1, i << 20, FGI_KIB(256)), stream);
        window = fgi_min(window * 2, FGI_WINDOW_BYTES_MAX);
        assert_int_equal(stream->window_bytes, window);
    }
    assert_int_equal(pattern.kind, FGI_PATTERN_SEQUENTIAL);
    assert_string_equal(fgi_pattern_name(pattern.kind), "sequential");
}

static void start_twice_before_a_read_is_one_stream(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream = fgi_pattern_start(&pattern, 1);

    (void)state;
    assert_ptr_equal(fgi_pattern_start(&pattern, 2), stream);
}

static void widen_reaches_a_start_but_no_file_that_is_read(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream;

    (void)state;
    assert_false(fgi_pattern_widen(&pattern, FGI_MIB(8), 1));
    stream = fgi_pattern_start(&pattern, 1);
    assert_false(fgi_pattern_widen(&pattern, FGI_WINDOW_BYTES_OPEN, 2));
    assert_true(fgi_pattern_widen(&pattern, FGI_MIB(8), 3));
    assert_int_equal(stream->window_bytes, FGI_MIB(8));
    assert_int_equal(stream->used_ns, 3);
    assert_true(fgi_pattern_widen(&pattern, UINT64_MAX, 4));
    assert_int_equal(stream->window_bytes, FGI_WINDOW_BYTES_MAX);
    read_by(&pattern, 1, 0, 100);
    stream->window_bytes = FGI_WINDOW_BYTES_MIN;
    assert_false(fgi_pattern_widen(&pattern, FGI_MIB(8), 5));
}

static void read_on_from_a_late_place_begins_with_the_next_block(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream;

    (void)state;
    read_by(&pattern, 1, FGI_MIB(10), FGI_MIB(1));
    stream = read_by(&pattern, 1, FGI_MIB(11), FGI_MIB(1));
    assert_int_equal(stream->kind, FGI_PATTERN_SEQUENTIAL);
    assert_int_equal(stream->ahead, 12);
    assert_int_equal(stream->window_bytes, FGI_WINDOW_BYTES_MIN);
}

static void read_of_a_small_part_begins_with_its_block(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream;

    (void)state;
    read_by(&pattern, 1, FGI_MIB(10), FGI_KIB(4));
    stream = read_by(&pattern, 1, FGI_MIB(11), FGI_KIB(4));
    assert_int_equal(stream->ahead, 11);
}

static void read_by_two_readers_in_turns_are_two_streams(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *a = NULL;
    struct fgi_stream *b = NULL;

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        a = read_by(&pattern, 1, i << 20, FGI_KIB(64));
        b = read_by(&pattern, 1, FGI_GIB(1) + (i << 20), FGI_KIB(64));
    }
    assert_ptr_not_equal(a, b);
    assert_int_equal(a->kind, FGI_PATTERN_SEQUENTIAL);
    assert_int_equal(b->kind, FGI_PATTERN_SEQUENTIAL);
    assert_int_equal(pattern.kind, FGI_PATTERN_SEQUENTIAL);
}

static void read_in_equal_steps_is_strided(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream = NULL;

    (void)state;
    for (uint64_t i = 0; i < 16; i++) {
        stream = read_by(&pattern, 1, i * FGI_MIB(10), FGI_KIB(64));
    }
    assert_int_equal(stream->kind, FGI_PATTERN_STRIDED);
    assert_int_equal(stream->stride_bytes, FGI_MIB(10));
    assert_int_equal(stream->ahead, 16 * FGI_MIB(10));
    assert_int_equal(pattern.kind, FGI_PATTERN_STRIDED);
}

static void read_of_three_equal_steps_is_not_believed_sooner(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream = NULL;

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        stream = read_by(&pattern, 1, i * FGI_MIB(10), FGI_KIB(64));
        assert_int_not_equal(stream->kind, FGI_PATTERN_STRIDED);
    }
    stream = read_by(&pattern, 1, FGI_MIB(30), FGI_KIB(64));
    assert_int_equal(stream->kind, FGI_PATTERN_STRIDED);
}

static void read_at_random_places_is_random_and_expects_nothing(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream;

    (void)state;
    for (uint64_t i = 0; i < 64; i++) {
        uint64_t at = fgi_board_hash(i + 1) % FGI_GIB(64);

        stream = read_by(&pattern, 1, at, FGI_KIB(4));
        assert_int_equal(stream->window_bytes, 0);
    }
    assert_int_equal(pattern.kind, FGI_PATTERN_RANDOM);
    assert_null(fgi_pattern_start(&pattern, 100));
}

static void read_in_order_after_random_ones_is_sequential_again(void **state)
{
    struct fgi_pattern pattern = {0};

    (void)state;
    for (uint64_t i = 0; i < 64; i++) {
        read_by(&pattern, 1, fgi_board_hash(i + 1) % FGI_GIB(64), FGI_KIB(4));
    }
    for (uint64_t i = 0; i < 16; i++) {
        read_by(&pattern, 1, i << 20, FGI_MIB(1));
    }
    assert_int_equal(pattern.kind, FGI_PATTERN_SEQUENTIAL);
}

static void read_at_the_end_of_all_numbers_does_not_wrap(void **state)
{
    struct fgi_pattern pattern = {0};
    struct fgi_stream *stream =
        read_by(&pattern, 1, UINT64_MAX - 5, UINT64_MAX);

    (void)state;
    assert_int_equal(stream->next_offset, UINT64_MAX - 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_first_at_some_place_expects_nothing),
        cmocka_unit_test(start_then_reads_in_order_double_the_window),
        cmocka_unit_test(start_twice_before_a_read_is_one_stream),
        cmocka_unit_test(widen_reaches_a_start_but_no_file_that_is_read),
        cmocka_unit_test(read_on_from_a_late_place_begins_with_the_next_block),
        cmocka_unit_test(read_of_a_small_part_begins_with_its_block),
        cmocka_unit_test(read_by_two_readers_in_turns_are_two_streams),
        cmocka_unit_test(read_in_equal_steps_is_strided),
        cmocka_unit_test(read_of_three_equal_steps_is_not_believed_sooner),
        cmocka_unit_test(read_at_random_places_is_random_and_expects_nothing),
        cmocka_unit_test(read_in_order_after_random_ones_is_sequential_again),
        cmocka_unit_test(read_at_the_end_of_all_numbers_does_not_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
