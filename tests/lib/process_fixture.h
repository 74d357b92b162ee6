/* SPDX-License-Identifier: Apache-2.0 */
/* A written machine with a process, for what reads /proc/PID. */
#ifndef TESTS_PROCESS_FIXTURE_H
#define TESTS_PROCESS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <feedgpu/process.h>

#include "tests/lib/tree_fixture.h"

#define NODE "/sys/devices/system/node"
#define PROC "/proc/4711"
#define GPUS "/proc/driver/nvidia/gpus"
#define PID 4711

static struct fg_topology *topology;
static struct fg_process *process;

static inline void make_thread(int tid, const char *name, const char *cpus)
{
    char path[64];
    char text[256];

    snprintf(path, sizeof(path), PROC "/task/%d/status", tid);
    snprintf(text, sizeof(text), "Name:\t%s\nCpus_allowed_list:\t%s\n", name,
             cpus);
    tree_file(path, text);
}

/* Two nodes of two CPUs, a GPU on node 1, and a process of three threads. */
static inline void make_machine(void)
{
    static const char command[] = "python3\0train.py\0--name=a b";

    tree_clear();
    tree_file(NODE "/online", "0-1\n");
    tree_file("/sys/devices/system/cpu/online", "0-3\n");
    tree_file(NODE "/node0/cpulist", "0-1\n");
    tree_file(NODE "/node1/cpulist", "2-3\n");
    tree_file(NODE "/node0/meminfo", "Node 0 MemTotal: 1024 kB\n");
    tree_file(NODE "/node1/meminfo", "Node 1 MemTotal: 1024 kB\n");
    tree_file("/sys/bus/pci/devices/0000:11:00.0/numa_node", "1\n");
    tree_file(GPUS "/0000:11:00.0/information",
              "Model: \t\t X\nDevice Minor: \t 3\n");
    tree_file(PROC "/status", "Name:\tpython3\nState:\tS (sleeping)\n"
                              "Tgid:\t4711\nPid:\t4711\nPPid:\t1\n"
                              "VmSize:\t 12 kB\nMems_allowed_list:\t0-1\n");
    tree_file(PROC "/stat",
              "4711 (py) th) S 1 4711 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 3 0 "
              "8812 1 2\n");
    tree_bytes(PROC "/cmdline", command, sizeof(command));
    make_thread(4711, "python3", "0-3");
    make_thread(4712, "pt_main", "0-1");
    make_thread(4713, "pt_data", "0-3");
    tree_file(PROC "/numa_maps",
              "7f00 default anon=3 dirty=3 N0=2 N1=1 kernelpagesize_kB=4\n"
              "7f10 default file=/lib/x mapped=4 N0=4 kernelpagesize_kB=4\n"
              "7f20 default huge anon=2 N1=2 kernelpagesize_kB=2048");
    tree_file(PROC "/cgroup", "4:cpuset:/jobs/1\n0::/\n");
    tree_file("/sys/fs/cgroup/cpuset/jobs/1/cpuset.effective_cpus", "0-3\n");
    tree_link(PROC "/fd/0", "/dev/null");
    tree_link(PROC "/fd/3", "/dev/nvidiactl");
    tree_link(PROC "/fd/4", "/dev/nvidia3");
    tree_link(PROC "/fd/5", "socket:[77]");
}

static inline void close_all(void)
{
    fg_process_close(process);
    process = NULL;
    fg_topology_close(topology);
    topology = NULL;
}

static inline void open_topology(const char *sysroot)
{
    struct fg_topology_config config;
    struct fg_error err;

    close_all();
    fg_topology_config_init(&config);
    config.sysroot = sysroot;
    if (fg_topology_open(&config, &topology, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
}

static inline const struct fg_process_info *open_process(void)
{
    struct fg_error err;

    open_topology(TREE);
    if (fg_process_open(topology, PID, &process, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    return fg_process_get_info(process);
}

static inline int set_up(void **state)
{
    (void)state;
    make_machine();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    close_all();
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif /* TESTS_PROCESS_FIXTURE_H */
