/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be proven on one node, and how each call behaves where a seccomp
 * filter forbids memory policy, as containers do. Several nodes: tests/vm.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/base/numa.h"

#define ABSENT_NODE 977

static void node_count_is_at_least_one(void **state)
{
    (void)state;
    assert_true(fgi_numa_node_count() >= 1);
}

static void node_exists_for_real_nodes_only(void **state)
{
    (void)state;
    assert_true(fgi_numa_node_exists(0));
    assert_false(fgi_numa_node_exists(-1));
    assert_false(fgi_numa_node_exists(ABSENT_NODE));
    assert_false(fgi_numa_node_exists(INT32_MAX));
}

static void current_node_is_a_node(void **state)
{
    int node = fgi_numa_current_node();

    (void)state;
    assert_true(node == -1 || fgi_numa_node_exists(node));
}

static void prefer_an_absent_node_is_refused(void **state)
{
    struct fgi_block block;

    (void)state;
    assert_int_equal(fgi_block_map(&block, 1, -1, NULL), FG_OK);
    assert_int_equal(fgi_numa_prefer(block.base, block.bytes, ABSENT_NODE),
                     EINVAL);
    assert_int_equal(fgi_numa_prefer(block.base, block.bytes, -1), EINVAL);
    fgi_block_unmap(&block);
}

static void run_on_an_absent_node_is_refused(void **state)
{
    (void)state;
    assert_int_equal(fgi_numa_run_on(ABSENT_NODE), EINVAL);
    assert_int_equal(fgi_numa_run_on(-1), EINVAL);
}

/* Restrict this child to one CPU, then ask for the node: it must stay. */
static int stays_where_taskset_put_it(void)
{
    cpu_set_t one;
    cpu_set_t now;
    int cpu = sched_getcpu();

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0) {
        return 2;
    }
    if (fgi_numa_run_on(fgi_numa_current_node()) != 0) {
        return 3;
    }
    if (sched_getaffinity(0, sizeof(now), &now) != 0) {
        return 4;
    }
    return CPU_EQUAL(&one, &now) ? 0 : 1;
}

/* Where the pages of a fresh block lie, as verify sees them. */
static struct fg_placement verified(int home, uint64_t bytes)
{
    struct fg_placement placement = {.home_node = home};
    struct fgi_block block;

    if (fgi_block_map(&block, bytes, home, NULL) == FG_OK) {
        placement.page_bytes = fgi_page_bytes(block.pages);
        placement.page_kind = fgi_pages_name(block.pages);
        fgi_numa_verify(block.base, block.bytes, &placement);
        fgi_block_unmap(&block);
    }
    return placement;
}

static void verify_of_an_unknown_home_claims_nothing(void **state)
{
    struct fg_placement placement = verified(-1, FGI_MIB(4));

    (void)state;
    assert_string_equal(placement.verified_by, "nothing");
    assert_true(placement.pages == FGI_MIB(4) / placement.page_bytes);
    assert_true(placement.pages_on_home_node == placement.pages);
}

static void verify_on_the_only_node_counts_every_page(void **state)
{
    struct fg_placement placement;

    (void)state;
    if (fgi_numa_node_count() != 1) {
        skip(); /* node 0 may be full here; tests/vm owns several nodes */
    }
    placement = verified(0, FGI_MIB(6));
    if (strcmp(placement.verified_by, "nothing") == 0) {
        skip(); /* a kernel without NUMA */
    }
    assert_true(placement.pages == FGI_MIB(6) / placement.page_bytes);
    assert_true(placement.pages_on_home_node == placement.pages);
}

static void verify_of_a_foreign_home_counts_no_page(void **state)
{
    struct fg_placement placement = verified(ABSENT_NODE, FGI_MIB(4));

    (void)state;
    if (strcmp(placement.verified_by, "nothing") == 0) {
        skip();
    }
    assert_true(placement.pages > 0);
    assert_true(placement.pages_on_home_node == 0);
}

/* Let mbind, get_mempolicy, set_mempolicy and move_pages fail with EPERM. */
static int forbid_policy(void)
{
#define REFUSE(nr)                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSE(SYS_mbind),
        REFUSE(SYS_get_mempolicy),
        REFUSE(SYS_set_mempolicy),
        REFUSE(SYS_move_pages),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {
        .len = sizeof(filter) / sizeof(filter[0]),
        .filter = filter,
    };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* 0: as in a container it should be; 77: no seccomp here; else what broke. */
static int works_in_a_container(void)
{
    struct fg_placement placement;
    struct fgi_block block;

    if (forbid_policy() != 0) {
        return 77;
    }
    if (fgi_block_map(&block, FGI_MIB(4), 0, NULL) != FG_OK) {
        return 2;
    }
    if (block.policy_errno != EPERM && block.policy_errno != ENOSYS) {
        return 3;
    }
    fgi_block_unmap(&block);
    if (fgi_numa_node_count() < 1 || !fgi_numa_node_exists(0)) {
        return 4;
    }
    placement = verified(0, FGI_MIB(4));
    if (strcmp(placement.verified_by, "nothing") == 0) {
        return access("/proc/self/numa_maps", R_OK) == 0 ? 5 : 0;
    }
    if (strcmp(placement.verified_by, "numa_maps") != 0) {
        return 6;
    }
    if (fgi_numa_node_count() == 1 &&
        placement.pages_on_home_node != placement.pages) {
        return 7;
    }
    placement = verified(ABSENT_NODE, FGI_MIB(4));
    return placement.pages_on_home_node == 0 ? 0 : 8;
}

/* Run check in a child, whose limits die with it. */
static int in_child(int (*check)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        _exit(check());
    }
    assert_true(child > 0);
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void run_on_keeps_the_affinity_the_program_was_given(void **state)
{
    (void)state;
    assert_int_equal(in_child(stays_where_taskset_put_it), 0);
}

static void everything_works_where_policy_calls_are_forbidden(void **state)
{
    int result = in_child(works_in_a_container);

    (void)state;
    if (result == 77) {
        skip();
    }
    assert_int_equal(result, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_count_is_at_least_one),
        cmocka_unit_test(node_exists_for_real_nodes_only),
        cmocka_unit_test(current_node_is_a_node),
        cmocka_unit_test(prefer_an_absent_node_is_refused),
        cmocka_unit_test(run_on_an_absent_node_is_refused),
        cmocka_unit_test(run_on_keeps_the_affinity_the_program_was_given),
        cmocka_unit_test(verify_of_an_unknown_home_claims_nothing),
        cmocka_unit_test(verify_on_the_only_node_counts_every_page),
        cmocka_unit_test(verify_of_a_foreign_home_counts_no_page),
        cmocka_unit_test(everything_works_where_policy_calls_are_forbidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
