/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/retry.h"
#include "runtime/base/clock.h"

static uint8_t buffer[8192];

static struct fgi_read read_of(uint32_t length, uint32_t wanted, uint32_t align)
{
    struct fgi_read read = {
        .length_bytes = length,
        .wanted_bytes = wanted,
        .align_bytes = align,
        .offset = 4096,
        .buffer = buffer,
        .error = 77,
        .done_bytes = 77,
        .attempts = 77,
    };

    fgi_retry_begin(&read);
    return read;
}

static void begin_resets_what_the_engine_fills(void **state)
{
    uint64_t before_ns = fgi_now_ns();
    struct fgi_read read = read_of(100, 100, 1);

    (void)state;
    assert_int_equal(read.error, 0);
    assert_int_equal(read.done_bytes, 0);
    assert_int_equal(read.attempts, 0);
    assert_int_equal(read.buffer_index, UINT32_MAX);
    assert_int_equal(read.complete_ns, 0);
    assert_true(read.submit_ns >= before_ns);
}

static void decide_all_bytes_is_done(void **state)
{
    struct fgi_read read = read_of(8192, 8192, 512);

    (void)state;
    assert_int_equal(fgi_retry_decide(&read, 8192), FGI_RETRY_DONE);
    assert_int_equal(read.error, 0);
    assert_int_equal(read.done_bytes, 8192);
}

static void decide_tail_past_the_end_of_file_is_done(void **state)
{
    struct fgi_read read = read_of(8192, 1699, 4096);

    (void)state;
    assert_int_equal(fgi_retry_decide(&read, 1699), FGI_RETRY_DONE);
    assert_int_equal(read.error, 0);
    assert_int_equal(read.done_bytes, 1699);
}

static void decide_short_buffered_read_asks_for_the_rest(void **state)
{
    struct fgi_read read = read_of(8192, 8000, 1);
    struct fgi_retry_rest rest;

    (void)state;
    assert_int_equal(fgi_retry_decide(&read, 13), FGI_RETRY_NOW);
    rest = fgi_retry_rest(&read);
    assert_ptr_equal(rest.buffer, buffer + 13);
    assert_int_equal(rest.bytes, 8179);
    assert_int_equal(rest.offset, 4109);
    assert_int_equal(fgi_retry_decide(&read, 7987), FGI_RETRY_DONE);
    assert_int_equal(read.error, 0);
    assert_int_equal(read.done_bytes, 8000);
}

static void
decide_short_direct_read_on_alignment_asks_for_the_rest(void **state)
{
    struct fgi_read read = read_of(8192, 8192, 512);

    (void)state;
    assert_int_equal(fgi_retry_decide(&read, 512), FGI_RETRY_NOW);
    assert_int_equal(fgi_retry_rest(&read).offset, 4608);
}

static void decide_short_direct_read_off_alignment_is_end_of_file(void **state)
{
    struct fgi_read read = read_of(8192, 8192, 512);

    (void)state;
    assert_int_equal(fgi_retry_decide(&read, 1699), FGI_RETRY_DONE);
    assert_int_equal(read.error, FGI_READ_EOF);
    assert_int_equal(read.done_bytes, 1699);
}

static void decide_nothing_is_end_of_file(void **state)
{
    struct fgi_read read = read_of(8192, 1, 1);

    (void)state;
    assert_int_equal(fgi_retry_decide(&read, 0), FGI_RETRY_DONE);
    assert_int_equal(read.error, FGI_READ_EOF);
    assert_int_equal(read.done_bytes, 0);
}

static void decide_nothing_after_a_part_is_end_of_file(void **state)
{
    struct fgi_read read = read_of(8192, 8192, 512);

    (void)state;
    assert_int_equal(fgi_retry_decide(&read, 4096), FGI_RETRY_NOW);
    assert_int_equal(fgi_retry_decide(&read, 0), FGI_RETRY_DONE);
    assert_int_equal(read.error, FGI_READ_EOF);
    assert_int_equal(read.done_bytes, 4096);
}

/* How many times `sys_errno` is answered with "later". */
static uint32_t count_retries(int sys_errno)
{
    struct fgi_read read = read_of(100, 100, 1);
    uint32_t count = 0;

    while (fgi_retry_decide(&read, -sys_errno) == FGI_RETRY_LATER) {
        count++;
        assert_true(count <= 1000);
    }
    assert_int_equal(read.error, sys_errno);
    return count;
}

