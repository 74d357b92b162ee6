/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a process on a node: what is refused, on a written machine; and a
 * live one of several threads, which this program runs as itself with an
 * argument. This machine may have one node: what is proven here is that every
 * thread gets all of the node's CPUs; tests/vm proves which.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <feedgpu/process.h>

#include "runtime/base/mem.h"
#include "tests/lib/process_fixture.h"

#define THREADS 4
#define LIVE(name) cmocka_unit_test_setup_teardown(name, set_up, stop_live)

static void expect_move(int32_t node, uint32_t flags, enum fg_status status,
                        const char *message)
{
    struct fg_process_moved moved;
    struct fg_error err;

    (void)open_process();
    assert_int_equal(fg_process_move(process, node, flags, &moved, &err),
                     status);
    assert_string_equal(err.message, message);
}

static void move_to_a_node_that_will_not_do_is_refused(void **state)
{
    struct fg_process_moved moved;

    (void)state;
    (void)open_process();
    assert_int_equal(fg_process_move(process, 1,
                                     FG_PROCESS_CHECK | FG_PROCESS_MIGRATE,
                                     &moved, NULL),
                     FG_OK);
    assert_int_equal(moved.threads, 0);
    expect_move(1, 0, FG_ERR_UNSUPPORTED,
                "process 4711: move: is of a copy of another machine");
    expect_move(1, 8, FG_ERR_ARGUMENT, "process 4711: move: flags: got 0x8");
    expect_move(7, FG_PROCESS_CHECK, FG_ERR_NOT_FOUND,
                "process 4711: node 7: no such node");
    expect_move(-1, FG_PROCESS_CHECK, FG_ERR_NOT_FOUND,
                "process 4711: node -1: no such node");
    tree_file("/sys/fs/cgroup/cpuset/jobs/1/cpuset.effective_cpus", "0-1\n");
    expect_move(1, FG_PROCESS_CHECK, FG_ERR_STATE,
                "process 4711: node 1: its cpuset allows CPUs 0-1, none of "
                "the node's 2-3");
    expect_move(0, FG_PROCESS_CHECK | FG_PROCESS_MIGRATE | 4, FG_ERR_ARGUMENT,
                "process 4711: move: flags: got 0x7");
    tree_file(PROC "/status", "Mems_allowed_list:\t1\n");
    expect_move(0, FG_PROCESS_CHECK | FG_PROCESS_MIGRATE, FG_ERR_STATE,
                "process 4711: node 0: its cpuset allows memory on nodes 1 "
                "only");
    tree_file(NODE "/node0/meminfo", "Node 0 MemTotal: 0 kB\n");
    expect_move(0, FG_PROCESS_CHECK | FG_PROCESS_MIGRATE, FG_ERR_ARGUMENT,
                "process 4711: node 0: has no memory to migrate to");
    tree_file(NODE "/node1/cpulist", "\n");
    expect_move(1, FG_PROCESS_CHECK, FG_ERR_ARGUMENT,
                "process 4711: node 1: has no CPUs");
    tree_file(GPUS "/0000:11:00.0/numa_status", "Node: 1\n");
    expect_move(1, FG_PROCESS_CHECK, FG_ERR_ARGUMENT,
                "process 4711: node 1: is a GPU's memory, wanted a node with "
                "CPUs");
}

static void move_another_process_of_that_number_is_refused(void **state)
{
    struct fg_process_moved moved;
    struct fg_error err;

    (void)state;
    (void)open_process();
    tree_file(PROC "/stat",
              "4711 (py) th) S 1 4711 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 3 0 "
              "8813 1 2\n");
    assert_int_equal(
        fg_process_move(process, 1, FG_PROCESS_CHECK, &moved, &err),
        FG_ERR_NOT_FOUND);
    assert_string_equal(err.message, "process 4711: has ended");
}

/* ---- the live process -------------------------------------------------- */

static void *wait_for_ever(void *context)
{
    (void)context;
    for (;;) {
        pause();
    }
    return NULL;
}

/* Threads that end as soon as they start the next: there is always a new one.
 */
static void *start_the_next(void *context)
{
    pthread_t thread;
    pthread_attr_t detached;

    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (pthread_create(&thread, &detached, start_the_next, context) != 0) {
        usleep(100);
    }
    pthread_attr_destroy(&detached);
    usleep(200);
    return NULL;
}

/* The child: on one CPU, with threads; says "x" when they are there. */
static int live(bool is_busy)
{
    cpu_set_t one;
    pthread_t thread;

    CPU_ZERO(&one);
    sched_getaffinity(0, sizeof(one), &one);
    for (int cpu = CPU_SETSIZE - 1, left = CPU_COUNT(&one); left > 1; cpu--) {
        left -= CPU_ISSET(cpu, &one) ? 1 : 0;
        CPU_CLR(cpu, &one);
    }
    sched_setaffinity(0, sizeof(one), &one);
    for (int i = 1; i < THREADS; i++) {
        if (pthread_create(&thread, NULL,
                           is_busy ? start_the_next : wait_for_ever,
                           NULL) != 0) {
            return 1;
        }
    }
    if (write(STDOUT_FILENO, "x", 1) != 1) {
        return 1;
    }
    wait_for_ever(NULL);
    return 0;
}

static pid_t living; /* or 0 */

static pid_t start_live(const char *kind)
{
    int ends[2];
    char said = 0;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "live", kind, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    living = pid;
    close(ends[1]);
    assert_int_equal(read(ends[0], &said, 1), 1);
    close(ends[0]);
    return pid;
}

