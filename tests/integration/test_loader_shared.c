/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loader among others: batches held, other threads, signals, forks, and
 * closing at any moment.
 */
#include "tests/lib/loader_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"

static struct source pages;   /* in place where direct I/O is */
static struct source records; /* staged */
static struct source shards;  /* zstd */
static const struct source *const sources[] = {&pages, &records, &shards};

static int set_up(void **state)
{
    const struct raw_shape page_shape = {4096, 0, 0, {300, 10, 90}};
    const struct raw_shape record_shape = {700, 0, 0, {900, 1, 99}};
    struct model model = {.seed = 3, .block_samples = 9, .zstd_level = 1};

    (void)state;
    fixture_watch(200);
    source_make_raw(&pages, "shared-pages", &page_shape);
    source_make_raw(&records, "shared-records", &record_shape);
    model.schema.count = 1;
    model.schema.fields[0] = field_of("text", FG_UINT8, 900, FG_FIELD_VARIABLE);
    source_make_shards(&shards, "shared-shards", &model,
                       (uint64_t[]){300, 200, 100, 9, 0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_fini(&pages);
    source_fini(&records);
    source_fini(&shards);
    return 0;
}

static void must_match_order(const struct source *source,
                             const struct fg_loader_config *config,
                             const struct fg_batch *batch)
{
    struct fgi_order order;
    uint64_t ids[256];
    uint32_t count;

    source_order(source, config, &order);
    count = source_ids(&order, config, batch->epoch, batch->step, ids);
    source_must_match(source, batch, batch->data, ids, count);
}

static void acquire_beyond_the_slots_is_refused_until_release(void **state)
{
    (void)state;
    for (int s = 0; s < 3; s++) {
        struct fg_loader_config config = source_config(sources[s]);
        struct fg_batch held[4];
        struct fg_batch more;
        struct fg_loader *loader;
        struct fg_error err;

        snprintf(fixture_case, sizeof(fixture_case), "%s", sources[s]->path);
        config.slots = 4;
        loader = must_open(&config);
        for (int i = 0; i < 4; i++) {
            must_acquire(loader, NULL, &held[i]);
        }
        assert_int_equal(fg_loader_acquire(loader, NULL, &more, &err),
                         FG_ERR_STATE);
        assert_string_equal(err.message,
                            "loader: acquire: got batch 0 still on loan, whose "
                            "slot batch 4 takes: release it first (there are 4 "
                            "slots)");
        /* Newer ones released do not help; and it is no final error. */
        fg_loader_release(loader, &held[2], NULL);
        fg_loader_release(loader, &held[3], NULL);
        assert_int_equal(fg_loader_acquire(loader, NULL, &more, &err),
                         FG_ERR_STATE);
        must_match_order(sources[s], &config, &held[0]);
        must_match_order(sources[s], &config, &held[1]);
        fg_loader_release(loader, &held[0], NULL);
        fg_loader_release(loader, &held[0], NULL); /* twice does nothing */
        must_acquire(loader, NULL, &more);
        must_match_order(sources[s], &config, &more);
        must_match_order(sources[s], &config, &held[1]);
        fg_loader_close(loader); /* with two on loan */
    }
}

static void acquire_on_a_device_lends_three(void **state)
{
    struct fg_loader_config config = source_config(&records);
    struct fg_batch held[3];
    struct fg_batch more;
    struct fg_loader *loader;
    struct fg_error err;

    (void)state;
    config.device = "emulated";
    loader = must_open(&config);
    {
        fg_stream stream;

        assert_int_equal(
            fg_stream_open(fg_loader_device(loader), &stream, NULL), FG_OK);
        for (int i = 0; i < 3; i++) {
            must_acquire(loader, stream, &held[i]);
        }
        assert_int_equal(fg_loader_acquire(loader, stream, &more, &err),
                         FG_ERR_STATE);
        assert_string_equal(err.message,
                            "loader: acquire: got batch 0 still on loan, whose "
                            "slot batch 3 takes: release it first (there are 3 "
                            "slots)");
        for (int i = 0; i < 3; i++) {
            fg_loader_release(loader, &held[i], stream);
        }
        must_acquire(loader, stream, &more);
        check(fg_loader_get_copied_ns(loader, 0) != 0);
        check(fg_loader_get_copied_ns(loader, 5000) == 0);
        fg_stream_close(fg_loader_device(loader), stream);
    }
    fg_loader_close(loader);
}

static void close_at_any_moment_leaves_nothing(void **state)
{
    static const char *const devices[] = {"host", "emulated"};
    static const char *const engines[] = {"uring", "pread"};

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        const struct source *source = sources[i % 3];
        struct fg_loader_config config = source_config(source);
        struct fg_loader *loader;
        struct fg_batch batch;

        config.device = devices[i / 3 % 2];
        config.io = engines[i / 6 % 2];
        config.read_bytes = 4096;
        config.inflight_bytes = i % 2 == 0 ? FGI_KIB(16) : FGI_MIB(4);
        config.direct = i % 5 == 0 ? FG_OFF : FG_AUTO;
        config.epochs = 0;
        snprintf(fixture_case, sizeof(fixture_case), "close %u", i);
        loader = must_open(&config);
        for (unsigned k = 0; k < i % 4; k++) {
            must_acquire(loader, NULL, &batch);
            if (i % 3 != 0) {
                fg_loader_release(loader, &batch, NULL);
            }
        }
        fg_loader_close(loader);
    }
    fg_loader_close(NULL);
}

static void *cancel_later(void *context)
{
    fgi_sleep_ns(2 * FGI_NS_PER_MS);
    fg_loader_cancel(context);
    return NULL;
}

/* An endless run: only the cancel ends it. */
static void cancel_from_another_thread_ends_a_run(void **state)
{
    struct fg_loader_config config = source_config(&records);
    struct fg_loader *loader;
    struct fg_batch batch;
    struct fg_error err;
    pthread_t thread;
    enum fg_status status;

    (void)state;
    config.epochs = 0;
    loader = must_open(&config);
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, loader), 0);
    for (;;) {
        status = fg_loader_acquire(loader, NULL, &batch, &err);
        if (status != FG_OK) {
            break;
        }
        fg_loader_release(loader, &batch, NULL);
    }
    assert_int_equal(status, FG_ERR_CANCELLED);
    assert_string_equal(err.message, "loader: cancelled");
    must_fail(loader, FG_ERR_CANCELLED, "loader: cancelled");
    pthread_join(thread, NULL);
    fg_loader_close(loader);
}

