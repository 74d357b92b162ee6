/* SPDX-License-Identifier: Apache-2.0 */
/* Reading below a root that may hold anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <feedgpu/sysroot.h>

#include "runtime/topology/sysroot.h"
#include "tests/lib/tree_fixture.h"

static struct fg_sysroot *root;

static int set_up(void **state)
{
    (void)state;
    tree_clear();
    return fg_sysroot_open(TREE "//", &root, NULL) == FG_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fg_sysroot_close(root);
    root = NULL;
    return 0;
}

/* Reading `path` fails in that way, and leaves the text alone. */
static void expect_failure(const char *path, enum fg_status status,
                           const char *message)
{
    char text[16] = "unchanged";
    struct fg_error err;

    assert_int_equal(fg_sysroot_read(root, path, text, sizeof(text), &err),
                     status);
    assert_string_equal(err.message, message);
    assert_string_equal(text, "unchanged");
}

static void read_a_file_gives_its_text(void **state)
{
    char text[16];

    (void)state;
    tree_file("/sys/a", "0-3\n\n");
    assert_int_equal(fg_sysroot_read(root, "/sys/a", text, sizeof(text), NULL),
                     FG_OK);
    assert_string_equal(text, "0-3");
    tree_file("/sys/empty", "");
    assert_int_equal(
        fg_sysroot_read(root, "/sys/empty", text, sizeof(text), NULL), FG_OK);
    assert_string_equal(text, "");
    assert_true(fg_sysroot_is_copy(root));
}

static void read_what_is_no_text_is_refused(void **state)
{
    (void)state;
    expect_failure("/sys/none", FG_ERR_NOT_FOUND,
                   "/sys/none: open: No such file or directory");
    tree_bytes("/sys/binary", "a\0b", 3);
    expect_failure("/sys/binary", FG_ERR_DAMAGED,
                   "/sys/binary: read: got binary data");
    tree_file("/sys/long", "0123456789abcdef");
    expect_failure("/sys/long", FG_ERR_DAMAGED,
                   "/sys/long: read: longer than 15 bytes");
    expect_failure("/sys", FG_ERR_UNSUPPORTED, "/sys: open: wanted a file");
    assert_int_equal(mkfifo(TREE "/sys/pipe", 0600), 0);
    expect_failure("/sys/pipe", FG_ERR_UNSUPPORTED,
                   "/sys/pipe: open: wanted a file");
    expect_failure("/sys/long/x", FG_ERR_NOT_FOUND,
                   "/sys/long/x: open: Not a directory");
}

static void read_bytes_gives_the_first_of_them(void **state)
{
    char bytes[4] = "old";
    size_t got = 7;

    (void)state;
    tree_bytes("/sys/config", "\0\1\2\3\4\5", 6);
    assert_int_equal(
        fg_sysroot_read_bytes(root, "/sys/config", bytes, 4, &got, NULL),
        FG_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "\0\1\2\3", 4);
    tree_bytes("/sys/short", "\0\n", 2);
    assert_int_equal(
        fg_sysroot_read_bytes(root, "/sys/short", bytes, 4, &got, NULL), FG_OK);
    assert_int_equal(got, 2);
    assert_memory_equal(bytes, "\0\n\2\3", 4);
    tree_file("/sys/empty", "");
    assert_int_equal(
        fg_sysroot_read_bytes(root, "/sys/empty", bytes, 4, &got, NULL), FG_OK);
    assert_int_equal(got, 0);
}

