/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for a GPU, over the test double of the CUDA runtime: what is said
 * where there is none, which one is taken where there are several.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/device.h"
#include "tests/lib/cudart_double.h"

static struct fg_error err;

#define ok(call) assert_int_equal(call, FG_OK)

static void assert_nothing_is_left(void)
{
    struct cudart_double_live live = cudart_double_count_live();

    assert_int_equal(live.streams + live.events, 0);
    assert_int_equal(live.allocations + live.registrations, 0);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
}

static void open_without_a_gpu_says_why(void **state)
{
    static const struct {
        cudaError_t count_error;
        int device_count;
        int driver_version;
        enum fg_status status;
        const char *message;
    } rows[] = {
        {cudaErrorInsufficientDriver, 0, 0, FG_ERR_UNSUPPORTED,
         "device cuda: open: no NVIDIA driver (likely cause: libcuda.so.1 is "
         "not on this machine, or not in this container)"},
        {cudaErrorInsufficientDriver, 0, 11040, FG_ERR_UNSUPPORTED,
         "device cuda: open: driver: got one for CUDA 11.4, wanted 13.0 "
         "(likely cause: the driver is too old)"},
        {cudaErrorNoDevice, 0, 13000, FG_ERR_UNSUPPORTED,
         "device cuda: open: no GPU (likely cause: none in this machine, or "
         "CUDA_VISIBLE_DEVICES hides it)"},
        {cudaSuccess, 0, 13000, FG_ERR_UNSUPPORTED,
         "device cuda: open: no GPU (likely cause: none in this machine, or "
         "CUDA_VISIBLE_DEVICES hides it)"},
        {cudaErrorSystemDriverMismatch, 0, 13000, FG_ERR_DEVICE,
         "device cuda: open: cudaGetDeviceCount: cudaErrorSystemDriverMismatch:"
         " system has unsupported display driver / cuda driver combination "
         "(likely cause: driver and kernel module do not fit together)"},
        {cudaSuccess, 1, 13000, FG_ERR_ARGUMENT,
         "device cuda:1: open: got 1 GPUs, numbered from 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fg_device *device = NULL;

        cudart_double.count_error = rows[i].count_error;
        cudart_double.device_count = rows[i].device_count;
        cudart_double.driver_version = rows[i].driver_version;
        assert_int_equal(fg_device_open("cuda:1", 0, &device, &err),
                         rows[i].status);
        assert_string_equal(err.message, rows[i].message);
        assert_null(device);
        assert_nothing_is_left();
    }
}

static void open_auto_without_a_gpu_is_emulated(void **state)
{
    struct fg_device *device = NULL;
    struct fg_device_info info;

    (void)state;
    cudart_double.count_error = cudaErrorNoDevice;
    ok(fg_device_open("auto", FG_DEVICE_TIME_ONLY, &device, &err));
    fg_device_get_info(device, &info);
    assert_string_equal(info.kind, "emulated");
    fg_device_close(device);
    assert_nothing_is_left();
}

static void open_any_takes_the_first_that_works(void **state)
{
    struct fg_device *device = NULL;
    struct fg_device_info info;

    (void)state;
    cudart_double_fail_after(3, cudaErrorLaunchFailure);
    ok(fg_device_open("auto", 0, &device, &err));
    assert_string_equal(cudart_double_failed_call(), "cudaGetDeviceProperties");
    fg_device_get_info(device, &info);
    assert_string_equal(info.kind, "cuda");
    assert_string_equal(info.name, "Test Double 1");
    assert_string_equal(info.bus_id, "0000:f1:1f.0");
    assert_int_equal(info.memory_bytes, (uint64_t)4 << 30);
    fg_device_close(device);
    assert_nothing_is_left();
}

static void open_says_the_node_that_the_driver_says(void **state)
{
    static const int nodes[] = {3, 0, -1};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fg_device *device = NULL;
        struct fg_device_info info;

        cudart_double.host_node = nodes[i];
        ok(fg_device_open("cuda:0", 0, &device, &err));
        fg_device_get_info(device, &info);
        assert_int_equal(info.numa_node, nodes[i]);
        fg_device_close(device);
    }
}

static void open_with_a_bad_number_is_refused(void **state)
{
    static const char *const names[] = {"x", "-1", "1024", "99999999999", "0x"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct fg_device *device = NULL;
        char name[32];
        char text[128];

        snprintf(name, sizeof(name), "cuda:%s", names[i]);
        snprintf(text, sizeof(text),
                 "device cuda: name: got \"%s\", wanted \"cuda:N\" with N from "
                 "0 to 1023",
                 name);
        assert_int_equal(fg_device_open(name, 0, &device, &err),
                         FG_ERR_ARGUMENT);
        assert_string_equal(err.message, text);
    }
}

static int reset(void **state)
{
    (void)state;
    cudart_double_reset(1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(open_without_a_gpu_says_why, reset),
        cmocka_unit_test_setup(open_auto_without_a_gpu_is_emulated, reset),
        cmocka_unit_test_setup(open_any_takes_the_first_that_works, reset),
        cmocka_unit_test_setup(open_says_the_node_that_the_driver_says, reset),
        cmocka_unit_test_setup(open_with_a_bad_number_is_refused, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
