/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets: finding and reading one sample, checking all of them. */
#include "tests/lib/dataset_fixture.h"

/* In any order, with every extent's decoding in between. */
static void read_any_sample_in_any_order(void **state)
{
    const uint64_t firsts[3] = {0, 10, 11};
    struct model model = small_model();
    struct fg_dataset *dataset;

    (void)state;
    for (int level = 0; level < 2; level++) {
        write_three(level);
        dataset = must_open(FOLDER, 0);
        for (uint64_t k = 0; k < 100; k++) {
            uint64_t i = mix(99, k) % 18;
            uint64_t shard = fgi_dataset_find(dataset, i);
            uint64_t bytes;
            uint64_t lengths[2];
            uint8_t got[54];
            uint64_t wanted_lengths[FG_FIELDS_MAX];
            const void *fields[FG_FIELDS_MAX];
            uint8_t *wanted =
                model_sample(&model, i - firsts[shard], wanted_lengths, fields);

            assert_int_equal(fg_dataset_read(dataset, i, got, sizeof(got),
                                             lengths, &bytes, NULL),
                             FG_OK);
            assert_int_equal(lengths[0], 4);
            assert_int_equal(lengths[1], wanted_lengths[1]);
            assert_int_equal(bytes, 4 + lengths[1]);
            assert_memory_equal(got, wanted, bytes);
            free(wanted);
        }
        fg_dataset_close(dataset);
    }
}

