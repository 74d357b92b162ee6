/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the doctor's checks, on texts of any content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/feedgpu/doctor_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNCHANGED 4711u

static void count_only_whole_numbers_are_read(void **state)
{
    static const char *const bad[] = {
        "", " 1", "-1", "1x", "0x10", "1 2", "1.5", "18446744073709551616"};
    uint64_t count = UNCHANGED;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(rule_count(bad[i], &count));
    }
    assert_int_equal(count, UNCHANGED);
    assert_true(rule_count("18446744073709551615", &count));
    assert_true(count == UINT64_MAX);
    assert_true(rule_count("7 \t\n", &count));
    assert_int_equal(count, 7);
}

static void cpu_max_gives_thousandths(void **state)
{
    static const char *const bad[] = {
        "",     "max",       "max 0",   "100000",
        "1 0",  "-1 100000", "max max", "18446744073709551615 100000",
        "1  2", "1 2 3"};
    uint64_t milli = UNCHANGED;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(rule_cpu_max(bad[i], &milli));
    }
    assert_int_equal(milli, UNCHANGED);
    assert_true(rule_cpu_max("250000 100000", &milli));
    assert_int_equal(milli, 2500);
    assert_true(rule_cpu_max("max 100000\n", &milli));
    assert_true(milli == UINT64_MAX);
}

static void memory_max_reads_a_number_or_max(void **state)
{
    uint64_t bytes = UNCHANGED;
    (void)state;
    assert_false(rule_memory_max("maximum", &bytes));
    assert_false(rule_memory_max("-1", &bytes));
    assert_int_equal(bytes, UNCHANGED);
    assert_true(rule_memory_max("536870912\n", &bytes));
    assert_int_equal(bytes, 536870912);
    assert_true(rule_memory_max("max\n", &bytes));
    assert_true(bytes == UINT64_MAX);
}

static void pressure_reads_the_asked_line(void **state)
{
    static const char text[] = "some avg10=12.34 avg60=1 avg300=0 total=5\n"
                               "full avg10=0.00 avg60=0 avg300=0 total=5";
    double percent = -1;
    (void)state;
    assert_true(rule_pressure(text, "some", &percent));
    assert_true(percent > 12.3 && percent < 12.4);
    assert_true(rule_pressure(text, "full", &percent));
    assert_true(percent == 0.0);
    assert_false(rule_pressure("", "some", &percent));
    assert_false(rule_pressure("some avg10=", "some", &percent));
    assert_false(rule_pressure("some avg10=101.0 ", "some", &percent));
    assert_false(rule_pressure("some avg10=nan ", "some", &percent));
    assert_false(rule_pressure("some avg60=1 ", "some", &percent));
}

static void lists_meet_in_common_numbers(void **state)
{
    (void)state;
    assert_true(rule_lists_meet("0-3,8", "8-9"));
    assert_true(rule_lists_meet("5", "0-100"));
    assert_false(rule_lists_meet("0-3", "4-7"));
    assert_false(rule_lists_meet("", "0-7"));
    assert_false(rule_lists_meet("x", "0-7"));
    assert_false(rule_lists_meet("0-", "0-7"));
}

static void list_count_adds_ranges(void **state)
{
    (void)state;
    assert_int_equal(rule_list_count("0-3,8"), 5);
    assert_int_equal(rule_list_count("0\n"), 1);
    assert_int_equal(rule_list_count(""), 0);
    assert_int_equal(rule_list_count("3-1"), 0);
    assert_int_equal(rule_list_count("0-3;8"), 0);
    assert_int_equal(rule_list_count("0-18446744073709551615"), 0);
}

