/* SPDX-License-Identifier: Apache-2.0 */
/* `feedgpu run`: what GPUs' times are said to mean, and how it is set up. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/feedgpu/run.h"

#define S UINT64_C(1000000000)

static struct options options;
static struct run run;

/* A GPU that computed for 6 of 10 seconds; threads have a verdict. */
static int set_up(void **state)
{
    (void)state;
    memset(&options, 0, sizeof(options));
    memset(&run, 0, sizeof(run));
    run.options = &options;
    run.feeder = (struct fg_feeder *)(void *)&options; /* never followed */
    run.gpu.count = 1;
    run.gpu.window_ns = 10 * S;
    run.gpu.labels.ns[FG_LABEL_COMPUTE] = 6 * S;
    run.verdict.limit = LIMIT_INPUT;
    strcpy(run.verdict.text, "threads");
    strcpy(run.verdict.advice, "more of it");
    unsetenv("CUDA_INJECTION64_PATH");
    return 0;
}

static void expect(enum run_limit limit, const char *text, const char *advice)
{
    run_gpu_judge(&run);
    assert_string_equal(run.verdict.text, text);
    assert_string_equal(run.verdict.advice, advice);
    assert_int_equal(run.verdict.limit, limit);
}

static void judge_nothing_recorded_leaves_the_threads_verdict(void **state)
{
    (void)state;
    memset(&run.gpu, 0, sizeof(run.gpu));
    expect(LIMIT_INPUT, "threads", "more of it");
}

static void judge_gpu_that_is_busy_says_it_limits(void **state)
{
    (void)state;
    run.gpu.labels.ns[FG_LABEL_COMPUTE] = 9950000000;
    run.gpu.labels.ns[FG_LABEL_HOST] = 50000000;
    expect(LIMIT_OTHER,
           "the GPU is what limits this program: it computed 99.5 % of the "
           "time between its first kernel and its last",
           "");
}

static void judge_idle_in_reads_keeps_the_threads_advice(void **state)
{
    (void)state;
    run.gpu.labels.ns[FG_LABEL_STORAGE_DEVICE] = 3 * S;
    run.gpu.labels.ns[FG_LABEL_HOST] = S;
    run.gpu.idle_read_ns = 3 * S;
    expect(LIMIT_INPUT,
           "the GPU computed 60.0 % of the time, and was idle for 30.0 % while "
           "some read was blocking. Without that it would compute at most "
           "85.7 %",
           "more of it");
    run.verdict.advice[0] = '\0';
    run_gpu_judge(&run);
    assert_string_equal(
        run.verdict.advice,
        "faster storage, more reads at once, or more of it in memory");
}

static void judge_reads_that_block_all_the_time_are_no_cause(void **state)
{
    (void)state;
    run.gpu.labels.ns[FG_LABEL_STORAGE_DEVICE] = 4 * S;
    run.gpu.idle_read_ns = 4 * S;
    run.gpu.busy_read_ns = 59 * S / 10;
    run_gpu_judge(&run);
    assert_int_equal(run.verdict.limit, LIMIT_UNKNOWN);
    assert_string_equal(run.verdict.advice,
                        "reads were blocking as often while the GPU computed, "
                        "so they may not be why it was idle: see which thread "
                        "hands data to it, and what that waits for");
    run.gpu.busy_read_ns = S;
    run_gpu_judge(&run);
    assert_int_equal(run.verdict.limit, LIMIT_INPUT);
}

static void judge_copies_says_what_is_wrong_with_them(void **state)
{
    (void)state;
    run.gpu.labels.ns[FG_LABEL_H2D] = 4 * S;
    run.gpu.gpus[0].pageable.ns = 3 * S;
    run.gpu.gpus[0].pageable.count = 10;
    run.gpu.gpus[0].pinned.ns = S;
    expect(LIMIT_INPUT,
           "the GPU computed 60.0 % of the time, and was idle for 40.0 % while "
           "data was copied to it. Without that it would compute at most "
           "100.0 %",
           "most copies were from pageable memory: pin it (pin_memory=True in "
           "PyTorch) and copy with non_blocking=True");
    run.gpu.gpus[0].pinned.ns = 4 * S;
    run.gpu.gpus[0].pageable.small = 6;
    run_gpu_judge(&run);
    assert_string_equal(
        run.verdict.advice,
        "most copies were of less than 64 KiB: put them together");
    run.gpu.gpus[0].pageable.small = 0;
    run_gpu_judge(&run);
    assert_string_equal(
        run.verdict.advice,
        "copy the next batch while this one computes, on a stream of its own");
}

