/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: every nanosecond has one, and the right one. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <feedgpu/stats.h>

#include "runtime/permute.h"

#define RUNS 100000

static uint64_t sum(const struct fg_labels *labels)
{
    uint64_t total = 0;

    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        total += labels->ns[i];
    }
    return total;
}

/* A time: small, near the others, or absurd. */
static uint64_t any_time(uint64_t seed, uint64_t which)
{
    uint64_t word = fgi_mix(seed, which);

    switch (word % 8) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return fgi_mix(word, 1);
    default:
        return 1000000 + fgi_mix(word, 2) % 1000;
    }
}

static void add_step_hostile_times_sum_to_the_window(void **state)
{
    const uint64_t seed = 20260102;

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (uint64_t i = 0; i < RUNS; i++) {
        uint64_t run = fgi_mix(seed, i);
        uint64_t window = any_time(run, 0);
        struct fg_span compute = {any_time(run, 1), any_time(run, 2)};
        struct fg_batch_times times = {
            .planned_ns = any_time(run, 3),
            .read_ns = any_time(run, 4),
            .assembled_ns = any_time(run, 5),
            .copied_ns = any_time(run, 6),
        };
        struct fg_labels labels = {{0}};
        uint64_t wanted = compute.end_ns > window ? compute.end_ns - window : 0;

        fg_labels_add_step(&labels, window, &compute, &times, any_time(run, 7));
        if (sum(&labels) != wanted) {
            fail_msg("run %" PRIu64 ": got %" PRIu64 " wanted %" PRIu64, i,
                     sum(&labels), wanted);
        }
    }
}

/* Against a walk through the window, instant by instant. */
static void add_step_each_instant_has_the_label_of_the_state(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 3000; run++) {
        const uint64_t window = 100;
        struct fg_span compute = {90 + fgi_mix(run, 1) % 80, 0};
        struct fg_batch_times times = {
            .read_ns = 80 + fgi_mix(run, 2) % 100,
            .assembled_ns = 80 + fgi_mix(run, 3) % 100,
            .copied_ns = 80 + fgi_mix(run, 4) % 100,
        };
        uint64_t underfed = fgi_mix(run, 5) % 50;
        struct fg_labels got = {{0}};
        struct fg_labels wanted = {{0}};
        uint64_t storage = 0;

        compute.end_ns = compute.start_ns + fgi_mix(run, 6) % 50;
        for (uint64_t now = window; now < compute.end_ns; now++) {
            if (now >= compute.start_ns) {
                wanted.ns[FG_LABEL_COMPUTE]++;
            } else if (now < times.read_ns) {
                storage++;
            } else if (now < times.assembled_ns) {
                wanted.ns[FG_LABEL_PREP]++;
            } else if (now < times.copied_ns) {
                wanted.ns[FG_LABEL_H2D]++;
            } else {
                wanted.ns[FG_LABEL_HOST]++;
            }
        }
        wanted.ns[FG_LABEL_STORAGE_UNDERFED] =
            underfed < storage ? underfed : storage;
        wanted.ns[FG_LABEL_STORAGE_DEVICE] =
            storage - wanted.ns[FG_LABEL_STORAGE_UNDERFED];
        fg_labels_add_step(&got, window, &compute, &times, underfed);
        assert_memory_equal(&got, &wanted, sizeof(got));
    }
}

static void add_step_several_steps_add_up(void **state)
{
    const struct fg_span compute = {.start_ns = 30, .end_ns = 50};
    const struct fg_batch_times times = {
        .read_ns = 15, .assembled_ns = 18, .copied_ns = 25};
    struct fg_labels labels = {{0}};

    (void)state;
    fg_labels_add_step(&labels, 10, &compute, &times, 2);
    fg_labels_add_step(&labels, 10, &compute, &times, 2);
    assert_int_equal(labels.ns[FG_LABEL_STORAGE_UNDERFED], 4);
    assert_int_equal(labels.ns[FG_LABEL_STORAGE_DEVICE], 6);
    assert_int_equal(labels.ns[FG_LABEL_PREP], 6);
    assert_int_equal(labels.ns[FG_LABEL_H2D], 14);
    assert_int_equal(labels.ns[FG_LABEL_HOST], 10);
    assert_int_equal(labels.ns[FG_LABEL_COMPUTE], 40);
    assert_int_equal(labels.ns[FG_LABEL_SYNC], 0);
    assert_int_equal(labels.ns[FG_LABEL_OTHER], 0);
}

static void label_name_each_is_what_the_header_says(void **state)
{
    (void)state;
    assert_string_equal(fg_label_name(FG_LABEL_COMPUTE), "compute");
    assert_string_equal(fg_label_name(FG_LABEL_STORAGE_DEVICE),
                        "storage_device");
    assert_string_equal(fg_label_name(FG_LABEL_STORAGE_UNDERFED),
                        "storage_underfed");
    assert_string_equal(fg_label_name(FG_LABEL_OTHER), "other");
    assert_string_equal(fg_label_name(FG_LABEL_COUNT), "?");
    assert_string_equal(fg_label_name((enum fg_label)99), "?");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_step_hostile_times_sum_to_the_window),
        cmocka_unit_test(add_step_each_instant_has_the_label_of_the_state),
        cmocka_unit_test(add_step_several_steps_add_up),
        cmocka_unit_test(label_name_each_is_what_the_header_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
