/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th read fails, for every n of a small run: the batches before it are
 * delivered whole, then the error, which stays; and close is clean. Reads that
 * are late or short change nothing.
 */
#include "tests/lib/loader_fixture.h"

#include <errno.h>

#include "io/engine.h"
#include "runtime/base/math.h"

#define BATCH 6

static struct source pages;  /* in place */
static struct source blocks; /* shards, raw blocks of 9 samples */

static int set_up(void **state)
{
    const struct raw_shape shape = {4096, 0, 0, {25, 1, 12}};
    struct model model = {.seed = 3, .block_samples = 9};

    (void)state;
    fixture_watch(250);
    source_make_raw(&pages, "reads-pages", &shape);
    model.schema.count = 1;
    model.schema.fields[0] = field_of("data", FG_UINT8, 900, 0);
    source_make_shards(&blocks, "reads-blocks", &model, (uint64_t[]){36, 9, 0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fgi_engine_fault_all(NULL);
    source_fini(&pages);
    source_fini(&blocks);
    return 0;
}

/* What came of a run. */
struct outcome {
    uint64_t batches;
    enum fg_status status;
    struct fg_error err;
};

static void run(const struct source *source,
                const struct fg_loader_config *config,
                const struct fgi_fault *fault, struct outcome *outcome)
{
    struct fg_loader *loader;
    struct fgi_order order;
    struct fg_batch batch;
    struct fg_batch again;

    fgi_engine_fault_all(fault);
    loader = must_open(config);
    source_order(source, config, &order);
    memset(outcome, 0, sizeof(*outcome));
    while ((outcome->status = fg_loader_acquire(loader, NULL, &batch,
                                                &outcome->err)) == FG_OK) {
        uint64_t ids[BATCH];
        uint32_t count =
            source_ids(&order, config, batch.epoch, batch.step, ids);

        source_must_match(source, &batch, batch.data, ids, count);
        fg_loader_release(loader, &batch, NULL);
        outcome->batches++;
    }
    check(fg_loader_acquire(loader, NULL, &again, NULL) == outcome->status);
    fg_loader_close(loader);
    fgi_engine_fault_all(NULL);
}

static struct fg_loader_config config_of(const struct source *source,
                                         const char *io)
{
    struct fg_loader_config config = source_config(source);

    config.io = io;
    config.batch_size = BATCH;
    config.read_bytes = 4096;
    config.inflight_bytes = FGI_KIB(16);
    config.slots = 3;
    config.direct = FG_OFF;
    config.epochs = 2;
    return config;
}

/* The file that an error's message begins with. */
static uint64_t shard_of(const struct fg_error *err, const char *folder)
{
    const char *rest = err->message + strlen(folder);

    assert_ptr_equal(strstr(err->message, folder), err->message);
    return strtoul(rest + strcspn(rest, "0123456789"), NULL, 10);
}

/* Reads of 4096 bytes, samples of 4096 bytes: read n brings sample n. */
static void read_in_place_any_fails_and_the_batches_before_it_come(void **state)
{
    static const char *const engines[] = {"uring", "pread"};
    const uint64_t steps = (38 + BATCH - 1) / BATCH;

    (void)state;
    for (int e = 0; e < 2; e++) {
        struct fg_loader_config config = config_of(&pages, engines[e]);

        for (uint64_t n = 1; n <= 2 * 38; n++) {
            struct fgi_fault fault = {
                .kind = FGI_FAULT_ERROR, .nth = n, .sys_errno = EIO};
            uint64_t sample = (n - 1) % 38;
            struct outcome outcome;

            snprintf(fixture_case, sizeof(fixture_case), "%s read %llu",
                     engines[e], (unsigned long long)n);
            run(&pages, &config, &fault, &outcome);
            check(outcome.status == FG_ERR_READ);
            check(outcome.err.sys_errno == EIO);
            check(outcome.batches == (n - 1) / 38 * steps + sample / BATCH);
            check(outcome.err.offset == (sample < 25   ? sample
                                         : sample < 26 ? 0
                                                       : sample - 26) *
                                            4096);
            check(shard_of(&outcome.err, "reads-pages") == (sample < 25 ? 0u
                                                            : sample < 26
                                                                ? 1u
                                                                : 2u));
        }
    }
}

/* Blocks of 9 x 900 bytes are two reads each; 4 + 1 blocks. */
static void read_staged_any_fails_and_the_batches_before_it_come(void **state)
{
    static const char *const engines[] = {"uring", "pread"};
    const uint64_t steps = (45 + BATCH - 1) / BATCH;

    (void)state;
    for (int e = 0; e < 2; e++) {
        struct fg_loader_config config = config_of(&blocks, engines[e]);

        for (uint64_t n = 1; n <= 2 * 10; n++) {
            struct fgi_fault fault = {
                .kind = FGI_FAULT_ERROR, .nth = n, .sys_errno = EIO};
            uint64_t block = (n - 1) % 10 / 2;
            struct outcome outcome;

            snprintf(fixture_case, sizeof(fixture_case), "%s block read %llu",
                     engines[e], (unsigned long long)n);
            run(&blocks, &config, &fault, &outcome);
            check(outcome.status == FG_ERR_READ);
            check(outcome.batches == (n - 1) / 10 * steps + block * 9 / BATCH);
            check(shard_of(&outcome.err, "reads-blocks") == (block == 4));
        }
    }
}

static void run_is_whole(const struct fgi_fault *fault)
{
    static const char *const engines[] = {"uring", "pread"};
    const struct source *sources[] = {&pages, &blocks};

    for (int i = 0; i < 8; i++) {
        const struct source *source = sources[i % 2];
        struct fg_loader_config config = config_of(source, engines[i / 2 % 2]);
        struct outcome outcome;

        config.shuffle = i / 4 == 1 ? FG_SHUFFLE_BLOCK : FG_SHUFFLE_NONE;
        config.window_bytes = 20000;
        snprintf(fixture_case, sizeof(fixture_case), "fault %d run %d",
                 (int)fault->kind, i);
        run(source, &config, fault, &outcome);
        check(outcome.status == FG_END);
        check(outcome.batches == 2 * source_steps(source, &config));
    }
}

static void reads_that_are_late_change_nothing(void **state)
{
    const struct fgi_fault fault = {
        .kind = FGI_FAULT_LATE, .nth = 1, .every = 3, .delay_ns = 2000000};

    (void)state;
    run_is_whole(&fault);
}

static void reads_that_are_short_change_nothing(void **state)
{
    const struct fgi_fault fault = {
        .kind = FGI_FAULT_SHORT, .nth = 1, .every = 1};

    (void)state;
    run_is_whole(&fault);
}

/* A bit that turns on the way is found by the block's checksum. */
static void read_with_a_flipped_bit_is_damaged(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 10; n++) {
        struct fg_loader_config config = config_of(&blocks, "uring");
        struct fgi_fault fault = {.kind = FGI_FAULT_FLIP, .nth = n};
        struct outcome outcome;

        snprintf(fixture_case, sizeof(fixture_case), "flipped read %llu",
                 (unsigned long long)n);
        config.epochs = 1;
        run(&blocks, &config, &fault, &outcome);
        check(outcome.status == FG_ERR_DAMAGED);
        check(strstr(outcome.err.message, ": got checksum ") != NULL);
    }
}

/* All reads fail and all is skipped: empty batches, and an end. */
static void reads_that_all_fail_may_all_be_skipped(void **state)
{
    const struct fgi_fault fault = {
        .kind = FGI_FAULT_ERROR, .nth = 1, .every = 1, .sys_errno = EIO};
    const struct source *sources[] = {&pages, &blocks};

    (void)state;
    for (int s = 0; s < 2; s++) {
        struct fg_loader_config config = config_of(sources[s], "uring");
        struct fg_loader_stats stats;
        struct fg_loader *loader;
        struct fg_batch batch;

        config.on_bad_sample = FG_BAD_SAMPLE_SKIP;
        fgi_engine_fault_all(&fault);
        loader = must_open(&config);
        for (uint64_t i = 0; i < 2 * source_steps(sources[s], &config); i++) {
            must_acquire(loader, NULL, &batch);
            source_must_match(sources[s], &batch, batch.data, NULL, 0);
            fg_loader_release(loader, &batch, NULL);
        }
        check(fg_loader_acquire(loader, NULL, &batch, NULL) == FG_END);
        fg_loader_get_stats(loader, &stats);
        check(stats.bad_samples == 2 * sources[s]->samples);
        fg_loader_close(loader);
        fgi_engine_fault_all(NULL);
    }
}

/* Closed while reads are out that take their time. */
static void close_waits_for_late_reads(void **state)
{
    const struct fgi_fault fault = {
        .kind = FGI_FAULT_LATE, .nth = 1, .every = 1, .delay_ns = 30000000};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fg_loader_config config = config_of(
            i % 2 == 0 ? &pages : &blocks, i / 2 == 0 ? "uring" : "pread");

        fgi_engine_fault_all(&fault);
        fg_loader_close(must_open(&config));
        fgi_engine_fault_all(NULL);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            read_in_place_any_fails_and_the_batches_before_it_come),
        cmocka_unit_test(read_staged_any_fails_and_the_batches_before_it_come),
        cmocka_unit_test(reads_that_are_late_change_nothing),
        cmocka_unit_test(reads_that_are_short_change_nothing),
        cmocka_unit_test(read_with_a_flipped_bit_is_damaged),
        cmocka_unit_test(reads_that_all_fail_may_all_be_skipped),
        cmocka_unit_test(close_waits_for_late_reads),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
