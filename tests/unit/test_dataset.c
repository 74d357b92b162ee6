/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets: which files, in which order, numbered how. */
#include "tests/lib/dataset_fixture.h"

static void must_refuse(const char *path,
                        const struct fg_dataset_config *config,
                        enum fg_status status, const char *message)
{
    struct fg_dataset *dataset = NULL;
    struct fg_error err;

    assert_int_equal(fg_dataset_open(path, config, &dataset, &err), status);
    assert_string_equal(err.message, message);
    assert_null(dataset);
}

/* All samples of one byte, one after another. */
static void must_spell(const char *path, const char *text)
{
    struct fg_dataset *dataset = must_open(path, 1);
    struct fg_dataset_info info;

    fg_dataset_get_info(dataset, &info);
    assert_int_equal(info.sample_count, strlen(text));
    for (uint64_t i = 0; i < info.sample_count; i++) {
        uint64_t bytes = 0;
        char c;

        assert_int_equal(fg_dataset_read(dataset, i, &c, 1, NULL, &bytes, NULL),
                         FG_OK);
        assert_int_equal(bytes, 1);
        assert_int_equal(c, text[i]);
    }
    fg_dataset_close(dataset);
}

static void open_directory_sorts_by_bytes_and_skips_hidden(void **state)
{
    (void)state;
    write_file(FOLDER "/b", "bb", 2);
    write_file(FOLDER "/B", "B", 1);
    write_file(FOLDER "/10", "10", 2);
    write_file(FOLDER "/9", "9", 1);
    write_file(FOLDER "/.hidden", "x", 1);
    write_file(FOLDER "/\xc3\xa4", "u", 1);
    assert_int_equal(mkdir(FOLDER "/folder", 0755), 0);
    assert_int_equal(symlink("b", FOLDER "/link"), 0);
    assert_int_equal(mkfifo(FOLDER "/pipe", 0644), 0);
    must_spell(FOLDER, "109Bbbbbu");
    must_spell(FOLDER "/", "109Bbbbbu");
    assert_int_equal(rmdir(FOLDER "/folder"), 0);
}

static void open_pattern_matches_files(void **state)
{
    (void)state;
    write_file(FOLDER "/a1", "1", 1);
    write_file(FOLDER "/a2", "2", 1);
    write_file(FOLDER "/b3", "3", 1);
    write_file(FOLDER "/[x]", "x", 1);
    assert_int_equal(mkdir(FOLDER "/a9", 0755), 0);
    must_spell(FOLDER "/a*", "12");
    must_spell(FOLDER "/?[13]", "13");
    /* A name that exists is no pattern. */
    must_spell(FOLDER "/[x]", "x");
    must_refuse(FOLDER "/z*", NULL, FG_ERR_NOT_FOUND,
                FOLDER "/z*: got no files that match wanted at least one");
}

static void open_list_keeps_its_order(void **state)
{
    char list[200];
    char folder[120];

    (void)state;
    assert_non_null(getcwd(folder, sizeof(folder)));
    write_file(FOLDER "/a", "a", 1);
    write_file(FOLDER "/b", "b", 1);
    snprintf(list, sizeof(list), "b\n\n# comment\na\r\n%s/" FOLDER "/b",
             folder);
    write_file(FOLDER "/list", list, strlen(list));
    must_spell("@" FOLDER "/list", "bab");
    write_file(FOLDER "/list", "\n#\n", 3);
    must_refuse("@" FOLDER "/list", NULL, FG_ERR_ARGUMENT,
                FOLDER "/list: list: got no paths wanted at least one");
    write_file(FOLDER "/list", "a\nb\0c\n", 6);
    must_refuse("@" FOLDER "/list", NULL, FG_ERR_ARGUMENT,
                FOLDER "/list: line 2: got a NUL byte wanted a path (likely "
                       "cause: not a list of paths)");
    must_refuse("@" FOLDER "/nolist", NULL, FG_ERR_NOT_FOUND,
                FOLDER "/nolist: open list: No such file or directory");
}