static void field_is_found_at_a_lines_start(void **state)
{
    static const char text[] = "XSeccomp:\t9\nSeccomp:\t2\nmodel name\t: A B\n"
                               "Last:";
    char value[8] = "old";
    (void)state;
    assert_false(rule_field(text, "Sec", value, sizeof(value)));
    assert_string_equal(value, "old");
    assert_true(rule_field(text, "Seccomp", value, sizeof(value)));
    assert_string_equal(value, "2");
    assert_true(rule_field(text, "model name", value, sizeof(value)));
    assert_string_equal(value, "A B");
    assert_true(rule_field(text, "Last", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_true(rule_field("a: 0123456789", "a", value, sizeof(value)));
    assert_string_equal(value, "0123456");
}

static void limit_reads_the_soft_one(void **state)
{
    static const char text[] =
        "Limit                     Soft Limit           Hard Limit   Units\n"
        "Max open files            1024                 4096         files\n"
        "Max locked memory         unlimited            unlimited    bytes\n"
        "Max bad                   many                 4096         bytes\n";
    uint64_t limit = UNCHANGED;
    (void)state;
    assert_false(rule_limit(text, "Max open", &limit));
    assert_false(rule_limit(text, "Max bad", &limit));
    assert_false(rule_limit("Max open files", "Max open files", &limit));
    assert_int_equal(limit, UNCHANGED);
    assert_true(rule_limit(text, "Max open files", &limit));
    assert_int_equal(limit, 1024);
    assert_true(rule_limit(text, "Max locked memory", &limit));
    assert_true(limit == UINT64_MAX);
}

static void cgroup_finds_the_controllers_path(void **state)
{
    static const char text[] = "12:cpuset:/a\n"
                               "4:cpu,cpuacct:/b/c\n"
                               "1:name=systemd:/d:e\n"
                               "0::/f\n";
    char path[8] = "old";
    (void)state;
    assert_false(rule_cgroup(text, "memory", path, sizeof(path)));
    assert_false(rule_cgroup(text, "acct", path, sizeof(path)));
    assert_false(rule_cgroup("", "", path, sizeof(path)));
    assert_false(rule_cgroup("0:", "", path, sizeof(path)));
    assert_false(rule_cgroup("0\n1::/x", "0", path, sizeof(path)));
    assert_false(rule_cgroup("0::/12345678", "", path, sizeof(path)));
    assert_string_equal(path, "old");
    assert_true(rule_cgroup(text, "cpu", path, sizeof(path)));
    assert_string_equal(path, "/b/c");
    assert_true(rule_cgroup(text, "cpuacct", path, sizeof(path)));
    assert_true(rule_cgroup(text, "cpuset", path, sizeof(path)));
    assert_string_equal(path, "/a");
    assert_true(rule_cgroup(text, "name=systemd", path, sizeof(path)));
    assert_string_equal(path, "/d:e");
    assert_true(rule_cgroup(text, "", path, sizeof(path)));
    assert_string_equal(path, "/f");
}

static void parent_ends_at_the_root(void **state)
{
    char path[] = "/a/b";
    (void)state;
    assert_true(rule_parent(path));
    assert_string_equal(path, "/a");
    assert_true(rule_parent(path));
    assert_string_equal(path, "/");
    assert_false(rule_parent(path));
}

static void chosen_is_what_is_in_brackets(void **state)
{
    char choice[8] = "old";
    (void)state;
    assert_false(rule_chosen("none", choice, sizeof(choice)));
    assert_false(rule_chosen("a [] b", choice, sizeof(choice)));
    assert_false(rule_chosen("[none", choice, sizeof(choice)));
    assert_false(rule_chosen("[12345678]", choice, sizeof(choice)));
    assert_string_equal(choice, "old");
    assert_true(rule_chosen("[1234567]", choice, sizeof(choice)));
    assert_true(rule_chosen("a [none] b", choice, sizeof(choice)));
    assert_string_equal(choice, "none");
}

/* An extended capability header at an offset of a config space. */
static void put_capability(uint8_t *config, uint32_t offset, uint32_t id,
                           uint32_t next)
{
    uint32_t header = id | 1u << 16 | next << 20;
    for (int i = 0; i < 4; i++) {
        config[offset + (uint32_t)i] = (uint8_t)(header >> 8 * i);
    }
}

static void acs_is_found_behind_others(void **state)
{
    uint8_t config[4096] = {0};
    (void)state;
    assert_int_equal(rule_acs(config, 4096), ACS_ABSENT);
    assert_int_equal(rule_acs(config, 256), ACS_HIDDEN);
    assert_int_equal(rule_acs(NULL, 0), ACS_HIDDEN);
    put_capability(config, 0x100, 0x0001, 0x200);
    put_capability(config, 0x200, 0x000d, 0);
    assert_int_equal(rule_acs(config, 4096), ACS_OFF);
    config[0x206] = 0x11; /* source validation, upstream forwarding */
    assert_int_equal(rule_acs(config, 4096), ACS_OFF);
    config[0x206] = 0x04;
    assert_int_equal(rule_acs(config, 4096), ACS_REDIRECT);
    config[0x206] = 0x08;
    assert_int_equal(rule_acs(config, 4096), ACS_REDIRECT);
}

static void acs_damaged_lists_end(void **state)
{
    uint8_t config[4096] = {0};
    (void)state;
    put_capability(config, 0x100, 0x0001, 0x100);
    assert_int_equal(rule_acs(config, 4096), ACS_DAMAGED);
    put_capability(config, 0x100, 0x0001, 0x010);
    assert_int_equal(rule_acs(config, 4096), ACS_DAMAGED);
    put_capability(config, 0x100, 0x0001, 0xffc);
    put_capability(config, 0xffc, 0x000d, 0);
    assert_int_equal(rule_acs(config, 4096), ACS_DAMAGED);
    memset(config, 0xff, sizeof(config));
    assert_int_equal(rule_acs(config, 4096), ACS_ABSENT);
}

static void limited_reads_both_forms_of_the_log(void **state)
{
    static const char rest[] =
        "31.504 Gb/s available PCIe bandwidth, limited by 8.0 GT/s PCIe x4 "
        "link at 0000:00:1c.4 (capable of 126.016 Gb/s with 16.0 GT/s PCIe x8 "
        "link)\n SUBSYSTEM=pci\n";
    static const char *const heads[] = {
        "[    1.2] pci 0000:05:00.0: ", "6,1234,5678,-;pci 0000:05:00.0: ",
        "6,1,5678,-;nvme 0000:05:00.0: "};
    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        struct limited limited;
        char line[512];
        snprintf(line, sizeof(line), "%s%s", heads[i], rest);
        assert_true(rule_limited(line, &limited));
        assert_string_equal(limited.bus_id, "0000:05:00.0");
        assert_string_equal(limited.limit_bus_id, "0000:00:1c.4");
        assert_true(limited.got_gbits > 31.5 && limited.got_gbits < 31.51);
        assert_true(limited.able_gbits > 126 && limited.able_gbits < 126.1);
    }
}

static void limited_other_lines_are_passed_over(void **state)
{
    static const char *const lines[] = {
        "",
        "pci 0000:05:00.0: 31.504 Gb/s available PCIe bandwidth (16.0 GT/s)",
        " Gb/s available PCIe bandwidth, limited by ",
        "x 1 Gb/s available PCIe bandwidth, limited by x link at y (capable of "
        "2 Gb/s",
        "pci 0000:05:00.0: 1 Gb/s available PCIe bandwidth, limited by x link "
        "at 0000:00:1c.4 (capable of many Gb/s",
        "pci 0000:05:00.0: -1 Gb/s available PCIe bandwidth, limited by x link "
        "at 0000:00:1c.4 (capable of 2 Gb/s",
        "pci 0000:05:00.0: 1 Gb/s available PCIe bandwidth, limited by x link "
        "at 0000:00:1c.4444444444444444444444 (capable of 2 Gb/s",
    };
    struct limited limited = {.got_gbits = 1};
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_false(rule_limited(lines[i], &limited));
    }
    assert_true(limited.got_gbits == 1);
}

