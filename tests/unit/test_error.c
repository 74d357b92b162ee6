/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/error.h"

static void status_name_of_each_status_is_its_identifier(void **state)
{
    (void)state;
#define CHECK(name, value, text)                                               \
    assert_string_equal(fg_status_name(name), #name);                          \
    assert_string_equal(fg_status_text(name), text);                           \
    assert_int_equal(name, value);
    FG_STATUS_MAP(CHECK)
#undef CHECK
}

static void status_name_of_a_foreign_number_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(fg_status_name((enum fg_status)(-99)), "FG_ERR_?");
    assert_string_equal(fg_status_text((enum fg_status)(-99)),
                        "unknown status");
}

static void fail_fills_every_member(void **state)
{
    struct fg_error err;

    (void)state;
    memset(&err, 0x5a, sizeof(err));
    assert_int_equal(fgi_fail(&err, FG_ERR_READ, "a.fgs: got %d", 7),
                     FG_ERR_READ);
    assert_int_equal(err.status, FG_ERR_READ);
    assert_int_equal(err.sys_errno, 0);
    assert_true(err.offset == FGI_NO_OFFSET);
    assert_string_equal(err.message, "a.fgs: got 7");
}

static void fail_at_keeps_the_offset(void **state)
{
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_fail_at(&err, FG_ERR_DAMAGED, 4096, "x"),
                     FG_ERR_DAMAGED);
    assert_true(err.offset == 4096);
}

static void fail_without_an_error_value_returns_the_status(void **state)
{
    (void)state;
    assert_int_equal(fgi_fail(NULL, FG_ERR_STATE, "x"), FG_ERR_STATE);
    assert_int_equal(fgi_fail_at(NULL, FG_ERR_STATE, 1, "x"), FG_ERR_STATE);
    assert_int_equal(fgi_fail_errno(NULL, ENOENT, "x"), FG_ERR_NOT_FOUND);
    fgi_prefix(NULL, "x");
    fgi_likely(NULL, "x");
}

static void fail_errno_appends_the_text_of_the_errno(void **state)
{
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_fail_errno(&err, EACCES, "/d: open"),
                     FG_ERR_PERMISSION);
    assert_int_equal(err.sys_errno, EACCES);
    assert_string_equal(err.message, "/d: open: Permission denied");
}

static void status_of_errno_knows_the_usual_ones(void **state)
{
    static const struct {
        int sys_errno;
        enum fg_status status;
    } cases[] = {
        {ENOENT, FG_ERR_NOT_FOUND},   {ENOTDIR, FG_ERR_NOT_FOUND},
        {EPERM, FG_ERR_PERMISSION},   {EACCES, FG_ERR_PERMISSION},
        {ENOMEM, FG_ERR_MEMORY},      {ENOSPC, FG_ERR_NO_SPACE},
        {EDQUOT, FG_ERR_NO_SPACE},    {EEXIST, FG_ERR_EXISTS},
        {ENOSYS, FG_ERR_UNSUPPORTED}, {EOPNOTSUPP, FG_ERR_UNSUPPORTED},
        {EIO, FG_ERR_SYSTEM},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fgi_status_of_errno(cases[i].sys_errno),
                         cases[i].status);
    }
}

/* A text of `length` letters 'a'. */
static const char *letters(size_t length)
{
    static char text[2 * FG_ERROR_MESSAGE_BYTES];

    memset(text, 'a', sizeof(text));
    text[length] = '\0';
    return text;
}

static void assert_cut(const struct fg_error *err)
{
    assert_int_equal(strlen(err->message), FG_ERROR_MESSAGE_BYTES - 1);
    assert_string_equal(err->message + FG_ERROR_MESSAGE_BYTES - 4, "...");
}

static void fail_with_too_long_a_text_ends_in_dots(void **state)
{
    struct fg_error err;

    (void)state;
    fgi_fail(&err, FG_ERR_READ, "%s", letters(FG_ERROR_MESSAGE_BYTES - 1));
    assert_null(strstr(err.message, "..."));
    fgi_fail(&err, FG_ERR_READ, "%s", letters(FG_ERROR_MESSAGE_BYTES));
    assert_cut(&err);
}