static void decide_errors_are_retried_a_limited_number_of_times(void **state)
{
    (void)state;
    assert_int_equal(count_retries(EAGAIN), FGI_RETRY_BUSY_MAX);
    assert_int_equal(count_retries(EINTR), FGI_RETRY_BUSY_MAX);
    assert_int_equal(count_retries(EIO), FGI_RETRY_TRANSIENT_MAX);
    assert_int_equal(count_retries(ESTALE), FGI_RETRY_TRANSIENT_MAX);
    assert_int_equal(count_retries(EINVAL), 0);
    assert_int_equal(count_retries(EBADF), 0);
    assert_int_equal(count_retries(EFAULT), 0);
}

static void decide_progress_forgives_earlier_attempts(void **state)
{
    struct fgi_read read = read_of(100, 100, 1);

    (void)state;
    for (int i = 0; i < FGI_RETRY_TRANSIENT_MAX; i++) {
        assert_int_equal(fgi_retry_decide(&read, -EIO), FGI_RETRY_LATER);
    }
    assert_int_equal(fgi_retry_decide(&read, 1), FGI_RETRY_NOW);
    assert_int_equal(read.attempts, 0);
    assert_int_equal(fgi_retry_decide(&read, -EIO), FGI_RETRY_LATER);
}

static void delay_grows_to_a_bound(void **state)
{
    struct fgi_read read = read_of(100, 100, 1);
    uint64_t sum_ns = 0;
    uint64_t before_ns = 0;

    (void)state;
    assert_int_equal(fgi_retry_delay_ns(&read), 0);
    for (int i = 0; i < FGI_RETRY_BUSY_MAX; i++) {
        assert_int_equal(fgi_retry_decide(&read, -EAGAIN), FGI_RETRY_LATER);
        assert_true(fgi_retry_delay_ns(&read) >= before_ns);
        before_ns = fgi_retry_delay_ns(&read);
        sum_ns += before_ns;
    }
    assert_true(before_ns <= 11 * FGI_NS_PER_MS);
    assert_in_range(sum_ns, FGI_NS_PER_S / 2, 2 * FGI_NS_PER_S);
}

/* Whatever the kernel answers, a read ends within a bound, and says truth. */
static void decide_any_results_terminate(void **state)
{
    static const int errors[] = {EAGAIN, EINTR, EIO};
    uint32_t random = 12345; /* the seed */

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct fgi_read read = read_of(4096, 1 + round % 4096, 1);
        uint32_t steps = 0;
        enum fgi_retry verdict = FGI_RETRY_NOW;

        while (verdict != FGI_RETRY_DONE) {
            uint32_t rest = fgi_retry_rest(&read).bytes;

            random = random * 1664525 + 1013904223;
            verdict = fgi_retry_decide(
                &read, (random >> 16) % 4 == 0
                           ? -errors[(random >> 20) % 3]
                           : 1 + (int64_t)((random >> 8) % 64 % rest));
            steps++;
            assert_true(steps <= 4096 * (FGI_RETRY_BUSY_MAX + 1));
        }
        assert_true((read.error == 0) ==
                    (read.done_bytes >= read.wanted_bytes));
        assert_true(read.done_bytes <= read.length_bytes);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(begin_resets_what_the_engine_fills),
        cmocka_unit_test(decide_all_bytes_is_done),
        cmocka_unit_test(decide_tail_past_the_end_of_file_is_done),
        cmocka_unit_test(decide_short_buffered_read_asks_for_the_rest),
        cmocka_unit_test(
            decide_short_direct_read_on_alignment_asks_for_the_rest),
        cmocka_unit_test(decide_short_direct_read_off_alignment_is_end_of_file),
        cmocka_unit_test(decide_nothing_is_end_of_file),
        cmocka_unit_test(decide_nothing_after_a_part_is_end_of_file),
        cmocka_unit_test(decide_errors_are_retried_a_limited_number_of_times),
        cmocka_unit_test(decide_progress_forgives_earlier_attempts),
        cmocka_unit_test(delay_grows_to_a_bound),
        cmocka_unit_test(decide_any_results_terminate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
