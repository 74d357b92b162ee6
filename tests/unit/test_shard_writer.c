/* SPDX-License-Identifier: Apache-2.0 */
/* Writing shards: what is refused, what is left behind (nothing), and how
 * many samples make a block. */
#include "tests/lib/shard_fixture.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "io/formats/layout.h"

#define FOLDER "out"

static int make_folder(void **state)
{
    (void)state;
    fresh_folder(FOLDER);
    return 0;
}

static struct model small_model(void)
{
    return (struct model){
        .seed = 3,
        .samples = 20,
        .block_samples = 8,
        .schema = {.count = 1, .fields = {field_of("x", FG_UINT8, 100, 0)}},
    };
}

static struct fg_shard_config config_of(const struct model *model)
{
    struct fg_shard_config config;

    fg_shard_config_init(&config);
    config.field_count = model->schema.count;
    config.fields = model->schema.fields;
    return config;
}

static void must_refuse_config(const struct fg_shard_config *config,
                               enum fg_status status, const char *message)
{
    struct fg_shard_writer *writer = NULL;
    struct fg_error err;

    assert_int_equal(
        fg_shard_writer_open(FOLDER "/a.fgs", config, &writer, &err), status);
    assert_string_equal(err.message, message);
    assert_null(writer);
    assert_int_equal(count_entries(FOLDER), 0);
}

static void open_bad_config_is_refused(void **state)
{
    struct model model = small_model();
    struct fg_shard_config config = config_of(&model);

    (void)state;
    config.struct_size = 8;
    must_refuse_config(&config, FG_ERR_ARGUMENT,
                       "shard config: struct_size: got 8 wanted at least 32 "
                       "(likely cause: its init function was not called)");
    config = config_of(&model);
    config.flags = 6;
    must_refuse_config(&config, FG_ERR_ARGUMENT,
                       "shard config: flags: got 0x6 wanted 0x1");
    config = config_of(&model);
    config.zstd_level = 20;
    must_refuse_config(
        &config, FG_ERR_ARGUMENT,
        "shard config: zstd level: got 20 wanted 0 (none) to 19");
    config = config_of(&model);
    config.block_samples = UINT64_C(1) << 32;
    must_refuse_config(&config, FG_ERR_ARGUMENT,
                       "shard config: samples per block: got 4294967296 wanted "
                       "at most 4294967295");
    config = config_of(&model);
    config.field_count = 17;
    must_refuse_config(&config, FG_ERR_ARGUMENT,
                       "shard config: fields: got 17 wanted 1 to 16");
}

static void open_newer_config_must_ask_for_nothing_new(void **state)
{
    struct model model = small_model();
    struct {
        struct fg_shard_config config;
        uint64_t later;
    } newer = {.config = config_of(&model)};
    struct fg_shard_writer *writer;

    (void)state;
    newer.config.struct_size = sizeof(newer);
    assert_int_equal(
        fg_shard_writer_open(FOLDER "/a.fgs", &newer.config, &writer, NULL),
        FG_OK);
    fg_shard_writer_abort(writer);
    newer.later = 1;
    must_refuse_config(&newer.config, FG_ERR_UNSUPPORTED,
                       "shard config: byte 32: got an option that this version "
                       "does not know (likely cause: a library older than the "
                       "program)");
}

static void must_refuse_field(const struct fg_field *field, const char *message)
{
    struct model model = small_model();
    struct fg_shard_config config;

    model.schema.fields[0] = *field;
    config = config_of(&model);
    must_refuse_config(&config, FG_ERR_ARGUMENT, message);
}

