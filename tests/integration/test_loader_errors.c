/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with the data: one clear line each, the batches before it
 * whole, and the error final. */
#include "tests/lib/loader_fixture.h"

#include <errno.h>

#include "io/engine.h"
#include "runtime/base/math.h"

static struct source raw;    /* 16 MiB in two files */
static struct source shards; /* blocks of ten samples of 100 bytes */

/* Long ago, so that a write is sure to change the time. */
static void age(const char *path)
{
    const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static int set_up(void **state)
{
    const struct raw_shape shape = {4096, 0, 0, {2000, 2096}};
    struct model model = {.seed = 8, .block_samples = 10};

    (void)state;
    fixture_watch(100);
    snprintf(fixture_case, sizeof(fixture_case), "errors");
    source_make_raw(&raw, "errors-raw", &shape);
    age("errors-raw/part-00.bin");
    age("errors-raw/part-01.bin");
    model.schema.count = 1;
    model.schema.fields[0] = field_of("data", FG_UINT8, 100, 0);
    source_make_shards(&shards, "errors-shards", &model,
                       (uint64_t[]){60, 45, 0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fgi_engine_fault_all(NULL);
    source_fini(&raw);
    source_fini(&shards);
    return 0;
}

static void must_refuse(const struct fg_loader_config *config,
                        enum fg_status status, const char *message)
{
    struct fg_loader *loader = NULL;
    struct fg_error err;

    assert_int_equal(fg_loader_open(config, &loader, &err), status);
    assert_string_equal(err.message, message);
    assert_null(loader);
}

static void open_of_what_is_not_there_is_not_found(void **state)
{
    struct fg_loader_config config = source_config(&raw);

    (void)state;
    config.dataset = "errors-nothing";
    must_refuse(&config, FG_ERR_NOT_FOUND,
                "errors-nothing: open: No such file or directory");
}

static void open_of_an_empty_file_is_refused(void **state)
{
    struct fg_loader_config config = source_config(&raw);

    (void)state;
    write_file("errors-empty", "", 0);
    config.dataset = "errors-empty";
    must_refuse(&config, FG_ERR_ARGUMENT,
                "errors-empty: got an empty file wanted records of 4096 "
                "bytes");
}

static void
open_with_a_record_size_that_does_not_divide_is_refused(void **state)
{
    struct fg_loader_config config = source_config(&raw);

    (void)state;
    config.dataset_config.record_bytes = 4095;
    must_refuse(&config, FG_ERR_ARGUMENT,
                "errors-raw/part-00.bin: size: got 8192000 bytes wanted a "
                "multiple of the record size 4095: 2000 bytes are left over "
                "(likely cause: wrong record size, or a truncated file)");
}

static void open_of_a_truncated_file_is_refused(void **state)
{
    struct fg_loader_config config = source_config(&raw);

    (void)state;
    assert_int_equal(truncate("errors-raw/part-01.bin", 4096 * 99 + 1), 0);
    must_refuse(&config, FG_ERR_ARGUMENT,
                "errors-raw/part-01.bin: size: got 405505 bytes wanted a "
                "multiple of the record size 4096: 1 bytes are left over "
                "(likely cause: wrong record size, or a truncated file)");
}

static void open_of_a_truncated_shard_is_damaged(void **state)
{
    struct fg_loader_config config = source_config(&shards);
    struct fg_loader *loader = NULL;
    struct fg_error err;

    (void)state;
    assert_int_equal(truncate("errors-shards/shard-01.fgs", 20000), 0);
    assert_int_equal(fg_loader_open(&config, &loader, &err), FG_ERR_DAMAGED);
    assert_ptr_equal(strstr(err.message, "errors-shards/shard-01.fgs: "),
                     err.message);
}

static void open_with_a_huge_batch_names_the_memory(void **state)
{
    struct fg_loader_config config = source_config(&raw);
    uint64_t machine =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char message[FG_ERROR_MESSAGE_BYTES];

    (void)state;
    config.batch_size = 1 << 24;
    config.slots = 4096;
    snprintf(message, sizeof(message),
             "memory: wanted 268435456 MiB for slots and staging, this "
             "machine has %llu MiB (likely cause: batch, slots or shuffle "
             "window too large)",
             (unsigned long long)(machine >> 20));
    must_refuse(&config, FG_ERR_MEMORY, message);
}

/* Take batches until there is an error. Returns how many there were. */
static uint64_t take_until_error(const struct source *source,
                                 const struct fg_loader_config *config,
                                 struct fg_loader *loader)
{
    struct fgi_order order;
    struct fg_batch batch;
    struct fg_error err;
    uint64_t ids[256];
    uint64_t batches = 0;

    source_order(source, config, &order);
    while (fg_loader_acquire(loader, NULL, &batch, &err) == FG_OK) {
        uint32_t count =
            source_ids(&order, config, batch.epoch, batch.step, ids);

        source_must_match(source, &batch, batch.data, ids, count);
        fg_loader_release(loader, &batch, NULL);
        batches++;
    }
    return batches;
}

/* Stored order lands in place; shuffled goes through the staging ring, which
 * is smaller than the dataset, too. */
static struct fg_loader_config small_config(bool is_staged,
                                            enum fg_choice direct)
{
    struct fg_loader_config config = source_config(&raw);

    config.slots = 2;
    config.inflight_bytes = FGI_KIB(64);
    config.direct = direct;
    config.epochs = 0;
    if (is_staged) {
        config.shuffle = FG_SHUFFLE_BLOCK;
        config.window_bytes = 1;
    }
    return config;
}

/* A file, and what is done to it while a loader reads it. */
static void change_while_running(void (*change)(void), const char *message)
{
    for (int i = 0; i < 4; i++) {
        struct fg_loader_config config =
            small_config(i % 2 == 1, i / 2 == 0 ? FG_OFF : FG_AUTO);
        struct fg_loader *loader = must_open(&config);
        struct fg_batch batch;

        must_acquire(loader, NULL, &batch);
        change();
        fg_loader_release(loader, &batch, NULL);
        (void)take_until_error(&raw, &config, loader);
        must_fail(loader, FG_ERR_CHANGED, message);
        must_fail(loader, FG_ERR_CHANGED, message);
        fg_loader_close(loader);
        tear_down(NULL);
        set_up(NULL);
    }
}

static void truncate_second(void)
{
    assert_int_equal(truncate("errors-raw/part-01.bin", 4096 * 7), 0);
}

static void truncate_first(void)
{
    assert_int_equal(truncate("errors-raw/part-00.bin", 4096 * 7), 0);
}

static void write_to_first(void)
{
    int fd = open("errors-raw/part-00.bin", O_WRONLY);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "", 1, 100), 1);
    close(fd);
}

static void acquire_of_a_file_truncated_while_read_is_changed(void **state)
{
    (void)state;
    change_while_running(truncate_first,
                         "errors-raw/part-00.bin: size: got 28672 wanted "
                         "8192000 bytes, as when opened");
}

static void acquire_of_a_file_written_to_while_read_is_changed(void **state)
{
    (void)state;
    change_while_running(write_to_first,
                         "errors-raw/part-00.bin: written to since opened");
}

/* Not yet opened by the reader: stored order begins with the other. */
static void acquire_of_a_file_truncated_before_its_turn_is_changed(void **state)
{
    struct fg_loader_config config = small_config(false, FG_OFF);
    struct fg_loader *loader = must_open(&config);
    struct fg_batch batch;

    (void)state;
    must_acquire(loader, NULL, &batch);
    truncate_second();
    fg_loader_release(loader, &batch, NULL);
    /* 62 batches lie wholly in the first file. */
    assert_int_equal(take_until_error(&raw, &config, loader), 61);
    must_fail(loader, FG_ERR_CHANGED,
              "errors-raw/part-01.bin: open: got 28672 bytes wanted 8585216, "
              "as when the dataset was opened");
    fg_loader_close(loader);
}

/* The read at offset 40960 of the first file, in each way, fails. */
static void acquire_of_a_failed_read_names_its_place(void **state)
{
    static const char *const engines[] = {"uring", "pread"};

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct fg_loader_config config = small_config(false, FG_OFF);
        struct fgi_fault fault = {.kind = FGI_FAULT_ERROR, .nth = 11};
        struct fg_loader *loader;
        struct fg_error err;
        struct fg_batch batch;

        fault.sys_errno = EIO;
        config.io = engines[i % 2];
        config.read_bytes = 4096;
        if (i / 2 % 2 == 1) {
            fault.kind = FGI_FAULT_EOF;
        }
        if (i / 4 == 1) {
            config.batch_size = 4; /* the eleventh read is in batch 2 */
        }
        fgi_engine_fault_all(&fault);
        loader = must_open(&config);
        assert_int_equal(take_until_error(&raw, &config, loader),
                         i / 4 == 1 ? 2 : 0);
        assert_int_equal(fg_loader_acquire(loader, NULL, &batch, &err),
                         fault.kind == FGI_FAULT_EOF ? FG_ERR_DAMAGED
                                                     : FG_ERR_READ);
        assert_string_equal(
            err.message,
            fault.kind == FGI_FAULT_EOF
                ? "errors-raw/part-00.bin: offset 40960: read: got 2048 of "
                  "4096 "
                  "bytes: unexpected end of file (likely cause: the file was "
                  "truncated while open)"
                : "errors-raw/part-00.bin: offset 40960: read: got 0 of 4096 "
                  "bytes: Input/output error");
        assert_int_equal(err.offset, 40960);
        assert_int_equal(err.sys_errno, fault.kind == FGI_FAULT_EOF ? 0 : EIO);
        fg_loader_close(loader);
    }
}

