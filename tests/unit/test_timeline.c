/* SPDX-License-Identifier: Apache-2.0 */
/* A GPU's time, against a reference that looks at every nanosecond. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/feeder/timeline.h"
#include "runtime/permute.h"

#define RUNS 3000
#define SLICES_MAX 48u
#define BASE_NS 1000000u
#define RANGE_NS 400u
#define GPUS 2u

struct set {
    struct fgi_slice slices[SLICES_MAX];
    uint32_t count;
};

static struct fgi_timeline *open_timeline(uint32_t room)
{
    struct fgi_timeline *timeline = calloc(1, sizeof(*timeline));
    struct fg_error err;

    assert_non_null(timeline);
    assert_int_equal(fgi_timeline_init(timeline, room, &err), FG_OK);
    return timeline;
}

static void close_timeline(struct fgi_timeline *timeline)
{
    fgi_timeline_fini(timeline);
    free(timeline);
}

static void add(struct fgi_timeline *timeline, enum fgi_span_kind kind,
                uint64_t start_ns, uint64_t end_ns)
{
    struct fgi_slice slice = {
        .start_ns = start_ns,
        .end_ns = end_ns,
        .bytes = 1u << 20,
        .kind = (uint8_t)kind,
        .memory = FGI_MEMORY_PINNED,
    };

    fgi_timeline_add(timeline, &slice);
}

/* Any slices, in any order; some begin or end together. */
static void make_set(uint64_t seed, struct set *set)
{
    set->count = (uint32_t)(fgi_mix(seed, 0) % (SLICES_MAX + 1));
    for (uint32_t i = 0; i < set->count; i++) {
        struct fgi_slice *slice = &set->slices[i];
        uint64_t word = fgi_mix(seed, i + 1);

        slice->kind = (uint8_t)(FGI_SPAN_KERNEL + word % 5);
        slice->gpu = (uint16_t)(word / 8 % GPUS);
        slice->memory = (uint8_t)(word / 64 % FGI_MEMORY_KINDS);
        slice->bytes = fgi_mix(word, 1) % (2 * FGI_COPY_BYTES_MIN);
        slice->start_ns = BASE_NS + fgi_mix(word, 2) % RANGE_NS;
        slice->end_ns = slice->start_ns + fgi_mix(word, 3) % 40;
    }
}

static bool is_of(const struct fgi_slice *slice, uint32_t gpu)
{
    return slice->kind == FGI_SPAN_READ || slice->gpu == gpu;
}

/* Which kinds are active in that nanosecond, as bits. */
static uint32_t active_at(const struct set *set, uint32_t gpu, uint64_t ns)
{
    uint32_t kinds = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        const struct fgi_slice *slice = &set->slices[i];

        if (is_of(slice, gpu) && slice->start_ns <= ns && ns < slice->end_ns) {
            kinds |= 1u << slice->kind;
        }
    }
    return kinds;
}

static void reference_labels(const struct set *set, uint32_t gpu,
                             struct fgi_gpu_time *time)
{
    uint64_t last_ns = 0;

    time->first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct fgi_slice *slice = &set->slices[i];

        if (is_of(slice, gpu) && slice->kind == FGI_SPAN_KERNEL &&
            slice->end_ns > slice->start_ns) {
            time->has_kernel = true;
            time->first_ns = fgi_min(time->first_ns, slice->start_ns);
            last_ns = fgi_max(last_ns, slice->end_ns);
        }
    }
    for (uint64_t ns = time->first_ns; ns < last_ns; ns++) {
        uint32_t kinds = active_at(set, gpu, ns);
        bool is_reading = (kinds & 1u << FGI_SPAN_READ) != 0;

        if ((kinds & 1u << FGI_SPAN_KERNEL) != 0) {
            time->compute_ns++;
            time->busy_read_ns += is_reading ? 1 : 0;
            continue;
        }
        time->idle.read_ns += is_reading ? 1 : 0;
        if ((kinds & 1u << FGI_SPAN_COPY_HTOD) != 0) {
            time->idle.h2d_ns++;
        } else if (is_reading) {
            time->idle.storage_ns++;
        } else if (kinds != 0) {
            time->idle.other_ns++;
        } else {
            time->idle.host_ns++;
        }
    }
}