static void open_bad_field_is_refused(void **state)
{
    struct fg_field field = field_of("", FG_UINT8, 4, 0);

    (void)state;
    must_refuse_field(&field, FOLDER
                      "/a.fgs: field 0: name: got none or odd bytes wanted 1 "
                      "to 31 of A-Z a-z 0-9 _ - .");
    memset(field.name, 'a', sizeof(field.name));
    must_refuse_field(&field, FOLDER
                      "/a.fgs: field 0: name: got none or odd bytes wanted 1 "
                      "to 31 of A-Z a-z 0-9 _ - .");
    field = field_of("x", (enum fg_dtype)0, 4, 0);
    must_refuse_field(&field,
                      FOLDER "/a.fgs: field \"x\": got an unknown dtype");
    field = field_of("x", FG_UINT8, 4, 8);
    must_refuse_field(&field, FOLDER "/a.fgs: field \"x\": got unknown flags");
    field = field_of("x", FG_UINT8, 0, 0);
    must_refuse_field(&field, FOLDER "/a.fgs: field \"x\": got a shape of no "
                                     "bytes wanted at least one element");
    field = field_of("x", FG_INT64, UINT64_MAX / 4, 0);
    must_refuse_field(&field, FOLDER "/a.fgs: field \"x\": got a shape of too "
                                     "many bytes wanted below 2 GiB");
    field = field_of("x", FG_INT64, 4, 0);
    field.max_bytes = 4;
    must_refuse_field(&field, FOLDER "/a.fgs: field \"x\": got a max_bytes "
                                     "that is not its shape's");
    field = field_of("x", FG_INT64, 4, FG_FIELD_VARIABLE);
    field.dims = 2;
    field.shape[1] = 1;
    must_refuse_field(&field, FOLDER "/a.fgs: field \"x\": got a variable "
                                     "field wanted it with one dimension");
    field = field_of("x", FG_INT64, 4, 0);
    field.shape[5] = 1;
    must_refuse_field(&field, FOLDER "/a.fgs: field \"x\": got a shape beyond "
                                     "its dimensions wanted zeros");
    field.dims = 9;
    must_refuse_field(&field,
                      FOLDER "/a.fgs: field \"x\": got too many dimensions");
}

static void open_two_fields_of_one_name_is_refused(void **state)
{
    struct model model = small_model();
    struct fg_shard_config config;

    (void)state;
    model.schema.count = 2;
    model.schema.fields[1] = model.schema.fields[0];
    config = config_of(&model);
    must_refuse_config(&config, FG_ERR_ARGUMENT,
                       FOLDER "/a.fgs: field 1: name: got \"x\" twice");
}

static void open_impossible_path_is_refused(void **state)
{
    struct model model = small_model();
    struct fg_error err;

    (void)state;
    assert_int_equal(model_write(&model, "missing/a.fgs", 0, &err),
                     FG_ERR_NOT_FOUND);
    assert_string_equal(err.message,
                        "missing/a.fgs: create: No such file or directory");
    assert_int_equal(model_write(&model, FOLDER, 0, &err), FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        FOLDER ": create: got a directory wanted a file name");
    assert_int_equal(model_write(&model, "", 0, &err), FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "\"\": create: got no file name");
}

static void finish_existing_file_is_kept_unless_told(void **state)
{
    struct model model = small_model();
    struct fg_error err;
    struct stat status;

    (void)state;
    write_file(FOLDER "/a.fgs", "mine", 4);
    assert_int_equal(model_write(&model, FOLDER "/a.fgs", 0, &err),
                     FG_ERR_EXISTS);
    assert_string_equal(err.message, FOLDER
                        "/a.fgs: create: got an existing file wanted none");
    assert_int_equal(stat(FOLDER "/a.fgs", &status), 0);
    assert_int_equal(status.st_size, 4);
    model_must_write(&model, FOLDER "/a.fgs");
    assert_int_equal(stat(FOLDER "/a.fgs", &status), 0);
    assert_true(status.st_size > 8000);
    assert_int_equal(count_entries(FOLDER), 1);
}

/* Someone makes the file between open and finish: it is theirs. */
static void finish_race_for_the_name_has_one_winner(void **state)
{
    struct model model = small_model();
    struct fg_shard_config config = config_of(&model);
    struct fg_shard_writer *writer;
    struct fg_error err;
    size_t bytes;
    uint8_t *data;
    uint64_t length = 100;
    const void *sample = "0123456789012345678901234567890123456789012345678901"
                         "2345678901234567890123456789012345678901234567890";

    (void)state;
    assert_int_equal(
        fg_shard_writer_open(FOLDER "/a.fgs", &config, &writer, &err), FG_OK);
    assert_int_equal(count_entries(FOLDER), 1);
    assert_int_equal(access(FOLDER "/a.fgs", F_OK), -1);
    write_file(FOLDER "/a.fgs", "theirs", 6);
    assert_int_equal(fg_shard_writer_add(writer, &sample, &length, &err),
                     FG_OK);
    assert_int_equal(fg_shard_writer_finish(writer, &err), FG_ERR_EXISTS);
    data = read_file(FOLDER "/a.fgs", &bytes);
    assert_int_equal(bytes, 6);
    assert_memory_equal(data, "theirs", 6);
    free(data);
    assert_int_equal(count_entries(FOLDER), 1);
}

