/* SPDX-License-Identifier: Apache-2.0 */
/* `feedgpu run --trace`: the file, letter by letter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/feedgpu/run_trace.h"

#define HEAD                                                                   \
    "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"                          \
    "{\"ph\":\"M\",\"name\":\"trace\",\"pid\":0,\"args\":{}}"

static struct run_trace trace;
static char *text;
static size_t text_bytes;

static int set_up(void **state)
{
    (void)state;
    run_trace_begin(&trace, open_memstream(&text, &text_bytes));
    trace.start_ns = 1000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(text);
    return 0;
}

static void end_without_spans_is_whole(void **state)
{
    (void)state;
    assert_true(run_trace_end(&trace));
    assert_string_equal(text, HEAD "\n]}\n");
}

static void span_of_each_side_is_written(void **state)
{
    struct fg_feeder_span copy = {
        .kind = FG_FEEDER_H2D,
        .memory = FG_FEEDER_PINNED,
        .pid = 42,
        .gpu = 1,
        .lane = 7,
        .start_ns = 2001,
        .end_ns = 5003001,
        .bytes = 4096,
        .path = "",
    };
    struct fg_feeder_span read = {
        .kind = FG_FEEDER_READ,
        .pid = 42,
        .lane = 43,
        .start_ns = 0, /* before the trace began: cut */
        .end_ns = 50000,
        .bytes = 10,
        .path = "/a \"b\"\\\n\xc3\xa4",
    };
    (void)state;
    run_trace_span(&copy, &trace);
    run_trace_span(&read, &trace);
    assert_true(run_trace_end(&trace));
    assert_string_equal(
        text,
        HEAD ",\n{\"ph\":\"X\",\"name\":\"copy to the GPU\",\"cat\":\"gpu\","
             "\"ts\":1.001,\"dur\":5001.000,\"pid\":1073741825,\"tid\":7,"
             "\"args\":{\"bytes\":4096,\"memory\":\"pinned\",\"process\":42}}"
             ",\n{\"ph\":\"X\",\"name\":\"read call\",\"cat\":\"read\","
             "\"ts\":0.000,\"dur\":50.000,\"pid\":42,\"tid\":43,"
             "\"args\":{\"bytes\":10,\"path\":\"/a \\\"b\\\"\\\\???\"}}\n]}\n");
}

static void span_beyond_the_bound_is_left_out(void **state)
{
    struct fg_feeder_span kernel = {.kind = FG_FEEDER_KERNEL, .path = ""};
    (void)state;
    trace.bytes = TRACE_BYTES_MAX + 1;
    run_trace_span(&kernel, &trace);
    assert_int_equal(trace.left_out, 1);
    assert_true(run_trace_end(&trace));
    assert_string_equal(text, HEAD "\n]}\n");
}

static void gpu_is_named(void **state)
{
    struct fg_feeder_gpu gpu = {
        .index = 2, .bus_id = "0000:c1:00.0", .name = "a \"GPU\""};
    (void)state;
    run_trace_gpu(&trace, &gpu);
    assert_true(run_trace_end(&trace));
    assert_string_equal(text,
                        HEAD ",\n{\"ph\":\"M\",\"name\":\"process_name\","
                             "\"pid\":1073741826,\"args\":{\"name\":\"GPU 2 "
                             "0000:c1:00.0 a \\\"GPU\\\"\"}}\n]}\n");
}

static void end_on_a_full_disk_fails(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    (void)state;
    if (full == NULL) {
        skip();
    }
    assert_true(run_trace_end(&trace));
    run_trace_begin(&trace, full);
    errno = 0;
    assert_false(run_trace_end(&trace));
    assert_int_equal(errno, ENOSPC);
}

#define trace_test(name)                                                       \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        trace_test(end_without_spans_is_whole),
        trace_test(span_of_each_side_is_written),
        trace_test(span_beyond_the_bound_is_left_out),
        trace_test(gpu_is_named),
        trace_test(end_on_a_full_disk_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
