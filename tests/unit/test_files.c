/* SPDX-License-Identifier: Apache-2.0 */
/* The open shards: opened once, watched, and never too many. */
#include "tests/lib/loader_fixture.h"

#include "runtime/dataset.h"
#include "runtime/files.h"

static struct source source;
static struct fg_dataset *dataset;
static struct fgi_files files;

static int set_up(void **state)
{
    const struct raw_shape shape = {100, 0, 0, {3, 4, 5, 6, 7, 8}};

    (void)state;
    source_make_raw(&source, "files", &shape);
    assert_int_equal(fg_dataset_open("files", &source.config, &dataset, NULL),
                     FG_OK);
    assert_int_equal(fgi_files_init(&files, dataset, FGI_DIRECT_OFF, NULL),
                     FG_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fgi_files_fini(&files);
    fg_dataset_close(dataset);
    source_fini(&source);
    return 0;
}

static void acquire_twice_opens_once(void **state)
{
    const struct fgi_file *first;
    const struct fgi_file *second;

    (void)state;
    assert_int_equal(fgi_files_acquire(&files, 2, &first, NULL), FG_OK);
    assert_int_equal(fgi_files_acquire(&files, 2, &second, NULL), FG_OK);
    assert_ptr_equal(first, second);
    assert_int_equal(files.open_count, 1);
    assert_int_equal(files.buffered_count, 1);
    assert_int_equal(files.direct_count, 0);
    assert_int_equal(files.opened[2].users, 2);
    assert_int_equal(fgi_files_release(&files, 2, NULL), FG_OK);
    fgi_files_retain(&files, 2);
    fgi_files_drop(&files, 2);
    fgi_files_drop(&files, 2);
    assert_int_equal(files.opened[2].users, 0);
    assert_true(files.opened[2].file.fd >= 0); /* stays open */
}

static void acquire_beyond_the_budget_closes_the_idlest(void **state)
{
    const struct fgi_file *file;

    (void)state;
    files.open_max = 3;
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(fgi_files_acquire(&files, i, &file, NULL), FG_OK);
    }
    assert_int_equal(fgi_files_release(&files, 1, NULL), FG_OK);
    assert_int_equal(fgi_files_release(&files, 0, NULL), FG_OK);
    /* 0 was used before 1; 2 is in use. */
    assert_int_equal(fgi_files_acquire(&files, 3, &file, NULL), FG_OK);
    assert_int_equal(files.opened[0].file.fd, -1);
    assert_true(files.opened[1].file.fd >= 0);
    assert_int_equal(files.open_count, 3);
    assert_int_equal(fgi_files_acquire(&files, 4, &file, NULL), FG_OK);
    assert_int_equal(files.opened[1].file.fd, -1);
    /* All are in use: none may be closed under its reads. */
    assert_false(fgi_files_may_acquire(&files, 5));
    assert_true(fgi_files_may_acquire(&files, 3));
    assert_int_equal(fgi_files_release(&files, 3, NULL), FG_OK);
    assert_true(fgi_files_may_acquire(&files, 5));
    assert_int_equal(fgi_files_acquire(&files, 5, &file, NULL), FG_OK);
    assert_int_equal(files.opened[3].file.fd, -1);
    assert_int_equal(files.open_count, 3);
    assert_int_equal(files.idle_count, 0);
}

static void acquire_file_of_another_size_is_changed(void **state)
{
    const struct fgi_file *file;
    struct fg_error err;

    (void)state;
    assert_int_equal(truncate("files/part-01.bin", 300), 0);
    assert_int_equal(fgi_files_acquire(&files, 1, &file, &err), FG_ERR_CHANGED);
    assert_string_equal(err.message,
                        "files/part-01.bin: open: got 300 bytes wanted 400, "
                        "as when the dataset was opened");
    assert_int_equal(files.opened[1].file.fd, -1);
    assert_int_equal(files.opened[1].users, 0);
    assert_int_equal(files.open_count, 0);
}

static void acquire_file_that_was_replaced_is_changed(void **state)
{
    const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    const struct fgi_file *file;
    struct fg_error err;

    (void)state;
    assert_int_equal(utimensat(AT_FDCWD, "files/part-01.bin", long_ago, 0), 0);
    assert_int_equal(fgi_files_acquire(&files, 1, &file, &err), FG_ERR_CHANGED);
    assert_string_equal(err.message,
                        "files/part-01.bin: open: written to or replaced since "
                        "the dataset was opened");
}

static void acquire_file_that_went_away_is_not_found(void **state)
{
    const struct fgi_file *file;
    struct fg_error err;

    (void)state;
    assert_int_equal(unlink("files/part-01.bin"), 0);
    assert_int_equal(fgi_files_acquire(&files, 1, &file, &err),
                     FG_ERR_NOT_FOUND);
    assert_string_equal(err.message, "files/part-01.bin: open: No such file "
                                     "or directory");
}

static void release_file_that_was_truncated_is_changed(void **state)
{
    const struct fgi_file *file;
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_files_acquire(&files, 0, &file, NULL), FG_OK);
    assert_int_equal(truncate("files/part-00.bin", 100), 0);
    assert_int_equal(fgi_files_release(&files, 0, &err), FG_ERR_CHANGED);
    assert_string_equal(err.message, "files/part-00.bin: size: got 100 wanted "
                                     "300 bytes, as when opened");
    assert_int_equal(files.opened[0].users, 0);
}

static void init_without_memory_is_an_error(void **state)
{
    struct fgi_files other;
    struct fg_error err;

    (void)state;
    fgi_alloc_fail_after(1);
    assert_int_equal(fgi_files_init(&other, dataset, FGI_DIRECT_OFF, &err),
                     FG_ERR_MEMORY);
    fgi_alloc_fail_after(0);
    assert_string_equal(err.message, "files: table of 6 shards");
    fgi_files_fini(&other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(acquire_twice_opens_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            acquire_beyond_the_budget_closes_the_idlest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(acquire_file_of_another_size_is_changed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            acquire_file_that_was_replaced_is_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            acquire_file_that_went_away_is_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            release_file_that_was_truncated_is_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(init_without_memory_is_an_error, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
