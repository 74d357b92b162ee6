/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule against a plain count through every position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/schedule.h"

#define SAMPLES_MAX 30

static struct fg_loader_config config_of(uint32_t batch, uint32_t rank,
                                         uint32_t world,
                                         enum fg_remainder remainder)
{
    struct fg_loader_config config;

    fg_loader_config_init(&config);
    config.batch_size = batch;
    config.rank = rank;
    config.world_size = world;
    config.remainder = remainder;
    config.epochs = 3;
    return config;
}

static void fail_case(const struct fg_loader_config *config, uint64_t samples,
                      const char *what, uint64_t at)
{
    fail_msg("%llu samples, batch %u, rank %u of %u, remainder %d: %s at %llu",
             (unsigned long long)samples, config->batch_size, config->rank,
             config->world_size, (int)config->remainder, what,
             (unsigned long long)at);
}

/* Batch by batch, epoch by epoch, as one would count by hand. */
static void must_count_right(const struct fg_loader_config *config,
                             uint64_t samples)
{
    uint64_t global = (uint64_t)config->batch_size * config->world_size;
    struct fgi_schedule schedule;
    struct fgi_batch_place place;
    uint64_t sequence = 0;

    if (fgi_schedule_init(&schedule, config, samples, NULL) != FG_OK) {
        if (config->remainder == FG_REMAINDER_PAD || global <= samples) {
            fail_case(config, samples, "refused", 0);
        }
        return;
    }
    for (uint64_t epoch = 0; epoch < config->epochs; epoch++) {
        uint64_t step = 0;

        for (uint64_t at = 0; at < samples; at += global, step++) {
            uint64_t first = at + (uint64_t)config->rank * config->batch_size;
            uint64_t count = 0;

            if (config->remainder == FG_REMAINDER_DROP &&
                at + global > samples) {
                break;
            }
            for (uint64_t i = 0; i < config->batch_size; i++) {
                count += config->remainder == FG_REMAINDER_WRAP ||
                         first + i < samples;
            }
            if (sequence >= schedule.batch_count) {
                fail_case(config, samples, "ended early", sequence);
            }
            fgi_schedule_batch(&schedule, sequence, &place);
            if (place.epoch != epoch || place.step != step ||
                place.position != first || place.count != count) {
                fail_case(config, samples, "another place", sequence);
            }
            sequence++;
        }
        if (step != schedule.epoch_steps) {
            fail_case(config, samples, "another epoch_steps", step);
        }
    }
    if (sequence != schedule.batch_count) {
        fail_case(config, samples, "another batch_count", sequence);
    }
}

typedef void (*case_fn)(const struct fg_loader_config *config,
                        uint64_t samples);

static void for_each_case(case_fn run)
{
    for (uint64_t samples = 1; samples <= SAMPLES_MAX; samples++) {
        for (uint32_t batch = 1; batch <= 8; batch++) {
            for (uint32_t world = 1; world <= 4; world++) {
                for (uint32_t rank = 0; rank < world; rank++) {
                    for (int remainder = 0; remainder < 3; remainder++) {
                        struct fg_loader_config config = config_of(
                            batch, rank, world, (enum fg_remainder)remainder);

                        run(&config, samples);
                    }
                }
            }
        }
    }
}

static void schedule_batch_any_case_counts_right(void **state)
{
    (void)state;
    for_each_case(must_count_right);
}

/* State after k batches, a new schedule from it: the same batches follow. */
static void must_resume(const struct fg_loader_config *config, uint64_t samples)
{
    struct fgi_schedule whole;

    if (fgi_schedule_init(&whole, config, samples, NULL) != FG_OK) {
        return;
    }
    for (uint64_t done = 0; done < whole.batch_count; done++) {
        struct fg_loader_config again = *config;
        struct fg_loader_state state = {.version = 1};
        struct fgi_schedule rest;

        fgi_schedule_after(&whole, done, &state.epoch, &state.position);
        again.state = &state;
        if (fgi_schedule_init(&rest, &again, samples, NULL) != FG_OK ||
            rest.batch_count != whole.batch_count - done) {
            fail_case(config, samples, "resumes with another count", done);
        }
        for (uint64_t i = 0; i < rest.batch_count; i++) {
            struct fgi_batch_place a;
            struct fgi_batch_place b;

            fgi_schedule_batch(&whole, done + i, &a);
            fgi_schedule_batch(&rest, i, &b);
            if (a.epoch != b.epoch || a.step != b.step ||
                a.position != b.position || a.count != b.count) {
                fail_case(config, samples, "resumes elsewhere", done);
            }
        }
    }
}

