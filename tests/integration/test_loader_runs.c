/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks, resuming, and what a run says about itself. */
#include "tests/lib/loader_fixture.h"

#include "runtime/base/math.h"

static struct source raw;
static struct source shards;

static int set_up(void **state)
{
    const struct raw_shape shape = {512, 0, 0, {200, 1, 90, 3}};
    struct model model = {.seed = 5, .block_samples = 8, .zstd_level = 1};

    (void)state;
    fixture_watch(200);
    source_make_raw(&raw, "runs-raw", &shape);
    model.schema.count = 2;
    model.schema.fields[0] = field_of("text", FG_UINT8, 300, FG_FIELD_VARIABLE);
    model.schema.fields[1] = field_of("label", FG_INT32, 1, 0);
    source_make_shards(&shards, "runs-shards", &model,
                       (uint64_t[]){100, 77, 9, 0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_fini(&raw);
    source_fini(&shards);
    return 0;
}

static void name(const char *what, uint64_t a, uint64_t b)
{
    snprintf(fixture_case, sizeof(fixture_case), "%s %llu %llu", what,
             (unsigned long long)a, (unsigned long long)b);
}

/* Take `batches` batches and append their samples. Returns how many. */
static uint64_t take(struct fg_loader *loader, uint64_t batches, uint64_t *ids)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < batches; i++) {
        struct fg_batch batch;

        must_acquire(loader, NULL, &batch);
        memcpy(ids + count, batch.sample_indices, batch.count * sizeof(ids[0]));
        count += batch.count;
        fg_loader_release(loader, &batch, NULL);
    }
    return count;
}

/* Global steps of a run by `world` ranks that begins with `from`. */
static uint64_t take_global(struct fg_loader_config config, uint32_t world,
                            const struct fg_loader_state *from, uint64_t steps,
                            uint64_t *ids)
{
    struct fg_loader *loaders[4];
    uint64_t count = 0;

    config.batch_size = 24 / world;
    config.world_size = world;
    config.state = from;
    for (uint32_t rank = 0; rank < world; rank++) {
        config.rank = rank;
        loaders[rank] = must_open(&config);
    }
    for (uint64_t step = 0; step < steps; step++) {
        for (uint32_t rank = 0; rank < world; rank++) {
            count += take(loaders[rank], 1, ids + count);
        }
    }
    for (uint32_t rank = 0; rank < world; rank++) {
        struct fg_batch batch;

        check(fg_loader_acquire(loaders[rank], NULL, &batch, NULL) == FG_END);
        fg_loader_close(loaders[rank]);
    }
    return count;
}

static void ranks_of_any_world_size_deliver_the_same_global_steps(void **state)
{
    static uint64_t alone[4096];
    static uint64_t shared[4096];

    (void)state;
    for (int shuffle = 0; shuffle < 3; shuffle++) {
        for (int remainder = 0; remainder < 3; remainder++) {
            struct fg_loader_config config = source_config(&shards);
            uint64_t steps;
            uint64_t count;

            config.shuffle = (enum fg_shuffle)shuffle;
            config.remainder = (enum fg_remainder)remainder;
            config.window_bytes = 4000;
            config.epochs = 2;
            config.batch_size = 24;
            steps = 2 * source_steps(&shards, &config);
            count = take_global(config, 1, NULL, steps, alone);
            for (uint32_t world = 2; world <= 4; world += 2) {
                name("ranks", (uint64_t)(shuffle * 10 + remainder), world);
                check(take_global(config, world, NULL, steps, shared) == count);
                check(memcmp(alone, shared, count * sizeof(alone[0])) == 0);
            }
        }
    }
}

/* Stop after every k, go on in a new loader: the order goes on. */
static void state_after_any_batch_resumes_with_the_next(void **state)
{
    static uint64_t whole[8192];
    static uint64_t parts[8192];
    const struct source *sources[] = {&raw, &shards};

    (void)state;
    for (int s = 0; s < 2; s++) {
        struct fg_loader_config config = source_config(sources[s]);
        uint64_t steps;
        uint64_t count;

        config.shuffle = FG_SHUFFLE_BLOCK;
        config.seed = 9;
        config.window_bytes = 4000;
        config.epochs = 2;
        steps = 2 * source_steps(sources[s], &config);
        {
            struct fg_loader *loader = must_open(&config);

            count = take(loader, steps, whole);
            fg_loader_close(loader);
        }
        for (uint64_t done = 0; done <= steps; done++) {
            struct fg_loader_state saved;
            struct fg_loader_config again = config;
            struct fg_loader *loader = must_open(&config);
            struct fg_batch batch;
            uint64_t got = take(loader, done, parts);

            name("resume", (uint64_t)s, done);
            fg_loader_get_state(loader, &saved);
            fg_loader_close(loader);
            again.state = &saved;
            /* The state knows the order's blocks and windows. */
            again.window_bytes = FGI_MIB(1);
            loader = must_open(&again);
            got += take(loader, steps - done, parts + got);
            check(fg_loader_acquire(loader, NULL, &batch, NULL) == FG_END);
            fg_loader_close(loader);
            check(got == count);
            check(memcmp(whole, parts, count * sizeof(whole[0])) == 0);
        }
    }
}

