/* SPDX-License-Identifier: Apache-2.0 */
/* Waking a wait: before it, by a thread, by a signal, amid reads. */
#include "tests/conformance/engine_suite.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "runtime/base/thread.h"

void wake_before_wait_makes_it_return(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    struct fgi_read *done[4];

    (void)state;
    for (int i = 0; i < 100; i++) {
        engine->ops->wake(engine);
        engine->ops->wake(engine);
        assert_int_equal(engine->ops->wait(engine, done, 4, FGI_NEVER), 0);
    }
    suite_close(engine);
}

struct waker {
    struct fgi_engine *engine;
    _Atomic bool stop;
    uint64_t pause_ns;
};

static void wake_repeatedly(void *context)
{
    struct waker *waker = context;

    while (!atomic_load(&waker->stop)) {
        fgi_sleep_ns(waker->pause_ns);
        waker->engine->ops->wake(waker->engine);
    }
}

void wake_by_another_thread_ends_every_wait(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    struct waker waker = {.engine = engine, .pause_ns = 100000};
    struct fgi_read *done[4];
    struct fgi_thread thread;

    (void)state;
    assert_int_equal(
        fgi_thread_start(&thread, "waker", -1, wake_repeatedly, &waker, NULL),
        FG_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(engine->ops->wait(engine, done, 4, FGI_NEVER), 0);
    }
    atomic_store(&waker.stop, true);
    fgi_thread_join(&thread);
    suite_close(engine);
}

void wake_during_reads_loses_none(void **state)
{
    struct fgi_engine *engine = suite_open(8);
    struct waker waker = {.engine = engine, .pause_ns = 1000};
    struct fgi_read reads[8];
    struct fgi_thread thread;

    (void)state;
    assert_int_equal(
        fgi_thread_start(&thread, "waker", -1, wake_repeatedly, &waker, NULL),
        FG_OK);
    for (int round = 0; round < 50; round++) {
        int back[8] = {0};
        struct fgi_read *done[8];
        size_t sum = 0;

        for (uint32_t i = 0; i < 8; i++) {
            reads[i] = suite_read((uint64_t)i * READ_BYTES, i);
            reads[i].owner = &back[i];
            engine->ops->submit(engine, &reads[i]);
        }
        while (sum < 8) {
            size_t got = engine->ops->wait(engine, done, 8, FGI_NEVER);

            for (size_t i = 0; i < got; i++) {
                ++*(int *)done[i]->owner;
            }
            sum += got;
        }
        for (uint32_t i = 0; i < 8; i++) {
            assert_int_equal(back[i], 1);
            suite_must_hold(&reads[i]);
        }
    }
    atomic_store(&waker.stop, true);
    fgi_thread_join(&thread);
    suite_close(engine);
}

static struct fgi_engine *signal_engine;

static void wake_from_handler(int number)
{
    (void)number;
    signal_engine->ops->wake(signal_engine);
}

void wake_by_a_signal_handler_ends_the_wait(void **state)
{
    struct sigaction action = {.sa_handler = wake_from_handler};
    struct sigaction before;
    struct itimerval soon = {.it_interval.tv_usec = 2000,
                             .it_value.tv_usec = 2000};
    const struct itimerval off = {.it_value.tv_usec = 0};
    struct fgi_read *done[4];

    (void)state;
    signal_engine = suite_open(4);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(
            signal_engine->ops->wait(signal_engine, done, 4, FGI_NEVER), 0);
    }
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    suite_close(signal_engine);
}
