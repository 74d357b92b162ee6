/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damaged shards: every bit, every length, every number. Each must be
 * reported; under ASan and UBSan, none may do harm on the way.
 */
#include "tests/lib/shard_fixture.h"
#include "tests/lib/shard_probe.h"

#include <sys/mman.h>

/* Under TSan, which has nothing to find on one thread, every fifth bit. */
#if defined(__SANITIZE_THREAD__)
#define BIT_STEP 5
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BIT_STEP 5
#endif
#endif
#ifndef BIT_STEP
#define BIT_STEP 1
#endif

/* The damaged file lives in memory: a disk's journal would take minutes. */
static int damaged_fd;
static char damaged_path[32];

static int make_damaged_file(void **state)
{
    (void)state;
    damaged_fd = memfd_create("damaged", MFD_CLOEXEC);
    assert_true(damaged_fd >= 0);
    snprintf(damaged_path, sizeof(damaged_path), "/proc/self/fd/%d",
             damaged_fd);
    return 0;
}

static int close_damaged_file(void **state)
{
    (void)state;
    return close(damaged_fd);
}

static void put(const void *data, size_t bytes)
{
    assert_int_equal(pwrite(damaged_fd, data, bytes, 0), (ssize_t)bytes);
    assert_int_equal(ftruncate(damaged_fd, (off_t)bytes), 0);
}

/* The message must be this, after the file's name. */
static void must_say(const struct fg_error *err, const char *text)
{
    size_t prefix = strlen(damaged_path);

    assert_memory_equal(err->message, damaged_path, prefix);
    assert_string_equal(err->message + prefix, text);
}

static struct model model_of(uint32_t flags, int32_t zstd_level)
{
    return (struct model){
        .seed = 11,
        .samples = 6,
        .block_samples = 6,
        .zstd_level = zstd_level,
        .schema = {.count = 2,
                   .fields = {field_of("id", FG_UINT32, 1, 0),
                              field_of("x", FG_UINT8, 100, flags)}},
    };
}