static void prefix_goes_in_front(void **state)
{
    struct fg_error err;

    (void)state;
    fgi_fail(&err, FG_ERR_READ, "read: short");
    fgi_prefix(&err, "shard-%04d.fgs", 7);
    fgi_prefix(&err, "epoch 3");
    assert_string_equal(err.message, "epoch 3: shard-0007.fgs: read: short");
    assert_int_equal(err.status, FG_ERR_READ);
}

static void prefix_of_any_length_stays_in_bounds(void **state)
{
    struct fg_error err;

    (void)state;
    for (size_t have = 0; have < FG_ERROR_MESSAGE_BYTES; have += 5) {
        for (size_t more = 0; more < FG_ERROR_MESSAGE_BYTES + 9; more++) {
            fgi_fail(&err, FG_ERR_READ, "%s", letters(have));
            fgi_prefix(&err, "%s", letters(more));
            if (have + more + 2 < FG_ERROR_MESSAGE_BYTES) {
                assert_int_equal(strlen(err.message), have + more + 2);
            } else {
                assert_cut(&err);
            }
        }
    }
}

static void likely_of_any_length_stays_in_bounds(void **state)
{
    struct fg_error err;

    (void)state;
    fgi_fail(&err, FG_ERR_READ, "read");
    fgi_likely(&err, "a %s disk", "full");
    assert_string_equal(err.message, "read (likely cause: a full disk)");
    for (size_t more = 0; more < FG_ERROR_MESSAGE_BYTES + 9; more++) {
        fgi_fail(&err, FG_ERR_READ, "%s", letters(200));
        fgi_likely(&err, "%s", letters(more));
        if (200 + 16 + more + 1 < FG_ERROR_MESSAGE_BYTES) {
            assert_int_equal(strlen(err.message), 200 + 16 + more + 1);
        } else {
            assert_cut(&err);
        }
    }
}

static void hostile_bytes_are_defused_wherever_they_come_in(void **state)
{
    struct fg_error err;

    (void)state;
    fgi_fail(&err, FG_ERR_READ, "a\nb\x1b[31m");
    fgi_prefix(&err, "c\r\td");
    fgi_likely(&err, "e\x7f");
    assert_string_equal(err.message, "c  d: a b?[31m (likely cause: e?)");
}

static void error_copy_takes_null_on_either_side(void **state)
{
    struct fg_error from;
    struct fg_error to;

    (void)state;
    fgi_fail_at(&from, FG_ERR_CHANGED, 9, "text");
    assert_int_equal(fgi_error_copy(&to, &from), FG_ERR_CHANGED);
    assert_memory_equal(to.message, "text", 5);
    assert_true(to.offset == 9);
    assert_int_equal(fgi_error_copy(NULL, &from), FG_ERR_CHANGED);
    assert_int_equal(fgi_error_copy(&to, NULL), FG_OK);
    assert_int_equal(fgi_error_copy(&from, &from), FG_ERR_CHANGED);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_name_of_each_status_is_its_identifier),
        cmocka_unit_test(status_name_of_a_foreign_number_is_unknown),
        cmocka_unit_test(fail_fills_every_member),
        cmocka_unit_test(fail_at_keeps_the_offset),
        cmocka_unit_test(fail_without_an_error_value_returns_the_status),
        cmocka_unit_test(fail_errno_appends_the_text_of_the_errno),
        cmocka_unit_test(status_of_errno_knows_the_usual_ones),
        cmocka_unit_test(fail_with_too_long_a_text_ends_in_dots),
        cmocka_unit_test(prefix_goes_in_front),
        cmocka_unit_test(prefix_of_any_length_stays_in_bounds),
        cmocka_unit_test(likely_of_any_length_stays_in_bounds),
        cmocka_unit_test(hostile_bytes_are_defused_wherever_they_come_in),
        cmocka_unit_test(error_copy_takes_null_on_either_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