static void open_nothing_is_refused(void **state)
{
    (void)state;
    must_refuse("", NULL, FG_ERR_ARGUMENT,
                "dataset: got an empty name wanted a file, a directory, a "
                "pattern or @LIST");
    must_refuse(NULL, NULL, FG_ERR_ARGUMENT,
                "dataset: got an empty name wanted a file, a directory, a "
                "pattern or @LIST");
    must_refuse("missing", NULL, FG_ERR_NOT_FOUND,
                "missing: open: No such file or directory");
    must_refuse(FOLDER, NULL, FG_ERR_ARGUMENT,
                FOLDER ": directory: got no files wanted at least one shard");
    assert_int_equal(mkdir(FOLDER "/inner", 0755), 0);
    must_refuse(FOLDER, NULL, FG_ERR_ARGUMENT,
                FOLDER ": directory: got no files wanted at least one shard "
                       "(likely cause: the shards lie in one of its 1 folders; "
                       "folders are not descended into)");
}

static void open_empty_file_among_records_is_named(void **state)
{
    struct fg_dataset_config config = records_of(4);

    (void)state;
    write_file(FOLDER "/a", "aaaa", 4);
    write_file(FOLDER "/b", "", 0);
    must_refuse(FOLDER, &config, FG_ERR_ARGUMENT,
                FOLDER "/b: got an empty file wanted records of 4 bytes "
                       "(likely cause: a file that does not belong to the "
                       "dataset)");
}

static void open_config_of_another_size_is_judged(void **state)
{
    struct {
        struct fg_dataset_config config;
        uint64_t later;
    } newer = {.config = records_of(1)};
    struct fg_dataset *dataset;

    (void)state;
    write_file(FOLDER "/a", "a", 1);
    newer.config.struct_size = sizeof(newer);
    assert_int_equal(fg_dataset_open(FOLDER, &newer.config, &dataset, NULL),
                     FG_OK);
    fg_dataset_close(dataset);
    newer.later = UINT64_C(1) << 56;
    must_refuse(FOLDER, &newer.config, FG_ERR_UNSUPPORTED,
                "dataset config: byte 55: got an option that this version does "
                "not know (likely cause: a library older than the program)");
    newer.config.struct_size = 4;
    must_refuse(FOLDER, &newer.config, FG_ERR_ARGUMENT,
                "dataset config: struct_size: got 4 wanted at least 48 (likely "
                "cause: its init function was not called)");
    newer.config.struct_size = sizeof(newer.config);
    newer.config.flags = 1;
    must_refuse(FOLDER, &newer.config, FG_ERR_ARGUMENT,
                "dataset config: flags: got 0x1 wanted 0");
}

static void find_is_right_at_every_border(void **state)
{
    struct fg_dataset *dataset;

    (void)state;
    write_three(0);
    dataset = must_open(FOLDER, 0);
    assert_int_equal(dataset->info.sample_count, 18);
    for (uint64_t i = 0; i < 18; i++) {
        uint64_t wanted = i < 10 ? 0 : i < 11 ? 1 : 2;

        assert_int_equal(fgi_dataset_find(dataset, i), wanted);
    }
    fg_dataset_close(dataset);
}

static void info_describes_the_whole(void **state)
{
    struct fg_dataset *dataset;
    struct fg_dataset_info info;
    struct model model = small_model();
    uint64_t raw_bytes = 0;

    (void)state;
    write_three(3);
    for (uint64_t i = 0; i < 10; i++) {
        raw_bytes += (4 + model_length(&model, i, 1)) *
                     (uint64_t)(1 + (i < 1) + (i < 7));
    }
    dataset = must_open(FOLDER, 0);
    fg_dataset_get_info(dataset, &info);
    assert_string_equal(info.format, "shard");
    assert_string_equal(info.codec, "zstd");
    assert_int_equal(info.shard_count, 3);
    assert_int_equal(info.block_samples, 4);
    assert_int_equal(info.field_count, 2);
    assert_string_equal(info.fields[1].name, "text");
    assert_int_equal(info.raw_bytes, raw_bytes);
    assert_int_equal(info.stored_bytes, 4096 * (1 + 3 + 1 + 1 + 1 + 2) +
                                            32 * (3 + 1 + 2) + 3 * 128);
    fg_dataset_close(dataset);
}

