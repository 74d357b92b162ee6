/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measuring reads of files: both orders, what is refused, reads that fail, and
 * stopping. No rate is looked at but for being one.
 */
#include "tests/lib/measure_fixture.h"

#include "io/engine.h"

#define SMALL_FILE "small"
#define FILE_BYTES ((2u << 20) + 100) /* two whole pieces and a bit */

static int make_files(void **state)
{
    (void)state;
    fixture_put_file(SMALL_FILE, FILE_BYTES);
    fixture_put_file("tiny", 10);
    fixture_put_file("empty", 0);
    return 0;
}

static void read_in_each_order_gives_a_rate(void **state)
{
    static const char *const paths[] = {"empty", SMALL_FILE, "tiny"};
    struct fg_measure_config config = quick();

    (void)state;
    config.bytes = FGI_MIB(7);
    for (int order = 0; order < 2; order++) {
        assert_int_equal(fg_measure_read(paths, 3, (enum fg_measure_order)order,
                                         &config, &rate, &err),
                         FG_OK);
        expect_rate(2);
        assert_true(rate.bytes >= FGI_MIB(7));
        assert_string_not_equal(rate.engine, "");
        assert_string_equal(rate.page_kind, "");
    }
}

static void read_for_no_time_still_reads_something(void **state)
{
    const char *path = SMALL_FILE;
    struct fg_measure_config config = quick();

    (void)state;
    config.bytes = FGI_GIB(1);
    config.round_ns = 0;
    assert_int_equal(
        fg_measure_read(&path, 1, FG_MEASURE_SEQUENTIAL, &config, &rate, &err),
        FG_OK);
    expect_rate(2);
    assert_true(rate.bytes < FGI_GIB(1));
}

static void read_of_nothing_is_refused(void **state)
{
    static const char *const empty[] = {"empty"};
    static const char *const absent[] = {SMALL_FILE, "absent"};
    static const char *const folder[] = {"."};

    (void)state;
    expect_fails(
        fg_measure_read(empty, 0, FG_MEASURE_RANDOM, NULL, &rate, &err),
        FG_ERR_ARGUMENT, "measure: files: got 0, wanted 1 to 256");
    expect_fails(
        fg_measure_read(empty, 1, FG_MEASURE_RANDOM, NULL, &rate, &err),
        FG_ERR_ARGUMENT, "measure: empty: got 0 bytes, wanted some to read");
    expect_fails(
        fg_measure_read(absent, 2, FG_MEASURE_RANDOM, NULL, &rate, &err),
        FG_ERR_NOT_FOUND, "measure: absent: open: No such file or directory");
    expect_fails(
        fg_measure_read(folder, 1, FG_MEASURE_RANDOM, NULL, &rate, &err),
        FG_ERR_ARGUMENT,
        "measure: .: open: got a folder wanted a regular file");
}

static void read_that_fails_names_the_place(void **state)
{
    const char *path = SMALL_FILE;
    struct fgi_fault fault = {
        .kind = FGI_FAULT_ERROR, .nth = 2, .sys_errno = 5};
    struct fg_measure_config config = quick();

    (void)state;
    fgi_engine_fault_all(&fault);
    expect_fails(
        fg_measure_read(&path, 1, FG_MEASURE_SEQUENTIAL, &config, &rate, &err),
        FG_ERR_READ,
        "measure: small: offset 1048576: read: Input/output error");
    fgi_engine_fault_all(NULL);
    assert_int_equal(err.offset, 1048576);
}

static void read_of_a_file_that_shrinks_is_an_error(void **state)
{
    const char *path = "shrinking";
    struct fgi_fault fault = {.kind = FGI_FAULT_EOF, .nth = 1};
    struct fg_measure_config config = quick();

    (void)state;
    fixture_put_file(path, FILE_BYTES);
    fgi_engine_fault_all(&fault);
    expect_fails(
        fg_measure_read(&path, 1, FG_MEASURE_SEQUENTIAL, &config, &rate, &err),
        FG_ERR_READ,
        "measure: shrinking: offset 0: read: unexpected end of file");
    fgi_engine_fault_all(NULL);
}

static void read_stopped_ends_at_once(void **state)
{
    const char *path = SMALL_FILE;
    struct stopper stopper = {0, 3};
    struct fg_measure_config config = stoppable(&stopper);

    (void)state;
    expect_fails(
        fg_measure_read(&path, 1, FG_MEASURE_RANDOM, &config, &rate, &err),
        FG_ERR_CANCELLED, "measure: cancelled");
    assert_int_equal(stopper.asked, 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_stopped_ends_at_once),
        cmocka_unit_test(read_in_each_order_gives_a_rate),
        cmocka_unit_test(read_for_no_time_still_reads_something),
        cmocka_unit_test(read_of_nothing_is_refused),
        cmocka_unit_test(read_that_fails_names_the_place),
        cmocka_unit_test(read_of_a_file_that_shrinks_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_files, NULL);
}
