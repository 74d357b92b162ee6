/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cuda device when CUDA fails, over the test double: every call is made to
 * fail once, the process forks or exits, the program captures a graph. Each
 * time: one line with the call and CUDA's name for the error, nothing left
 * behind, and no error left for the program to find.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gpu/device.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "tests/lib/cudart_double.h"

#define BYTES ((size_t)64 << 10)
#define STEPS 13

static struct fg_error err;
static struct fgi_block block;

#define ok(call) assert_int_equal(call, FG_OK)

/* What a loader holds of a device, in the order it gets it. */
struct held {
    struct fg_device *device;
    bool is_pinned;
    void *memory;
    fg_stream stream;
    fgi_event event;
};

static enum fg_status compute_and_ask(struct held *held)
{
    enum fg_status status =
        fg_stream_compute(held->device, held->stream, 1000, 5, &err);
    struct fg_span span;

    if (status != FG_OK) {
        return status;
    }
    return fg_compute_get_span(held->device, held->stream, 5, &span, &err);
}

/* Step `i` of a small run. */
static enum fg_status step(struct held *held, int i)
{
    const struct fgi_device_ops *ops =
        held->device != NULL ? held->device->ops : NULL;
    enum fg_status status;
    bool passed;

    switch (i) {
    case 0:
        return fg_device_open("cuda:1", 0, &held->device, &err);
    case 1:
        return ops->bind_thread(held->device, &err);
    case 2:
        status = ops->pin(held->device, block.base, block.bytes, &err);
        held->is_pinned = status == FG_OK;
        return status;
    case 3:
        return ops->alloc(held->device, BYTES, &held->memory, &err);
    case 4:
        return fg_stream_open(held->device, &held->stream, &err);
    case 5:
        return ops->event_create(held->device, true, &held->event, &err);
    case 6:
        return ops->copy(held->device, held->stream, held->memory, block.base,
                         BYTES, &err);
    case 7:
        return ops->event_record(held->device, held->event, held->stream, &err);
    case 8:
        return ops->stream_wait(held->device, held->stream, held->event, &err);
    case 9:
        return ops->event_query(held->device, held->event, &passed, &err);
    case 10:
        return ops->event_synchronize(held->device, held->event, &err);
    case 11:
        return fg_device_read(held->device, held->stream, block.base,
                              held->memory, BYTES, &err);
    default:
        return compute_and_ask(held);
    }
}

static void give_back(struct held *held)
{
    if (held->device == NULL) {
        return;
    }
    fg_stream_close(held->device, held->stream);
    held->device->ops->event_destroy(held->device, held->event);
    held->device->ops->free(held->device, held->memory, BYTES);
    if (held->is_pinned) {
        held->device->ops->unpin(held->device, block.base, block.bytes);
    }
    fg_device_close(held->device);
}

static void assert_nothing_is_left(void)
{
    struct cudart_double_live live = cudart_double_count_live();

    assert_int_equal(live.streams, 0);
    assert_int_equal(live.events, 0);
    assert_int_equal(live.allocations, 0);
    assert_int_equal(live.registrations, 0);
    assert_int_equal(cudart_double_count_violations(), 0);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
}

/* Not being able to count GPUs is the device's failure, whatever the reason. */
static enum fg_status wanted_status(const char *call, cudaError_t code)
{
    return code == cudaErrorMemoryAllocation &&
                   strcmp(call, "cudaGetDeviceCount") != 0
               ? FG_ERR_MEMORY
               : FG_ERR_DEVICE;
}

/* Run with the nth call failing; false when there is no nth call. */
static bool run_with_failure(unsigned nth, cudaError_t code, const char *name)
{
    struct held held = {0};
    enum fg_status status = FG_OK;
    const char *call;
    int done = 0;

    cudart_double_fail_after(nth, code);
    while (done < STEPS && status == FG_OK) {
        status = step(&held, done);
        done += status == FG_OK;
    }
    call = cudart_double_failed_call();
    cudart_double_fail_after(0, cudaSuccess);
    if (call == NULL) {
        ok(status);
    } else {
        char said[96];

        assert_int_equal(status, wanted_status(call, code));
        snprintf(said, sizeof(said), ": %s: %s: ", call, name);
        assert_int_equal(strncmp(err.message, "device cuda", 11), 0);
        assert_non_null(strstr(err.message, said));
        assert_non_null(strstr(err.message, "(likely cause: "));
        assert_null(strchr(err.message, '\n'));
        assert_true(strlen(err.message) < sizeof(err.message) - 8);
    }
    /* What failed once can be tried again, and the rest goes on. */
    for (; done < STEPS; done++) {
        ok(step(&held, done));
    }
    give_back(&held);
    assert_nothing_is_left();
    return call != NULL;
}

