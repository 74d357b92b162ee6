/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at running processes: written ones, that hold anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <feedgpu/process.h>

#include "runtime/base/mem.h"
#include "tests/lib/process_fixture.h"

static void expect_failure(int32_t pid, enum fg_status status,
                           const char *message)
{
    struct fg_error err;

    open_topology(TREE);
    assert_int_equal(fg_process_open(topology, pid, &process, &err), status);
    assert_string_equal(err.message, message);
    assert_null(process);
}

static void open_a_process_tells_all(void **state)
{
    const struct fg_process_info *info = open_process();

    (void)state;
    assert_int_equal(info->pid, PID);
    assert_string_equal(info->name, "python3");
    assert_string_equal(info->command, "python3 train.py --name=a b");
    assert_string_equal(info->memory_nodes, "0-1");
    assert_string_equal(info->cpuset_cpus, "0-3");
    assert_string_equal(info->cpus, "0-3");
    assert_string_equal(info->nodes, "0-1");
    assert_int_equal(info->thread_count, 3);
    assert_int_equal(info->group_count, 2);
    assert_int_equal(info->groups[0].thread_count, 2);
    assert_int_equal(info->groups[0].cpu_count, 4);
    assert_string_equal(info->groups[0].name, "python3");
    assert_string_equal(info->groups[1].cpus, "0-1");
    assert_string_equal(info->groups[1].nodes, "0");
    assert_string_equal(info->groups[1].name, "pt_main");
    assert_int_equal(info->memory_count, 2);
    assert_int_equal(info->memory[0].bytes, 6 * 4096);
    assert_int_equal(info->memory[1].node, 1);
    assert_int_equal(info->memory[1].bytes, 4096 + (4 << 20));
    assert_int_equal(info->memory_bytes, 7 * 4096 + (4 << 20));
    assert_int_equal(info->anonymous_bytes, 3 * 4096 + (4 << 20));
    assert_int_equal(info->gpu_count, 1);
    assert_string_equal(info->gpus[0].bus_id, "0000:11:00.0");
    assert_int_equal(info->gpus[0].minor, 3);
    assert_int_equal(info->gpus[0].home.node, 1);
    assert_string_equal(info->thread_error, "");
    assert_string_equal(info->memory_error, "");
    assert_string_equal(info->gpu_error, "");
}

static void open_what_is_no_program_is_refused(void **state)
{
    (void)state;
    expect_failure(0, FG_ERR_ARGUMENT,
                   "process 0: wanted a number of at least 1");
    expect_failure(-7, FG_ERR_ARGUMENT,
                   "process -7: wanted a number of at least 1");
    expect_failure(INT32_MAX, FG_ERR_NOT_FOUND,
                   "process 2147483647: no such process");
    tree_file(PROC "/status", "Name:\tx\nTgid:\t4700\n");
    expect_failure(PID, FG_ERR_NOT_FOUND,
                   "process 4711: is a thread, wanted its process: 4700");
    tree_file(PROC "/status", "Name:\tx\nState:\tZ (zombie)\nTgid:\t4711\n");
    expect_failure(PID, FG_ERR_NOT_FOUND,
                   "process 4711: has ended, and waits for its parent to "
                   "notice (zombie)");
    tree_file(PROC "/status", "Name:\tkswapd0\nState:\tS\nPPid:\t2\n");
    expect_failure(PID, FG_ERR_UNSUPPORTED,
                   "process 4711: is the kernel's own thread, wanted a "
                   "program");
    tree_file(PROC "/status", "Name:\tx\nKthread:\t1\nVmSize:\t1 kB\n");
    expect_failure(PID, FG_ERR_UNSUPPORTED,
                   "process 4711: is the kernel's own thread, wanted a "
                   "program");
}

static void open_a_hostile_status_is_one_line(void **state)
{
    (void)state;
    tree_bytes(PROC "/status", "Name:\0x", 7);
    expect_failure(PID, FG_ERR_DAMAGED,
                   "process 4711: /proc/4711/status: read: got binary data");
    assert_int_equal(unlink(TREE PROC "/status"), 0);
    tree_link(PROC "/status", "status");
    expect_failure(PID, FG_ERR_DAMAGED,
                   "process 4711: /proc/4711/status: links: more than 40 "
                   "(likely cause: they lead in a circle)");
    assert_int_equal(unlink(TREE PROC "/status"), 0);
    assert_int_equal(mkfifo(TREE PROC "/status", 0600), 0);
    expect_failure(PID, FG_ERR_UNSUPPORTED,
                   "process 4711: /proc/4711/status: open: wanted a file");
}

static void open_a_process_that_ends_meanwhile_is_said(void **state)
{
    (void)state;
    tree_file(PROC "/stat", "4711 (py) Z 1\n");
    expect_failure(PID, FG_ERR_NOT_FOUND, "process 4711: has ended");
}