static bool meets_kernel(const struct set *set, const struct fgi_slice *copy)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct fgi_slice *slice = &set->slices[i];

        if (slice->kind == FGI_SPAN_KERNEL && slice->gpu == copy->gpu &&
            slice->start_ns < copy->end_ns && slice->end_ns > copy->start_ns &&
            slice->end_ns > slice->start_ns) {
            return true;
        }
    }
    return false;
}

static void reference_copies(const struct set *set, uint32_t gpu,
                             struct fgi_gpu_time *time)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct fgi_slice *slice = &set->slices[i];
        struct fgi_copies *copies = &time->h2d[slice->memory];
        uint64_t ns = slice->end_ns - slice->start_ns;

        if (slice->gpu != gpu || slice->kind != FGI_SPAN_COPY_HTOD) {
            continue;
        }
        copies->count++;
        copies->bytes += slice->bytes;
        copies->ns += ns;
        copies->small += slice->bytes < FGI_COPY_BYTES_MIN ? 1 : 0;
        if (ns > 0 && !meets_kernel(set, slice)) {
            copies->lonely++;
            copies->lonely_ns += ns;
        }
    }
}

static void check_same(const struct fgi_gpu_time *got,
                       const struct fgi_gpu_time *wanted)
{
    assert_int_equal(got->has_kernel, wanted->has_kernel);
    if (wanted->has_kernel) {
        assert_int_equal(got->first_ns, wanted->first_ns);
    }
    assert_int_equal(got->compute_ns, wanted->compute_ns);
    assert_int_equal(got->busy_read_ns, wanted->busy_read_ns);
    assert_memory_equal(&got->idle, &wanted->idle, sizeof(got->idle));
    assert_memory_equal(got->h2d, wanted->h2d, sizeof(got->h2d));
}

static void finish_any_order_is_as_the_reference(void **state)
{
    const uint64_t seed = 20260311;

    (void)state;
    print_message("seed %" PRIu64 "\n", seed);
    for (uint64_t run = 0; run < RUNS; run++) {
        struct fgi_timeline *timeline = open_timeline(SLICES_MAX);
        struct set set;

        make_set(fgi_mix(seed, run), &set);
        for (uint32_t i = 0; i < set.count; i++) {
            fgi_timeline_add(timeline, &set.slices[i]);
        }
        fgi_timeline_finish(timeline);
        assert_int_equal(timeline->late, 0);
        for (uint32_t gpu = 0; gpu < GPUS; gpu++) {
            struct fgi_gpu_time wanted = {0};

            reference_labels(&set, gpu, &wanted);
            reference_copies(&set, gpu, &wanted);
            check_same(&timeline->gpus[gpu], &wanted);
        }
        close_timeline(timeline);
    }
}

static uint64_t idle_sum(const struct fgi_gpu_time *gpu)
{
    return gpu->idle.h2d_ns + gpu->idle.storage_ns + gpu->idle.other_ns +
           gpu->idle.host_ns;
}

/* With room for few, many are late: no time is counted twice or lost. */
static void add_late_slices_still_sum_to_the_window(void **state)
{
    uint64_t late = 0;

    (void)state;
    for (uint64_t run = 0; run < RUNS; run++) {
        struct fgi_timeline *timeline =
            open_timeline((uint32_t)(1 + fgi_mix(run, 7) % 8));
        struct set set;

        make_set(fgi_mix(5, run), &set);
        for (uint32_t i = 0; i < set.count; i++) {
            fgi_timeline_add(timeline, &set.slices[i]);
            if (fgi_mix(run, i + 100) % 16 == 0) {
                fgi_timeline_finish(timeline);
            }
        }
        fgi_timeline_finish(timeline);
        late += timeline->late;
        for (uint32_t i = 0; i < GPUS; i++) {
            const struct fgi_gpu_time *gpu = &timeline->gpus[i];

            if (gpu->has_kernel) {
                assert_int_equal(gpu->compute_ns + idle_sum(gpu),
                                 gpu->kernel_until_ns - gpu->first_ns);
            }
            assert_true(gpu->idle.read_ns >= gpu->idle.storage_ns);
        }
        close_timeline(timeline);
    }
    assert_true(late > RUNS);
}