static void iommu_types_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(rule_iommu("identity"), IOMMU_IDENTITY);
    assert_int_equal(rule_iommu("DMA"), IOMMU_STRICT);
    assert_int_equal(rule_iommu("DMA-FQ"), IOMMU_LAZY);
    assert_int_equal(rule_iommu("auto"), IOMMU_UNKNOWN);
    assert_int_equal(rule_iommu(""), IOMMU_UNKNOWN);
}

static void throttle_names_what_is_a_fault(void **state)
{
    char text[96];
    (void)state;
    rule_throttle(0, text, sizeof(text));
    assert_string_equal(text, "");
    rule_throttle(0x1 | 0x2 | 0x4 | 0x10 | 0x100, text, sizeof(text));
    assert_string_equal(text, "");
    rule_throttle(0x20 | 0x80, text, sizeof(text));
    assert_string_equal(text, "heat, the power brake");
    rule_throttle(UINT64_MAX, text, 8);
    assert_string_equal(text, "the har");
}

static void cuda_versions_match_by_major(void **state)
{
    char text[16];
    (void)state;
    rule_cuda_version(13010, text, sizeof(text));
    assert_string_equal(text, "13.1");
    rule_cuda_version(12000, text, sizeof(text));
    assert_string_equal(text, "12.0");
    assert_int_equal(rule_cuda_match(0, 13000), CUDA_NONE);
    assert_int_equal(rule_cuda_match(13010, 13000), CUDA_FITS);
    assert_int_equal(rule_cuda_match(12040, 13000), CUDA_FITS);
    assert_int_equal(rule_cuda_match(13000, 12090), CUDA_TOO_NEW);
}