static void open_with_only_a_status_is_unknown_not_nothing(void **state)
{
    const struct fg_process_info *info;

    (void)state;
    assert_int_equal(system("cd " TREE PROC " && rm -r task fd numa_maps "
                            "cmdline cgroup stat"),
                     0);
    tree_file(PROC "/status", "");
    info = open_process();
    assert_string_equal(info->name, "?");
    assert_string_equal(info->command, "");
    assert_string_equal(info->cpuset_cpus, "");
    assert_string_equal(info->memory_nodes, "");
    assert_int_equal(info->thread_count, 0);
    assert_string_equal(info->thread_error,
                        "/proc/4711/task: open: No such file or directory");
    assert_int_equal(info->memory_count, 0);
    assert_true(info->memory_bytes == FG_UNKNOWN);
    assert_true(info->anonymous_bytes == FG_UNKNOWN);
    assert_string_equal(
        info->memory_error,
        "/proc/4711/numa_maps: open: No such file or directory");
    assert_string_equal(info->gpu_error,
                        "/proc/4711/fd: open: No such file or directory");
}

static void threads_that_vanish_are_not_counted(void **state)
{
    const struct fg_process_info *info;

    (void)state;
    tree_file(PROC "/task/4714/comm", "gone");
    tree_file(PROC "/task/x/status", "Cpus_allowed_list:\t0\n");
    info = open_process();
    assert_int_equal(info->thread_count, 3);
    assert_string_equal(info->thread_error, "");
}

static void threads_that_cannot_be_read_are_the_reason(void **state)
{
    const struct fg_process_info *info;

    (void)state;
    make_thread(4712, "x", "0-");
    make_thread(4713, "x", "9999999");
    info = open_process();
    assert_int_equal(info->thread_count, 1);
    assert_string_equal(info->thread_error, "/proc/4711/task/4712/status: got "
                                            "no Cpus_allowed_list");
}

static void threads_cpus_that_are_not_online_are_left_out(void **state)
{
    const struct fg_process_info *info;

    (void)state;
    make_thread(4712, "x", "0-127");
    info = open_process();
    assert_int_equal(info->group_count, 1);
    assert_string_equal(info->groups[0].cpus, "0-3");
    tree_file("/sys/devices/system/cpu/online", "0-1\n");
    make_thread(4712, "x", "64");
    info = open_process();
    assert_int_equal(info->group_count, 2);
    assert_string_equal(info->groups[1].cpus, "64");
    assert_string_equal(info->groups[1].nodes, "");
}

static void names_lose_their_control_characters(void **state)
{
    const struct fg_process_info *info;

    (void)state;
    tree_file(PROC "/status", "Name:\t\033[2Jx\177\r\n");
    tree_file(PROC "/cmdline", "a\033]0;b\nc\n");
    info = open_process();
    assert_string_equal(info->name, "?[2Jx??");
    assert_string_equal(info->command, "a?]0;b?c");
}

/* 40 MB, as a process with very many mappings has. */
static void memory_of_a_huge_numa_maps_is_counted(void **state)
{
    const struct fg_process_info *info;
    FILE *file = fopen(TREE PROC "/numa_maps", "w");

    (void)state;
    assert_non_null(file);
    for (int i = 0; i < 400000; i++) {
        fprintf(file,
                "7f%010x default file=/very/long/name/of/a/mapping/%d "
                "anon=1 N1=1 kernelpagesize_kB=4\n",
                i, i);
    }
    assert_int_equal(fclose(file), 0);
    info = open_process();
    assert_int_equal(info->memory[0].bytes, 0);
    assert_int_equal(info->memory[1].bytes, 400000u * 4096u);
    assert_int_equal(info->anonymous_bytes, 400000u * 4096u);
}

static void memory_hostile_numa_maps_is_the_reason(void **state)
{
    static char line[70000];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    tree_file(PROC "/numa_maps", line);
    assert_string_equal(
        open_process()->memory_error,
        "/proc/4711/numa_maps: read: a line is longer than 65535 bytes");
    tree_bytes(PROC "/numa_maps", "N0=1\n\0", 6);
    assert_string_equal(open_process()->memory_error,
                        "/proc/4711/numa_maps: read: got binary data");
    /* Nodes and counts that cannot be are passed over or stay at the most. */
    tree_file(PROC "/numa_maps",
              "7f N99999=1 N-1=3 N1=x N0=18446744073709551615\n"
              "7f N1=2 anon=99999999999999999999\n"
              "7f N0=4503599627370495 N0=4503599627370495\n"
              "7f N1=4503599627370494\n");
    assert_string_equal(open_process()->memory_error, "");
    assert_true(fg_process_get_info(process)->memory_bytes == FG_UNKNOWN - 1);
}

