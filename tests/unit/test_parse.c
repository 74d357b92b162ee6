/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs, and the numbers in the kernel's texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/bus_id.h"
#include "runtime/topology/names.h"
#include "runtime/topology/topology.h"

static void expect_list(const char *text, const char *wanted)
{
    struct fgi_set set;
    char got[256];

    assert_true(fgi_set_parse(&set, text));
    assert_int_equal(fgi_set_format(&set, got, sizeof(got)), strlen(wanted));
    assert_string_equal(got, wanted);
}

static void set_parse_lists_round_trip(void **state)
{
    (void)state;
    expect_list("", "");
    expect_list("\n", "");
    expect_list("0", "0");
    expect_list("0-3,8", "0-3,8");
    expect_list("8,0-3,4\n", "0-4,8");
    expect_list("8191", "8191");
    expect_list("63-64,128", "63-64,128");
}

static void set_parse_garbage_is_refused_and_empty(void **state)
{
    static const char *const bad[] = {
        "a",
        "0-",
        "-1",
        "3-1",
        "0,,1",
        "0,",
        ",",
        "0 1",
        "0-3x",
        " 0",
        "0-4294967295",
        "8192",
        "\n0",
        "99999999999999999999999",
    };
    struct fgi_set set;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fgi_set_add(&set, 1);
        assert_false(fgi_set_parse(&set, bad[i]));
        assert_int_equal(fgi_set_count(&set), 0);
    }
}

static void set_format_small_room_is_cut_and_counted(void **state)
{
    struct fgi_set set;
    char text[4];

    (void)state;
    assert_true(fgi_set_parse(&set, "0-3,8"));
    assert_int_equal(fgi_set_format(&set, text, sizeof(text)), 5);
    assert_string_equal(text, "0-3");
    assert_int_equal(fgi_set_format(&set, NULL, 0), 5);
}

/* Random sets survive the round trip. */
static void set_round_trip_random_sets_stay_equal(void **state)
{
    unsigned seed = 1;
    char text[32768];

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct fgi_set set = {{0}};
        struct fgi_set again;

        for (int i = 0; i < 300; i++) {
            fgi_set_add(&set, (uint32_t)rand_r(&seed) % FGI_SET_MAX);
        }
        assert_true(fgi_set_format(&set, text, sizeof(text)) < sizeof(text));
        assert_true(fgi_set_parse(&again, text));
        assert_memory_equal(&set, &again, sizeof(set));
    }
}

static void parse_number_takes_whole_numbers_only(void **state)
{
    static const char *const bad[] = {
        "",
        "-",
        "0x",
        "1 ",
        "1.5",
        "x",
        "--1",
        "9223372036854775808",
        "0x8000000000000000",
        "1\n2",
    };
    int64_t number = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(fgi_parse_number(bad[i], &number));
        assert_int_equal(number, 7);
    }
    assert_true(fgi_parse_number("-1", &number));
    assert_int_equal(number, -1);
    assert_true(fgi_parse_number("0x030200\n", &number));
    assert_int_equal(number, 0x030200);
    assert_true(fgi_parse_number("9223372036854775807", &number));
    assert_true(number == INT64_MAX);
}

static void parse_meminfo_finds_its_key(void **state)
{
    static const char text[] = "Node 0 MemTotal:       1024 kB\n"
                               "Node 0 MemFree:  12 kB\n"
                               "Node 0 Broken: x kB\nHugePages_Free:  3\n";
    uint64_t bytes = 0;

    (void)state;
    assert_true(fgi_parse_meminfo(text, "MemTotal", &bytes));
    assert_int_equal(bytes, 1024 * 1024);
    assert_true(fgi_parse_meminfo(text, "MemFree", &bytes));
    assert_int_equal(bytes, 12 * 1024);
    assert_false(fgi_parse_meminfo(text, "Mem", &bytes));
    assert_false(fgi_parse_meminfo(text, "Broken", &bytes));
    assert_false(fgi_parse_meminfo(text, "HugePages_Free", &bytes));
    assert_false(fgi_parse_meminfo("MemTotal: 18446744073709551615 kB",
                                   "MemTotal", &bytes));
    assert_int_equal(bytes, 12 * 1024);
}

static void parse_distances_stops_at_garbage(void **state)
{
    uint32_t distances[4] = {0};

    (void)state;
    assert_int_equal(fgi_parse_distances("10 21 32", distances, 4), 3);
    assert_int_equal(distances[2], 32);
    assert_int_equal(fgi_parse_distances("10 21 32", distances, 2), 2);
    assert_int_equal(fgi_parse_distances("10 2x 32", distances, 4), 1);
    assert_int_equal(fgi_parse_distances("", distances, 4), 0);
}

