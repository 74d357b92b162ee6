/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measuring copies to a GPU that fails, over the test double: each call fails
 * once, as when the device is lost. Every time one clear line, and nothing of
 * the measurement is left on the device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <feedgpu/measure.h>

#include "runtime/base/math.h"
#include "tests/lib/cudart_double.h"

static struct fg_error err;
static struct fg_rate rate;

static int reset(void **state)
{
    (void)state;
    cudart_double_reset(7);
    memset(&err, 0, sizeof(err));
    return 0;
}

static struct fg_device *open_gpu(void)
{
    struct fg_device *device = NULL;

    assert_int_equal(fg_device_open("cuda:0", 0, &device, &err), FG_OK);
    return device;
}

static struct fg_measure_config quick(void)
{
    struct fg_measure_config config;

    fg_measure_config_init(&config);
    config.rounds = 1;
    config.bytes = FGI_MIB(10);
    return config;
}

static void nothing_is_left(void)
{
    struct cudart_double_live live = cudart_double_count_live();

    assert_int_equal(live.streams, 0);
    assert_int_equal(live.events, 0);
    assert_int_equal(live.allocations, 0);
    assert_int_equal(live.registrations, 0);
    assert_int_equal(cudart_double_count_violations(), 0);
}

static void copy_to_a_gpu_gives_a_rate_and_leaves_nothing(void **state)
{
    struct fg_measure_config config = quick();
    struct fg_device *device = open_gpu();

    (void)state;
    assert_int_equal(fg_measure_copy(device, -1, &config, &rate, &err), FG_OK);
    assert_int_equal(rate.rounds, 1);
    assert_true(rate.bytes_per_s > 0);
    nothing_is_left();
    fg_device_close(device);
    cudart_double_finish();
}

/* The calls that failed on the way, to see that all kinds did. */
static char failed_calls[4096];

static void copy_that_fails_at(struct fg_device *device, unsigned n)
{
    struct fg_measure_config config = quick();
    const char *call;
    enum fg_status status;

    memset(&err, 0, sizeof(err));
    cudart_double_fail_after(n, cudaErrorECCUncorrectable);
    status = fg_measure_copy(device, -1, &config, &rate, &err);
    call = cudart_double_failed_call();
    assert_non_null(call);
    assert_int_equal(status, FG_ERR_DEVICE);
    assert_memory_equal(err.message, "measure: device cuda:0: ", 24);
    assert_non_null(strstr(err.message, call));
    assert_null(strchr(err.message, '\n'));
    cudart_double_fail_after(0, cudaSuccess);
    nothing_is_left();
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    if (strstr(failed_calls, call) == NULL &&
        strlen(failed_calls) + strlen(call) + 2 < sizeof(failed_calls)) {
        strcat(strcat(failed_calls, call), " ");
    }
}

/* Events are asked over and over, so the number of calls has no end. */
static void copy_with_any_call_failing_is_one_clear_line(void **state)
{
    static const char *const calls[] = {
        "cudaSetDevice",   "cudaHostRegister",
        "cudaMalloc",      "cudaStreamCreateWithFlags",
        "cudaMemcpyAsync", "cudaEventCreateWithFlags",
        "cudaEventQuery",  "cudaEventRecord",
    };
    struct fg_device *device = open_gpu();

    (void)state;
    for (unsigned n = 1; n <= 30; n++) {
        copy_that_fails_at(device, n);
    }
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strstr(failed_calls, calls[i]) == NULL) {
            fail_msg("%s: was never made to fail: %s", calls[i], failed_calls);
        }
    }
    fg_device_close(device);
    cudart_double_finish();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(copy_to_a_gpu_gives_a_rate_and_leaves_nothing,
                               reset),
        cmocka_unit_test_setup(copy_with_any_call_failing_is_one_clear_line,
                               reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
