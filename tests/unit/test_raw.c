/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/shard_fixture.h"

#include "runtime/base/math.h"

static struct fg_dataset_config raw_config(uint64_t record, uint64_t stride,
                                           uint64_t header)
{
    return (struct fg_dataset_config){
        .struct_size = sizeof(struct fg_dataset_config),
        .format = "raw",
        .record_bytes = record,
        .stride_bytes = stride,
        .header_bytes = header,
        .dtype = FG_UINT8,
    };
}

static void must_open(const char *path, struct fg_dataset_config config,
                      struct fgi_shard *shard)
{
    struct fg_error err;

    if (fgi_shard_open(path, &config, shard, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
}

static void must_refuse(const char *path, struct fg_dataset_config config,
                        enum fg_status status, const char *message)
{
    struct fgi_shard shard;
    struct fg_error err;

    assert_int_equal(fgi_shard_open(path, &config, &shard, &err), status);
    assert_string_equal(err.message, message);
}

static void make_sparse(const char *path, uint64_t bytes)
{
    write_file(path, "", 0);
    assert_int_equal(truncate(path, (off_t)bytes), 0);
}

static void open_whole_records_describes_them(void **state)
{
    struct fgi_shard shard;

    (void)state;
    write_file("whole", "abcdefghijkl", 12);
    must_open("whole", raw_config(4, 0, 0), &shard);
    assert_string_equal(shard.ops->name, "raw");
    assert_string_equal(shard.codec, "none");
    assert_int_equal(shard.sample_count, 3);
    assert_int_equal(shard.raw_bytes, 12);
    assert_int_equal(shard.size_bytes, 12);
    assert_int_equal(shard.linear_stride, 4);
    assert_int_equal(shard.extent_bytes_max, 4);
    assert_int_equal(shard.raw_bytes_max, 4);
    assert_int_equal(shard.block_samples, 1);
    assert_int_equal(shard.schema->count, 1);
    assert_string_equal(shard.schema->fields[0].name, "data");
    assert_int_equal(shard.schema->fields[0].shape[0], 4);
    fgi_shard_close(&shard);
    fgi_shard_close(&shard);
}

static void open_dtype_shapes_the_field(void **state)
{
    struct fg_dataset_config config = raw_config(8, 0, 0);
    struct fgi_shard shard;

    (void)state;
    write_file("typed", "abcdefgh", 8);
    config.dtype = FG_UINT16;
    must_open("typed", config, &shard);
    assert_int_equal(shard.schema->fields[0].dtype, FG_UINT16);
    assert_int_equal(shard.schema->fields[0].shape[0], 4);
    assert_int_equal(shard.schema->fields[0].max_bytes, 8);
    fgi_shard_close(&shard);
    config.record_bytes = 3;
    must_refuse("typed", config, FG_ERR_ARGUMENT,
                "record size: got 3 bytes wanted a multiple of 2 (uint16)");
    config.dtype = (enum fg_dtype)77;
    must_refuse("typed", config, FG_ERR_ARGUMENT,
                "dtype: got 77 wanted one of enum fg_dtype");
}

static void open_remainder_is_refused(void **state)
{
    (void)state;
    write_file("rest", "abcdefghij", 10);
    must_refuse("rest", raw_config(4, 0, 0), FG_ERR_ARGUMENT,
                "rest: size: got 10 bytes wanted a multiple of the record size "
                "4: 2 bytes are left over (likely cause: wrong record size, or "
                "a truncated file)");
    must_refuse("rest", raw_config(4, 4, 1), FG_ERR_ARGUMENT,
                "rest: size: got 9 bytes wanted a multiple of the record size "
                "4: 1 bytes are left over (likely cause: wrong record size, or "
                "a truncated file)");
}

static void open_empty_or_short_is_refused(void **state)
{
    (void)state;
    write_file("empty", "", 0);
    write_file("short", "abc", 3);
    must_refuse("empty", raw_config(4, 0, 0), FG_ERR_ARGUMENT,
                "empty: got an empty file wanted records of 4 bytes");
    must_refuse("short", raw_config(4, 0, 0), FG_ERR_ARGUMENT,
                "short: size: got 3 bytes wanted at least one record of 4 "
                "after a header of 0 (likely cause: wrong record size, or a "
                "truncated file)");
    must_refuse("short", raw_config(1, 0, 3), FG_ERR_ARGUMENT,
                "short: size: got 3 bytes wanted at least one record of 1 "
                "after a header of 3 (likely cause: wrong record size, or a "
                "truncated file)");
    must_refuse("short", raw_config(0, 0, 0), FG_ERR_ARGUMENT,
                "record size: got 0 wanted the bytes of one raw record");
    must_refuse("short", raw_config(FGI_GIB(1) + 1, 0, 0), FG_ERR_ARGUMENT,
                "record size: got 1073741825 wanted at most 1073741824 bytes");
}

static void open_absurd_numbers_do_no_harm(void **state)
{
    struct fgi_shard shard;
    struct fgi_extent extent;

    (void)state;
    write_file("absurd", "abcdefgh", 8);
    must_refuse("absurd", raw_config(1, 0, UINT64_MAX), FG_ERR_ARGUMENT,
                "absurd: size: got 8 bytes wanted at least one record of 1 "
                "after a header of 18446744073709551615 (likely cause: wrong "
                "record size, or a truncated file)");
    must_open("absurd", raw_config(4, UINT64_MAX, 0), &shard);
    assert_int_equal(shard.sample_count, 1);
    assert_int_equal(shard.ops->extent(&shard, 0, UINT64_MAX, &extent, NULL),
                     FG_OK);
    assert_int_equal(extent.count, 1);
    assert_int_equal(extent.stored_bytes, 4);
    fgi_shard_close(&shard);
}

/* 2049-token windows that share one token, and a rest too short for one. */
static void open_overlapping_windows_ignores_the_tail(void **state)
{
    struct fgi_shard shard;
    struct fgi_extent extent;
    struct fgi_sample sample;

    (void)state;
    write_file("windows", "abcdefghijkl", 12);
    must_open("windows", raw_config(5, 4, 0), &shard);
    assert_int_equal(shard.sample_count, 2);
    assert_int_equal(shard.raw_bytes, 10);
    assert_int_equal(shard.linear_stride, 4);
    assert_int_equal(shard.ops->extent(&shard, 0, 9, &extent, NULL), FG_OK);
    assert_int_equal(extent.offset, 0);
    assert_int_equal(extent.stored_bytes, 9);
    assert_int_equal(extent.raw_bytes, 9);
    assert_int_equal(extent.count, 2);
    assert_int_equal(
        shard.ops->locate(&shard, &extent, "abcdefghi", 1, &sample, NULL),
        FG_OK);
    assert_int_equal(sample.total_bytes, 5);
    assert_memory_equal(sample.fields[0], "efghi", 5);
    fgi_shard_close(&shard);
}

static void open_stride_over_record_leaves_gaps(void **state)
{
    struct fgi_shard shard;
    struct fgi_extent extent;

    (void)state;
    write_file("gaps", "HHabc.def.gh", 12);
    must_open("gaps", raw_config(3, 4, 2), &shard);
    assert_int_equal(shard.sample_count, 2);
    assert_int_equal(shard.ops->extent(&shard, 1, 1, &extent, NULL), FG_OK);
    assert_int_equal(extent.offset, 6);
    assert_int_equal(extent.stored_bytes, 3);
    assert_int_equal(extent.first, 1);
    assert_false(extent.needs_decode);
    assert_false(extent.has_checksum);
    fgi_shard_close(&shard);
}

static void extent_large_is_clipped_to_one_gib(void **state)
{
    struct fgi_shard shard;
    struct fgi_extent extent;

    (void)state;
    make_sparse("sparse", FGI_GIB(3));
    must_open("sparse", raw_config(FGI_MIB(1), 0, 0), &shard);
    assert_int_equal(shard.ops->extent(&shard, 7, 9999, &extent, NULL), FG_OK);
    assert_int_equal(extent.offset, FGI_MIB(7));
    assert_int_equal(extent.count, 1024);
    assert_int_equal(extent.stored_bytes, FGI_GIB(1));
    assert_int_equal(shard.ops->extent(&shard, 3000, 9999, &extent, NULL),
                     FG_OK);
    assert_int_equal(extent.count, 72);
    fgi_shard_close(&shard);
    unlink("sparse");
}

static void decode_is_not_for_raw(void **state)
{
    struct fgi_shard shard;
    struct fgi_extent extent = {0};
    struct fg_error err;

    (void)state;
    write_file("plain", "abcd", 4);
    must_open("plain", raw_config(4, 0, 0), &shard);
    assert_int_equal(shard.ops->decode(&shard, &extent, "", NULL, NULL, &err),
                     FG_ERR_UNSUPPORTED);
    assert_string_equal(err.message,
                        "plain: decode: raw records are not encoded");
    assert_int_equal(shard.ops->check(&shard, &extent, "", NULL), FG_OK);
    fgi_shard_close(&shard);
}

static void verify_notices_a_changed_file(void **state)
{
    struct fgi_shard shard;
    struct fg_error err;

    (void)state;
    make_sparse("changing", FGI_MIB(3));
    must_open("changing", raw_config(FGI_KIB(512), 0, 0), &shard);
    assert_int_equal(shard.ops->verify(&shard, &err), FG_OK);
    assert_int_equal(truncate("changing", (off_t)FGI_MIB(2)), 0);
    assert_int_equal(shard.ops->verify(&shard, &err), FG_ERR_CHANGED);
    assert_string_equal(
        err.message, "changing: size: got 2097152 wanted 3145728 bytes (likely "
                     "cause: the file was changed while open)");
    assert_int_equal(unlink("changing"), 0);
    assert_int_equal(shard.ops->verify(&shard, &err), FG_ERR_NOT_FOUND);
    fgi_shard_close(&shard);
}

static void open_unknown_format_is_refused(void **state)
{
    struct fg_dataset_config config = raw_config(4, 0, 0);

    (void)state;
    write_file("four", "abcd", 4);
    config.format = "csv";
    must_refuse("four", config, FG_ERR_ARGUMENT,
                "format: got \"csv\" wanted auto, raw or shard");
    config.format = "auto";
    config.record_bytes = 0;
    must_refuse("four", config, FG_ERR_ARGUMENT,
                "four: format: got an unknown one wanted a feedgpu shard "
                "(likely cause: raw records, which need their record size, or "
                "a file that is not data)");
    write_file("nothing", "", 0);
    must_refuse("nothing", config, FG_ERR_ARGUMENT,
                "nothing: got an empty file wanted samples");
}

static void open_out_of_memory_says_so(void **state)
{
    struct fg_dataset_config config = raw_config(4, 0, 0);
    struct fgi_shard shard;
    struct fg_error err;
    unsigned n = 0;

    (void)state;
    write_file("memory", "abcd", 4);
    do {
        fgi_alloc_fail_after(++n);
        if (fgi_shard_open("memory", &config, &shard, &err) == FG_OK) {
            break;
        }
        assert_int_equal(err.status, FG_ERR_MEMORY);
        assert_string_equal(err.message, "memory: open: out of memory");
    } while (n < 100);
    fgi_alloc_fail_after(0);
    assert_int_equal(n, 4);
    fgi_shard_close(&shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_whole_records_describes_them),
        cmocka_unit_test(open_dtype_shapes_the_field),
        cmocka_unit_test(open_remainder_is_refused),
        cmocka_unit_test(open_empty_or_short_is_refused),
        cmocka_unit_test(open_absurd_numbers_do_no_harm),
        cmocka_unit_test(open_overlapping_windows_ignores_the_tail),
        cmocka_unit_test(open_stride_over_record_leaves_gaps),
        cmocka_unit_test(extent_large_is_clipped_to_one_gib),
        cmocka_unit_test(decode_is_not_for_raw),
        cmocka_unit_test(verify_notices_a_changed_file),
        cmocka_unit_test(open_unknown_format_is_refused),
        cmocka_unit_test(open_out_of_memory_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
