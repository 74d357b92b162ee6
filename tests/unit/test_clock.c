/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include <cmocka.h>

#include "runtime/base/clock.h"

static void now_never_goes_back(void **state)
{
    uint64_t last_ns = fgi_now_ns();

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t now_ns = fgi_now_ns();

        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

static void sleep_until_returns_at_or_after_the_deadline(void **state)
{
    (void)state;
    for (uint64_t us = 1; us < 4000; us *= 3) {
        uint64_t deadline_ns = fgi_now_ns() + us * FGI_NS_PER_US;

        fgi_sleep_until(deadline_ns);
        assert_true(fgi_now_ns() >= deadline_ns);
    }
}

static void sleep_until_the_past_returns(void **state)
{
    (void)state;
    fgi_sleep_until(0);
    fgi_sleep_until(fgi_now_ns());
}

static void nothing(int number)
{
    (void)number;
}

static void sleep_interrupted_by_signals_goes_on(void **state)
{
    struct sigaction action = {.sa_handler = nothing};
    struct sigaction before;
    struct itimerval every = {{0, 2000}, {0, 2000}};
    struct itimerval off = {{0, 0}, {0, 0}};
    uint64_t start_ns = fgi_now_ns();

    (void)state;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &every, NULL);
    fgi_sleep_ns(20 * FGI_NS_PER_MS);
    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_true(fgi_now_ns() - start_ns >= 20 * FGI_NS_PER_MS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_never_goes_back),
        cmocka_unit_test(sleep_until_returns_at_or_after_the_deadline),
        cmocka_unit_test(sleep_until_the_past_returns),
        cmocka_unit_test(sleep_interrupted_by_signals_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
