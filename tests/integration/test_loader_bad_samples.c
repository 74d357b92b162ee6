/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged samples under each policy, and the hook that makes samples. */
#include "tests/lib/loader_fixture.h"

#include "runtime/base/math.h"

static struct source fixed;    /* blocks of ten, 100 bytes: 4096, 8192, ... */
static struct source variable; /* zstd, two fields */

static void flip(const char *path, uint64_t offset)
{
    size_t bytes;
    uint8_t *data = read_file(path, &bytes);

    assert_true(offset < bytes);
    data[offset] ^= 0x10;
    write_file(path, data, bytes);
    free(data);
}

static int set_up(void **state)
{
    struct model model = {.seed = 8, .block_samples = 10};

    (void)state;
    fixture_watch(100);
    snprintf(fixture_case, sizeof(fixture_case), "bad samples");
    model.schema.count = 1;
    model.schema.fields[0] = field_of("data", FG_UINT8, 100, 0);
    source_make_shards(&fixed, "bad-fixed", &model, (uint64_t[]){60, 45, 0});
    flip("bad-fixed/shard-00.fgs", 12288 + 55); /* samples 20 to 29 */
    model.zstd_level = 2;
    model.schema.count = 2;
    model.schema.fields[0] = field_of("text", FG_UINT8, 90, FG_FIELD_VARIABLE);
    model.schema.fields[1] = field_of("mark", FG_UINT16, 9, FG_FIELD_VARIABLE);
    source_make_shards(&variable, "bad-variable", &model,
                       (uint64_t[]){60, 45, 0});
    flip("bad-variable/shard-00.fgs", 12288 + 55);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_fini(&fixed);
    source_fini(&variable);
    return 0;
}

/* The line for the damaged block, without the two checksums in it. */
static void must_name_the_block(const struct source *source,
                                const struct fg_error *err)
{
    char wanted[FG_ERROR_MESSAGE_BYTES];

    snprintf(wanted, sizeof(wanted),
             "%s/shard-00.fgs: offset 12288: block 2: got checksum ",
             source->path);
    assert_int_equal(err->status, FG_ERR_DAMAGED);
    assert_int_equal(err->offset, 12288);
    assert_ptr_equal(strstr(err->message, wanted), err->message);
    assert_non_null(strstr(err->message, " (likely cause: damaged on disk or "
                                         "in transfer)"));
}

static void fail_delivers_what_comes_before_and_ends(void **state)
{
    const struct source *sources[] = {&fixed, &variable};

    (void)state;
    for (int s = 0; s < 2; s++) {
        struct fg_loader_config config = source_config(sources[s]);
        struct fg_loader *loader;
        struct fg_batch batch;
        struct fg_error err;
        uint64_t ids[10];

        config.batch_size = 10;
        loader = must_open(&config);
        for (uint64_t b = 0; b < 2; b++) {
            must_acquire(loader, NULL, &batch);
            for (uint64_t i = 0; i < 10; i++) {
                ids[i] = b * 10 + i;
            }
            source_must_match(sources[s], &batch, batch.data, ids, 10);
            fg_loader_release(loader, &batch, NULL);
        }
        for (int again = 0; again < 2; again++) {
            assert_int_equal(fg_loader_acquire(loader, NULL, &batch, &err),
                             FG_ERR_DAMAGED);
            must_name_the_block(sources[s], &err);
        }
        fg_loader_close(loader);
    }
}

/* What the log said. */
struct heard {
    unsigned lines;
    char last[FG_ERROR_MESSAGE_BYTES + 32];
};

static void hear(enum fg_log_level level, const char *line, void *context)
{
    struct heard *heard = context;

    if (level == FG_LOG_WARN) {
        heard->lines++;
        snprintf(heard->last, sizeof(heard->last), "%s", line);
    }
}

/* Expected ids of a batch of 32 that begins at `first`. */
static uint32_t expect(uint64_t first, uint64_t samples, bool is_substituted,
                       uint64_t *ids)
{
    uint32_t count = 0;

    for (uint64_t i = first; i < fgi_min(first + 32, samples); i++) {
        if (i < 20 || i >= 30) {
            ids[count++] = i;
        } else if (is_substituted) {
            ids[count++] = i < 25 ? 19 : 30;
        }
    }
    return count;
}

static void skip_and_substitute_go_on(void **state)
{
    const struct source *sources[] = {&fixed, &variable};

    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct source *source = sources[i % 2];
        struct fg_loader_config config = source_config(source);
        bool is_substituted = i / 2 == 1;
        struct fg_loader_stats stats;
        struct heard heard = {0};
        struct fg_loader *loader;
        struct fg_batch batch;

        config.on_bad_sample =
            is_substituted ? FG_BAD_SAMPLE_SUBSTITUTE : FG_BAD_SAMPLE_SKIP;
        config.log = hear;
        config.log_context = &heard;
        config.epochs = 3;
        config.slots = 2; /* slots are used again: nothing may be left over */
        loader = must_open(&config);
        for (uint64_t b = 0; b < 12; b++) {
            uint64_t ids[32];
            uint32_t count;

            must_acquire(loader, NULL, &batch);
            count =
                expect(batch.step * 32, source->samples, is_substituted, ids);
            source_must_match(source, &batch, batch.data, ids, count);
            fg_loader_release(loader, &batch, NULL);
        }
        check(fg_loader_acquire(loader, NULL, &batch, NULL) == FG_END);
        fg_loader_get_stats(loader, &stats);
        assert_int_equal(stats.bad_samples, 30);
        fg_loader_close(loader);
        assert_int_equal(heard.lines, 30);
        assert_ptr_equal(strstr(heard.last, "bad sample: bad-"), heard.last);
    }
}