static void extent_speaks_in_the_shards_numbers(void **state)
{
    struct fg_dataset *dataset;
    struct fgi_extent extent;
    uint64_t shard_index;

    (void)state;
    write_file(FOLDER "/a", "aabbcc", 6);
    write_file(FOLDER "/b", "ddee", 4);
    dataset = must_open(FOLDER, 2);
    assert_int_equal(
        fgi_dataset_extent(dataset, 1, 99, &shard_index, &extent, NULL), FG_OK);
    assert_int_equal(shard_index, 0);
    assert_int_equal(extent.first, 1);
    assert_int_equal(extent.count, 2);
    assert_int_equal(
        fgi_dataset_extent(dataset, 4, 1, &shard_index, &extent, NULL), FG_OK);
    assert_int_equal(shard_index, 1);
    assert_int_equal(extent.first, 1);
    assert_int_equal(extent.offset, 2);
    fg_dataset_close(dataset);
}

/* With room for one shard's index, all samples are still found. */
static void extent_forgets_indexes_past_the_limit(void **state)
{
    struct fg_dataset *dataset;
    struct fgi_extent first[18];

    (void)state;
    write_three(0);
    dataset = must_open(FOLDER, 0);
    for (int round = 0; round < 3; round++) {
        dataset->loaded_bytes_max = round == 0 ? UINT64_MAX : 100;
        for (uint64_t k = 0; k < 18; k++) {
            uint64_t i = k * 11 % 18;
            uint64_t shard_index;
            struct fgi_extent extent;

            assert_int_equal(
                fgi_dataset_extent(dataset, i, 1, &shard_index, &extent, NULL),
                FG_OK);
            if (round == 0) {
                first[i] = extent;
            } else {
                assert_true(dataset->loaded_bytes <= 100);
            }
            assert_int_equal(extent.offset, first[i].offset);
            assert_true(extent.checksum == first[i].checksum);
        }
        /* 3, 1 and 2 blocks of 32 bytes in the index. */
        assert_int_equal(dataset->shards[0].loaded_bytes +
                             dataset->shards[1].loaded_bytes +
                             dataset->shards[2].loaded_bytes,
                         dataset->loaded_bytes);
        assert_true(round > 0 || dataset->loaded_bytes == 6 * 32);
    }
    fg_dataset_close(dataset);
}

static void open_shards_that_differ_name_the_odd_one(void **state)
{
    struct model model = small_model();

    (void)state;
    model_must_write(&model, FOLDER "/a.fgs");
    model.block_samples = 5;
    model_must_write(&model, FOLDER "/b.fgs");
    must_refuse(FOLDER, NULL, FG_ERR_ARGUMENT,
                FOLDER "/b.fgs: got 5 samples per block wanted 4 as in the "
                       "dataset's first shard (likely cause: a file that does "
                       "not belong to the dataset)");
    model = small_model();
    model.zstd_level = 1;
    model_must_write(&model, FOLDER "/b.fgs");
    must_refuse(FOLDER, NULL, FG_ERR_ARGUMENT,
                FOLDER "/b.fgs: got format shard, codec zstd wanted shard, "
                       "none as in the dataset's first shard (likely cause: a "
                       "file that does not belong to the dataset)");
    model = small_model();
    model.schema.fields[1].max_bytes = 40;
    model.schema.fields[1].shape[0] = 40;
    model_must_write(&model, FOLDER "/b.fgs");
    must_refuse(FOLDER, NULL, FG_ERR_ARGUMENT,
                FOLDER "/b.fgs: field 1: got \"text\" (uint8, 40 bytes) wanted "
                       "\"text\" (uint8, 50 bytes) as in the dataset's first "
                       "shard (likely cause: a file that does not belong to "
                       "the dataset)");
    model.schema.count = 1;
    model_must_write(&model, FOLDER "/b.fgs");
    must_refuse(FOLDER, NULL, FG_ERR_ARGUMENT,
                FOLDER "/b.fgs: got 1 fields wanted 2 as in the dataset's "
                       "first shard (likely cause: a file that does not belong "
                       "to the dataset)");
    write_file(FOLDER "/README", "Some words on the data", 22);
    must_refuse(FOLDER, NULL, FG_ERR_ARGUMENT,
                FOLDER "/README: format: got an unknown one wanted a feedgpu "
                       "shard (likely cause: raw records, which need their "
                       "record size, or a file that is not data)");
}