static struct fg_loader *signalled;

static void on_signal(int number)
{
    (void)number;
    fg_loader_cancel(signalled);
}

static void cancel_from_a_signal_handler_ends_a_run(void **state)
{
    struct fg_loader_config config = source_config(&shards);
    struct fg_batch batch;
    uint64_t batches = 0;

    (void)state;
    config.epochs = 0;
    signalled = must_open(&config);
    signal(SIGUSR1, on_signal);
    while (fg_loader_acquire(signalled, NULL, &batch, NULL) == FG_OK) {
        fg_loader_release(signalled, &batch, NULL);
        if (++batches == 20) {
            raise(SIGUSR1);
        }
    }
    signal(SIGUSR1, SIG_DFL);
    check(batches == 20);
    must_fail(signalled, FG_ERR_CANCELLED, "loader: cancelled");
    fg_loader_close(signalled);
}

/* The child's calls; returns 0 when each did what it should. */
static int use_in_child(struct fg_loader *loader, struct fg_batch *held)
{
    struct fg_loader_stats stats;
    struct fg_loader_state saved;
    struct fg_batch batch;
    struct fg_error err;

    if (fg_loader_acquire(loader, NULL, &batch, &err) != FG_ERR_STATE ||
        strcmp(err.message, "loader: acquire: called in a forked child; open "
                            "a loader there instead") != 0) {
        return 1;
    }
    fg_loader_release(loader, held, NULL);
    fg_loader_get_stats(loader, &stats);
    fg_loader_get_state(loader, &saved);
    if (stats.batches != 1 || saved.position != 32) {
        return 2;
    }
    fg_loader_cancel(loader);
    fg_loader_close(loader);
    return 0;
}