static void batch_without_one_good_sample_is_empty(void **state)
{
    (void)state;
    for (int policy = FG_BAD_SAMPLE_SKIP; policy <= FG_BAD_SAMPLE_SUBSTITUTE;
         policy++) {
        struct fg_loader_config config = source_config(&fixed);
        struct fg_loader *loader;
        struct fg_batch batch;

        config.batch_size = 10;
        config.on_bad_sample = (enum fg_bad_sample)policy;
        loader = must_open(&config);
        for (uint64_t b = 0; b < 11; b++) {
            must_acquire(loader, NULL, &batch);
            assert_int_equal(batch.count, b == 2 ? 0 : b == 10 ? 5 : 10);
            if (b == 2) {
                source_must_match(&fixed, &batch, batch.data, NULL, 0);
            }
            fg_loader_release(loader, &batch, NULL);
        }
        fg_loader_close(loader);
    }
}

/* Without the checksums, zstd itself has to notice; or the bytes are taken. */
static void unverified_damage_is_no_crash(void **state)
{
    struct fg_loader_config config = source_config(&variable);
    struct fg_loader *loader;
    struct fg_batch batch;
    enum fg_status status;

    (void)state;
    config.verify = FG_OFF;
    loader = must_open(&config);
    do {
        status = fg_loader_acquire(loader, NULL, &batch, NULL);
        fg_loader_release(loader, status == FG_OK ? &batch : NULL, NULL);
    } while (status == FG_OK);
    assert_true(status == FG_END || status == FG_ERR_DAMAGED);
    fg_loader_close(loader);
}

/* The hook: the sample's number and its bytes' sum; refuses sample `bad`. */
struct hook {
    uint64_t bad;
};

static int sum_up(const void *stored, uint64_t stored_bytes,
                  uint64_t sample_index, void *out, uint64_t out_bytes,
                  void *context)
{
    const struct hook *hook = context;
    uint64_t made[2] = {sample_index, 0};

    for (uint64_t i = 0; i < stored_bytes; i++) {
        made[1] += ((const uint8_t *)stored)[i];
    }
    if (out_bytes != sizeof(made) || sample_index == hook->bad) {
        return 7;
    }
    memcpy(out, made, sizeof(made));
    return 0;
}

static struct fg_loader *open_hooked(struct hook *hook,
                                     enum fg_bad_sample policy)
{
    static const struct fg_field field = {.name = "sum",
                                          .dtype = FG_UINT64,
                                          .dims = 1,
                                          .shape = {2},
                                          .max_bytes = 16};
    struct fg_loader_config config = source_config(&fixed);

    config.decode = sum_up;
    config.decode_context = hook;
    config.decode_field = &field;
    config.verify = FG_OFF;
    config.on_bad_sample = policy;
    return must_open(&config);
}

static void hook_makes_the_samples(void **state)
{
    struct hook hook = {.bad = UINT64_MAX};
    struct fg_loader *loader = open_hooked(&hook, FG_BAD_SAMPLE_FAIL);
    struct fg_batch batch;
    uint64_t next = 0;

    (void)state;
    while (fg_loader_acquire(loader, NULL, &batch, NULL) == FG_OK) {
        assert_int_equal(batch.field_count, 1);
        assert_string_equal(batch.fields[0].field->name, "sum");
        for (uint32_t i = 0; i < batch.count; i++, next++) {
            uint64_t sum = 0;
            uint64_t made[2];

            memcpy(made, (uint8_t *)batch.data + i * 16, sizeof(made));
            for (uint64_t k = 0; k < 100; k++) {
                sum += fixed.data[fixed.starts[next] + k];
            }
            assert_int_equal(made[0], next);
            assert_int_equal(batch.sample_lengths[i], 100);
            if (next / 10 != 2) { /* one bit of that block is wrong */
                assert_int_equal(made[1], sum);
            }
        }
        fg_loader_release(loader, &batch, NULL);
    }
    assert_int_equal(next, fixed.samples);
    fg_loader_close(loader);
}

static void hook_that_refuses_is_a_bad_sample(void **state)
{
    struct hook hook = {.bad = 7};
    struct fg_loader *loader = open_hooked(&hook, FG_BAD_SAMPLE_FAIL);
    struct fg_batch batch;

    (void)state;
    must_fail(loader, FG_ERR_DAMAGED, "sample 7: decode: the hook returned 7");
    fg_loader_close(loader);
    loader = open_hooked(&hook, FG_BAD_SAMPLE_SKIP);
    must_acquire(loader, NULL, &batch);
    assert_int_equal(batch.count, 31);
    assert_int_equal(batch.sample_indices[7], 8);
    assert_int_equal(batch.payload_bytes, 3100);
    fg_loader_close(loader);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_delivers_what_comes_before_and_ends),
        cmocka_unit_test(skip_and_substitute_go_on),
        cmocka_unit_test(batch_without_one_good_sample_is_empty),
        cmocka_unit_test(unverified_damage_is_no_crash),
        cmocka_unit_test(hook_makes_the_samples),
        cmocka_unit_test(hook_that_refuses_is_a_bad_sample),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