static void read_bytes_of_no_file_is_refused(void **state)
{
    char bytes[4] = "old";
    size_t got = 7;
    struct fg_error err;

    (void)state;
    assert_int_equal(
        fg_sysroot_read_bytes(root, "/sys/none", bytes, 4, &got, &err),
        FG_ERR_NOT_FOUND);
    assert_string_equal(err.message,
                        "/sys/none: open: No such file or directory");
    assert_int_equal(fg_sysroot_read_bytes(root, "/sys", bytes, 4, &got, &err),
                     FG_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "/sys: open: wanted a file");
    assert_int_equal(fg_sysroot_read_bytes(root, "/sys", bytes, 0, &got, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "/sys: read: got no room");
    assert_string_equal(bytes, "old");
    assert_int_equal(got, 7);
}

static void read_links_stay_below_the_root(void **state)
{
    char text[16];

    (void)state;
    tree_file("/etc/passwd", "the copy's\n");
    tree_link("/sys/absolute", "/etc/passwd");
    tree_link("/sys/dots", "../../../../../../../../etc/passwd");
    assert_int_equal(
        fg_sysroot_read(root, "/sys/absolute", text, sizeof(text), NULL),
        FG_OK);
    assert_string_equal(text, "the copy's");
    assert_int_equal(
        fg_sysroot_read(root, "/sys/dots", text, sizeof(text), NULL), FG_OK);
    assert_string_equal(text, "the copy's");
    tree_link("/sys/outside", "/bin");
    expect_failure("/sys/outside/sh", FG_ERR_NOT_FOUND,
                   "/sys/outside/sh: open: No such file or directory");
}

static void read_links_in_a_circle_end(void **state)
{
    (void)state;
    tree_link("/sys/a", "b");
    tree_link("/sys/b", "/sys/a");
    expect_failure("/sys/a", FG_ERR_DAMAGED,
                   "/sys/a: links: more than 40 (likely cause: they lead in a "
                   "circle)");
    tree_link("/sys/self", "self/self");
    expect_failure("/sys/self", FG_ERR_DAMAGED,
                   "/sys/self: links: more than 40 (likely cause: they lead "
                   "in a circle)");
}

static void read_a_path_too_long_is_refused(void **state)
{
    char path[2 * FG_SYSROOT_PATH_BYTES];
    char text[16];

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(fg_sysroot_read(root, path, text, sizeof(text), NULL),
                     FG_ERR_DAMAGED);
}

static void resolve_gives_the_path_without_links(void **state)
{
    char path[FG_SYSROOT_PATH_BYTES] = "unchanged";

    (void)state;
    tree_file("/sys/devices/pci0000:00/0000:00:01.0/class", "x");
    tree_link("/sys/bus/pci/devices/0000:00:01.0",
              "../../../devices/pci0000:00/0000:00:01.0");
    assert_int_equal(fg_sysroot_resolve(root,
                                        "//sys/bus/./pci/devices/0000:00:01.0",
                                        path, NULL),
                     FG_OK);
    assert_string_equal(path, "/sys/devices/pci0000:00/0000:00:01.0");
    assert_int_equal(fg_sysroot_resolve(root, "/../..", path, NULL), FG_OK);
    assert_string_equal(path, "/");
}

static bool take(const char *name, void *context)
{
    strcat(context, name);
    strcat(context, " ");
    return strcmp(name, "node10") != 0;
}

static void list_is_sorted_and_can_stop(void **state)
{
    char names[128] = "";

    (void)state;
    tree_file("/sys/n/node10", "");
    tree_file("/sys/n/node9", "");
    tree_file("/sys/n/node", "");
    tree_file("/sys/n/possible", "");
    assert_int_equal(fg_sysroot_list(root, "/sys/n", take, names, NULL), FG_OK);
    assert_string_equal(names, "node node9 node10 ");
    assert_int_equal(fg_sysroot_list(root, "/sys/n/node", take, names, NULL),
                     FG_ERR_UNSUPPORTED);
}

static void open_what_is_no_copy_is_refused(void **state)
{
    struct fg_sysroot *other = NULL;
    struct fg_error err;

    (void)state;
    assert_int_equal(fg_sysroot_open("nowhere", &other, &err),
                     FG_ERR_NOT_FOUND);
    assert_string_equal(err.message,
                        "sysroot: nowhere: open: No such file or directory");
    tree_file("/file", "x");
    assert_int_equal(fg_sysroot_open(TREE "/file", &other, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "sysroot: " TREE "/file: wanted a folder");
    tree_file("/empty/x", "x");
    assert_int_equal(fg_sysroot_open(TREE "/empty", &other, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "sysroot: " TREE "/empty: got neither sys "
                                     "nor proc in it, wanted a copy of /sys "
                                     "and /proc");
    assert_int_equal(fg_sysroot_open("", &other, &err), FG_ERR_ARGUMENT);
    assert_null(other);
    fg_sysroot_close(NULL);
}

static void read_this_machine_works(void **state)
{
    struct fg_sysroot *here;
    char text[4096];

    (void)state;
    assert_int_equal(fg_sysroot_open(NULL, &here, NULL), FG_OK);
    assert_false(fg_sysroot_is_copy(here));
    assert_int_equal(
        fg_sysroot_read(here, "/proc/self/status", text, sizeof(text), NULL),
        FG_OK);
    assert_non_null(strstr(text, "Cpus_allowed_list"));
    fg_sysroot_close(here);
}

/* Puts the lines of a file together, each in brackets; stops at "stop". */
static bool take_line(const char *line, void *context)
{
    char *all = context;

    strcat(strcat(strcat(all, "<"), line), ">");
    return strcmp(line, "stop") != 0;
}

static void read_lines_gives_each_line(void **state)
{
    char all[64] = "";

    (void)state;
    tree_file("/proc/lines", "a\n\nbc\nlast");
    assert_int_equal(
        fgi_sysroot_read_lines(root, "/proc/lines", take_line, all, NULL),
        FG_OK);
    assert_string_equal(all, "<a><><bc><last>");
    all[0] = '\0';
    tree_file("/proc/lines", "a\nstop\nb\n");
    assert_int_equal(
        fgi_sysroot_read_lines(root, "/proc/lines", take_line, all, NULL),
        FG_OK);
    assert_string_equal(all, "<a><stop>");
    all[0] = '\0';
    tree_file("/proc/lines", "");
    assert_int_equal(
        fgi_sysroot_read_lines(root, "/proc/lines", take_line, all, NULL),
        FG_OK);
    assert_string_equal(all, "");
}

static bool measure_line(const char *line, void *context)
{
    *(size_t *)context += strlen(line);
    return true;
}

static void read_lines_longest_line_is_taken_and_longer_refused(void **state)
{
    static char text[FGI_LINE_BYTES + 1];
    struct fg_error err;
    size_t bytes = 0;

    (void)state;
    memset(text, 'x', FGI_LINE_BYTES - 1);
    text[FGI_LINE_BYTES - 2] = '\n';
    tree_file("/proc/lines", text);
    assert_int_equal(
        fgi_sysroot_read_lines(root, "/proc/lines", measure_line, &bytes, NULL),
        FG_OK);
    assert_int_equal(bytes, FGI_LINE_BYTES - 2);
    text[FGI_LINE_BYTES - 2] = 'x';
    tree_file("/proc/lines", text);
    assert_int_equal(
        fgi_sysroot_read_lines(root, "/proc/lines", measure_line, &bytes, &err),
        FG_ERR_DAMAGED);
    assert_string_equal(err.message,
                        "/proc/lines: read: a line is longer than 65535 bytes");
    assert_int_equal(
        fgi_sysroot_read_lines(root, "/proc", measure_line, &bytes, &err),
        FG_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "/proc: open: wanted a file");
}

static void read_link_gives_the_text(void **state)
{
    char target[FG_SYSROOT_PATH_BYTES];
    struct fg_error err;

    (void)state;
    tree_link("/proc/5/fd/1", "socket:[77]");
    tree_link("/proc/self", "5");
    assert_int_equal(
        fgi_sysroot_read_link(root, "/proc/self/fd/1", target, NULL), FG_OK);
    assert_string_equal(target, "socket:[77]");
    assert_int_equal(fgi_sysroot_read_link(root, "/proc/self/fd", target, &err),
                     FG_ERR_SYSTEM);
    assert_string_equal(err.message,
                        "/proc/self/fd: read link: Invalid argument");
    assert_int_equal(fgi_sysroot_read_link(root, "/proc/6/x", target, &err),
                     FG_ERR_NOT_FOUND);
    assert_int_equal(fgi_sysroot_read_link(root, "none", target, &err),
                     FG_ERR_ARGUMENT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(read_a_file_gives_its_text),
        CASE(read_what_is_no_text_is_refused),
        CASE(read_bytes_gives_the_first_of_them),
        CASE(read_bytes_of_no_file_is_refused),
        CASE(read_links_stay_below_the_root),
        CASE(read_links_in_a_circle_end),
        CASE(read_a_path_too_long_is_refused),
        CASE(resolve_gives_the_path_without_links),
        CASE(list_is_sorted_and_can_stop),
        CASE(open_what_is_no_copy_is_refused),
        CASE(read_this_machine_works),
        CASE(read_lines_gives_each_line),
        CASE(read_lines_longest_line_is_taken_and_longer_refused),
        CASE(read_link_gives_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