static void every_call_failing_once_is_told_and_undone(void **state)
{
    unsigned n = 0;

    (void)state;
    cudart_double.delay_us_max = 0;
    while (run_with_failure(++n, cudaErrorMemoryAllocation,
                            "cudaErrorMemoryAllocation")) {
        /* Two events per step that may be asked for: once is enough. */
        if (n == 40) {
            n = 40 + 2 * FG_COMPUTE_SPANS_MAX - 20;
        }
    }
    assert_true(n > 2 * FG_COMPUTE_SPANS_MAX + 20);
    n = 0;
    while (n < 40 && run_with_failure(++n, cudaErrorLaunchFailure,
                                      "cudaErrorLaunchFailure")) {
    }
}

static void pin_failing_is_worded_exactly(void **state)
{
    struct fg_device *device = NULL;

    (void)state;
    ok(fg_device_open("cuda:0", 0, &device, &err));
    ok(device->ops->pin(device, block.base, 1 << 20, &err));
    assert_int_equal(device->ops->pin(device, block.base + 4096, 4096, &err),
                     FG_ERR_DEVICE);
    assert_string_equal(
        err.message,
        "device cuda:0: pin 4096 bytes: cudaHostRegister: "
        "cudaErrorHostMemoryAlreadyRegistered: part or all of the requested "
        "memory range is already mapped (likely cause: the range is pinned "
        "already)");
    device->ops->unpin(device, block.base, 1 << 20);
    cudart_double_fail_after(1, cudaErrorMemoryAllocation);
    assert_int_equal(device->ops->pin(device, block.base, 1 << 20, &err),
                     FG_ERR_MEMORY);
    assert_string_equal(
        err.message,
        "device cuda:0: pin 1048576 bytes: cudaHostRegister: "
        "cudaErrorMemoryAllocation: out of memory (likely cause: not enough "
        "free memory, or a limit on locked memory)");
    fg_device_close(device);
    assert_nothing_is_left();
}

/* The double's own strictness, without which the suite would prove less. */
static void copy_from_memory_not_pinned_as_one_is_refused(void **state)
{
    struct held held = {0};
    size_t half = 1 << 20;

    (void)state;
    for (int i = 0; i <= 4; i++) {
        if (i != 2) {
            ok(step(&held, i));
        }
    }
    const struct fgi_device_ops *ops = held.device->ops;

    assert_int_equal(ops->copy(held.device, held.stream, held.memory,
                               block.base, BYTES, &err),
                     FG_ERR_DEVICE);
    assert_string_equal(err.message,
                        "device cuda:1: copy 65536 bytes: cudaMemcpyAsync: "
                        "cudaErrorInvalidValue: invalid argument");
    ok(ops->pin(held.device, block.base, half, &err));
    ok(ops->pin(held.device, block.base + half, half, &err));
    ok(ops->copy(held.device, held.stream, held.memory,
                 block.base + half - BYTES, BYTES, &err));
    assert_int_equal(ops->copy(held.device, held.stream, held.memory,
                               block.base + half - BYTES / 2, BYTES, &err),
                     FG_ERR_DEVICE);
    ok(fg_stream_synchronize(held.device, held.stream, &err));
    ops->unpin(held.device, block.base, half);
    ops->unpin(held.device, block.base + half, half);
    give_back(&held);
    assert_nothing_is_left();
}

/* While the program captures a graph elsewhere, ours go through, and the
 * thread's own mode is as it was. */