static void parse_link_speed_is_in_megatransfers(void **state)
{
    (void)state;
    assert_int_equal(fgi_parse_link_speed("2.5 GT/s PCIe"), 2500);
    assert_int_equal(fgi_parse_link_speed("16.0 GT/s PCIe"), 16000);
    assert_int_equal(fgi_parse_link_speed("8 GT/s"), 8000);
    assert_int_equal(fgi_parse_link_speed("Unknown"), 0);
    assert_int_equal(fgi_parse_link_speed("9999999999 GT/s"), 0);
    assert_int_equal(fgi_parse_link_speed("16. GT/s"), 0);
}

static void link_rate_follows_the_line_code(void **state)
{
    (void)state;
    assert_int_equal(fg_link_bytes_per_s(&(struct fg_link){2500, 1}),
                     250000000);
    /* Gen4 x16 carries 31.5 GB/s, Gen5 63.0, before packet headers. */
    assert_int_equal(
        fg_link_bytes_per_s(&(struct fg_link){16000, 16}) / 100000000, 315);
    assert_int_equal(
        fg_link_bytes_per_s(&(struct fg_link){32000, 16}) / 100000000, 630);
    assert_int_equal(
        fg_link_bytes_per_s(&(struct fg_link){64000, 16}) / 100000000, 1210);
    assert_int_equal(fg_link_bytes_per_s(&(struct fg_link){0, 16}), 0);
}

static void parse_line_takes_the_value_behind_its_key(void **state)
{
    char value[16] = "unchanged";

    (void)state;
    assert_false(fgi_parse_line("Nodes: 1", "Node", value, sizeof(value)));
    assert_false(
        fgi_parse_line("Node: 0123456789abcdef", "Node", value, sizeof(value)));
    assert_string_equal(value, "unchanged");
    assert_true(fgi_parse_line("a: b\nflags\t\t: fpu\nc", "flags", value,
                               sizeof(value)));
    assert_string_equal(value, "fpu");
}

static void parse_numa_maps_adds_bytes_by_node(void **state)
{
    uint64_t bytes[2] = {0};

    (void)state;
    fgi_parse_numa_maps_line("7f00 default anon=3 N0=1 N1=2 "
                             "kernelpagesize_kB=4",
                             bytes, 2);
    fgi_parse_numa_maps_line("7f01 bind:1 file=/a\\040N0=9 huge N1=1 N7=5 "
                             "N=3 Nx=1 kernelpagesize_kB=2048",
                             bytes, 2);
    assert_int_equal(bytes[0], 4096);
    assert_int_equal(bytes[1], 2 * 4096 + 2048 * 1024);
    fgi_parse_numa_maps_line("x N0=18446744073709551615", bytes, 2);
    assert_int_equal(bytes[0], 4096);
}

static void expect_bus_id(const char *text, const char *wanted)
{
    char bus_id[FG_BUS_ID_BYTES];

    assert_int_equal(fg_bus_id_parse(text, bus_id, NULL), FG_OK);
    assert_string_equal(bus_id, wanted);
}

static void bus_id_parse_gives_the_usual_form(void **state)
{
    (void)state;
    expect_bus_id("0000:c1:00.0", "0000:c1:00.0");
    expect_bus_id("C1:00.0", "0000:c1:00.0");
    expect_bus_id("00000000:C1:1F.7", "0000:c1:1f.7");
    expect_bus_id("10000:e1:00.0", "10000:e1:00.0");
    expect_bus_id("FFFFFFFF:ff:1f.7", "ffffffff:ff:1f.7");
}

static void bus_id_parse_garbage_is_an_argument_error(void **state)
{
    static const char *const bad[] = {
        "",        "c1",       "c1:00",     "c1:20.0",
        "c1:00.8", "100:00.0", "0:0:0.0x",  "x:00.0",
        ":00.0",   "c1:00.0 ", "0000::0.0", "1000000000:00:00.0",
    };
    char bus_id[FG_BUS_ID_BYTES] = "same";
    struct fg_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(fg_bus_id_parse(bad[i], bus_id, &err),
                         FG_ERR_ARGUMENT);
        assert_string_equal(bus_id, "same");
    }
    assert_int_equal(fg_bus_id_parse("gpu0", bus_id, &err), FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "bus id: got \"gpu0\", wanted one such as "
                                     "\"0000:c1:00.0\"");
    assert_int_equal(fg_bus_id_parse(NULL, bus_id, NULL), FG_ERR_ARGUMENT);
}

static void names_compare_orders_numbers_by_value(void **state)
{
    (void)state;
    assert_true(fgi_names_compare("node2", "node10") < 0);
    assert_true(fgi_names_compare("node10", "node2") > 0);
    assert_int_equal(fgi_names_compare("node2", "node2"), 0);
    assert_true(fgi_names_compare("node", "node0") < 0);
    assert_true(fgi_names_compare("a1b", "a1c") < 0);
    assert_true(fgi_names_compare("a01", "a1") != 0);
    assert_true(fgi_names_compare("99999999999999999999998",
                                  "99999999999999999999999") < 0);
}