static void add_beyond_the_horizon_is_swept(void **state)
{
    struct fgi_timeline *timeline = open_timeline(64);

    (void)state;
    add(timeline, FGI_SPAN_KERNEL, 100, 200);
    add(timeline, FGI_SPAN_KERNEL, 100 + FGI_HORIZON_NS, 200 + FGI_HORIZON_NS);
    assert_int_equal(timeline->count, 2);
    add(timeline, FGI_SPAN_KERNEL, 101 + FGI_HORIZON_NS, 300 + FGI_HORIZON_NS);
    assert_int_equal(timeline->count, 2);
    assert_int_equal(timeline->swept_ns, 100);
    /* Late by a nanosecond; all but that is still counted. */
    add(timeline, FGI_SPAN_KERNEL, 99, 250);
    assert_int_equal(timeline->late, 1);
    fgi_timeline_finish(timeline);
    assert_int_equal(timeline->gpus[0].late, 1);
    assert_int_equal(timeline->gpus[0].kernels, 4);
    assert_int_equal(timeline->gpus[0].compute_ns, 150 + 200);
    close_timeline(timeline);
}

static void add_time_after_the_last_kernel_is_outside(void **state)
{
    struct fgi_timeline *timeline = open_timeline(64);
    const struct fgi_gpu_time *gpu = &timeline->gpus[0];

    (void)state;
    add(timeline, FGI_SPAN_COPY_HTOD, 10, 50);
    add(timeline, FGI_SPAN_KERNEL, 100, 200);
    add(timeline, FGI_SPAN_READ, 300, 500);
    fgi_timeline_finish(timeline);
    assert_int_equal(gpu->compute_ns, 100);
    assert_int_equal(idle_sum(gpu), 0);
    assert_int_equal(gpu->h2d[FGI_MEMORY_PINNED].lonely, 1);
    add(timeline, FGI_SPAN_KERNEL, 600, 700);
    fgi_timeline_finish(timeline);
    assert_int_equal(gpu->compute_ns, 200);
    assert_int_equal(gpu->idle.storage_ns, 200);
    assert_int_equal(gpu->idle.host_ns, 200);
    close_timeline(timeline);
}

static void add_more_copies_at_once_than_are_kept_counts_all(void **state)
{
    struct fgi_timeline *timeline = open_timeline(256);

    (void)state;
    for (uint32_t i = 0; i < FGI_LONELY_MAX + 10; i++) {
        add(timeline, FGI_SPAN_COPY_HTOD, 100 + i, 1000);
    }
    fgi_timeline_finish(timeline);
    assert_int_equal(timeline->gpus[0].h2d[FGI_MEMORY_PINNED].lonely,
                     FGI_LONELY_MAX + 10);
    close_timeline(timeline);
}

static void init_without_memory_fails(void **state)
{
    struct fgi_timeline timeline;
    struct fg_error err;

    (void)state;
    for (unsigned n = 1; n <= 2; n++) {
        fgi_alloc_fail_after(n);
        assert_int_equal(fgi_timeline_init(&timeline, 77, &err), FG_ERR_MEMORY);
        fgi_alloc_fail_after(0);
        assert_string_equal(err.message, "feeder: timeline of 77");
        fgi_timeline_fini(&timeline);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finish_any_order_is_as_the_reference),
        cmocka_unit_test(add_late_slices_still_sum_to_the_window),
        cmocka_unit_test(add_beyond_the_horizon_is_swept),
        cmocka_unit_test(add_time_after_the_last_kernel_is_outside),
        cmocka_unit_test(add_more_copies_at_once_than_are_kept_counts_all),
        cmocka_unit_test(init_without_memory_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
