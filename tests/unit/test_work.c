/* SPDX-License-Identifier: Apache-2.0 */
/* The workers' queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/work.h"

#define TASKS 1000

static _Atomic uint32_t ran[TASKS];
static _Atomic uint32_t total;
static struct fgi_gate moved;

static void count_task(void *context, uint64_t argument, void *scratch)
{
    assert_non_null(scratch);
    assert_ptr_equal(context, ran);
    atomic_fetch_add(&ran[argument], 1);
    atomic_fetch_add(&total, 1);
    fgi_gate_notify(&moved);
}

static void wait_for_total(uint32_t wanted)
{
    for (;;) {
        uint32_t seen = fgi_gate_read(&moved);

        if (atomic_load(&total) >= wanted) {
            return;
        }
        fgi_gate_wait(&moved, seen, FGI_NEVER);
    }
}

static int set_up(void **state)
{
    (void)state;
    fgi_gate_init(&moved);
    atomic_store(&total, 0);
    for (int i = 0; i < TASKS; i++) {
        atomic_store(&ran[i], 0);
    }
    return 0;
}

static void push(struct fgi_work *work, uint64_t argument)
{
    const struct fgi_task task = {
        .run = count_task, .context = ran, .argument = argument};

    fgi_work_push(work, FGI_TASK_DECODE, &task);
}

static void push_many_tasks_run_once_each(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= 4; threads++) {
        struct fgi_work work;

        set_up(NULL);
        assert_int_equal(fgi_work_init(&work, threads, -1, TASKS, NULL), FG_OK);
        for (uint64_t i = 0; i < TASKS; i++) {
            push(&work, i);
        }
        wait_for_total(TASKS);
        fgi_work_fini(&work);
        for (int i = 0; i < TASKS; i++) {
            assert_int_equal(atomic_load(&ran[i]), 1);
        }
    }
}

static _Atomic uint32_t may_go_on;

static void wait_task(void *context, uint64_t argument, void *scratch)
{
    (void)context;
    (void)argument;
    (void)scratch;
    atomic_fetch_add(&total, 1);
    fgi_gate_notify(&moved);
    while (!atomic_load(&may_go_on)) {
        fgi_sleep_ns(FGI_NS_PER_MS);
    }
    atomic_fetch_add(&ran[0], 1);
}

/* Fini drops what waits, but not what runs. */
static void fini_waits_for_what_runs_and_drops_the_rest(void **state)
{
    const struct fgi_task task = {.run = wait_task};
    struct fgi_work work;

    (void)state;
    atomic_store(&may_go_on, 0);
    assert_int_equal(fgi_work_init(&work, 1, -1, 16, NULL), FG_OK);
    fgi_work_push(&work, FGI_TASK_DECODE, &task);
    wait_for_total(1);
    push(&work, 1);
    pthread_mutex_lock(&work.mutex);
    work.is_stopping = true; /* as fini says it, before the task may end */
    pthread_mutex_unlock(&work.mutex);
    atomic_store(&may_go_on, 1);
    fgi_work_fini(&work);
    assert_int_equal(atomic_load(&ran[0]), 1);
    assert_int_equal(atomic_load(&ran[1]), 0);
}

static void note_order(void *context, uint64_t argument, void *scratch)
{
    (void)context;
    (void)scratch;
    atomic_store(&ran[argument], 1 + atomic_fetch_add(&total, 1));
    fgi_gate_notify(&moved);
}

/* A batch that can be complete goes before blocks that are yet to decode. */
static void push_to_assemble_overtakes_decode(void **state)
{
    const struct fgi_task first = {.run = wait_task};
    struct fgi_work work;

    (void)state;
    atomic_store(&may_go_on, 0);
    assert_int_equal(fgi_work_init(&work, 1, -1, 16, NULL), FG_OK);
    fgi_work_push(&work, FGI_TASK_DECODE, &first);
    wait_for_total(1);
    for (uint64_t i = 1; i <= 2; i++) {
        const struct fgi_task task = {.run = note_order, .argument = i};

        fgi_work_push(&work, i == 1 ? FGI_TASK_DECODE : FGI_TASK_ASSEMBLE,
                      &task);
    }
    atomic_store(&may_go_on, 1);
    wait_for_total(3);
    fgi_work_fini(&work);
    assert_int_equal(atomic_load(&ran[2]), 2);
    assert_int_equal(atomic_load(&ran[1]), 3);
}

static void fini_of_a_zeroed_or_idle_pool_does_nothing(void **state)
{
    struct fgi_work work = {0};

    (void)state;
    fgi_work_fini(&work);
    assert_int_equal(fgi_work_init(&work, 3, -1, 1, NULL), FG_OK);
    fgi_work_fini(&work);
    fgi_work_fini(&work);
}

static void init_each_failing_allocation_is_an_error(void **state)
{
    struct fgi_work work;
    struct fg_error err;
    unsigned n = 0;
    enum fg_status status;

    (void)state;
    do {
        fgi_alloc_fail_after(++n);
        status = fgi_work_init(&work, 2, -1, 8, &err);
        fgi_alloc_fail_after(0);
        if (status != FG_OK) {
            assert_int_equal(status, FG_ERR_MEMORY);
        }
    } while (status != FG_OK);
    assert_in_range(n, 3, 20);
    fgi_work_fini(&work);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(push_many_tasks_run_once_each, set_up),
        cmocka_unit_test_setup(fini_waits_for_what_runs_and_drops_the_rest,
                               set_up),
        cmocka_unit_test_setup(push_to_assemble_overtakes_decode, set_up),
        cmocka_unit_test(fini_of_a_zeroed_or_idle_pool_does_nothing),
        cmocka_unit_test(init_each_failing_allocation_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