static void calls_during_a_capture_do_not_spoil_it(void **state)
{
    enum cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    struct held held = {0};

    (void)state;
    cudart_double.is_capturing = true;
    for (int i = 0; i < STEPS; i++) {
        ok(step(&held, i));
    }
    assert_int_equal(cudaEventQuery(held.event),
                     cudaErrorStreamCaptureUnsupported);
    assert_int_equal(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
    assert_int_equal(mode, cudaStreamCaptureModeGlobal);
    cudart_double.is_capturing = false;
    cudaGetLastError();
    give_back(&held);
    assert_nothing_is_left();
}

static void compute_on_the_programs_stream_is_refused(void **state)
{
    struct held held = {0};
    cudaStream_t theirs;

    (void)state;
    for (int i = 0; i <= 5; i++) {
        ok(step(&held, i));
    }
    assert_int_equal(cudaStreamCreateWithFlags(&theirs, cudaStreamNonBlocking),
                     cudaSuccess);
    assert_int_equal(fg_stream_compute(held.device, theirs, 0, 0, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        "device cuda:1: compute: got a foreign stream, wanted "
                        "one that fg_stream_open made");
    /* Everything else is allowed on it, and on the handles without object. */
    cudaStream_t all[] = {theirs, NULL, cudaStreamLegacy, cudaStreamPerThread};

    for (size_t i = 0; i < 4; i++) {
        const struct fgi_device_ops *ops = held.device->ops;

        ok(ops->copy(held.device, all[i], held.memory, block.base, BYTES,
                     &err));
        ok(ops->event_record(held.device, held.event, all[i], &err));
        ok(ops->stream_wait(held.device, held.stream, held.event, &err));
        ok(fg_stream_synchronize(held.device, held.stream, &err));
    }
    /* Destroying it is the program's business. */
    held.device->ops->stream_destroy(held.device, theirs);
    assert_int_equal(cudaStreamDestroy(theirs), cudaSuccess);
    give_back(&held);
    assert_nothing_is_left();
}

/* A query does not wait: with everything held back it says no, and says so
 * without leaving an error. */
static void query_of_work_not_done_says_so(void **state)
{
    struct held held = {0};
    bool passed = true;

    (void)state;
    for (int i = 0; i <= 5; i++) {
        ok(step(&held, i));
    }
    cudart_double_hold(true);
    ok(step(&held, 6));
    ok(step(&held, 7));
    ok(held.device->ops->event_query(held.device, held.event, &passed, &err));
    assert_false(passed);
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    cudart_double_hold(false);
    ok(step(&held, 10));
    ok(held.device->ops->event_query(held.device, held.event, &passed, &err));
    assert_true(passed);
    give_back(&held);
    assert_nothing_is_left();
}

static void use_in_a_forked_child_is_refused(void **state)
{
    struct held held = {0};
    int status = 0;
    pid_t child;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        ok(step(&held, i));
    }
    child = fork();
    if (child == 0) {
        fg_stream stream;
        bool is_right =
            fg_stream_open(held.device, &stream, &err) == FG_ERR_STATE &&
            strcmp(err.message,
                   "device cuda:1: use: got a forked child, wanted the "
                   "process that opened it (CUDA does not survive fork)") == 0;

        give_back(&held);
        _exit(is_right && cudart_double_live.events > 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    give_back(&held);
    assert_nothing_is_left();
}

static void close_after_cudart_unloaded_is_quiet(void **state)
{
    struct held held = {0};

    (void)state;
    for (int i = 0; i <= 3; i++) {
        ok(step(&held, i));
    }
    cudart_double.is_unloading = true;
    give_back(&held);
    /* What stays is the driver's to free; here, the double's. */
    cudart_double.is_unloading = false;
    assert_int_equal(cudart_double_count_live().allocations, 1);
    assert_int_equal(cudaFree(held.memory), cudaSuccess);
    assert_int_equal(cudaHostUnregister(block.base), cudaSuccess);
    assert_nothing_is_left();
}

static int reset(void **state)
{
    (void)state;
    cudart_double_reset(fgi_now_ns());
    return 0;
}

static int map_block(void **state)
{
    (void)state;
    return fgi_block_map(&block, 4 << 20, -1, &err) == FG_OK ? 0 : -1;
}

static int unmap_block(void **state)
{
    (void)state;
    cudart_double_finish();
    fgi_block_unmap(&block);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_call_failing_once_is_told_and_undone,
                               reset),
        cmocka_unit_test_setup(pin_failing_is_worded_exactly, reset),
        cmocka_unit_test_setup(copy_from_memory_not_pinned_as_one_is_refused,
                               reset),
        cmocka_unit_test_setup(calls_during_a_capture_do_not_spoil_it, reset),
        cmocka_unit_test_setup(compute_on_the_programs_stream_is_refused,
                               reset),
        cmocka_unit_test_setup(query_of_work_not_done_says_so, reset),
        cmocka_unit_test_setup(use_in_a_forked_child_is_refused, reset),
        cmocka_unit_test_setup(close_after_cudart_unloaded_is_quiet, reset),
    };

    return cmocka_run_group_tests(tests, map_block, unmap_block);
}
