/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of measurements share. */
#ifndef TESTS_MEASURE_FIXTURE_H
#define TESTS_MEASURE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "runtime/base/math.h"
#include "runtime/measure.h"

static struct fg_error err;
static struct fg_rate rate;

/* A quick measurement. */
static inline struct fg_measure_config quick(void)
{
    struct fg_measure_config config;

    fg_measure_config_init(&config);
    config.rounds = 2;
    config.bytes = FGI_MIB(4);
    return config;
}

static inline void expect_fails(enum fg_status got, enum fg_status wanted,
                                const char *message)
{
    assert_int_equal(got, wanted);
    assert_int_equal(err.status, wanted);
    assert_string_equal(err.message, message);
}

/* A rate holds together. */
static inline void expect_rate(uint32_t rounds)
{
    assert_int_equal(rate.rounds, rounds);
    assert_true(rate.bytes_per_s_min > 0);
    assert_true(rate.bytes_per_s_min <= rate.bytes_per_s);
    assert_true(rate.bytes_per_s <= rate.bytes_per_s_max);
    assert_true(rate.bytes > 0);
}

struct stopper {
    unsigned asked; /* so often so far */
    unsigned at;    /* stops the n-th time */
};

static inline int stop_at(void *context)
{
    struct stopper *stopper = context;

    return ++stopper->asked >= stopper->at;
}

static inline struct fg_measure_config stoppable(struct stopper *stopper)
{
    struct fg_measure_config config = quick();

    config.poll = stop_at;
    config.poll_context = stopper;
    config.rounds = FG_MEASURE_ROUNDS_MAX;
    config.bytes = FGI_MIB(64);
    return config;
}

static inline void fixture_put_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (size_t i = 0; i < bytes; i++) {
        fputc((int)(i % 251), file);
    }
    assert_int_equal(fclose(file), 0);
}

#endif /* TESTS_MEASURE_FIXTURE_H */
