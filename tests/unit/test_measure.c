/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measurements: their arithmetic, what they refuse, and that each can be
 * stopped and loses nothing when memory runs out. No rate is looked at but for
 * being one: how fast this machine is proves nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu/device.h"
#include "runtime/base/math.h"
#include "runtime/measure.h"
#include "tests/lib/measure_fixture.h"
#include "tests/lib/tree_fixture.h"

#define NODE "/sys/devices/system/node"
#define CPU "/sys/devices/system/cpu"
#define ABSENT_NODE 977
#define SMALL_FILE "small"
#define FILE_BYTES (2u << 20)

static struct fg_topology *topology;

/* Three nodes: CPUs and memory; CPUs only; memory only. */
static int make_machine(void **state)
{
    struct fg_topology_config config;

    (void)state;
    tree_clear();
    tree_file(NODE "/online", "0-2\n");
    tree_file(CPU "/online", "0-8190\n");
    tree_file(NODE "/node0/cpulist", "0-8189\n");
    tree_file(NODE "/node1/cpulist", "8190\n");
    tree_file(NODE "/node2/cpulist", "\n");
    tree_file(NODE "/node0/meminfo", "Node 0 MemTotal: 1048576 kB\n"
                                     "Node 0 MemFree: 524288 kB\n"
                                     "Node 0 Active(file): 62144 kB\n"
                                     "Node 0 Inactive(file): 200000 kB\n");
    tree_file(NODE "/node1/meminfo", "Node 1 MemTotal: 0 kB\n");
    tree_file(NODE "/node2/meminfo", "Node 2 MemTotal: 1048576 kB\n");
    tree_file("/proc/self/status", "Cpus_allowed_list: 0-8190\n"
                                   "Mems_allowed_list: 0-1\n");
    tree_file(CPU "/cpu0/cache/index3/size", "32768K\n");
    tree_file(CPU "/cpu0/cache/index3/shared_cpu_list", "0-3\n");
    tree_file(CPU "/cpu1/cache/index3/size", "32768K\n");
    tree_file(CPU "/cpu1/cache/index3/shared_cpu_list", "0-3\n");
    tree_file(CPU "/cpu2/cache/index2/size", "1024K\n");
    tree_file(CPU "/cpu2/cache/index2/shared_cpu_list", "2\n");
    tree_file(CPU "/cpu4/cache/index3/size", "lots\n");
    tree_file(CPU "/cpu4/cache/index3/shared_cpu_list", "4\n");
    fg_topology_config_init(&config);
    config.sysroot = TREE;
    assert_int_equal(fg_topology_open(&config, &topology, &err), FG_OK);
    return 0;
}

static int forget_machine(void **state)
{
    (void)state;
    fg_topology_close(topology);
    topology = NULL;
    return 0;
}

/* ---- arithmetic ---- */

static void sum_up(const double *values, uint32_t count)
{
    struct fgi_samples samples = {.count = 0};

    for (uint32_t i = 0; i < count; i++) {
        fgi_samples_add(&samples, (uint64_t)values[i], 1000000000);
    }
    memset(&rate, 0, sizeof(rate));
    fgi_samples_sum_up(&samples, &rate);
}

static void samples_sum_up_of_any_order_gives_the_median(void **state)
{
    static const double odd[] = {7, 1, 100, 3, 5};
    static const double even[] = {8, 2, 4, 6};

    (void)state;
    sum_up(odd, 5);
    assert_true(rate.bytes_per_s == 5);
    assert_true(rate.bytes_per_s_min == 1);
    assert_true(rate.bytes_per_s_max == 100);
    assert_int_equal(rate.rounds, 5);
    sum_up(even, 4);
    assert_true(rate.bytes_per_s == 5);
    sum_up(odd, 1);
    assert_true(rate.bytes_per_s == 7);
    assert_true(rate.bytes_per_s_max == 7);
}

static void samples_add_without_time_or_room_stays_finite(void **state)
{
    struct fgi_samples samples = {.count = 0};

    (void)state;
    for (uint32_t i = 0; i < FG_MEASURE_ROUNDS_MAX + 3; i++) {
        fgi_samples_add(&samples, 5, 0);
    }
    assert_int_equal(samples.count, FG_MEASURE_ROUNDS_MAX);
    assert_true(samples.values[0] == 5e9);
}

/* ---- what a machine allows ---- */