static void judge_idle_without_reads_is_not_input(void **state)
{
    (void)state;
    run.gpu.labels.ns[FG_LABEL_HOST] = 3 * S;
    run.gpu.labels.ns[FG_LABEL_OTHER] = S;
    expect(LIMIT_OTHER,
           "the GPU computed 60.0 % of the time, and was idle for 30.0 % while "
           "no read was blocking and nothing was copied. Without that it would "
           "compute at most 85.7 %",
           "nothing was launched, and no read was blocking: the program's own "
           "work between kernels, decoding, or waiting for others");
}

static void prepare_with_the_library_sets_the_variable(void **state)
{
    char shim[512];
    char wanted[1024];
    (void)state;
    assert_non_null(getcwd(shim, 256));
    strcat(shim, "/libfeedgpu-preload.so");
    close(open("libfeedgpu-cupti.so", O_WRONLY | O_CREAT, 0644));
    snprintf(wanted, sizeof(wanted),
             "CUDA_INJECTION64_PATH=%.*slibfeedgpu-cupti.so",
             (int)(strrchr(shim, '/') + 1 - shim), shim);
    run_gpu_prepare(&run, shim);
    assert_string_equal(run.gpu.off, "");
    assert_string_equal(run.gpu.variable, wanted);
    /* Ours already: we run under ourselves. */
    setenv("CUDA_INJECTION64_PATH", strchr(wanted, '=') + 1, 1);
    run.gpu.variable[0] = '\0';
    run_gpu_prepare(&run, shim);
    assert_string_equal(run.gpu.variable, wanted);
}

static void prepare_without_it_says_why(void **state)
{
    (void)state;
    run_gpu_prepare(&run, "/nowhere/libfeedgpu-preload.so");
    assert_string_equal(run.gpu.variable, "");
    assert_string_equal(
        run_gpu_why(&run),
        "this feedgpu was built without CUDA: no /nowhere/libfeedgpu-cupti.so");
    setenv("CUDA_INJECTION64_PATH", "/theirs", 1);
    run_gpu_prepare(&run, "/nowhere/libfeedgpu-preload.so");
    assert_string_equal(
        run_gpu_why(&run),
        "CUDA_INJECTION64_PATH is set to /theirs already, and stays so");
    options.run.is_without_gpu = true;
    run_gpu_prepare(&run, "/nowhere/libfeedgpu-preload.so");
    assert_string_equal(run_gpu_why(&run), "--no-gpu");
}

static void why_nothing_started_cuda_is_said(void **state)
{
    (void)state;
    assert_string_equal(run_gpu_why(&run),
                        "no process of the program started CUDA");
    run.feeder = NULL;
    assert_string_equal(run_gpu_why(&run), "the program ran unfed and unseen");
    run.is_alone = true;
    assert_string_equal(run_gpu_why(&run),
                        "only programs of `feedgpu run` have theirs recorded");
}

#define gpu_test(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        gpu_test(judge_nothing_recorded_leaves_the_threads_verdict),
        gpu_test(judge_gpu_that_is_busy_says_it_limits),
        gpu_test(judge_idle_in_reads_keeps_the_threads_advice),
        gpu_test(judge_reads_that_block_all_the_time_are_no_cause),
        gpu_test(judge_copies_says_what_is_wrong_with_them),
        gpu_test(judge_idle_without_reads_is_not_input),
        gpu_test(prepare_with_the_library_sets_the_variable),
        gpu_test(prepare_without_it_says_why),
        gpu_test(why_nothing_started_cuda_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