static void schedule_after_any_batch_resumes_with_the_next(void **state)
{
    (void)state;
    for_each_case(must_resume);
}

static void must_find_last(const struct fg_loader_config *config,
                           uint64_t samples)
{
    struct fgi_schedule schedule;

    if (fgi_schedule_init(&schedule, config, samples, NULL) != FG_OK) {
        return;
    }
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        for (uint64_t end = 1; end <= samples; end++) {
            uint64_t got = fgi_schedule_last_before(&schedule, epoch, end);
            uint64_t last = UINT64_MAX;

            for (uint64_t i = 0; i < schedule.batch_count; i++) {
                struct fgi_batch_place place;

                fgi_schedule_batch(&schedule, i, &place);
                if (place.epoch == epoch &&
                    place.position - schedule.rank_offset < end) {
                    last = i;
                }
            }
            if (got != last) {
                fail_case(config, samples, "another last batch", end);
            }
        }
    }
}

static void schedule_last_before_any_end_is_the_last(void **state)
{
    (void)state;
    for_each_case(must_find_last);
}

/* Positions of a global step, all ranks, in rank order. */
static uint64_t gather_step(const struct fg_loader_config *config,
                            uint64_t samples, uint64_t sequence,
                            uint64_t *positions)
{
    uint64_t count = 0;

    for (uint32_t rank = 0; rank < config->world_size; rank++) {
        struct fg_loader_config one = *config;
        struct fgi_schedule schedule;
        struct fgi_batch_place place;

        one.rank = rank;
        assert_int_equal(fgi_schedule_init(&schedule, &one, samples, NULL),
                         FG_OK);
        fgi_schedule_batch(&schedule, sequence, &place);
        for (uint32_t i = 0; i < place.count; i++) {
            positions[count++] = (place.position + i) % samples;
        }
    }
    return count;
}

static void schedule_of_any_world_size_has_the_same_global_steps(void **state)
{
    (void)state;
    for (int remainder = 0; remainder < 3; remainder++) {
        for (uint64_t samples = 12; samples <= 40; samples++) {
            for (uint32_t world = 1; world <= 12; world++) {
                struct fg_loader_config alone =
                    config_of(12, 0, 1, (enum fg_remainder)remainder);
                struct fg_loader_config shared = config_of(
                    12 / world, 0, world, (enum fg_remainder)remainder);
                struct fgi_schedule schedule;

                if (12 % world != 0) {
                    continue;
                }
                assert_int_equal(
                    fgi_schedule_init(&schedule, &alone, samples, NULL), FG_OK);
                for (uint64_t i = 0; i < schedule.batch_count; i++) {
                    uint64_t a[12];
                    uint64_t b[12];
                    uint64_t count = gather_step(&alone, samples, i, a);

                    assert_int_equal(gather_step(&shared, samples, i, b),
                                     count);
                    assert_memory_equal(a, b, count * sizeof(a[0]));
                }
            }
        }
    }
}

/* Saved by four ranks, resumed by two and by eight. */
static void schedule_resumed_on_another_world_size_goes_on(void **state)
{
    struct fg_loader_config four = config_of(6, 0, 4, FG_REMAINDER_PAD);
    struct fgi_schedule schedule;

    (void)state;
    assert_int_equal(fgi_schedule_init(&schedule, &four, 100, NULL), FG_OK);
    for (uint64_t done = 0; done < schedule.batch_count; done++) {
        struct fg_loader_state saved = {.version = 1};
        const uint32_t worlds[] = {1, 2, 8, 24};

        fgi_schedule_after(&schedule, done, &saved.epoch, &saved.position);
        for (int w = 0; w < 4; w++) {
            struct fg_loader_config other =
                config_of(24 / worlds[w], 0, worlds[w], FG_REMAINDER_PAD);
            uint64_t a[24];
            uint64_t b[24];
            uint64_t count = gather_step(&four, 100, done, a);

            other.state = &saved;
            assert_int_equal(gather_step(&other, 100, 0, b), count);
            assert_memory_equal(a, b, count * sizeof(a[0]));
        }
    }
}