static void check_memory_of_each_node_says_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(fgi_measure_check_memory(topology, -1, &err), FG_OK);
    assert_int_equal(fgi_measure_check_memory(topology, 0, &err), FG_OK);
    expect_fails(fgi_measure_check_memory(topology, 1, &err), FG_ERR_ARGUMENT,
                 "measure: memory of node 1: it has none");
    expect_fails(fgi_measure_check_memory(topology, 2, &err), FG_ERR_PERMISSION,
                 "measure: memory of node 2: not allowed to this process "
                 "(likely cause: a cpuset)");
    expect_fails(fgi_measure_check_memory(topology, 3, &err), FG_ERR_ARGUMENT,
                 "measure: memory of node 3: no such node");
    expect_fails(fgi_measure_check_memory(topology, -2, &err), FG_ERR_ARGUMENT,
                 "measure: memory of node -2: no such node");
}

static void cpus_of_each_node_says_what_is_wrong(void **state)
{
    struct fgi_set cpus;

    (void)state;
    assert_int_equal(fgi_measure_cpus(topology, 0, &cpus, &err), FG_OK);
    assert_true(fgi_set_count(&cpus) >= 1);
    assert_int_equal(fgi_measure_cpus(topology, -1, &cpus, &err), FG_OK);
    assert_true(fgi_set_count(&cpus) >= 1);
    expect_fails(fgi_measure_cpus(topology, 1, &cpus, &err), FG_ERR_PERMISSION,
                 "measure: CPUs of node 1: none is allowed to this process "
                 "(likely cause: taskset or a cpuset)");
    expect_fails(fgi_measure_cpus(topology, 2, &cpus, &err), FG_ERR_ARGUMENT,
                 "measure: CPUs of node 2: it has none");
    expect_fails(fgi_measure_cpus(topology, 3, &cpus, &err), FG_ERR_ARGUMENT,
                 "measure: CPUs of node 3: no such node");
}

/* 512 MiB free and half of 256 MiB of cache, less 64 MiB: 576 MiB. */
static void fit_takes_what_is_there_or_says_so(void **state)
{
    uint64_t bytes = 0;

    (void)state;
    assert_int_equal(
        fgi_measure_fit(topology, 0, FGI_MIB(576), true, &bytes, &err), FG_OK);
    assert_int_equal(bytes, FGI_MIB(576));
    expect_fails(
        fgi_measure_fit(topology, 0, FGI_MIB(576) + 1, true, &bytes, &err),
        FG_ERR_MEMORY,
        "measure: memory of node 0: got 640 MiB free, wanted 577 MiB and some "
        "to spare");
    assert_int_equal(bytes, FGI_MIB(576));
    assert_int_equal(
        fgi_measure_fit(topology, 0, FGI_GIB(4), false, &bytes, &err), FG_OK);
    assert_int_equal(bytes, FGI_MIB(288));
    assert_int_equal(
        fgi_measure_fit(topology, -1, FGI_GIB(4), true, &bytes, &err), FG_OK);
    assert_int_equal(bytes, FGI_GIB(4));
}

static void cache_bytes_are_shares_of_the_last_level(void **state)
{
    struct fgi_set cpus;

    (void)state;
    assert_true(fgi_set_parse(&cpus, "0-1"));
    assert_int_equal(fgi_measure_cache_bytes(topology, &cpus), FGI_MIB(16));
    assert_true(fgi_set_parse(&cpus, "2"));
    assert_int_equal(fgi_measure_cache_bytes(topology, &cpus), FGI_MIB(1));
    assert_true(fgi_set_parse(&cpus, "3-5"));
    assert_int_equal(fgi_measure_cache_bytes(topology, &cpus), 0);
}

/* ---- configs ---- */

static void config_out_of_range_is_refused(void **state)
{
    struct fg_measure_config config = quick();

    (void)state;
    config.rounds = 0;
    expect_fails(fg_measure_memory(-1, -1, &config, &rate, &err),
                 FG_ERR_ARGUMENT, "measure: rounds: got 0, wanted 1 to 101");
    config.rounds = FG_MEASURE_ROUNDS_MAX + 1;
    expect_fails(fg_measure_memory(-1, -1, &config, &rate, &err),
                 FG_ERR_ARGUMENT, "measure: rounds: got 102, wanted 1 to 101");
    config.struct_size = 4;
    assert_int_equal(fg_measure_memory(-1, -1, &config, &rate, &err),
                     FG_ERR_ARGUMENT);
}

/* ---- memory ---- */

static void memory_anywhere_gives_a_rate_of_all_cpus(void **state)
{
    struct fg_measure_config config = quick();
    struct fgi_set cpus;

    (void)state;
    assert_int_equal(fgi_measure_cpus(topology, -1, &cpus, &err), FG_OK);
    assert_int_equal(fg_measure_memory(-1, -1, &config, &rate, &err), FG_OK);
    expect_rate(2);
    assert_int_equal(rate.workers, fgi_set_count(&cpus));
    assert_true(rate.bytes <= FGI_MIB(4));
    assert_int_equal(rate.pages * rate.page_bytes, FGI_MIB(4));
    assert_string_equal(rate.engine, "");
}

