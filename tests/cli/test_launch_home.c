/* SPDX-License-Identifier: Apache-2.0 */
/* `feedgpu run`: which node a program belongs to, and sets of CPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/tree_fixture.h"
#include "tools/feedgpu/launch_bind.h"

#define NODE "/sys/devices/system/node"

static struct options options;
static struct launch_bind bind;

/* A card below a bridge of its own; the ids are 0000:N1:00.0. */
static void make_card(int number, const char *vendor, const char *node)
{
    char folder[128];
    char path[192];
    snprintf(folder, sizeof(folder),
             "/sys/devices/pci0000:%d0/0000:%d0:01.0/0000:%d1:00.0", number,
             number, number);
    snprintf(path, sizeof(path), "%s/class", folder);
    tree_file(path, "0x030200\n");
    snprintf(path, sizeof(path), "%s/vendor", folder);
    tree_file(path, vendor);
    snprintf(path, sizeof(path), "%s/numa_node", folder);
    tree_file(path, node);
    char link[128];
    char target[192];
    snprintf(link, sizeof(link), "/sys/bus/pci/devices/0000:%d1:00.0", number);
    snprintf(target, sizeof(target), "../../..%s", folder + strlen("/sys"));
    tree_link(link, target);
}

/* Two nodes; a card of another maker, then two GPUs on each node. */
static int set_up(void **state)
{
    (void)state;
    tree_clear();
    tree_file(NODE "/online", "0-1\n");
    tree_file("/sys/devices/system/cpu/online", "0-3\n");
    tree_file(NODE "/node0/cpulist", "0-1\n");
    tree_file(NODE "/node1/cpulist", "2-3\n");
    make_card(1, "0x1002\n", "1\n");
    make_card(2, "0x10de\n", "0\n");
    make_card(3, "0x10de\n", "0\n");
    make_card(4, "0x10de\n", "1\n");
    make_card(5, "0x10de\n", "1\n");
    tree_file("/proc/driver/nvidia/gpus/0000:41:00.0/information",
              "Model: \t\t NVIDIA H100\n"
              "GPU UUID: \t GPU-aaaa1111-2222-3333-4444-555566667777\n");
    memset(&options, 0, sizeof(options));
    options.sysroot = TREE;
    options.run.numa_node = FG_NODE_AUTO;
    unsetenv("CUDA_VISIBLE_DEVICES");
    unsetenv("LOCAL_RANK");
    unsetenv("SLURM_LOCALID");
    unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
    return 0;
}

static void choose(const char *visible, const char *rank)
{
    if (visible != NULL) {
        setenv("CUDA_VISIBLE_DEVICES", visible, 1);
    }
    if (rank != NULL) {
        setenv("LOCAL_RANK", rank, 1);
    }
    assert_true(bind_choose(&options, &bind));
}

static void bind_choose_no_variables_takes_first_gpu(void **state)
{
    (void)state;
    choose(NULL, NULL);
    assert_int_equal(bind.node, 0);
    assert_string_equal(bind.why, "GPU 0000:21:00.0, the first visible one");
}

static void bind_choose_visible_index_takes_that_gpu(void **state)
{
    (void)state;
    choose("2,0", NULL);
    assert_int_equal(bind.node, 1);
    assert_string_equal(bind.why, "GPU 0000:41:00.0, the first visible one");
}

static void bind_choose_visible_uuid_takes_that_gpu(void **state)
{
    (void)state;
    choose("GPU-aaaa1111", NULL);
    assert_int_equal(bind.node, 1);
    assert_string_equal(bind.why, "GPU 0000:41:00.0, the first visible one");
}

static void bind_choose_unknown_entry_binds_nothing(void **state)
{
    (void)state;
    choose("MIG-12345678", NULL);
    assert_int_equal(bind.node, FG_NODE_NONE);
    assert_string_equal(
        bind.why,
        "not known which GPU CUDA_VISIBLE_DEVICES=MIG-12345678 means");
    choose("9", NULL);
    assert_int_equal(bind.node, FG_NODE_NONE);
    choose("GPU-bbbb", NULL);
    assert_int_equal(bind.node, FG_NODE_NONE);
    choose(",1", NULL);
    assert_int_equal(bind.node, FG_NODE_NONE);
}

static void bind_choose_local_rank_takes_its_gpu(void **state)
{
    (void)state;
    choose(NULL, "3");
    assert_int_equal(bind.node, 1);
    assert_string_equal(bind.why, "GPU 0000:51:00.0, by LOCAL_RANK=3");
    choose("3,2,1,0", "3");
    assert_int_equal(bind.node, 0);
    assert_string_equal(bind.why, "GPU 0000:21:00.0, by LOCAL_RANK=3");
}

static void bind_choose_one_visible_gpu_is_every_ranks(void **state)
{
    (void)state;
    choose("3", "3");
    assert_int_equal(bind.node, 1);
    assert_string_equal(bind.why, "GPU 0000:51:00.0, by LOCAL_RANK=3");
}

