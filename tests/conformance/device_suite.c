/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device conformance suite: one contract (gpu/device.h), every device.
 * Two programs run it: test_device.c on the devices of this machine, and
 * test_device_double.c on the test double of the CUDA runtime.
 *
 * No case depends on how fast anything is: they assert orders ("the event had
 * passed, so the work before it was done"), not durations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/conformance/device_suite.h"

struct device_suite suite;

static void info_of_an_open_device_names_it(void **state)
{
    struct fg_device_info info;

    (void)state;
    fg_device_get_info(suite.device, &info);
    assert_string_equal(info.kind, suite.device->ops->kind);
    assert_int_equal(strncmp(suite.name, info.kind, strlen(info.kind)), 0);
    assert_true(info.name[0] != '\0');
    assert_true(info.numa_node >= -1);
    assert_true(suite.device->ops->is_host == (info.memory_bytes == 0));
}

static void open_with_unknown_flags_is_refused(void **state)
{
    struct fg_device *device = NULL;
    struct fg_error err;
    char text[160];

    (void)state;
    snprintf(text, sizeof(text),
             "device %s: flags: got 0x80, wanted bits of 0x1", suite.name);
    assert_int_equal(fg_device_open(suite.name, 0x80, &device, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, text);
    assert_null(device);
}

static void event_never_recorded_has_passed(void **state)
{
    fgi_event event = suite_event(false);
    bool passed = false;

    (void)state;
    ok(suite.ops->event_query(suite.device, event, &passed, &suite.err));
    assert_true(passed);
    ok(suite.ops->event_synchronize(suite.device, event, &suite.err));
    suite.ops->event_destroy(suite.device, event);
}

/* Whoever says "passed" says it after the work's earliest end. */
static void event_after_compute_passes_after_it(void **state)
{
    for (int can_sleep = 0; can_sleep < 2; can_sleep++) {
        fg_stream stream = suite_stream();
        fgi_event event = suite_event(can_sleep != 0);
        uint64_t before_ns = fgi_now_ns();
        struct fg_span span;
        bool passed = false;

        ok(fg_stream_compute(suite.device, stream, 5 * FGI_NS_PER_MS, 0,
                             &suite.err));
        ok(suite.ops->event_record(suite.device, event, stream, &suite.err));
        ok(suite.ops->event_query(suite.device, event, &passed, &suite.err));
        if (passed) {
            assert_true(fgi_now_ns() >= before_ns + 5 * FGI_NS_PER_MS);
        }
        ok(suite.ops->event_synchronize(suite.device, event, &suite.err));
        assert_true(fgi_now_ns() >= before_ns + 5 * FGI_NS_PER_MS);
        ok(suite.ops->event_query(suite.device, event, &passed, &suite.err));
        assert_true(passed);
        ok(fg_compute_get_span(suite.device, stream, 0, &span, &suite.err));
        assert_true(suite.ops->event_passed_ns(suite.device, event) == 0 ||
                    suite.ops->event_passed_ns(suite.device, event) >=
                        span.end_ns);
        suite.ops->event_destroy(suite.device, event);
        fg_stream_close(suite.device, stream);
    }
    (void)state;
}

static void stream_wait_for_an_event_orders_two_streams(void **state)
{
    fg_stream first = suite_stream();
    fg_stream second = suite_stream();
    fgi_event event = suite_event(false);
    struct fg_span a;
    struct fg_span b;

    (void)state;
    ok(fg_stream_compute(suite.device, first, 3 * FGI_NS_PER_MS, 7,
                         &suite.err));
    ok(suite.ops->event_record(suite.device, event, first, &suite.err));
    ok(suite.ops->stream_wait(suite.device, second, event, &suite.err));
    ok(fg_stream_compute(suite.device, second, FGI_NS_PER_MS, 8, &suite.err));
    ok(fg_stream_synchronize(suite.device, second, &suite.err));
    ok(fg_compute_get_span(suite.device, first, 7, &a, &suite.err));
    ok(fg_compute_get_span(suite.device, second, 8, &b, &suite.err));
    assert_true(a.end_ns <= b.start_ns + suite.span_error_ns);
    suite.ops->event_destroy(suite.device, event);
    fg_stream_close(suite.device, first);
    fg_stream_close(suite.device, second);
}

static void compute_span_lies_between_launch_and_return(void **state)
{
    fg_stream stream = suite_stream();
    uint64_t before_ns = fgi_now_ns();
    uint64_t end_ns = 0;

    (void)state;
    for (uint64_t i = 0; i < 8; i++) {
        ok(fg_stream_compute(suite.device, stream, FGI_NS_PER_MS, i,
                             &suite.err));
    }
    for (uint64_t i = 0; i < 8; i++) {
        struct fg_span span;

        ok(fg_compute_get_span(suite.device, stream, i, &span, &suite.err));
        assert_true(span.start_ns >= before_ns);
        assert_true(span.start_ns + suite.span_error_ns >= end_ns);
        /* Event timestamps come in steps of half a microsecond. */
        assert_true(span.end_ns - span.start_ns + 2 * FGI_NS_PER_US >=
                    FGI_NS_PER_MS);
        assert_true(span.end_ns <= fgi_now_ns());
        end_ns = span.end_ns;
    }
    fg_stream_close(suite.device, stream);
}

static void compute_span_of_a_forgotten_step_is_refused(void **state)
{
    fg_stream stream = suite_stream();
    struct fg_span span;
    char text[160];

    (void)state;
    for (uint64_t i = 0; i <= FG_COMPUTE_SPANS_MAX; i++) {
        ok(fg_stream_compute(suite.device, stream, 0, i, &suite.err));
    }
    snprintf(text, sizeof(text),
             "device %s: span: got step 0, wanted one of the stream's last %u",
             suite.label, FG_COMPUTE_SPANS_MAX);
    assert_int_equal(
        fg_compute_get_span(suite.device, stream, 0, &span, &suite.err),
        FG_ERR_ARGUMENT);
    assert_string_equal(suite.err.message, text);
    ok(fg_compute_get_span(suite.device, stream, 1, &span, &suite.err));
    ok(fg_compute_get_span(suite.device, stream, FG_COMPUTE_SPANS_MAX, &span,
                           &suite.err));
    fg_stream_close(suite.device, stream);
}

static void compute_on_a_foreign_stream_is_refused(void **state)
{
    struct fg_span span;
    char text[160];

    (void)state;
    snprintf(text, sizeof(text),
             "device %s: compute: got a foreign stream, wanted one that "
             "fg_stream_open made",
             suite.label);
    assert_int_equal(fg_stream_compute(suite.device, NULL, 0, 0, &suite.err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(suite.err.message, text);
    assert_int_equal(
        fg_compute_get_span(suite.device, NULL, 0, &span, &suite.err),
        FG_ERR_ARGUMENT);
}

static void null_stream_takes_events_and_waits(void **state)
{
    fgi_event event = suite_event(false);

    (void)state;
    ok(suite.ops->event_record(suite.device, event, NULL, &suite.err));
    ok(suite.ops->stream_wait(suite.device, NULL, event, &suite.err));
    ok(fg_stream_synchronize(suite.device, NULL, &suite.err));
    ok(suite.ops->event_synchronize(suite.device, event, &suite.err));
    suite.ops->event_destroy(suite.device, event);
}

static void close_of_nothing_does_nothing(void **state)
{
    (void)state;
    fg_stream_close(suite.device, NULL);
    fg_device_close(NULL);
}

static void alloc_on_the_host_is_unsupported(void **state)
{
    void *memory = NULL;
    char byte = 0;

    (void)state;
    if (!suite.ops->is_host) {
        skip();
    }
    assert_int_equal(suite.ops->alloc(suite.device, 4096, &memory, &suite.err),
                     FG_ERR_UNSUPPORTED);
    assert_string_equal(
        suite.err.message,
        "device host: alloc 4096 bytes: it has no memory of its own");
    assert_null(memory);
    assert_int_equal(
        suite.ops->copy(suite.device, NULL, &byte, &byte, 1, &suite.err),
        FG_ERR_UNSUPPORTED);
    assert_string_equal(
        suite.err.message,
        "device host: copy 1 bytes: batches stay in host memory");
}

static void read_on_the_host_copies(void **state)
{
    char to[6] = "";

    (void)state;
    if (!suite.ops->is_host) {
        skip();
    }
    ok(fg_device_read(suite.device, NULL, to, "bytes", 6, &suite.err));
    assert_string_equal(to, "bytes");
}

static void alloc_gives_distinct_memory_and_takes_it_back(void **state)
{
    void *memory[8];

    (void)state;
    if (suite.ops->is_host) {
        skip();
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 8; i++) {
            ok(suite.ops->alloc(suite.device, 1 << 20, &memory[i], &suite.err));
            assert_int_equal((uintptr_t)memory[i] % 256, 0);
            for (size_t k = 0; k < i; k++) {
                uintptr_t a = (uintptr_t)memory[i];
                uintptr_t b = (uintptr_t)memory[k];

                assert_true(a >= b + (1 << 20) || b >= a + (1 << 20));
            }
        }
        for (size_t i = 0; i < 8; i++) {
            suite.ops->free(suite.device, memory[i], 1 << 20);
        }
    }
}

static void alloc_of_too_much_fails_and_harms_nothing(void **state)
{
    void *memory = NULL;

    (void)state;
    if (suite.ops->is_host) {
        skip();
    }
    assert_int_equal(
        suite.ops->alloc(suite.device, (size_t)1 << 46, &memory, &suite.err),
        FG_ERR_MEMORY);
    assert_non_null(strstr(suite.err.message, "alloc 70368744177664 bytes"));
    assert_null(memory);
    ok(suite.ops->alloc(suite.device, 4096, &memory, &suite.err));
    suite.ops->free(suite.device, memory, 4096);
}

static int suite_setup(void **state)
{
    enum fg_status status =
        fg_device_open(suite.name, suite.flags, &suite.device, &suite.err);
    struct fg_device_info info;

    (void)state;
    if (status == FG_ERR_UNSUPPORTED && strncmp(suite.name, "cuda", 4) == 0) {
        printf("skipped: no GPU: %s\n", suite.err.message);
        exit(77);
    }
    if (status != FG_OK) {
        fprintf(stderr, "%s\n", suite.err.message);
        return -1;
    }
    suite.ops = suite.device->ops;
    fg_device_get_info(suite.device, &info);
    printf("device %s: %s, node %d\n", info.kind, info.name, info.numa_node);
    if (strcmp(info.kind, "cuda") == 0) {
        snprintf(suite.label, sizeof(suite.label), "%s",
                 strchr(suite.name, ':') != NULL ? suite.name : "cuda:0");
    } else {
        snprintf(suite.label, sizeof(suite.label), "%s", info.kind);
    }
    return 0;
}

static int suite_teardown(void **state)
{
    (void)state;
    fg_device_close(suite.device);
    return 0;
}

int device_suite_run(const char *name, uint32_t flags, uint64_t span_error_ns)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_of_an_open_device_names_it),
        cmocka_unit_test(open_with_unknown_flags_is_refused),
        cmocka_unit_test(event_never_recorded_has_passed),
        cmocka_unit_test(event_after_compute_passes_after_it),
        cmocka_unit_test(stream_wait_for_an_event_orders_two_streams),
        cmocka_unit_test(compute_span_lies_between_launch_and_return),
        cmocka_unit_test(compute_span_of_a_forgotten_step_is_refused),
        cmocka_unit_test(compute_on_a_foreign_stream_is_refused),
        cmocka_unit_test(null_stream_takes_events_and_waits),
        cmocka_unit_test(close_of_nothing_does_nothing),
        cmocka_unit_test(alloc_on_the_host_is_unsupported),
        cmocka_unit_test(read_on_the_host_copies),
        cmocka_unit_test(alloc_gives_distinct_memory_and_takes_it_back),
        cmocka_unit_test(alloc_of_too_much_fails_and_harms_nothing),
        cmocka_unit_test(copy_there_and_back_keeps_every_byte),
        cmocka_unit_test(copies_on_one_stream_run_in_order),
        cmocka_unit_test(copy_behind_an_event_sees_what_came_before_it),
        cmocka_unit_test(pin_and_unpin_can_be_repeated),
        cmocka_unit_test(copy_back_where_only_time_passes_is_unsupported),
        cmocka_unit_test(slots_reused_behind_events_deliver_every_batch),
        cmocka_unit_test(threads_with_streams_of_their_own_do_not_mix),
    };
    char group[128];

    memset(&suite, 0, sizeof(suite));
    suite.name = name;
    suite.flags = flags;
    suite.span_error_ns = span_error_ns;
    suite.has_bytes = (flags & FG_DEVICE_TIME_ONLY) == 0;
    snprintf(group, sizeof(group), "device %s%s", name,
             suite.has_bytes ? "" : " (time only)");
    return _cmocka_run_group_tests(group, tests,
                                   sizeof(tests) / sizeof(tests[0]),
                                   suite_setup, suite_teardown);
}