/* A failed read is a bad sample, and may be skipped: samples 8 to 11. */
static void acquire_of_a_failed_read_may_skip_its_samples(void **state)
{
    struct fgi_fault fault = {
        .kind = FGI_FAULT_ERROR, .nth = 3, .sys_errno = EIO};
    struct fg_loader_config config = small_config(false, FG_OFF);
    struct fg_loader_stats stats;
    struct fg_loader *loader;
    struct fg_batch batch;
    uint64_t ids[32];

    (void)state;
    config.read_bytes = FGI_KIB(16);
    config.on_bad_sample = FG_BAD_SAMPLE_SKIP;
    fgi_engine_fault_all(&fault);
    loader = must_open(&config);
    must_acquire(loader, NULL, &batch);
    for (uint32_t i = 0; i < 28; i++) {
        ids[i] = i < 8 ? i : i + 4;
    }
    source_must_match(&raw, &batch, batch.data, ids, 28);
    fg_loader_get_stats(loader, &stats);
    assert_int_equal(stats.bad_samples, 4);
    fg_loader_close(loader);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(open_of_what_is_not_there_is_not_found),
        CASE(open_of_an_empty_file_is_refused),
        CASE(open_with_a_record_size_that_does_not_divide_is_refused),
        CASE(open_of_a_truncated_file_is_refused),
        CASE(open_of_a_truncated_shard_is_damaged),
        CASE(open_with_a_huge_batch_names_the_memory),
        CASE(acquire_of_a_file_truncated_while_read_is_changed),
        CASE(acquire_of_a_file_written_to_while_read_is_changed),
        CASE(acquire_of_a_file_truncated_before_its_turn_is_changed),
        CASE(acquire_of_a_failed_read_names_its_place),
        CASE(acquire_of_a_failed_read_may_skip_its_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