static void bind_choose_rank_without_gpu_binds_nothing(void **state)
{
    (void)state;
    choose("0,1", "2");
    assert_int_equal(bind.node, FG_NODE_NONE);
    assert_string_equal(bind.why, "by LOCAL_RANK=2, and 2 GPUs are visible");
}

static void bind_choose_other_launchers_are_understood(void **state)
{
    (void)state;
    setenv("SLURM_LOCALID", "2", 1);
    choose(NULL, NULL);
    assert_string_equal(bind.why, "GPU 0000:41:00.0, by SLURM_LOCALID=2");
    unsetenv("SLURM_LOCALID");
    setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1", 1);
    choose(NULL, NULL);
    assert_string_equal(bind.why,
                        "GPU 0000:31:00.0, by OMPI_COMM_WORLD_LOCAL_RANK=1");
}

static void bind_choose_garbage_rank_is_passed_over(void **state)
{
    (void)state;
    choose(NULL, "-1");
    assert_string_equal(bind.why, "GPU 0000:21:00.0, the first visible one");
    choose(NULL, "3x");
    assert_string_equal(bind.why, "GPU 0000:21:00.0, the first visible one");
}

/* A copy of a machine has no disks of this one. */
static void bind_choose_no_visible_gpu_looks_for_the_disk(void **state)
{
    (void)state;
    options.run.data.items[0] = "/data/a/x*.bin";
    options.run.data.count = 1;
    choose("", NULL);
    assert_int_equal(bind.node, FG_NODE_NONE);
    assert_string_equal(
        bind.why, "no GPU is visible, and no disk is known to hold /data/a");
    options.run.roots.items[0] = "/data/b";
    options.run.roots.count = 1;
    choose("-1", NULL);
    assert_string_equal(
        bind.why, "no GPU is visible, and no disk is known to hold /data/b");
}

static void bind_choose_given_node_is_taken(void **state)
{
    (void)state;
    options.run.numa_node = 1;
    choose(NULL, NULL);
    assert_int_equal(bind.node, 1);
    assert_string_equal(bind.why, "as --numa-node says");
    options.run.numa_node = FG_NODE_NONE;
    choose(NULL, NULL);
    assert_int_equal(bind.node, FG_NODE_NONE);
    options.run.numa_node = 2;
    assert_false(bind_choose(&options, &bind));
}

static void bind_choose_sets_the_nodes_cpus(void **state)
{
    char text[64];
    (void)state;
    choose("2", NULL);
    cpu_bits_format(&bind.set, text, sizeof(text));
    assert_string_equal(text, "2-3");
}

static void cpu_bits_good_lists_come_back(void **state)
{
    static const char *const lists[] = {"",      "0",      "0-3", "1,3,5-7",
                                        "63-64", "0-8191", "8191"};
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct cpu_bits bits;
        char text[64];
        assert_true(cpu_bits_parse(lists[i], &bits));
        cpu_bits_format(&bits, text, sizeof(text));
        assert_string_equal(text, lists[i]);
    }
}

static void cpu_bits_bad_lists_are_refused(void **state)
{
    static const char *const lists[] = {"x",   "1-",  "-1",   "3-1", "0-8192",
                                        "1 2", "1,x", "1,,2", "1--2"};
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct cpu_bits bits;
        assert_false(cpu_bits_parse(lists[i], &bits));
    }
}

static void cpu_bits_long_list_is_cut(void **state)
{
    struct cpu_bits bits;
    char text[20];
    (void)state;
    assert_true(cpu_bits_parse("1,3,5,7,9,11", &bits));
    cpu_bits_format(&bits, text, sizeof(text));
    assert_string_equal(text, "1,3,5");
}

static void bind_look_outside_is_undone(void **state)
{
    (void)state;
    choose("2", NULL);
    bind_look(&bind, "3");
    assert_false(bind.is_undone);
    assert_string_equal(bind.now, "3");
    bind_look(&bind, "1-2");
    assert_true(bind.is_undone);
    /* It stays: for a while the program was elsewhere. */
    bind_look(&bind, "2-3");
    assert_true(bind.is_undone);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(bind_choose_no_variables_takes_first_gpu),
        TEST(bind_choose_visible_index_takes_that_gpu),
        TEST(bind_choose_visible_uuid_takes_that_gpu),
        TEST(bind_choose_unknown_entry_binds_nothing),
        TEST(bind_choose_local_rank_takes_its_gpu),
        TEST(bind_choose_one_visible_gpu_is_every_ranks),
        TEST(bind_choose_rank_without_gpu_binds_nothing),
        TEST(bind_choose_other_launchers_are_understood),
        TEST(bind_choose_garbage_rank_is_passed_over),
        TEST(bind_choose_no_visible_gpu_looks_for_the_disk),
        TEST(bind_choose_given_node_is_taken),
        TEST(bind_choose_sets_the_nodes_cpus),
        TEST(cpu_bits_good_lists_come_back),
        TEST(cpu_bits_bad_lists_are_refused),
        TEST(cpu_bits_long_list_is_cut),
        TEST(bind_look_outside_is_undone),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