static void memory_of_absent_nodes_is_refused(void **state)
{
    struct fg_measure_config config = quick();

    (void)state;
    expect_fails(fg_measure_memory(ABSENT_NODE, -1, &config, &rate, &err),
                 FG_ERR_ARGUMENT, "measure: CPUs of node 977: no such node");
    expect_fails(fg_measure_memory(-1, ABSENT_NODE, &config, &rate, &err),
                 FG_ERR_ARGUMENT, "measure: memory of node 977: no such node");
}

static void memory_beyond_the_machine_is_refused(void **state)
{
    struct fg_measure_config config = quick();

    (void)state;
    config.bytes = UINT64_C(1) << 60;
    assert_int_equal(fg_measure_memory(-1, -1, &config, &rate, &err),
                     FG_ERR_MEMORY);
    assert_memory_equal(err.message, "measure: memory: map ", 21);
}

/* ---- stopping ---- */

static void memory_stopped_ends_at_once(void **state)
{
    struct stopper stopper = {0, 2};
    struct fg_measure_config config = stoppable(&stopper);

    (void)state;
    expect_fails(fg_measure_memory(-1, -1, &config, &rate, &err),
                 FG_ERR_CANCELLED, "measure: cancelled");
    assert_int_equal(stopper.asked, 2);
}

static void copy_stopped_ends_at_once(void **state)
{
    struct stopper stopper = {0, 4};
    struct fg_measure_config config = stoppable(&stopper);
    struct fg_device *device;

    (void)state;
    /* A round would take a minute. */
    assert_int_equal(
        fg_device_open("emulated:copy=0.5", FG_DEVICE_TIME_ONLY, &device, &err),
        FG_OK);
    config.bytes = FGI_GIB(32);
    expect_fails(fg_measure_copy(device, -1, &config, &rate, &err),
                 FG_ERR_CANCELLED, "measure: cancelled");
    assert_int_equal(stopper.asked, 4);
    fg_device_close(device);
}

/* ---- copies ---- */

static void copy_to(const char *name, uint32_t flags)
{
    struct fg_measure_config config = quick();
    struct fg_device *device;

    assert_int_equal(fg_device_open(name, flags, &device, &err), FG_OK);
    assert_int_equal(fg_measure_copy(device, -1, &config, &rate, &err), FG_OK);
    fg_device_close(device);
    expect_rate(2);
    assert_int_equal(rate.bytes, FGI_MIB(4));
    assert_int_equal(rate.workers, 1);
}

static void copy_to_an_emulated_device_is_its_profile(void **state)
{
    (void)state;
    copy_to("emulated:copy=8,latency=0", FG_DEVICE_TIME_ONLY);
    /* The timeline's, less what giving the copies took. */
    assert_true(rate.bytes_per_s <= 8.0e9 * 1.001);
    copy_to("emulated:copy=8,latency=0", 0); /* bytes move, and are checked */
}

/* Bytes on their way back are not what they were. */
static const struct fgi_device_ops *true_ops;

static enum fg_status copy_back_changed(struct fg_device *device,
                                        fg_stream stream, void *to,
                                        const void *from, size_t bytes,
                                        struct fg_error *error)
{
    enum fg_status status =
        true_ops->copy_back(device, stream, to, from, bytes, error);

    if (status == FG_OK) {
        status = true_ops->stream_synchronize(device, stream, error);
    }
    ((uint8_t *)to)[4097] ^= 1;
    return status;
}

static void copy_that_arrives_changed_is_a_device_error(void **state)
{
    struct fg_measure_config config = quick();
    struct fgi_device_ops changed;
    struct fg_device *device;

    (void)state;
    assert_int_equal(fg_device_open("emulated:copy=8", 0, &device, &err),
                     FG_OK);
    true_ops = device->ops;
    changed = *true_ops;
    changed.copy_back = copy_back_changed;
    device->ops = &changed;
    expect_fails(fg_measure_copy(device, -1, &config, &rate, &err),
                 FG_ERR_DEVICE,
                 "measure: device emulated: offset 4096: copy: got other bytes "
                 "back than were sent");
    device->ops = true_ops;
    fg_device_close(device);
}

