/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, home nodes, ways between devices, disks below block devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <feedgpu/topology.h>

#include "runtime/base/mem.h"
#include "tests/lib/tree_fixture.h"

#define NODE "/sys/devices/system/node"
#define PORT "/sys/devices/pci0000:10/0000:10:01.0"
#define GPU PORT "/0000:11:00.0"

static struct fg_topology *topology;

/* Two nodes of two CPUs, and a device of that class below a root port. */
static void make_machine(void)
{
    tree_clear();
    tree_file(NODE "/online", "0-1\n");
    tree_file("/sys/devices/system/cpu/online", "0-3\n");
    tree_file(NODE "/node0/cpulist", "0-1\n");
    tree_file(NODE "/node1/cpulist", "2-3\n");
    tree_file(NODE "/node0/distance", "10 21\n");
    tree_file(NODE "/node1/distance", "21 10\n");
    tree_file(NODE "/node0/meminfo", "Node 0 MemTotal: 1024 kB\n"
                                     "Node 0 MemFree: 512 kB\n");
    tree_file(NODE "/node1/meminfo", "Node 1 MemTotal: 1024 kB\n");
    tree_file(GPU "/class", "0x030200\n");
    tree_file(GPU "/vendor", "0x10de\n");
    tree_link("/sys/bus/pci/devices/0000:11:00.0",
              "../../../devices/pci0000:10/0000:10:01.0/0000:11:00.0");
}