/* A whole shard in memory, to be given to free. */
static uint8_t *make(const struct model *model, size_t *bytes)
{
    struct fg_error err;
    uint8_t *data;

    model_must_write(model, "whole.fgs");
    data = read_file("whole.fgs", bytes);
    put(data, *bytes);
    if (probe_shard(damaged_path, true, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    return data;
}

static bool is_reported(enum fg_status status, const struct fg_error *err)
{
    return (status == FG_ERR_DAMAGED || status == FG_ERR_UNSUPPORTED) &&
           err->status == status &&
           strncmp(err->message, damaged_path, strlen(damaged_path)) == 0;
}

static void must_report(const char *what, uint64_t number)
{
    struct fg_error err;
    enum fg_status status = probe_shard(damaged_path, false, &err);

    if (!is_reported(status, &err)) {
        fail_msg("%s %llu: got %s: %s", what, (unsigned long long)number,
                 fg_status_name(status), status == FG_OK ? "" : err.message);
    }
}

/* Flip each bit of the file in its place, and put it back. */
static void flip_all(const struct model *model)
{
    size_t bytes;
    uint8_t *data = make(model, &bytes);

    assert_in_range(bytes, 8000, 8500);
    for (uint64_t bit = 0; bit < 8 * bytes; bit += BIT_STEP) {
        uint8_t byte = data[bit / 8] ^ (uint8_t)(1u << bit % 8);

        assert_int_equal(pwrite(damaged_fd, &byte, 1, (off_t)(bit / 8)), 1);
        must_report("bit", bit);
        assert_int_equal(
            pwrite(damaged_fd, &data[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    assert_int_equal(probe_shard(damaged_path, true, NULL), FG_OK);
    free(data);
}

static void flip_any_bit_of_raw_blocks_is_reported(void **state)
{
    struct model model = model_of(FG_FIELD_VARIABLE, 0);

    (void)state;
    flip_all(&model);
}

static void flip_any_bit_of_zstd_blocks_is_reported(void **state)
{
    struct model model = model_of(0, 3);

    (void)state;
    flip_all(&model);
}

/* What cannot be right is said at open, before a sample is asked for. */
static void flip_in_header_or_footer_is_reported_at_open(void **state)
{
    struct model model = model_of(0, 0);
    size_t bytes;
    uint8_t *data = make(&model, &bytes);
    struct fgi_shard shard;

    (void)state;
    for (size_t i = 0; i < bytes; i++) {
        if (i == FGI_HEADER_BYTES) {
            i = bytes - FGI_FOOTER_BYTES;
        }
        data[i] ^= 0x10;
        put(data, bytes);
        assert_int_not_equal(shard_open(damaged_path, &shard, NULL), FG_OK);
        data[i] ^= 0x10;
    }
    free(data);
}

static void truncate_to_any_length_is_reported(void **state)
{
    struct model model = model_of(FG_FIELD_VARIABLE, 0);
    size_t bytes;
    uint8_t *data = make(&model, &bytes);
    struct fg_error err;

    (void)state;
    for (size_t length = bytes - 1; length > 0; length--) {
        assert_int_equal(ftruncate(damaged_fd, (off_t)length), 0);
        must_report("length", length);
    }
    assert_int_equal(ftruncate(damaged_fd, 0), 0);
    assert_int_equal(probe_shard(damaged_path, false, &err), FG_ERR_ARGUMENT);
    must_say(&err, ": got an empty file wanted a shard");
    /* Longer is damaged too. */
    put(data, bytes);
    assert_int_equal(ftruncate(damaged_fd, (off_t)bytes + 1), 0);
    must_report("length", bytes + 1);
    free(data);
}

static void open_truncated_says_what_is_likely(void **state)
{
    struct model model = model_of(0, 0);
    size_t bytes;
    uint8_t *data = make(&model, &bytes);
    struct fg_error err;

    (void)state;
    assert_int_equal(ftruncate(damaged_fd, (off_t)bytes - 50), 0);
    assert_int_equal(probe_shard(damaged_path, false, &err), FG_ERR_DAMAGED);
    must_say(&err, ": offset 8294: magic at the end: got other bytes "
                   "wanted those of a feedgpu shard (likely cause: a "
                   "truncated file)");
    assert_int_equal(err.offset, 8294);
    free(data);
}

static void random_bytes_are_reported(void **state)
{
    uint8_t data[9000];

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        size_t bytes = 1 + mix(seed, 0) % sizeof(data);

        for (size_t i = 0; i < bytes; i++) {
            data[i] = (uint8_t)mix(seed, i + 1);
        }
        put(data, bytes);
        must_report("seed", seed);
    }
}

/* Numbers that somebody may put into a file, with hashes that fit. */
static uint64_t absurd_number(uint64_t old, int i)
{
    const uint64_t numbers[] = {
        0,
        1,
        old - 1,
        old + 1,
        old * 2,
        old / 2,
        31,
        4095,
        4097,
        1u << 31,
        UINT64_C(1) << 32,
        UINT64_C(1) << 40,
        UINT64_C(1) << 59,
        UINT64_C(1) << 63,
        UINT64_MAX - 127,
        UINT64_MAX,
    };

    return numbers[i];
}

#define ABSURD_NUMBERS 16

/* Write the shard with one number changed and all hashes right. */
static void write_changed(const uint8_t *data, size_t bytes, size_t at,
                          const void *number, size_t number_bytes)
{
    uint8_t *copy = malloc(bytes);

    assert_non_null(copy);
    memcpy(copy, data, bytes);
    memcpy(copy + at, number, number_bytes);
    probe_reseal(copy, bytes);
    put(copy, bytes);
    free(copy);
}

static void write_changed64(const uint8_t *data, size_t bytes, size_t at,
                            uint64_t number)
{
    uint8_t encoded[8];

    fgi_put64(encoded, number);
    write_changed(data, bytes, at, encoded, sizeof(encoded));
}

static void write_changed32(const uint8_t *data, size_t bytes, size_t at,
                            uint64_t number)
{
    uint8_t encoded[4];

    fgi_put32(encoded, (uint32_t)number);
    write_changed(data, bytes, at, encoded, sizeof(encoded));
}

/* Set each number of the footer to each absurd value. */
static void poke_footer(const struct model *model)
{
    size_t bytes;
    uint8_t *data = make(model, &bytes);

    for (size_t at = bytes - FGI_FOOTER_BYTES; at < bytes - 64; at += 8) {
        uint64_t old = fgi_get64(data + at);

        for (int i = 0; i < ABSURD_NUMBERS; i++) {
            if (absurd_number(old, i) != old) {
                write_changed64(data, bytes, at, absurd_number(old, i));
                must_report("footer byte", at);
            }
        }
    }
    free(data);
}

static void absurd_footers_are_reported(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct model model =
            model_of(i / 2 == 0 ? 0 : FG_FIELD_VARIABLE, i % 2);

        model.samples = 20;
        poke_footer(&model);
    }
}

static void absurd_index_entries_are_reported(void **state)
{
    (void)state;
    for (int level = 0; level < 2; level++) {
        struct model model = model_of(0, level);
        size_t bytes;
        uint8_t *data;

        model.samples = 20;
        data = make(&model, &bytes);
        for (size_t at = bytes - 128 - 4 * 32; at < bytes - 128; at += 8) {
            uint64_t old = fgi_get64(data + at);

            for (int i = 0; i < ABSURD_NUMBERS && at % 32 != 24; i++) {
                if (absurd_number(old, i) != old) {
                    write_changed64(data, bytes, at, absurd_number(old, i));
                    must_report("index byte", at);
                }
            }
        }
        free(data);
    }
}

/* A header can be changed into another that is right: it must do no harm. */
static void absurd_headers_do_no_harm(void **state)
{
    struct model model = model_of(FG_FIELD_VARIABLE, 0);
    size_t bytes;
    uint8_t *data = make(&model, &bytes);
    int reported = 0;

    (void)state;
    for (size_t at = 8; at < 64 + 3 * 128; at += 4) {
        uint32_t old = fgi_get32(data + at);

        for (int i = 0; i < ABSURD_NUMBERS; i++) {
            struct fg_error err;

            write_changed32(data, bytes, at, absurd_number(old, i));
            reported += probe_shard(damaged_path, true, &err) != FG_OK;
        }
    }
    assert_true(reported > 500);
    free(data);
}

/* Tables that point anywhere, under a checksum that fits. */
static void hostile_tables_stay_in_their_block(void **state)
{
    struct model model = model_of(FG_FIELD_VARIABLE, 0);
    size_t bytes;
    uint8_t *data = make(&model, &bytes);

    (void)state;
    for (size_t at = 4096; at < 4096 + 4 * 13; at += 4) {
        uint32_t old = fgi_get32(data + at);

        for (int i = 0; i < ABSURD_NUMBERS; i++) {
            struct fg_error err;

            if ((uint32_t)absurd_number(old, i) != old) {
                write_changed32(data, bytes, at, absurd_number(old, i));
                assert_int_equal(probe_shard(damaged_path, true, &err),
                                 FG_ERR_DAMAGED);
            }
        }
    }
    free(data);
}

/* Noise in the place of a zstd frame, under a checksum that fits. */
static void hostile_frames_stay_in_their_block(void **state)
{
    struct model model = model_of(0, 1);
    size_t bytes;
    uint8_t *data = make(&model, &bytes);
    uint64_t stored = fgi_get64(data + bytes - 128 - 32 + 8);

    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        size_t at = 4096 + mix(seed, 1) % stored;
        uint8_t noise = (uint8_t)mix(seed, 2);
        struct fg_error err;

        write_changed(data, bytes, at, &noise, 1);
        probe_shard(damaged_path, true, &err);
    }
    free(data);
}

static void newer_version_is_told_from_damage(void **state)
{
    struct model model = model_of(0, 0);
    size_t bytes;
    uint8_t *data = make(&model, &bytes);
    struct fg_error err;

    (void)state;
    fgi_put32(data + 8, 2);
    probe_reseal(data, bytes);
    put(data, bytes);
    assert_int_equal(probe_shard(damaged_path, false, &err),
                     FG_ERR_UNSUPPORTED);
    must_say(&err, ": version: got 2 wanted 1 (likely cause: written "
                   "by a newer feedgpu)");
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flip_any_bit_of_raw_blocks_is_reported),
        cmocka_unit_test(flip_any_bit_of_zstd_blocks_is_reported),
        cmocka_unit_test(flip_in_header_or_footer_is_reported_at_open),
        cmocka_unit_test(truncate_to_any_length_is_reported),
        cmocka_unit_test(open_truncated_says_what_is_likely),
        cmocka_unit_test(random_bytes_are_reported),
        cmocka_unit_test(absurd_footers_are_reported),
        cmocka_unit_test(absurd_index_entries_are_reported),
        cmocka_unit_test(absurd_headers_do_no_harm),
        cmocka_unit_test(hostile_tables_stay_in_their_block),
        cmocka_unit_test(hostile_frames_stay_in_their_block),
        cmocka_unit_test(newer_version_is_told_from_damage),
    };

    return cmocka_run_group_tests(tests, make_damaged_file, close_damaged_file);
}