static void state_resumes_on_another_world_size(void **state)
{
    static uint64_t whole[4096];
    static uint64_t rest[4096];
    struct fg_loader_config config = source_config(&shards);
    struct fg_loader_state saved;
    struct fg_loader *loader;
    uint64_t steps;
    uint64_t count;
    uint64_t skipped;

    (void)state;
    config.shuffle = FG_SHUFFLE_FULL;
    config.epochs = 2;
    config.batch_size = 24;
    steps = 2 * source_steps(&shards, &config);
    count = take_global(config, 1, NULL, steps, whole);
    loader = must_open(&config);
    skipped = take(loader, 3, rest);
    fg_loader_get_state(loader, &saved);
    fg_loader_close(loader);
    for (uint32_t world = 1; world <= 4; world *= 2) {
        name("resume on", world, 0);
        check(take_global(config, world, &saved, steps - 3, rest) ==
              count - skipped);
        check(memcmp(whole + skipped, rest,
                     (count - skipped) * sizeof(rest[0])) == 0);
    }
}

static void must_refuse(const struct fg_loader_config *config,
                        const char *message)
{
    struct fg_loader *loader = NULL;
    struct fg_error err;

    assert_int_equal(fg_loader_open(config, &loader, &err), FG_ERR_ARGUMENT);
    assert_string_equal(err.message, message);
    assert_null(loader);
}

static void state_of_another_run_is_refused(void **state)
{
    struct fg_loader_config config = source_config(&raw);
    struct fg_loader *loader;
    struct fg_loader_state saved;
    struct fg_loader_state wrong;
    char message[FG_ERROR_MESSAGE_BYTES];

    (void)state;
    config.shuffle = FG_SHUFFLE_FULL;
    config.seed = 3;
    loader = must_open(&config);
    fg_loader_get_state(loader, &saved);
    fg_loader_close(loader);
    config.state = &wrong;
    wrong = saved;
    wrong.identity++;
    snprintf(message, sizeof(message),
             "state: identity: got %016llx, wanted %016llx (likely cause: "
             "saved from another dataset)",
             (unsigned long long)wrong.identity,
             (unsigned long long)saved.identity);
    must_refuse(&config, message);
    wrong = saved;
    wrong.seed = 4;
    must_refuse(&config, "state: got shuffle 2 seed 4, wanted the configured 2 "
                         "and 3");
    wrong = saved;
    wrong.shuffle = 1;
    must_refuse(&config, "state: got shuffle 1 seed 3, wanted the configured 2 "
                         "and 3");
    wrong = saved;
    wrong.position = 1000;
    must_refuse(&config, "state: got position 1000, wanted at most the "
                         "dataset's 294 samples");
    /* A file that somebody made: memory is sized by these. */
    wrong = saved;
    wrong.block_samples = UINT64_MAX;
    must_refuse(&config, "state: block_samples: got 18446744073709551615, "
                         "wanted at most the dataset's 294 samples");
}

static void stats_of_a_run_add_up(void **state)
{
    static const char *const engines[] = {"uring", "pread"};

    (void)state;
    for (int e = 0; e < 2; e++) {
        struct fg_loader_config config = source_config(&raw);
        struct fg_loader_stats stats;
        struct fg_loader *loader;
        uint64_t labels = 0;

        config.io = engines[e];
        config.epochs = 3;
        config.direct = FG_OFF;
        config.shuffle = FG_SHUFFLE_BLOCK;
        config.slots = 5;
        loader = must_open(&config);
        check(fg_loader_steps_per_epoch(loader) == 10);
        check(source_must_run(&raw, &config, loader) == 30);
        fg_loader_get_stats(loader, &stats);
        check(stats.batches == 30);
        check(stats.samples == 3 * 294);
        check(stats.payload_bytes == 3 * 294 * 512);
        check(stats.read_bytes == stats.payload_bytes);
        check(stats.reads >= 3 * 4);
        check(stats.bad_samples == 0);
        check(stats.first_batch_ns > 0);
        check(stats.slots == 5);
        check(stats.threads == 2);
        check(strcmp(stats.engine, engines[e]) == 0);
        check(strcmp(stats.direct, "off") == 0);
        check(strcmp(stats.device, "host") == 0);
        check(stats.inflight_bytes == FGI_MIB(1));
        check(stats.placement.pages > 0);
        for (int i = 0; i < FG_LABEL_COUNT; i++) {
            labels += stats.wait_labels.ns[i];
        }
        check(labels == stats.wait_ns);
        fg_loader_close(loader);
    }
}

/* The null engine delivers something, at once, for ever. */
static void null_engine_runs_without_io(void **state)
{
    struct fg_loader_config config = source_config(&raw);
    struct fg_loader *loader;
    static uint64_t ids[20000];

    (void)state;
    config.io = "null";
    config.epochs = 0;
    loader = must_open(&config);
    check(take(loader, 500, ids) == 50 * 294);
    check(fg_loader_get_copied_ns(loader, 0) == 0);
    fg_loader_close(loader);
}

static void open_with_an_unknown_engine_is_refused(void **state)
{
    struct fg_loader_config config = source_config(&raw);

    (void)state;
    config.io = "libaio";
    must_refuse(&config, "engine: got \"libaio\" wanted auto, uring, pread or "
                         "null");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_of_any_world_size_deliver_the_same_global_steps),
        cmocka_unit_test(state_after_any_batch_resumes_with_the_next),
        cmocka_unit_test(state_resumes_on_another_world_size),
        cmocka_unit_test(state_of_another_run_is_refused),
        cmocka_unit_test(stats_of_a_run_add_up),
        cmocka_unit_test(null_engine_runs_without_io),
        cmocka_unit_test(open_with_an_unknown_engine_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