static void numa_maps_anonymous_is_in_the_lines_own_pages(void **state)
{
    (void)state;
    assert_int_equal(fgi_parse_numa_maps_anonymous("7f d anon=3 N0=3"), 12288);
    assert_int_equal(
        fgi_parse_numa_maps_anonymous("7f anon=2 kernelpagesize_kB=2048"),
        4 << 20);
    assert_int_equal(fgi_parse_numa_maps_anonymous("7f file=/anon N0=3"), 0);
    assert_int_equal(fgi_parse_numa_maps_anonymous("7f anon=x"), 0);
    assert_int_equal(
        fgi_parse_numa_maps_anonymous("7f anon=18446744073709551615"), 0);
}

static void stat_fields_are_counted_behind_the_name(void **state)
{
    static const char stat[] = "12 (a) 3 (b) R 4 5 -6 7";
    uint64_t value = 0;

    (void)state;
    assert_true(fgi_parse_stat(stat, 4, &value));
    assert_int_equal(value, 4);
    assert_true(fgi_parse_stat(stat, 7, &value));
    assert_int_equal(value, 7);
    assert_false(fgi_parse_stat(stat, 3, &value));
    assert_false(fgi_parse_stat(stat, 6, &value));
    assert_false(fgi_parse_stat(stat, 8, &value));
    assert_false(fgi_parse_stat("", 3, &value));
    assert_false(fgi_parse_stat("1 (a", 3, &value));
    assert_int_equal(value, 7);
}

static void gpu_minor_is_that_of_a_gpus_own_file(void **state)
{
    static const char *const others[] = {
        "",
        "/dev/nvidia",
        "/dev/nvidiactl",
        "/dev/nvidia-uvm",
        "/dev/nvidia3x",
        "/dev/nvidia3 (deleted)",
        "/dev/nvidia-1",
        "/dev/nvidia99999999999",
        "dev/nvidia3",
        "/dev/nvid",
    };

    (void)state;
    assert_int_equal(fgi_parse_gpu_minor("/dev/nvidia0"), 0);
    assert_int_equal(fgi_parse_gpu_minor("/dev/nvidia127"), 127);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(fgi_parse_gpu_minor(others[i]), -1);
    }
}

static void expect_cpuset(const char *text, bool is_v1, const char *path)
{
    char got[16] = "";
    bool got_v1 = false;

    assert_int_equal(fgi_parse_cpuset_path(text, &got_v1, got, sizeof(got)),
                     path != NULL);
    if (path != NULL) {
        assert_int_equal(got_v1, is_v1);
        assert_string_equal(got, path);
    }
}

static void cpuset_path_prefers_the_controllers_own(void **state)
{
    (void)state;
    expect_cpuset("0::/a", false, "/a");
    expect_cpuset("4:cpuset:/b\n0::/a\n", true, "/b");
    expect_cpuset("0::/a\n4:cpuset:/b", true, "/b");
    expect_cpuset("4:cpu,cpuset:/b\n0::/\n", false, "/");
    expect_cpuset("4:memory:/b\n", false, NULL);
    expect_cpuset("7::/b\n", false, NULL);
    expect_cpuset("0::/123456789012345\n", false, NULL);
    expect_cpuset("", false, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_parse_lists_round_trip),
        cmocka_unit_test(set_parse_garbage_is_refused_and_empty),
        cmocka_unit_test(set_format_small_room_is_cut_and_counted),
        cmocka_unit_test(set_round_trip_random_sets_stay_equal),
        cmocka_unit_test(parse_number_takes_whole_numbers_only),
        cmocka_unit_test(parse_meminfo_finds_its_key),
        cmocka_unit_test(parse_distances_stops_at_garbage),
        cmocka_unit_test(parse_link_speed_is_in_megatransfers),
        cmocka_unit_test(link_rate_follows_the_line_code),
        cmocka_unit_test(parse_line_takes_the_value_behind_its_key),
        cmocka_unit_test(parse_numa_maps_adds_bytes_by_node),
        cmocka_unit_test(bus_id_parse_gives_the_usual_form),
        cmocka_unit_test(bus_id_parse_garbage_is_an_argument_error),
        cmocka_unit_test(names_compare_orders_numbers_by_value),
        cmocka_unit_test(numa_maps_anonymous_is_in_the_lines_own_pages),
        cmocka_unit_test(stat_fields_are_counted_behind_the_name),
        cmocka_unit_test(gpu_minor_is_that_of_a_gpus_own_file),
        cmocka_unit_test(cpuset_path_prefers_the_controllers_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