static void open_tree(void)
{
    struct fg_topology_config config;
    struct fg_error err;

    fg_topology_close(topology);
    topology = NULL;
    fg_topology_config_init(&config);
    config.sysroot = TREE;
    if (fg_topology_open(&config, &topology, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
}

static int set_up(void **state)
{
    (void)state;
    make_machine();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fg_topology_close(topology);
    topology = NULL;
    return 0;
}

static void expect_home(int32_t driver_node, int32_t node,
                        enum fg_node_source source)
{
    struct fg_home home;

    open_tree();
    fg_topology_find_home(topology, "0000:11:00.0", driver_node, &home);
    assert_int_equal(home.node, node);
    assert_string_equal(fg_node_source_name(home.source),
                        fg_node_source_name(source));
}

static void home_sysfs_comes_first(void **state)
{
    (void)state;
    tree_file(GPU "/numa_node", "1\n");
    expect_home(0, 1, FG_SOURCE_SYSFS);
    assert_int_equal(fg_topology_pci(topology, 0)->home.node, 1);
}

static void home_minus_one_and_garbage_say_nothing(void **state)
{
    static const char *const said[] = {"-1", "", "x", "7", "99999999999", "1x"};

    (void)state;
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        tree_file(GPU "/numa_node", said[i]);
        expect_home(-1, -1, FG_SOURCE_UNKNOWN);
        expect_home(1, 1, FG_SOURCE_DRIVER);
        expect_home(7, -1, FG_SOURCE_UNKNOWN);
    }
}

static void home_bridge_comes_before_cpus(void **state)
{
    (void)state;
    tree_file(GPU "/local_cpulist", "0-1\n");
    expect_home(-1, 0, FG_SOURCE_LOCAL_CPUS);
    tree_file(PORT "/numa_node", "1\n");
    expect_home(-1, 1, FG_SOURCE_BRIDGE);
    expect_home(0, 0, FG_SOURCE_DRIVER);
}

static void home_cpus_of_two_nodes_say_nothing(void **state)
{
    (void)state;
    tree_file(GPU "/local_cpulist", "0-3\n");
    expect_home(-1, -1, FG_SOURCE_UNKNOWN);
    tree_file(GPU "/local_cpulist", "1-2\n");
    expect_home(-1, -1, FG_SOURCE_UNKNOWN);
    tree_file(GPU "/local_cpulist", "\n");
    expect_home(-1, -1, FG_SOURCE_UNKNOWN);
    tree_file(GPU "/local_cpulist", "3\n");
    expect_home(-1, 1, FG_SOURCE_LOCAL_CPUS);
}

static void home_cpu_mask_is_read_without_a_list(void **state)
{
    (void)state;
    tree_file(GPU "/local_cpus", "00000000,0000000c\n");
    expect_home(-1, 1, FG_SOURCE_LOCAL_CPUS);
}

static void home_gpu_memory_is_passed_over(void **state)
{
    (void)state;
    tree_file(NODE "/node1/cpulist", "\n");
    tree_file(GPU "/numa_node", "1\n");
    expect_home(-1, 1, FG_SOURCE_SYSFS);
    tree_file("/proc/driver/nvidia/gpus/0000:11:00.0/numa_status",
              "Node: 1\nStatus: online\n");
    expect_home(1, 0, FG_SOURCE_ONLY_NODE);
    assert_true((fg_topology_find_node(topology, 1)->flags &
                 FG_NODE_DEVICE_MEMORY) != 0);
}

static void home_node_with_cpus_is_no_gpu_memory(void **state)
{
    (void)state;
    tree_file(GPU "/numa_node", "1\n");
    tree_file("/proc/driver/nvidia/gpus/0000:11:00.0/numa_status", "Node: 1\n");
    expect_home(-1, 1, FG_SOURCE_SYSFS);
}

static void home_offline_node_is_passed_over(void **state)
{
    (void)state;
    tree_file(NODE "/online", "0\n");
    tree_file(GPU "/numa_node", "1\n");
    expect_home(-1, 0, FG_SOURCE_ONLY_NODE);
    assert_int_equal(fg_topology_node_count(topology), 1);
    assert_null(fg_topology_find_node(topology, 1));
}

static void home_without_nodes_is_unknown_in_a_copy(void **state)
{
    (void)state;
    assert_int_equal(system("rm -r " TREE NODE), 0);
    tree_file(GPU "/numa_node", "0\n");
    expect_home(0, -1, FG_SOURCE_UNKNOWN);
    assert_int_equal(fg_topology_pci_count(topology), 1);
}

static void home_of_no_device_takes_the_drivers_word(void **state)
{
    struct fg_home home;

    (void)state;
    open_tree();
    fg_topology_find_home(topology, NULL, 1, &home);
    assert_int_equal(home.node, 1);
    fg_topology_find_home(topology, "0000:99:00.0", -1, &home);
    assert_int_equal(home.source, FG_SOURCE_UNKNOWN);
}

static void nodes_say_what_their_files_say(void **state)
{
    const struct fg_node *node;

    (void)state;
    tree_file("/proc/self/status",
              "Cpus_allowed_list:\t0-1\nMems_allowed_list:\t1\n");
    tree_file("/sys/devices/system/cpu/online", "0,2-3\n");
    tree_file(NODE "/node1/hugepages/hugepages-2048kB/nr_hugepages", "8");
    tree_file(NODE "/node1/hugepages/hugepages-2048kB/free_hugepages", "3");
    tree_file(NODE "/node1/hugepages/hugepages-x/nr_hugepages", "8");
    tree_file(NODE "/node99999999/cpulist", "0");
    tree_file(NODE "/nodes/cpulist", "0");
    open_tree();
    assert_int_equal(fg_topology_node_count(topology), 2);
    node = fg_topology_node(topology, 0);
    assert_string_equal(node->cpus, "0");
    assert_int_equal(node->flags, FG_NODE_CPUS_ALLOWED);
    assert_int_equal(node->memory_bytes, 1024 * 1024);
    assert_int_equal(node->free_bytes, 512 * 1024);
    assert_int_equal(node->distances[1], 21);
    node = fg_topology_node(topology, 1);
    assert_int_equal(node->flags, FG_NODE_MEMORY_ALLOWED);
    assert_true(node->free_bytes == FG_UNKNOWN);
    assert_int_equal(node->hugepage_count, 1);
    assert_int_equal(node->hugepages[0].page_bytes, 2048 * 1024);
    assert_int_equal(node->hugepages[0].free_pages, 3);
    assert_null(fg_topology_node(topology, 2));
}

static void nodes_holes_and_broken_distances_are_kept_apart(void **state)
{
    (void)state;
    tree_file(NODE "/online", "0,8\n");
    tree_file(NODE "/node8/cpulist", "\n");
    tree_file(NODE "/node8/distance", "10\n");
    open_tree();
    assert_int_equal(fg_topology_node_count(topology), 2);
    assert_int_equal(fg_topology_node(topology, 1)->node, 8);
    assert_int_equal(fg_topology_node(topology, 1)->distances[0], 0);
    assert_true(fg_topology_node(topology, 1)->memory_bytes == FG_UNKNOWN);
}

static void find_pci_any_class_is_found(void **state)
{
    const struct fg_pci_device *device = NULL;
    const struct fg_pci_device *again = NULL;
    struct fg_error err;

    (void)state;
    tree_file(GPU "/class", "0x00ff00\n");
    open_tree();
    assert_int_equal(fg_topology_pci_count(topology), 0);
    assert_int_equal(fg_topology_find_pci(topology, "11:00.0", &device, NULL),
                     FG_OK);
    assert_int_equal(device->kind, FG_PCI_OTHER);
    assert_int_equal(
        fg_topology_find_pci(topology, "0000:11:00.0", &again, NULL), FG_OK);
    assert_ptr_equal(device, again);
    assert_int_equal(fg_topology_find_pci(topology, "12:00.0", &device, &err),
                     FG_ERR_NOT_FOUND);
    assert_string_equal(err.message, "topology: 0000:12:00.0: no such device");
}

static struct fg_pci_device device_at(const char *path, int32_t node)
{
    struct fg_pci_device device = {.path = path, .home = {.node = node}};

    snprintf(device.bus_id, sizeof(device.bus_id), "%.23s",
             strrchr(path, '/') + 1);
    return device;
}

static void expect_path(const char *a, const char *b, int32_t b_node,
                        enum fg_path wanted)
{
    struct fg_pci_device left = device_at(a, 0);
    struct fg_pci_device right = device_at(b, b_node);

    assert_string_equal(fg_path_name(fg_topology_path(NULL, &left, &right)),
                        fg_path_name(wanted));
    assert_int_equal(fg_topology_path(NULL, &right, &left), wanted);
}

static void path_is_classed_as_nvidia_smi_does(void **state)
{
    /* Behind a switch: root port, upstream, downstream, device. */
    static const char a[] = "/sys/devices/pci0000:15/0000:15:01.0/"
                            "0000:16:00.0/0000:17:00.0/0000:18:00.0";

    (void)state;
    expect_path(a, a, 0, FG_PATH_SELF);
    expect_path(a,
                "/sys/devices/pci0000:15/0000:15:01.0/0000:16:00.0/"
                "0000:17:01.0/0000:19:00.0",
                0, FG_PATH_PIX);
    /* One switch further down. */
    expect_path(a,
                "/sys/devices/pci0000:15/0000:15:01.0/0000:16:00.0/"
                "0000:17:01.0/0000:20:00.0/0000:21:00.0/0000:22:00.0",
                0, FG_PATH_PXB);
    expect_path(a, "/sys/devices/pci0000:15/0000:15:02.0/0000:40:00.0", 0,
                FG_PATH_PHB);
    expect_path(a, "/sys/devices/pci0000:1/0000:15:02.0/0000:40:00.0", 0,
                FG_PATH_NODE);
    expect_path(a, "/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.0", 1,
                FG_PATH_SYS);
    expect_path(a, "/sys/devices/pci0000:80/0000:80:02.0/0000:81:00.0", -1,
                FG_PATH_UNKNOWN);
    expect_path(a, "/sys/devices/virtual/0000:81:00.0", 0, FG_PATH_UNKNOWN);
}

/* A disk below the device, and its entry in the class. */
static void make_disk(const char *path, const char *name)
{
    char file[256];
    char link[64];
    char target[256];

    snprintf(file, sizeof(file), "%s/%s/size", path, name);
    tree_file(file, "1000");
    snprintf(target, sizeof(target), "%s/%s", path, name);
    snprintf(link, sizeof(link), "/sys/class/block/%s", name);
    tree_link(link, target);
    snprintf(link, sizeof(link), "/sys/block/%s", name);
    tree_link(link, target);
}

static void make_slave(const char *name, const char *slave)
{
    char link[128];
    char target[64];

    snprintf(link, sizeof(link), "/sys/devices/virtual/block/%s/slaves/%s",
             name, slave);
    snprintf(target, sizeof(target), "/sys/class/block/%s", slave);
    tree_link(link, target);
}

static void block_partition_md_and_dm_lead_to_their_disks(void **state)
{
    struct fg_block block;

    (void)state;
    tree_file(GPU "/numa_node", "1\n");
    make_disk(GPU "/nvme/nvme0", "nvme0n1");
    tree_file(GPU "/nvme/nvme0/nvme0n1/nvme0n1p2/partition", "2");
    tree_link("/sys/class/block/nvme0n1p2",
              GPU "/nvme/nvme0/nvme0n1/nvme0n1p2");
    make_disk("/sys/devices/virtual/block", "md0");
    make_slave("md0", "nvme0n1p2");
    make_disk("/sys/devices/virtual/block", "dm-0");
    make_slave("dm-0", "md0");
    make_slave("dm-0", "nvme0n1");
    make_disk("/sys/devices/virtual/block", "loop0");
    open_tree();
    assert_int_equal(fg_topology_block_count(topology), 3);
    assert_int_equal(
        fg_topology_find_block(topology, "nvme0n1p2", &block, NULL), FG_OK);
    assert_string_equal(block.disk, "nvme0n1");
    assert_string_equal(block.leaves[0].name, "nvme0n1");
    assert_int_equal(fg_topology_find_block(topology, "dm-0", &block, NULL),
                     FG_OK);
    assert_int_equal(block.leaf_count, 1);
    assert_string_equal(block.leaves[0].bus_id, "0000:11:00.0");
    assert_int_equal(block.home.node, 1);
    assert_int_equal(block.is_split, 0);
}

static void block_disks_of_two_nodes_are_split(void **state)
{
    struct fg_block block;

    (void)state;
    tree_file(GPU "/numa_node", "1\n");
    make_disk(GPU "/nvme/nvme0", "nvme0n1");
    tree_file("/sys/devices/pci0000:80/0000:81:00.0/numa_node", "0");
    make_disk("/sys/devices/pci0000:80/0000:81:00.0/nvme/nvme1", "nvme1n1");
    make_disk("/sys/devices/virtual/block", "md0");
    make_slave("md0", "nvme0n1");
    make_slave("md0", "nvme1n1");
    open_tree();
    assert_int_equal(fg_topology_find_block(topology, "md0", &block, NULL),
                     FG_OK);
    assert_int_equal(block.leaf_count, 2);
    assert_int_equal(block.home.node, -1);
    assert_int_equal(block.is_split, 1);
}

static void block_multipath_leads_to_a_controller(void **state)
{
    static const char subsystem[] =
        "/sys/devices/virtual/nvme-subsystem/nvme-subsys0";
    struct fg_block block;
    char link[128];

    (void)state;
    tree_file(GPU "/numa_node", "1\n");
    tree_file(GPU "/nvme/nvme0/model", "x");
    make_disk(subsystem, "nvme0n1");
    snprintf(link, sizeof(link), "%s/nvme0", subsystem);
    tree_link(link, GPU "/nvme/nvme0");
    open_tree();
    assert_int_equal(fg_topology_find_block(topology, "nvme0n1", &block, NULL),
                     FG_OK);
    assert_string_equal(block.leaves[0].bus_id, "0000:11:00.0");
    assert_int_equal(block.home.node, 1);
}

static void block_slaves_in_a_circle_are_damage(void **state)
{
    struct fg_block block;
    struct fg_error err;

    (void)state;
    make_disk("/sys/devices/virtual/block", "md0");
    make_disk("/sys/devices/virtual/block", "md1");
    make_slave("md0", "md1");
    make_slave("md1", "md0");
    open_tree();
    assert_int_equal(fg_topology_block_count(topology), 0);
    assert_int_equal(fg_topology_find_block(topology, "md0", &block, &err),
                     FG_ERR_DAMAGED);
    assert_string_equal(err.message,
                        "block device md0: slaves: deeper than 8 (likely "
                        "cause: they lead in a circle)");
    assert_int_equal(fg_topology_find_block(topology, "../x", &block, &err),
                     FG_ERR_ARGUMENT);
    assert_int_equal(fg_topology_find_block(topology, "sdz", &block, &err),
                     FG_ERR_NOT_FOUND);
    assert_string_equal(err.message, "block device sdz: no such device");
}

/* Whatever allocation fails, it is an error, and nothing leaks. */
static void open_without_memory_fails_cleanly(void **state)
{
    struct fg_topology_config config;
    unsigned failures = 0;

    (void)state;
    tree_file(GPU "/numa_node", "1\n");
    make_disk(GPU "/nvme/nvme0", "nvme0n1");
    fg_topology_config_init(&config);
    config.sysroot = TREE;
    for (unsigned n = 1; topology == NULL; n++) {
        struct fg_error err = {.status = FG_OK};

        fgi_alloc_fail_after(n);
        if (fg_topology_open(&config, &topology, &err) != FG_OK) {
            assert_int_equal(err.status, FG_ERR_MEMORY);
            failures++;
        }
        fgi_alloc_fail_after(0);
    }
    assert_true(failures > 10);
}

static void open_config_is_checked(void **state)
{
    struct fg_topology_config config;
    struct fg_error err;

    (void)state;
    fg_topology_config_init(&config);
    config.flags = 2;
    assert_int_equal(fg_topology_open(&config, &topology, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "topology: flags: got 0x2, wanted 0");
    config.struct_size = 0;
    assert_int_equal(fg_topology_open(&config, &topology, &err),
                     FG_ERR_ARGUMENT);
    assert_int_equal(fg_topology_open(NULL, &topology, &err), FG_OK);
    assert_true(fg_topology_node_count(topology) > 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(home_sysfs_comes_first),
        CASE(home_minus_one_and_garbage_say_nothing),
        CASE(home_bridge_comes_before_cpus),
        CASE(home_cpus_of_two_nodes_say_nothing),
        CASE(home_cpu_mask_is_read_without_a_list),
        CASE(home_gpu_memory_is_passed_over),
        CASE(home_node_with_cpus_is_no_gpu_memory),
        CASE(home_offline_node_is_passed_over),
        CASE(home_without_nodes_is_unknown_in_a_copy),
        CASE(home_of_no_device_takes_the_drivers_word),
        CASE(nodes_say_what_their_files_say),
        CASE(nodes_holes_and_broken_distances_are_kept_apart),
        CASE(find_pci_any_class_is_found),
        CASE(path_is_classed_as_nvidia_smi_does),
        CASE(block_partition_md_and_dm_lead_to_their_disks),
        CASE(block_disks_of_two_nodes_are_split),
        CASE(block_multipath_leads_to_a_controller),
        CASE(block_slaves_in_a_circle_are_damage),
        CASE(open_without_memory_fails_cleanly),
        CASE(open_config_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