/* Many shards are opened by threads; the first bad one is named, always. */
static void open_many_shards_names_the_first_bad_one(void **state)
{
    char path[64];
    struct fg_dataset *dataset;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof(path), FOLDER "/%04d", i);
        write_file(path, "abcdefgh", i >= 700 && i % 3 == 0 ? 7 : 8);
    }
    for (int k = 0; k < 20; k++) {
        struct fg_dataset_config config = records_of(4);

        must_refuse(FOLDER, &config, FG_ERR_ARGUMENT,
                    FOLDER "/0702: size: got 7 bytes wanted a multiple of the "
                           "record size 4: 3 bytes are left over (likely "
                           "cause: wrong record size, or a truncated file)");
    }
    dataset = must_open(FOLDER "/0[0-6]*", 4);
    assert_int_equal(dataset->info.sample_count, 1400);
    for (uint64_t i = 0; i < 700; i++) {
        snprintf(path, sizeof(path), FOLDER "/%04d", (int)i);
        assert_string_equal(dataset->shards[i].path, path);
        assert_int_equal(dataset->first_samples[i], 2 * i);
    }
    fg_dataset_close(dataset);
}

static uint64_t identity_of(const char *path)
{
    struct fg_dataset *dataset = must_open(path, 0);
    struct fg_dataset_info info;

    fg_dataset_get_info(dataset, &info);
    fg_dataset_close(dataset);
    return info.identity;
}

static void identity_survives_a_move_and_nothing_else(void **state)
{
    uint64_t before;

    (void)state;
    write_three(0);
    before = identity_of(FOLDER);
    assert_int_equal(rename(FOLDER, "moved"), 0);
    assert_true(identity_of("moved") == before);
    assert_int_equal(rename("moved", FOLDER), 0);
    assert_int_equal(rename(FOLDER "/1.fgs", FOLDER "/3.fgs"), 0);
    assert_true(identity_of(FOLDER) != before);
    assert_int_equal(unlink(FOLDER "/3.fgs"), 0);
    assert_true(identity_of(FOLDER) != before);
    write_three(1);
    assert_true(identity_of(FOLDER) != before);
    write_three(0);
    assert_true(identity_of(FOLDER) == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(open_directory_sorts_by_bytes_and_skips_hidden),
        CASE(open_pattern_matches_files),
        CASE(open_list_keeps_its_order),
        CASE(open_nothing_is_refused),
        CASE(open_empty_file_among_records_is_named),
        CASE(open_config_of_another_size_is_judged),
        CASE(find_is_right_at_every_border),
        CASE(info_describes_the_whole),
        CASE(extent_speaks_in_the_shards_numbers),
        CASE(extent_forgets_indexes_past_the_limit),
        CASE(open_shards_that_differ_name_the_odd_one),
        CASE(open_many_shards_names_the_first_bad_one),
        CASE(identity_survives_a_move_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
