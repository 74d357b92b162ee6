/* SPDX-License-Identifier: Apache-2.0 */
/* Reading shards: what was written comes back, and cheaply. */
#include "tests/lib/shard_fixture.h"

#include <malloc.h>

#include "runtime/base/math.h"

/* Read, check and decode an extent. *decoded is to be given to free. */
static void load(struct fgi_shard *shard, const struct fgi_extent *extent,
                 void *scratch, uint8_t **decoded)
{
    uint8_t *stored = malloc(extent->stored_bytes);
    struct fgi_file file;
    struct fg_error err;

    assert_non_null(stored);
    assert_int_equal(fgi_file_open(shard->path, FGI_DIRECT_OFF, &file, &err),
                     FG_OK);
    assert_int_equal(fgi_file_read(file.fd, shard->path, extent->offset, stored,
                                   extent->stored_bytes, &err),
                     FG_OK);
    fgi_file_close(&file);
    assert_true(extent->has_checksum);
    assert_int_equal(shard->ops->check(shard, extent, stored, &err), FG_OK);
    *decoded = stored;
    if (extent->needs_decode) {
        *decoded = malloc(extent->raw_bytes);
        assert_non_null(*decoded);
        assert_int_equal(
            shard->ops->decode(shard, extent, stored, *decoded, scratch, &err),
            FG_OK);
        free(stored);
    }
}