static void read_into_too_small_a_buffer_is_refused(void **state)
{
    struct fg_dataset *dataset;
    struct fg_error err;
    uint64_t bytes = 77;
    char buffer[4];

    (void)state;
    write_file(FOLDER "/a", "aaaaaaaa", 8);
    dataset = must_open(FOLDER, 8);
    assert_int_equal(fg_dataset_read(dataset, 0, buffer, 4, NULL, &bytes, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(
        err.message,
        "dataset: sample 0: buffer: got 4 wanted at least 8 bytes");
    assert_int_equal(fg_dataset_read(dataset, 1, buffer, 4, NULL, &bytes, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "dataset: sample: got 1 wanted below 1");
    assert_int_equal(bytes, 77);
    fg_dataset_close(dataset);
}

/* Where locate says it is, it is; in a frame, the block is. */
static void locate_names_the_place(void **state)
{
    struct fg_dataset *dataset;
    struct fg_sample_place place;
    struct fg_error err;
    uint8_t got[54];
    uint64_t bytes;

    (void)state;
    write_three(0);
    dataset = must_open(FOLDER, 0);
    for (uint64_t i = 0; i < 18; i++) {
        size_t file_bytes;
        uint8_t *file;

        assert_int_equal(fg_dataset_locate(dataset, i, &place, NULL), FG_OK);
        assert_int_equal(
            fg_dataset_read(dataset, i, got, sizeof(got), NULL, &bytes, NULL),
            FG_OK);
        assert_int_equal(place.length, bytes);
        assert_int_equal(place.shard_index, fgi_dataset_find(dataset, i));
        file = read_file(place.shard_path, &file_bytes);
        assert_memory_equal(file + place.offset, got, bytes);
        free(file);
    }
    assert_int_equal(place.index_in_shard, 6);
    assert_string_equal(place.shard_path, FOLDER "/2.fgs");
    assert_int_equal(fg_dataset_locate(dataset, 18, &place, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "dataset: sample: got 18 wanted below 18");
    fg_dataset_close(dataset);
    write_three(1);
    dataset = must_open(FOLDER, 0);
    assert_int_equal(fg_dataset_locate(dataset, 17, &place, NULL), FG_OK);
    assert_int_equal(place.offset, 8192);
    fg_dataset_close(dataset);
}

static void locate_fixed_samples_needs_no_block(void **state)
{
    struct model model = {
        .samples = 10,
        .block_samples = 4,
        .schema = {.count = 2,
                   .fields = {field_of("a", FG_UINT8, 7, 0),
                              field_of("b", FG_UINT16, 2, 0)}},
    };
    struct fg_dataset *dataset;
    struct fg_sample_place place;

    (void)state;
    model_must_write(&model, FOLDER "/a.fgs");
    dataset = must_open(FOLDER, 0);
    assert_int_equal(fg_dataset_locate(dataset, 6, &place, NULL), FG_OK);
    assert_int_equal(place.offset, 8192 + 2 * 11);
    assert_int_equal(place.length, 11);
    assert_null(dataset->cursor);
    fg_dataset_close(dataset);
    write_file(FOLDER "/raw", "..aaabbbccc", 11);
    {
        struct fg_dataset_config config = records_of(3);

        config.header_bytes = 2;
        assert_int_equal(
            fg_dataset_open(FOLDER "/raw", &config, &dataset, NULL), FG_OK);
    }
    assert_int_equal(fg_dataset_locate(dataset, 2, &place, NULL), FG_OK);
    assert_int_equal(place.offset, 8);
    fg_dataset_close(dataset);
}

struct reports {
    int whole;
    int damaged;
};

static void count_report(const char *path, uint64_t stored_bytes,
                         const struct fg_error *err, void *context)
{
    struct reports *reports = context;

    assert_true(stored_bytes > 8000);
    if (err == NULL) {
        reports->whole++;
        return;
    }
    assert_string_equal(path, FOLDER "/1.fgs");
    reports->damaged++;
}

static void verify_goes_on_after_damage(void **state)
{
    struct fg_dataset *dataset;
    struct reports reports = {0};
    struct fg_error err;
    uint64_t bytes;
    uint8_t sample[64];
    int fd;

    (void)state;
    write_three(0);
    fd = open(FOLDER "/1.fgs", O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "!", 1, 4100), 1);
    close(fd);
    dataset = must_open(FOLDER, 0);
    assert_int_equal(fg_dataset_verify(dataset, count_report, &reports, &err),
                     FG_ERR_DAMAGED);
    assert_int_equal(reports.whole, 2);
    assert_int_equal(reports.damaged, 1);
    assert_int_equal(err.offset, 4096);
    assert_non_null(strstr(err.message, FOLDER
                           "/1.fgs: offset 4096: block 0: got checksum "));
    assert_int_equal(fg_dataset_verify(dataset, NULL, NULL, NULL),
                     FG_ERR_DAMAGED);
    /* Reading says the same, and goes on elsewhere. */
    assert_int_equal(fg_dataset_read(dataset, 10, sample, sizeof(sample), NULL,
                                     &bytes, &err),
                     FG_ERR_DAMAGED);
    assert_int_equal(fg_dataset_read(dataset, 11, sample, sizeof(sample), NULL,
                                     &bytes, &err),
                     FG_OK);
    assert_int_equal(fg_dataset_read(dataset, 10, sample, sizeof(sample), NULL,
                                     &bytes, &err),
                     FG_ERR_DAMAGED);
    fg_dataset_close(dataset);
}

static void read_of_a_changed_file_is_refused(void **state)
{
    struct fg_dataset *dataset;
    struct fg_error err;
    uint64_t bytes;
    char sample[4];

    (void)state;
    write_file(FOLDER "/a", "aaaa", 4);
    dataset = must_open(FOLDER, 4);
    write_file(FOLDER "/a", "bbbbcccc", 8);
    assert_int_equal(fg_dataset_read(dataset, 0, sample, 4, NULL, &bytes, &err),
                     FG_ERR_CHANGED);
    assert_string_equal(err.message,
                        FOLDER "/a: size: got 8 wanted 4 bytes (likely cause: "
                               "the file was changed while open)");
    fg_dataset_close(dataset);
}

static void open_and_read_out_of_memory_leave_nothing(void **state)
{
    unsigned n = 0;
    enum fg_status status;

    (void)state;
    write_three(1);
    write_file("list", "data/0.fgs\ndata/2.fgs\n", 22);
    do {
        struct fg_dataset *dataset = NULL;
        struct fg_error err;
        uint64_t bytes;
        uint8_t sample[64];

        assert_true(++n < 200);
        fgi_alloc_fail_after(n);
        status = fg_dataset_open(n % 2 == 0 ? FOLDER : "@list", NULL, &dataset,
                                 &err);
        if (status == FG_OK) {
            status = fg_dataset_read(dataset, 16, sample, sizeof(sample), NULL,
                                     &bytes, &err);
        }
        assert_true(status == FG_OK || status == FG_ERR_MEMORY);
        fg_dataset_close(dataset);
    } while (status != FG_OK);
    fgi_alloc_fail_after(0);
    assert_true(n > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(read_any_sample_in_any_order),
        CASE(read_into_too_small_a_buffer_is_refused),
        CASE(locate_names_the_place),
        CASE(locate_fixed_samples_needs_no_block),
        CASE(verify_goes_on_after_damage),
        CASE(read_of_a_changed_file_is_refused),
        CASE(open_and_read_out_of_memory_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
