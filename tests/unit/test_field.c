/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/shard_fixture.h"

#include <feedgpu/field.h>

static void dtype_every_name_parses_back(void **state)
{
    (void)state;
    for (int i = 1; i <= 13; i++) {
        enum fg_dtype dtype = (enum fg_dtype)0;

        assert_int_equal(
            fg_dtype_parse(fg_dtype_name((enum fg_dtype)i), &dtype, NULL),
            FG_OK);
        assert_int_equal(dtype, i);
    }
}

static void dtype_bytes_are_those_of_the_c_types(void **state)
{
    (void)state;
    assert_int_equal(fg_dtype_bytes(FG_UINT8), 1);
    assert_int_equal(fg_dtype_bytes(FG_BOOL), 1);
    assert_int_equal(fg_dtype_bytes(FG_BFLOAT16), 2);
    assert_int_equal(fg_dtype_bytes(FG_FLOAT32), sizeof(float));
    assert_int_equal(fg_dtype_bytes(FG_FLOAT64), sizeof(double));
    assert_int_equal(fg_dtype_bytes(FG_INT64), sizeof(int64_t));
}

static void dtype_numbers_are_frozen(void **state)
{
    (void)state;
    assert_int_equal(FG_UINT8, 1);
    assert_int_equal(FG_UINT16, 3);
    assert_int_equal(FG_BFLOAT16, 10);
    assert_int_equal(FG_FLOAT32, 11);
    assert_int_equal(FG_BOOL, 13);
}

static void dtype_unknown_is_said_to_be(void **state)
{
    (void)state;
    assert_int_equal(fg_dtype_bytes((enum fg_dtype)0), 0);
    assert_int_equal(fg_dtype_bytes((enum fg_dtype)14), 0);
    assert_string_equal(fg_dtype_name((enum fg_dtype)99), "?");
}

static void parse_unknown_lists_the_known(void **state)
{
    enum fg_dtype dtype = FG_INT8;
    struct fg_error err;

    (void)state;
    assert_int_equal(fg_dtype_parse("float", &dtype, &err), FG_ERR_ARGUMENT);
    assert_string_equal(
        err.message,
        "dtype: got \"float\" wanted one of: uint8 int8 uint16 int16 uint32 "
        "int32 uint64 int64 float16 bfloat16 float32 float64 bool");
    assert_int_equal(dtype, FG_INT8);
    assert_int_equal(fg_dtype_parse("", &dtype, NULL), FG_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtype_every_name_parses_back),
        cmocka_unit_test(dtype_bytes_are_those_of_the_c_types),
        cmocka_unit_test(dtype_numbers_are_frozen),
        cmocka_unit_test(dtype_unknown_is_said_to_be),
        cmocka_unit_test(parse_unknown_lists_the_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