/* Also after a case that has failed. */
static int stop_live(void **state)
{
    if (living > 0) {
        kill(living, SIGKILL);
        waitpid(living, NULL, 0);
        living = 0;
    }
    return tear_down(state);
}

/* A node with CPUs that this process may use, all of them. */
static const struct fg_node *find_node(void)
{
    for (uint32_t i = 0; i < fg_topology_node_count(topology); i++) {
        const struct fg_node *node = fg_topology_node(topology, i);

        if ((node->flags & FG_NODE_CPUS_ALLOWED) != 0) {
            return node;
        }
    }
    return NULL;
}

static void open_live(pid_t pid)
{
    struct fg_error err;

    open_topology(NULL);
    if (find_node() == NULL) {
        fprintf(stderr, "no NUMA nodes here\n");
        skip();
    }
    if (fg_process_open(topology, pid, &process, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
}

static void look_again(pid_t pid)
{
    fg_process_close(process);
    process = NULL;
    assert_int_equal(fg_process_open(topology, pid, &process, NULL), FG_OK);
}

static void move_all_threads_get_all_cpus_of_the_node(void **state)
{
    pid_t pid = start_live("still");
    const struct fg_process_info *info;
    struct fg_process_moved moved;
    struct fg_error err;
    uint32_t thread_count;

    (void)state;
    open_live(pid);
    info = fg_process_get_info(process);
    assert_true(info->thread_count >= THREADS); /* a sanitizer has its own */
    assert_true(info->groups[0].thread_count >= THREADS);
    assert_int_equal(info->groups[0].cpu_count, 1);
    thread_count = info->thread_count;
    if (fg_process_move(process, find_node()->node, 0, &moved, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(moved.threads, thread_count);
    assert_int_equal(moved.threads_ended, 0);
    assert_int_equal(moved.threads_fixed, 0);
    look_again(pid);
    info = fg_process_get_info(process);
    assert_int_equal(info->thread_count, thread_count);
    assert_int_equal(info->group_count, 1);
    if (strcmp(info->cpuset_cpus, find_node()->cpus) == 0) {
        assert_string_equal(info->cpus, find_node()->cpus);
    }
}

static void move_threads_that_start_meanwhile_do_not_keep_it(void **state)
{
    pid_t pid = start_live("busy");
    struct fg_process_moved moved;
    struct fg_error err;

    (void)state;
    open_live(pid);
    for (int i = 0; i < 5; i++) {
        if (fg_process_move(process, find_node()->node, 0, &moved, &err) !=
            FG_OK) {
            fail_msg("%s", err.message);
        }
        assert_true(moved.threads > 0);
        look_again(pid);
        assert_int_equal(fg_process_get_info(process)->group_count, 1);
    }
}

static void move_memory_to_where_it_is_leaves_nothing(void **state)
{
    pid_t pid = start_live("still");
    struct fg_process_moved moved;
    struct fg_error err;
    enum fg_status status;

    (void)state;
    open_live(pid);
    status = fg_process_move(process, find_node()->node, FG_PROCESS_MIGRATE,
                             &moved, &err);
    if (status == FG_ERR_PERMISSION || status == FG_ERR_UNSUPPORTED) {
        fprintf(stderr, "%s\n", err.message);
        skip();
    }
    assert_int_equal(status, FG_OK);
    if (fg_topology_node_count(topology) == 1) {
        assert_int_equal(moved.pages_left, 0);
    }
}

static void move_a_process_that_has_ended_is_said(void **state)
{
    pid_t pid = start_live("still");
    struct fg_process_moved moved;
    struct fg_error err;
    char wanted[64];

    (void)state;
    open_live(pid);
    kill(pid, SIGKILL);
    assert_int_equal(
        waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    /* A zombie first, then nothing. */
    for (int i = 0; i < 2; i++) {
        snprintf(wanted, sizeof(wanted), "process %d: has ended", (int)pid);
        assert_int_equal(
            fg_process_move(process, find_node()->node, 0, &moved, &err),
            FG_ERR_NOT_FOUND);
        assert_string_equal(err.message, wanted);
        waitpid(pid, NULL, 0);
        living = 0;
    }
}

/* Whatever allocation fails, it is an error, and the next try succeeds. */
static void move_without_memory_fails_cleanly(void **state)
{
    pid_t pid = start_live("still");
    enum fg_status status = FG_ERR_MEMORY;
    struct fg_process_moved moved;
    unsigned failures = 0;

    (void)state;
    open_live(pid);
    for (unsigned n = 1; status != FG_OK; n++) {
        struct fg_error err = {.status = FG_OK};

        fgi_alloc_fail_after(n);
        status = fg_process_move(process, find_node()->node, 0, &moved, &err);
        fgi_alloc_fail_after(0);
        if (status != FG_OK) {
            assert_int_equal(err.status, FG_ERR_MEMORY);
            failures++;
        }
    }
    assert_true(failures > 3);
    assert_int_equal(moved.threads, fg_process_get_info(process)->thread_count);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(move_to_a_node_that_will_not_do_is_refused),
        CASE(move_another_process_of_that_number_is_refused),
        LIVE(move_all_threads_get_all_cpus_of_the_node),
        LIVE(move_threads_that_start_meanwhile_do_not_keep_it),
        LIVE(move_memory_to_where_it_is_leaves_nothing),
        LIVE(move_a_process_that_has_ended_is_said),
        LIVE(move_without_memory_fails_cleanly),
    };

    if (argc > 1) {
        return live(strcmp(argv[1], "busy") == 0);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