static const char mounts[] =
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "28 27 0:21 / /proc rw - proc proc rw\n"
    "nonsense\n"
    "29 27 9:0 / /data rw,noatime shared:1 - xfs /dev/md0 rw\n"
    "30 29 0:40 / /data/my\\040set ro master:2 - tmpfs tmpfs rw\n"
    "31 27 0:41 / /hidden rw - xfs /dev/sda rw\n"
    "32 31 0:42 / /hidden rw - nfs4 server:/x rw";

static void mount_the_longest_and_last_one_holds(void **state)
{
    struct mount mount;
    (void)state;
    assert_true(rule_mount(mounts, "/datafile", &mount));
    assert_string_equal(mount.point, "/");
    assert_string_equal(mount.type, "ext4");
    assert_true(rule_mount(mounts, "/data", &mount));
    assert_string_equal(mount.source, "/dev/md0");
    assert_string_equal(mount.options, "rw,noatime");
    assert_true(rule_mount(mounts, "/data/my set/a", &mount));
    assert_string_equal(mount.point, "/data/my set");
    assert_string_equal(mount.type, "tmpfs");
    assert_true(rule_mount(mounts, "/hidden/a", &mount));
    assert_string_equal(mount.type, "nfs4");
    assert_string_equal(mount.source, "server:/x");
}

static void mount_nonsense_has_none(void **state)
{
    static const char *const texts[] = {
        "", "\n\n", "a b c d e f", "1 2 3:4 / relative rw - ext4 /dev/a rw",
        "1 2 3:4 / / rw ext4 /dev/a\n - x y"};
    struct mount mount;
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_false(rule_mount(texts[i], "/a", &mount));
    }
}

static void fs_kinds_are_known_by_name(void **state)
{
    (void)state;
    assert_int_equal(rule_fs("xfs"), FS_DISK);
    assert_int_equal(rule_fs("tmpfs"), FS_MEMORY);
    assert_int_equal(rule_fs("overlay"), FS_LAYERS);
    assert_int_equal(rule_fs("fuse.sshfs"), FS_PROGRAM);
    assert_int_equal(rule_fs("fuseblk"), FS_PROGRAM);
    assert_int_equal(rule_fs("lustre"), FS_NETWORK);
    assert_int_equal(rule_fs("ext"), FS_OTHER);
    assert_int_equal(rule_fs(""), FS_OTHER);
}