static void add_wrong_length_is_refused_for_good(void **state)
{
    struct model model = small_model();
    struct fg_shard_config config;
    struct fg_shard_writer *writer;
    struct fg_error err;
    const void *fields[2] = {"", ""};
    uint64_t lengths[2] = {4, 6};

    (void)state;
    model.schema.count = 2;
    model.schema.fields[0] = field_of("id", FG_UINT32, 1, 0);
    model.schema.fields[1] = field_of("t", FG_UINT32, 2, FG_FIELD_VARIABLE);
    config = config_of(&model);
    assert_int_equal(
        fg_shard_writer_open(FOLDER "/a.fgs", &config, &writer, &err), FG_OK);
    assert_int_equal(fg_shard_writer_add(writer, fields, lengths, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        FOLDER "/a.fgs: sample 0: field \"t\": got 6 bytes "
                               "wanted a multiple of 4 (uint32)");
    assert_int_equal(fg_shard_writer_add(writer, fields, lengths, &err),
                     FG_ERR_STATE);
    assert_int_equal(fg_shard_writer_finish(writer, &err), FG_ERR_STATE);
    assert_string_equal(err.message,
                        FOLDER "/a.fgs: got a call after a failed one wanted "
                               "the writer to be aborted");
    lengths[1] = 12;
    assert_int_equal(
        fg_shard_writer_open(FOLDER "/a.fgs", &config, &writer, &err), FG_OK);
    assert_int_equal(fg_shard_writer_add(writer, fields, lengths, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        FOLDER "/a.fgs: sample 0: field \"t\": got 12 wanted "
                               "at most 8 bytes");
    fg_shard_writer_abort(writer);
    fg_shard_writer_abort(NULL);
    assert_int_equal(count_entries(FOLDER), 0);
}

static void add_sample_over_two_gib_is_refused(void **state)
{
    struct model model = small_model();
    struct fg_shard_config config;
    struct fg_shard_writer *writer;
    struct fg_error err;
    const void *fields[2] = {"", ""};
    uint64_t lengths[2] = {1500000000, 1500000000};

    (void)state;
    model.schema.count = 2;
    model.schema.fields[0] =
        field_of("a", FG_UINT8, 2000000000, FG_FIELD_VARIABLE);
    model.schema.fields[1] =
        field_of("b", FG_UINT8, 2000000000, FG_FIELD_VARIABLE);
    config = config_of(&model);
    assert_int_equal(
        fg_shard_writer_open(FOLDER "/a.fgs", &config, &writer, &err), FG_OK);
    assert_int_equal(fg_shard_writer_add(writer, fields, lengths, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        FOLDER "/a.fgs: sample 0: block 0: got 3000000016 "
                               "bytes in 1 samples wanted below 2 GiB");
    fg_shard_writer_abort(writer);
}

static void finish_without_samples_is_refused(void **state)
{
    struct model model = small_model();
    struct fg_error err;

    (void)state;
    model.samples = 0;
    assert_int_equal(model_write(&model, FOLDER "/a.fgs", 0, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, FOLDER
                        "/a.fgs: finish: got no samples wanted at least one");
    assert_int_equal(count_entries(FOLDER), 0);
}

static void progress_counts_samples_and_bytes(void **state)
{
    struct model model = small_model();
    struct fg_shard_config config = config_of(&model);
    struct fg_shard_writer *writer;
    uint64_t samples = 9;
    uint64_t bytes = 9;
    uint64_t length = 100;
    uint8_t sample[100] = {0};
    const void *field = sample;

    (void)state;
    config.block_samples = 2;
    assert_int_equal(
        fg_shard_writer_open(FOLDER "/a.fgs", &config, &writer, NULL), FG_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fg_shard_writer_add(writer, &field, &length, NULL),
                         FG_OK);
    }
    fg_shard_writer_progress(writer, &samples, &bytes);
    fg_shard_writer_progress(writer, NULL, NULL);
    assert_int_equal(samples, 3);
    assert_int_equal(bytes, 8192);
    fg_shard_writer_abort(writer);
}

/* 4096 for "fails at once", more for "fails later". */
static void write_past_a_file_size_limit_leaves_nothing(void **state)
{
    struct model model = small_model();
    struct rlimit old;
    struct rlimit limit;
    struct fg_error err;

    (void)state;
    model.samples = 200;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 10000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(model_write(&model, FOLDER "/a.fgs", 0, &err),
                     FG_ERR_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_string_equal(err.message,
                        FOLDER "/a.fgs: offset 10000: write: got 1808 of 4096 "
                               "bytes: File too large");
    assert_int_equal(err.offset, 10000);
    assert_int_equal(count_entries(FOLDER), 0);
}

static void write_to_a_full_disk_leaves_nothing(void **state)
{
    struct model model = small_model();
    struct fg_error err;
    enum fg_status status;
    int left;

    (void)state;
    fresh_folder("full");
    if (mount("none", "full", "tmpfs", 0, "size=64k") != 0) {
        print_message("no right to mount a tmpfs\n");
        skip();
    }
    model.samples = 1000;
    status = model_write(&model, "full/a.fgs", 0, &err);
    left = count_entries("full");
    assert_int_equal(umount("full"), 0);
    assert_int_equal(status, FG_ERR_NO_SPACE);
    assert_string_equal(err.message,
                        "full/a.fgs: offset 69632: write: got 0 of 4096 "
                        "bytes: No space left on device");
    assert_int_equal(left, 0);
}

static void write_out_of_memory_leaves_nothing(void **state)
{
    struct model model = small_model();
    unsigned n = 0;
    enum fg_status status;

    (void)state;
    model.zstd_level = 1;
    model.schema.fields[0] = field_of("x", FG_UINT8, 9000, FG_FIELD_VARIABLE);
    do {
        struct fg_error err;

        assert_true(++n < 200);
        fgi_alloc_fail_after(n);
        status = model_write(&model, FOLDER "/a.fgs", 0, &err);
        if (status != FG_OK) {
            assert_int_equal(status, FG_ERR_MEMORY);
            assert_non_null(strstr(err.message, "a.fgs: "));
            assert_int_equal(count_entries(FOLDER), 0);
        }
    } while (status != FG_OK);
    fgi_alloc_fail_after(0);
    assert_true(n > 8);
}

static void block_samples_default_fills_pages(void **state)
{
    (void)state;
    /* 1 MiB of single bytes; rows that fit pages; an ImageNet crop. */
    assert_int_equal(fgi_block_samples_default(1), 1048576);
    assert_int_equal(fgi_block_samples_default(4096), 256);
    assert_int_equal(fgi_block_samples_default(150528), 8);
    assert_int_equal(fgi_block_samples_default(150528) * 150528 % 4096, 0);
    /* 2049 bytes meet a page border only every 8 MiB. */
    assert_int_equal(fgi_block_samples_default(2049), 511);
    assert_int_equal(fgi_block_samples_default(4098), 255);
    assert_int_equal(fgi_block_samples_default(1048576), 1);
    assert_int_equal(fgi_block_samples_default(1048577), 1);
    assert_int_equal(fgi_block_samples_default(2147483647), 1);
    for (uint64_t bytes = 1; bytes < 1048576; bytes += 1 + bytes / 7) {
        uint64_t block = fgi_block_samples_default(bytes) * bytes;

        assert_in_range(block, 524288, 2097152);
    }
}

static void block_samples_of_variable_fields_follow_the_data(void **state)
{
    struct model model = small_model();
    struct fgi_shard shard;

    (void)state;
    model.block_samples = 0;
    model.samples = 300;
    model.schema.fields[0] = field_of("x", FG_UINT8, 20000, FG_FIELD_VARIABLE);
    model_must_write(&model, FOLDER "/a.fgs");
    assert_int_equal(shard_open(FOLDER "/a.fgs", &shard, NULL), FG_OK);
    assert_in_range(shard.block_samples, 80, 140);
    fgi_shard_close(&shard);
    model.samples = 3;
    model_must_write(&model, FOLDER "/a.fgs");
    assert_int_equal(shard_open(FOLDER "/a.fgs", &shard, NULL), FG_OK);
    assert_int_equal(shard.block_samples, 3);
    fgi_shard_close(&shard);
}

#define CASE(name) cmocka_unit_test_setup(name, make_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(open_bad_config_is_refused),
        CASE(open_newer_config_must_ask_for_nothing_new),
        CASE(open_bad_field_is_refused),
        CASE(open_two_fields_of_one_name_is_refused),
        CASE(open_impossible_path_is_refused),
        CASE(finish_existing_file_is_kept_unless_told),
        CASE(finish_race_for_the_name_has_one_winner),
        CASE(add_wrong_length_is_refused_for_good),
        CASE(add_sample_over_two_gib_is_refused),
        CASE(finish_without_samples_is_refused),
        CASE(progress_counts_samples_and_bytes),
        CASE(write_past_a_file_size_limit_leaves_nothing),
        CASE(write_to_a_full_disk_leaves_nothing),
        CASE(write_out_of_memory_leaves_nothing),
        CASE(block_samples_default_fills_pages),
        CASE(block_samples_of_variable_fields_follow_the_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