static void schedule_steps_limit_ends_it(void **state)
{
    struct fg_loader_config config = config_of(10, 0, 1, FG_REMAINDER_PAD);
    struct fgi_schedule schedule;

    (void)state;
    config.steps = 7;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, NULL), FG_OK);
    assert_int_equal(schedule.batch_count, 7);
    config.steps = 1000;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, NULL), FG_OK);
    assert_int_equal(schedule.batch_count, 30);
    config.epochs = 0;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, NULL), FG_OK);
    assert_int_equal(schedule.batch_count, 1000);
    config.steps = 0;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, NULL), FG_OK);
    assert_true(schedule.batch_count == UINT64_MAX);
}

static void schedule_of_absurd_epochs_does_not_overflow(void **state)
{
    struct fg_loader_config config = config_of(1, 0, 1, FG_REMAINDER_PAD);
    struct fgi_schedule schedule;

    (void)state;
    config.epochs = UINT64_MAX;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 1000, NULL), FG_OK);
    assert_true(schedule.batch_count == UINT64_MAX);
}

static void
schedule_init_state_at_the_end_of_an_epoch_begins_the_next(void **state)
{
    struct fg_loader_config config = config_of(10, 0, 1, FG_REMAINDER_DROP);
    struct fg_loader_state saved = {.version = 1, .epoch = 1, .position = 95};
    struct fgi_schedule schedule;

    (void)state;
    config.state = &saved;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, NULL), FG_OK);
    assert_int_equal(schedule.start_epoch, 2);
    assert_int_equal(schedule.start_position, 0);
    assert_int_equal(schedule.batch_count, 10);
    saved.epoch = 2;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, NULL), FG_OK);
    assert_int_equal(schedule.batch_count, 0);
}

static void schedule_init_state_beyond_the_dataset_is_refused(void **state)
{
    struct fg_loader_config config = config_of(10, 0, 1, FG_REMAINDER_PAD);
    struct fg_loader_state saved = {.version = 1, .position = 101};
    struct fgi_schedule schedule;
    struct fg_error err;

    (void)state;
    config.state = &saved;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "state: got position 101, wanted at most "
                                     "the dataset's 100 samples");
}

static void schedule_init_batch_larger_than_the_dataset_is_refused(void **state)
{
    struct fg_loader_config config = config_of(30, 0, 4, FG_REMAINDER_DROP);
    struct fgi_schedule schedule;
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(
        err.message,
        "batch: got 120 samples per global batch, wanted at most the dataset's "
        "100 with remainder drop (likely cause: batch size too large; "
        "remainder pad would deliver it)");
    config.remainder = FG_REMAINDER_WRAP;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 119, &err),
                     FG_ERR_ARGUMENT);
    config.remainder = FG_REMAINDER_PAD;
    assert_int_equal(fgi_schedule_init(&schedule, &config, 100, &err), FG_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_batch_any_case_counts_right),
        cmocka_unit_test(schedule_after_any_batch_resumes_with_the_next),
        cmocka_unit_test(schedule_last_before_any_end_is_the_last),
        cmocka_unit_test(schedule_of_any_world_size_has_the_same_global_steps),
        cmocka_unit_test(schedule_resumed_on_another_world_size_goes_on),
        cmocka_unit_test(schedule_steps_limit_ends_it),
        cmocka_unit_test(schedule_of_absurd_epochs_does_not_overflow),
        cmocka_unit_test(
            schedule_init_state_at_the_end_of_an_epoch_begins_the_next),
        cmocka_unit_test(schedule_init_state_beyond_the_dataset_is_refused),
        cmocka_unit_test(
            schedule_init_batch_larger_than_the_dataset_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