static void copy_of_more_than_the_buffer_goes_round(void **state)
{
    struct fg_measure_config config = quick();
    struct fg_device *device;

    (void)state;
    assert_int_equal(
        fg_device_open("emulated:copy=900", FG_DEVICE_TIME_ONLY, &device, &err),
        FG_OK);
    config.bytes = FGI_MIB(600) + 3;
    config.rounds = 1;
    assert_int_equal(fg_measure_copy(device, -1, &config, &rate, &err), FG_OK);
    assert_int_equal(rate.bytes, FGI_MIB(600) + 3);
    assert_int_equal(rate.pages * rate.page_bytes, FGI_MIB(256));
    fg_device_close(device);
}

static void copy_to_a_host_device_is_unsupported(void **state)
{
    struct fg_device *device;

    (void)state;
    assert_int_equal(fg_device_open("host", 0, &device, &err), FG_OK);
    expect_fails(fg_measure_copy(device, -1, NULL, &rate, &err),
                 FG_ERR_UNSUPPORTED, "measure: device host: it copies nothing");
    fg_device_close(device);
}

static void copy_from_an_absent_node_is_refused(void **state)
{
    struct fg_device *device;

    (void)state;
    assert_int_equal(fg_device_open("emulated", 0, &device, &err), FG_OK);
    expect_fails(fg_measure_copy(device, ABSENT_NODE, NULL, &rate, &err),
                 FG_ERR_ARGUMENT, "measure: memory of node 977: no such node");
    fg_device_close(device);
}

static int set_up(void **state)
{
    fixture_put_file(SMALL_FILE, FILE_BYTES);
    return make_machine(state);
}

/* ---- memory that runs out ---- */

static enum fg_status measure_all(const struct fg_measure_config *config,
                                  int which)
{
    const char *path = SMALL_FILE;
    struct fg_device *device;
    enum fg_status status;

    if (which == 0) {
        return fg_measure_memory(-1, -1, config, &rate, &err);
    }
    if (which == 1) {
        return fg_measure_read(&path, 1, FG_MEASURE_RANDOM, config, &rate,
                               &err);
    }
    status =
        fg_device_open("emulated:copy=900", FG_DEVICE_TIME_ONLY, &device, &err);
    if (status == FG_OK) {
        status = fg_measure_copy(device, -1, config, &rate, &err);
        fg_device_close(device);
    }
    return status;
}

static void any_allocation_that_fails_is_a_memory_error(void **state)
{
    struct fg_measure_config config = quick();

    (void)state;
    for (int which = 0; which < 3; which++) {
        unsigned good = 0;
        unsigned failed = 0;

        for (unsigned n = 1; good < 3 && n < 2000; n++) {
            enum fg_status status;

            memset(&err, 0, sizeof(err));
            fgi_alloc_fail_after(n);
            status = measure_all(&config, which);
            fgi_alloc_fail_after(0);
            good = status == FG_OK ? good + 1 : 0;
            failed += status != FG_OK;
            if (status != FG_OK) {
                assert_int_equal(status, FG_ERR_MEMORY);
                assert_int_equal(err.status, FG_ERR_MEMORY);
                assert_null(strchr(err.message, '\n'));
                assert_true(strlen(err.message) > 10);
            }
        }
        assert_int_equal(good, 3);
        assert_true(failed >= 3);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_sum_up_of_any_order_gives_the_median),
        cmocka_unit_test(samples_add_without_time_or_room_stays_finite),
        cmocka_unit_test(check_memory_of_each_node_says_what_is_wrong),
        cmocka_unit_test(cpus_of_each_node_says_what_is_wrong),
        cmocka_unit_test(fit_takes_what_is_there_or_says_so),
        cmocka_unit_test(cache_bytes_are_shares_of_the_last_level),
        cmocka_unit_test(config_out_of_range_is_refused),
        cmocka_unit_test(memory_anywhere_gives_a_rate_of_all_cpus),
        cmocka_unit_test(memory_of_absent_nodes_is_refused),
        cmocka_unit_test(memory_beyond_the_machine_is_refused),
        cmocka_unit_test(memory_stopped_ends_at_once),
        cmocka_unit_test(copy_stopped_ends_at_once),
        cmocka_unit_test(copy_to_an_emulated_device_is_its_profile),
        cmocka_unit_test(copy_that_arrives_changed_is_a_device_error),
        cmocka_unit_test(copy_of_more_than_the_buffer_goes_round),
        cmocka_unit_test(copy_to_a_host_device_is_unsupported),
        cmocka_unit_test(copy_from_an_absent_node_is_refused),
        cmocka_unit_test(any_allocation_that_fails_is_a_memory_error),
    };

    return cmocka_run_group_tests(tests, set_up, forget_machine);
}