static void requests_are_small_below_both_limits(void **state)
{
    struct queue queue = {.request_kib = 128, .request_kib_max = 2048};
    (void)state;
    assert_true(rule_requests_are_small(&queue));
    queue.request_kib_max = 128;
    assert_false(rule_requests_are_small(&queue));
    queue = (struct queue){.request_kib = 512, .request_kib_max = UINT64_MAX};
    assert_false(rule_requests_are_small(&queue));
    queue.request_kib = 511;
    assert_true(rule_requests_are_small(&queue));
}

static void cover_is_little_from_five_times_on(void **state)
{
    (void)state;
    assert_int_equal(rule_cover(100, 100), COVER_WHOLE);
    assert_int_equal(rule_cover(101, 100), COVER_PART);
    assert_int_equal(rule_cover(499, 100), COVER_PART);
    assert_int_equal(rule_cover(500, 100), COVER_LITTLE);
    assert_int_equal(rule_cover(0, 0), COVER_WHOLE);
    assert_int_equal(rule_cover(UINT64_MAX, UINT64_MAX - 1), COVER_PART);
}

static void governor_powersave_depends_on_the_driver(void **state)
{
    (void)state;
    assert_true(rule_governor_is_slow("powersave", "acpi-cpufreq"));
    assert_true(rule_governor_is_slow("powersave", "intel_cpufreq"));
    assert_true(rule_governor_is_slow("powersave", ""));
    assert_false(rule_governor_is_slow("powersave", "intel_pstate"));
    assert_false(rule_governor_is_slow("powersave", "amd-pstate-epp"));
    assert_false(rule_governor_is_slow("performance", "acpi-cpufreq"));
    assert_false(rule_governor_is_slow("schedutil", "acpi-cpufreq"));
}

static void virtual_makers_are_known(void **state)
{
    (void)state;
    assert_true(rule_is_virtual("QEMU"));
    assert_true(rule_is_virtual("KVM Virtual Machine"));
    assert_true(rule_is_virtual("VMware, Inc."));
    assert_false(rule_is_virtual("Supermicro"));
    assert_false(rule_is_virtual(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(count_only_whole_numbers_are_read),
        cmocka_unit_test(cpu_max_gives_thousandths),
        cmocka_unit_test(memory_max_reads_a_number_or_max),
        cmocka_unit_test(pressure_reads_the_asked_line),
        cmocka_unit_test(lists_meet_in_common_numbers),
        cmocka_unit_test(list_count_adds_ranges),
        cmocka_unit_test(field_is_found_at_a_lines_start),
        cmocka_unit_test(limit_reads_the_soft_one),
        cmocka_unit_test(cgroup_finds_the_controllers_path),
        cmocka_unit_test(parent_ends_at_the_root),
        cmocka_unit_test(chosen_is_what_is_in_brackets),
        cmocka_unit_test(acs_is_found_behind_others),
        cmocka_unit_test(acs_damaged_lists_end),
        cmocka_unit_test(limited_reads_both_forms_of_the_log),
        cmocka_unit_test(limited_other_lines_are_passed_over),
        cmocka_unit_test(iommu_types_are_told_apart),
        cmocka_unit_test(throttle_names_what_is_a_fault),
        cmocka_unit_test(cuda_versions_match_by_major),
        cmocka_unit_test(mount_the_longest_and_last_one_holds),
        cmocka_unit_test(mount_nonsense_has_none),
        cmocka_unit_test(fs_kinds_are_known_by_name),
        cmocka_unit_test(requests_are_small_below_both_limits),
        cmocka_unit_test(cover_is_little_from_five_times_on),
        cmocka_unit_test(governor_powersave_depends_on_the_driver),
        cmocka_unit_test(virtual_makers_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
