/* SPDX-License-Identifier: Apache-2.0 */
/* The feeder's pool: jobs run and finish, and a thread that is held does not
 * hold up the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/feeder/pool.h"

#define THREADS 2u

/* A job that waits until it is let go, as in an open far away. */
struct slow_job {
    struct fgi_job job; /* first: they are cast */
    struct fgi_gate gate;
    _Atomic uint32_t may_end;
    _Atomic uint32_t has_begun;
    uint32_t finished;
    uint32_t dropped;
};

static void run_slow(struct fgi_job *job)
{
    struct slow_job *slow = (struct slow_job *)job;

    atomic_store(&slow->has_begun, 1);
    for (;;) {
        uint32_t seen = fgi_gate_read(&slow->gate);

        if (atomic_load(&slow->may_end) != 0) {
            return;
        }
        fgi_gate_wait(&slow->gate, seen, FGI_NEVER);
    }
}

static void finish_slow(struct fgi_job *job, void *context, uint64_t now_ns)
{
    (void)context;
    (void)now_ns;
    ((struct slow_job *)job)->finished++;
}

static void drop_slow(struct fgi_job *job)
{
    ((struct slow_job *)job)->dropped++;
}

static void make_slow(struct slow_job *slow, bool may_end)
{
    *slow = (struct slow_job){
        .job = {.run = run_slow, .finish = finish_slow, .drop = drop_slow}};
    fgi_gate_init(&slow->gate);
    atomic_init(&slow->may_end, may_end);
}

static void let_go(struct slow_job *slow)
{
    atomic_store(&slow->may_end, 1);
    fgi_gate_notify(&slow->gate);
}

static void wake(void *context)
{
    fgi_gate_notify(context);
}

static void jobs_run_and_finish(void **state)
{
    struct fgi_gate gate;
    struct fgi_pool pool;
    struct slow_job job;

    (void)state;
    fgi_gate_init(&gate);
    make_slow(&job, true);
    assert_int_equal(fgi_pool_init(&pool, THREADS, -1, wake, &gate, NULL),
                     FG_OK);
    fgi_pool_push(&pool, &job.job, false);
    while (job.finished == 0) {
        uint32_t seen = fgi_gate_read(&gate);

        fgi_pool_finish(&pool, fgi_now_ns());
        if (job.finished == 0) {
            fgi_gate_wait(&gate, seen, FGI_NEVER);
        }
    }
    assert_int_equal(job.dropped, 1);
    assert_true(fgi_pool_fini(&pool, FGI_NEVER));
}

static void held_thread_does_not_hold_up_the_end(void **state)
{
    struct fgi_gate gate;
    struct fgi_pool pool;
    struct slow_job held;
    struct slow_job queued;

    (void)state;
    fgi_gate_init(&gate);
    make_slow(&held, false);
    make_slow(&queued, true);
    assert_int_equal(fgi_pool_init(&pool, 1, -1, wake, &gate, NULL), FG_OK);
    fgi_pool_push(&pool, &held.job, false);
    fgi_pool_push(&pool, &queued.job, false);
    while (atomic_load(&held.has_begun) == 0) {
        fgi_cpu_relax();
    }
    assert_false(fgi_pool_fini(&pool, fgi_now_ns() + FGI_NS_PER_MS));
    assert_int_equal(held.dropped + queued.dropped, 0);
    let_go(&held);
    assert_true(fgi_pool_fini(&pool, FGI_NEVER));
    assert_int_equal(held.dropped, 1);
    assert_int_equal(queued.dropped, 1);
    assert_int_equal(held.finished + queued.finished, 0);
}

static void nothing_begun_is_nothing_to_end(void **state)
{
    struct fgi_pool pool = {0};

    (void)state;
    assert_true(fgi_pool_fini(&pool, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_and_finish),
        cmocka_unit_test(held_thread_does_not_hold_up_the_end),
        cmocka_unit_test(nothing_begun_is_nothing_to_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