static void memory_on_an_unlisted_node_is_shown(void **state)
{
    const struct fg_process_info *info;

    (void)state;
    tree_file(PROC "/numa_maps", "7f default N7=1 kernelpagesize_kB=64\n");
    info = open_process();
    assert_int_equal(info->memory_count, 3);
    assert_int_equal(info->memory[2].node, 7);
    assert_int_equal(info->memory[2].bytes, 65536);
}

static void gpus_without_a_driver_say_why(void **state)
{
    const struct fg_process_info *info;

    (void)state;
    tree_link(PROC "/fd/6", "/dev/nvidia0");
    info = open_process();
    assert_int_equal(info->gpu_count, 1);
    assert_string_equal(info->gpu_error,
                        GPUS ": has no GPU with minor number 0");
    assert_int_equal(system("rm -r " TREE "/proc/driver"), 0);
    info = open_process();
    assert_int_equal(info->gpu_count, 0);
    assert_string_equal(info->gpu_error,
                        GPUS ": open: No such file or directory");
    /* Without an open device file there is nothing to ask the driver. */
    assert_int_equal(unlink(TREE PROC "/fd/4"), 0);
    assert_int_equal(unlink(TREE PROC "/fd/6"), 0);
    info = open_process();
    assert_int_equal(info->gpu_count, 0);
    assert_string_equal(info->gpu_error, "");
}

static void gpus_of_hostile_files_are_passed_over(void **state)
{
    static char target[2000];
    const struct fg_process_info *info;

    (void)state;
    memset(target, 'x', sizeof(target) - 1);
    tree_link(PROC "/fd/7", target);
    tree_link(PROC "/fd/8", "/dev/nvidia99999999999999999999");
    tree_file(GPUS "/x/information", "Device Minor: \t 3\n");
    tree_file(GPUS "/0000:12:00.0/information", "Device Minor: \t -1\n");
    tree_file(GPUS "/0000:13:00.0/informatio", "");
    info = open_process();
    assert_int_equal(info->gpu_count, 1);
    assert_string_equal(info->gpu_error, "");
    tree_file(PROC "/fd/9", "no link");
    info = open_process();
    assert_string_equal(info->gpu_error,
                        "/proc/4711/fd/9: read link: Invalid argument");
}

static void expect_cpuset(const char *cgroup, const char *cpus)
{
    tree_file(PROC "/cgroup", cgroup);
    assert_string_equal(open_process()->cpuset_cpus, cpus);
}

static void cpuset_is_that_of_the_nearest_group(void **state)
{
    (void)state;
    tree_file("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-2\n");
    tree_file("/sys/fs/cgroup/a/cpuset.cpus.effective", "1\n");
    tree_file("/sys/fs/cgroup/unified/cpuset.cpus.effective", "3\n");
    expect_cpuset("4:cpuset:/jobs/1/deeper/still\n0::/a\n", "0-3");
    expect_cpuset("4:cpuset:/jobs\n", "0-2");
    expect_cpuset("0::/a/b/c\n", "1");
    expect_cpuset("0::/x\n", "3");
    expect_cpuset("0::/a/../../x\n", "");
    expect_cpuset("3:memory:/a\n", "");
    expect_cpuset("", "");
}

/* Whatever allocation fails, it is an error, and nothing leaks. */
static void open_without_memory_fails_cleanly(void **state)
{
    unsigned failures = 0;

    (void)state;
    tree_file(PROC "/fd/9", "no link");
    open_topology(TREE);
    for (unsigned n = 1; process == NULL; n++) {
        struct fg_error err = {.status = FG_OK};

        fgi_alloc_fail_after(n);
        if (fg_process_open(topology, PID, &process, &err) != FG_OK) {
            assert_int_equal(err.status, FG_ERR_MEMORY);
            failures++;
        }
        fgi_alloc_fail_after(0);
    }
    assert_true(failures > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(open_a_process_tells_all),
        CASE(open_what_is_no_program_is_refused),
        CASE(open_a_hostile_status_is_one_line),
        CASE(open_a_process_that_ends_meanwhile_is_said),
        CASE(open_with_only_a_status_is_unknown_not_nothing),
        CASE(threads_that_vanish_are_not_counted),
        CASE(threads_that_cannot_be_read_are_the_reason),
        CASE(threads_cpus_that_are_not_online_are_left_out),
        CASE(names_lose_their_control_characters),
        CASE(memory_of_a_huge_numa_maps_is_counted),
        CASE(memory_hostile_numa_maps_is_the_reason),
        CASE(memory_on_an_unlisted_node_is_shown),
        CASE(gpus_without_a_driver_say_why),
        CASE(gpus_of_hostile_files_are_passed_over),
        CASE(cpuset_is_that_of_the_nearest_group),
        CASE(open_without_memory_fails_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