static void fork_child_is_harmless_and_parent_goes_on(void **state)
{
    static const char *const devices[] = {"host", "emulated"};

    (void)state;
    for (int d = 0; d < 2; d++) {
        struct fg_loader_config config = source_config(&records);
        struct fg_loader *loader;
        struct fg_batch batch;
        uint64_t batches = 1;
        pid_t child;
        int status;

        config.device = devices[d];
        config.epochs = 3;
        loader = must_open(&config);
        must_acquire(loader, NULL, &batch);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            _exit(use_in_child(loader, &batch));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        fg_loader_release(loader, &batch, NULL);
        while (fg_loader_acquire(loader, NULL, &batch, NULL) == FG_OK) {
            fg_loader_release(loader, &batch, NULL);
            batches++;
        }
        check(batches == 3 * source_steps(&records, &config));
        fg_loader_close(loader);
    }
}

static void *run_one(void *context)
{
    const struct source *source = context;
    struct fg_loader_config config = source_config(source);
    struct fg_loader *loader;

    config.epochs = 4;
    config.shuffle = FG_SHUFFLE_BLOCK;
    loader = must_open(&config);
    source_must_run(source, &config, loader);
    fg_loader_close(loader);
    return NULL;
}

static void two_loaders_at_once_do_not_meet(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_one, &shards), 0);
    run_one(&records);
    pthread_join(thread, NULL);
}

/* As `cat --ids` does: ask where samples lie while the reader loads the very
 * same indexes. */
static void locate_while_the_loader_runs_is_right(void **state)
{
    struct fg_loader_config config = source_config(&shards);

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct fg_loader *loader;
        struct fg_batch batch;

        config.shuffle = FG_SHUFFLE_FULL;
        config.seed = (uint64_t)round;
        loader = must_open(&config);
        for (uint64_t i = 0; i < shards.samples; i += 50) {
            struct fg_sample_place place;

            check(fg_dataset_locate(fg_loader_dataset(loader), i, &place,
                                    NULL) == FG_OK);
            check(place.length == shards.starts[i + 1] - shards.starts[i]);
        }
        while (fg_loader_acquire(loader, NULL, &batch, NULL) == FG_OK) {
            must_match_order(&shards, &config, &batch);
            fg_loader_release(loader, &batch, NULL);
        }
        fg_loader_close(loader);
    }
}

static atomic_bool stats_may_end;

static void *read_stats(void *context)
{
    struct fg_loader_stats stats;
    uint64_t before = 0;

    while (!atomic_load(&stats_may_end)) {
        fg_loader_get_stats(context, &stats);
        if (stats.batches < before) {
            return context;
        }
        before = stats.batches;
        (void)fg_loader_get_copied_ns(context, before);
    }
    return NULL;
}

static void stats_from_another_thread_only_grow(void **state)
{
    static const char *const devices[] = {"host", "emulated"};

    (void)state;
    for (int d = 0; d < 2; d++) {
        struct fg_loader_config config = source_config(&records);
        struct fg_loader *loader;
        struct fg_batch batch;
        pthread_t thread;
        void *went_back;

        atomic_store(&stats_may_end, false);
        config.device = devices[d];
        config.epochs = 20;
        loader = must_open(&config);
        assert_int_equal(pthread_create(&thread, NULL, read_stats, loader), 0);
        while (fg_loader_acquire(loader, NULL, &batch, NULL) == FG_OK) {
            fg_loader_release(loader, &batch, NULL);
        }
        atomic_store(&stats_may_end, true);
        pthread_join(thread, &went_back);
        assert_null(went_back);
        fg_loader_close(loader);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(acquire_beyond_the_slots_is_refused_until_release),
        cmocka_unit_test(acquire_on_a_device_lends_three),
        cmocka_unit_test(close_at_any_moment_leaves_nothing),
        cmocka_unit_test(cancel_from_another_thread_ends_a_run),
        cmocka_unit_test(cancel_from_a_signal_handler_ends_a_run),
        cmocka_unit_test(fork_child_is_harmless_and_parent_goes_on),
        cmocka_unit_test(two_loaders_at_once_do_not_meet),
        cmocka_unit_test(locate_while_the_loader_runs_is_right),
        cmocka_unit_test(stats_from_another_thread_only_grow),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