/* Every sample of the shard, block by block, against the model. */
static void must_hold(const struct model *model, const char *path)
{
    void *scratch = fgi_codec_create();
    struct fgi_shard shard;
    struct fg_error err;
    uint64_t i = 0;

    assert_non_null(scratch);
    if (shard_open(path, &shard, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(shard.sample_count, model->samples);
    assert_int_equal(shard.schema->count, model->schema.count);
    assert_memory_equal(shard.schema->fields, model->schema.fields,
                        model->schema.count * sizeof(struct fg_field));
    while (i < shard.sample_count) {
        struct fgi_extent extent;
        uint8_t *raw;

        assert_int_equal(shard.ops->extent(&shard, i, 1, &extent, &err), FG_OK);
        assert_int_equal(extent.first, i);
        assert_int_equal(extent.offset % 4096, 0);
        assert_true(extent.stored_bytes <= shard.extent_bytes_max);
        assert_true(extent.raw_bytes <= shard.raw_bytes_max);
        load(&shard, &extent, scratch, &raw);
        for (uint32_t j = 0; j < extent.count; j++) {
            struct fgi_sample sample;

            assert_int_equal(
                shard.ops->locate(&shard, &extent, raw, j, &sample, &err),
                FG_OK);
            must_match(model, i + j, &sample);
        }
        free(raw);
        i += extent.count;
    }
    assert_int_equal(i, model->samples);
    if (shard.ops->verify(&shard, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    fgi_codec_destroy(scratch);
    fgi_shard_close(&shard);
}

static void shard_of_any_schema_comes_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct model model;

        model_random(&model, seed);
        print_message("seed %d\r", (int)seed);
        model_must_write(&model, "random.fgs");
        must_hold(&model, "random.fgs");
    }
}

static void shard_of_every_level_comes_back(void **state)
{
    (void)state;
    for (int level = 0; level <= 19; level++) {
        struct model model = {
            .seed = 7,
            .samples = 40,
            .block_samples = 16,
            .zstd_level = level,
            .schema = {.count = 1, .fields = {field_of("x", FG_UINT8, 500, 0)}},
        };

        model_must_write(&model, "level.fgs");
        must_hold(&model, "level.fgs");
    }
}

/* The bytes of these shards are the format. They never change. */
static void shard_bytes_are_frozen(void **state)
{
    struct model model = {
        .seed = 42,
        .samples = 100,
        .block_samples = 30,
        .schema = {.count = 2,
                   .fields = {field_of("label", FG_INT32, 1, 0),
                              field_of("text", FG_UINT8, 100,
                                       FG_FIELD_VARIABLE)}},
    };
    size_t bytes;
    uint8_t *data;

    (void)state;
    model_must_write(&model, "golden.fgs");
    data = read_file("golden.fgs", &bytes);
    assert_int_equal(bytes, 20736);
    assert_int_equal(XXH3_64bits(data, bytes), UINT64_C(0x8fcc408ffc5ae18b));
    free(data);
    model.schema.count = 1;
    model.schema.fields[0] = field_of("image", FG_FLOAT32, 25, 0);
    model.block_samples = 0;
    model_must_write(&model, "golden.fgs");
    data = read_file("golden.fgs", &bytes);
    assert_int_equal(bytes, 16544);
    assert_int_equal(XXH3_64bits(data, bytes), UINT64_C(0xb072b8408fc3b7bf));
    free(data);
}

/* Shards that an earlier build wrote, in every kind, are read for ever. */
static void committed_shards_are_whole(void **state)
{
    static const char *const names[] = {
        "fixed-raw", "fixed-zstd", "variable-raw", "variable-zstd",
        "mixed-raw", "mixed-zstd", "blocks-raw",   "blocks-zstd",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fgi_shard shard;
        struct fg_error err;
        char path[1024];

        snprintf(path, sizeof(path), "%s/%s.fgs", CORPUS, names[i]);
        if (shard_open(path, &shard, &err) != FG_OK ||
            shard.ops->verify(&shard, &err) != FG_OK) {
            fail_msg("%s", err.message);
        }
        fgi_shard_close(&shard);
    }
}

static void open_fixed_field_is_linear(void **state)
{
    struct model model = {
        .samples = 5,
        .schema = {.count = 1, .fields = {field_of("x", FG_UINT16, 50, 0)}},
    };
    struct fgi_shard shard;

    (void)state;
    model_must_write(&model, "linear.fgs");
    assert_int_equal(shard_open("linear.fgs", &shard, NULL), FG_OK);
    assert_int_equal(shard.linear_stride, 100);
    assert_string_equal(shard.codec, "none");
    assert_string_equal(shard.ops->name, "shard");
    assert_int_equal(shard.raw_bytes, 500);
    fgi_shard_close(&shard);
    model.zstd_level = 1;
    model_must_write(&model, "linear.fgs");
    assert_int_equal(shard_open("linear.fgs", &shard, NULL), FG_OK);
    assert_int_equal(shard.linear_stride, 0);
    assert_string_equal(shard.codec, "zstd");
    fgi_shard_close(&shard);
}

/* Bytes this process has asked read() and its like for. */
static uint64_t bytes_read(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    unsigned long long bytes = 0;

    if (file == NULL) {
        return 0;
    }
    assert_int_equal(fscanf(file, "rchar: %llu", &bytes), 1);
    fclose(file);
    return bytes;
}

static uint64_t bytes_allocated(void)
{
    return mallinfo2().uordblks;
}

/* A million samples cost two small reads; the index costs one when needed. */
static void open_a_million_samples_reads_the_ends_only(void **state)
{
    struct model model = {
        .samples = 1000000,
        .block_samples = 512,
        .schema = {.count = 1, .fields = {field_of("x", FG_UINT8, 8, 0)}},
    };
    const uint64_t blocks = 1000000 / 512 + 1;
    struct fgi_shard shard;
    struct fgi_extent extent;
    uint64_t read_before;
    uint64_t allocated_before;
    uint64_t own;

    (void)state;
    model_must_write(&model, "million.fgs");
    own = bytes_read();
    own = bytes_read() - own + 16; /* its digits may become more */
    allocated_before = bytes_allocated();
    read_before = bytes_read();
    assert_int_equal(shard_open("million.fgs", &shard, NULL), FG_OK);
    assert_true(bytes_read() - read_before - own <= 4096 + 128);
    assert_true(bytes_allocated() - allocated_before <= FGI_KIB(16));
    assert_int_equal(shard.sample_count, 1000000);
    read_before = bytes_read();
    assert_int_equal(shard.ops->extent(&shard, 999999, 1, &extent, NULL),
                     FG_OK);
    assert_true(bytes_read() - read_before - own <= blocks * 32);
    assert_true(bytes_allocated() - allocated_before <=
                blocks * 32 + FGI_KIB(16));
    assert_int_equal(extent.count, 1000000 % 512);
    fgi_shard_close(&shard);
    unlink("million.fgs");
}

static void verify_notices_a_replaced_shard(void **state)
{
    struct model model = {
        .samples = 5,
        .schema = {.count = 1, .fields = {field_of("x", FG_UINT8, 50, 0)}},
    };
    struct fgi_shard shard;
    struct fgi_extent extent;
    struct fg_error err;

    (void)state;
    model_must_write(&model, "replaced.fgs");
    assert_int_equal(shard_open("replaced.fgs", &shard, NULL), FG_OK);
    model.samples = 500;
    model_must_write(&model, "replaced.fgs");
    assert_int_equal(shard.ops->extent(&shard, 0, 1, &extent, &err),
                     FG_ERR_CHANGED);
    assert_string_equal(
        err.message, "replaced.fgs: size: got 32928 wanted 8352 bytes (likely "
                     "cause: the file was changed while open)");
    assert_int_equal(shard.ops->verify(&shard, &err), FG_ERR_CHANGED);
    fgi_shard_close(&shard);
}

static void open_out_of_memory_leaves_nothing(void **state)
{
    struct model model = {
        .samples = 50,
        .zstd_level = 1,
        .schema = {.count = 1, .fields = {field_of("x", FG_UINT8, 50, 0)}},
    };
    unsigned n = 0;
    bool is_done = false;

    (void)state;
    model_must_write(&model, "memory.fgs");
    while (!is_done) {
        struct fgi_shard shard = {0};
        struct fg_error err;
        enum fg_status status;

        assert_true(++n < 100);
        fgi_alloc_fail_after(n);
        status = shard_open("memory.fgs", &shard, &err);
        if (status == FG_OK) {
            status = shard.ops->verify(&shard, &err);
        }
        is_done = status == FG_OK;
        assert_true(is_done || status == FG_ERR_MEMORY);
        fgi_shard_close(&shard);
    }
    fgi_alloc_fail_after(0);
    assert_true(n > 5);
}

static void open_long_path_keeps_the_reason(void **state)
{
    char path[400];
    struct fgi_shard shard;
    struct fg_error err;

    (void)state;
    memset(path, 'd', sizeof(path));
    memcpy(path + 150, "/", 1);
    memcpy(path + 300, "/x.fgs", 7);
    path[150] = '\0';
    assert_true(mkdir(path, 0755) == 0 || access(path, F_OK) == 0);
    path[150] = '/';
    path[300] = '\0';
    assert_true(mkdir(path, 0755) == 0 || access(path, F_OK) == 0);
    path[300] = '/';
    write_file(path, "abc", 3);
    assert_int_equal(shard_open(path, &shard, &err), FG_ERR_DAMAGED);
    assert_string_equal(err.message,
                        "x.fgs: size: got 3 bytes wanted at least 4256 "
                        "(likely cause: a truncated file)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shard_of_any_schema_comes_back),
        cmocka_unit_test(shard_of_every_level_comes_back),
        cmocka_unit_test(shard_bytes_are_frozen),
        cmocka_unit_test(committed_shards_are_whole),
        cmocka_unit_test(open_fixed_field_is_linear),
        cmocka_unit_test(open_a_million_samples_reads_the_ends_only),
        cmocka_unit_test(verify_notices_a_replaced_shard),
        cmocka_unit_test(open_out_of_memory_leaves_nothing),
        cmocka_unit_test(open_long_path_keeps_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
