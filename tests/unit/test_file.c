/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/io_fixture.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>

#define MIB (1 << 20)

static void drop_from_cache(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

/* Opening must fail with that status and text. */
static void must_refuse(const char *path, enum fg_status status,
                        const char *message)
{
    struct fgi_file file = {.fd = 77};
    struct fg_error err;

    assert_int_equal(fgi_file_open(path, FGI_DIRECT_AUTO, &file, &err), status);
    assert_string_equal(err.message, message);
    assert_int_equal(file.fd, 77);
}

static void open_regular_file_fills_everything(void **state)
{
    struct fgi_file file;
    struct fg_error err;
    struct stat info;

    (void)state;
    fixture_make_file("regular", 100003);
    assert_int_equal(fgi_file_open("regular", FGI_DIRECT_OFF, &file, &err),
                     FG_OK);
    assert_int_equal(stat("regular", &info), 0);
    assert_int_equal(file.size_bytes, 100003);
    assert_int_equal(file.inode, info.st_ino);
    assert_int_equal(file.device, info.st_dev);
    assert_int_equal(file.mtime_ns,
                     info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec);
    assert_false(file.is_direct);
    assert_int_equal(file.offset_align, 1);
    assert_int_equal(file.memory_align, 1);
    assert_int_equal(fcntl(file.fd, F_GETFD), FD_CLOEXEC);
    /* io_uring would answer EAGAIN at once. */
    assert_int_equal(fcntl(file.fd, F_GETFL) & (O_NONBLOCK | O_DIRECT), 0);
    fgi_file_close(&file);
    assert_int_equal(file.fd, -1);
    fgi_file_close(&file);
}

static void open_missing_or_forbidden_says_why(void **state)
{
    (void)state;
    must_refuse("missing", FG_ERR_NOT_FOUND,
                "missing: open: No such file or directory");
    fixture_make_file("plain", 1);
    must_refuse("plain/inside", FG_ERR_NOT_FOUND,
                "plain/inside: open: Not a directory");
}

static int open_as_nobody(void *context)
{
    const char *path = context;
    struct fgi_file file;
    struct fg_error err;
    char wanted[300];

    if (geteuid() == 0) {
        child_check(setresgid(65534, 65534, 65534) == 0);
        child_check(setresuid(65534, 65534, 65534) == 0);
    }
    child_check(fgi_file_open(path, FGI_DIRECT_AUTO, &file, &err) ==
                FG_ERR_PERMISSION);
    snprintf(wanted, sizeof(wanted), "%s: open: Permission denied", path);
    child_check(strcmp(err.message, wanted) == 0);
    return 0;
}

static void open_unreadable_is_a_permission_error(void **state)
{
    char path[] = "/tmp/feedgpu-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0), 0);
    close(fd);
    fixture_in_child(open_as_nobody, path);
    unlink(path);
}

static void open_other_kinds_is_refused_without_hanging(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int before = fixture_count_fds();

    (void)state;
    mkdir("folder", 0755);
    unlink("pipe");
    unlink("socket");
    assert_int_equal(mkfifo("pipe", 0644), 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&name, sizeof(name)), 0);
    must_refuse("folder", FG_ERR_ARGUMENT,
                "folder: open: got a folder wanted a regular file");
    must_refuse("pipe", FG_ERR_ARGUMENT,
                "pipe: open: got a pipe wanted a regular file");
    must_refuse("socket", FG_ERR_ARGUMENT,
                "socket: open: got a socket wanted a regular file");
    must_refuse("/dev/null", FG_ERR_ARGUMENT,
                "/dev/null: open: got a device wanted a regular file");
    assert_int_equal(fixture_count_fds(), before);
    close(sock);
}

static int open_without_descriptors(void *context)
{
    struct rlimit none = {0, 0};
    struct fgi_file file;
    struct fg_error err;

    (void)context;
    child_check(setrlimit(RLIMIT_NOFILE, &none) == 0);
    child_check(fgi_file_open("plain", FGI_DIRECT_OFF, &file, &err) ==
                FG_ERR_SYSTEM);
    child_check(strcmp(err.message, "plain: open: Too many open files") == 0);
    return 0;
}

static void open_without_descriptors_says_so(void **state)
{
    (void)state;
    fixture_make_file("plain", 1);
    fixture_in_child(open_without_descriptors, NULL);
}

static void open_direct_reads_through_its_own_alignment(void **state)
{
    _Alignas(4096) static uint8_t buffer[MIB + 4096];
    struct fgi_file file;

    (void)state;
    fixture_make_file("direct", MIB + 100);
    fixture_open("direct", true, &file);
    if (!file.is_direct) {
        fgi_file_close(&file);
        skip();
    }
    assert_true(fgi_is_power_of_two(file.offset_align));
    assert_true(fgi_is_power_of_two(file.memory_align));
    assert_true(file.offset_align >= file.memory_align);
    assert_true(fcntl(file.fd, F_GETFL) & O_DIRECT);
    assert_int_equal(pread(file.fd, buffer + file.memory_align,
                           file.offset_align, file.offset_align),
                     file.offset_align);
    assert_int_equal(fixture_matching(buffer + file.memory_align,
                                      file.offset_align, file.offset_align),
                     file.offset_align);
    fgi_file_close(&file);
}

static void open_empty_file_works_direct_and_not(void **state)
{
    struct fgi_file file;

    (void)state;
    fixture_make_file("empty", 0);
    for (int direct = 0; direct < 2; direct++) {
        fixture_open("empty", direct != 0, &file);
        assert_int_equal(file.size_bytes, 0);
        fgi_file_close(&file);
    }
}

/* tmpfs refuses O_DIRECT before Linux 6.6 and takes it since; both are fine
 * as long as the answer is clear and reads work. */
static void open_direct_on_tmpfs_works_or_is_refused_clearly(void **state)
{
    const char *path = "/dev/shm/feedgpu-test-file";
    struct statfs kind;
    struct fgi_file file;
    struct fg_error err;
    enum fg_status status;
    uint8_t byte = 0;

    (void)state;
    if (statfs("/dev/shm", &kind) != 0 || kind.f_type != 0x01021994) {
        skip();
    }
    fixture_make_file(path, 10000);
    status = fgi_file_open(path, FGI_DIRECT_ON, &file, &err);
    if (status != FG_OK) {
        assert_int_equal(status, FG_ERR_UNSUPPORTED);
        assert_string_equal(
            err.message,
            "/dev/shm/feedgpu-test-file: open for direct I/O: Invalid argument "
            "(likely cause: its file system has none, as tmpfs before Linux "
            "6.6)");
    } else {
        fgi_file_close(&file);
    }
    assert_int_equal(fgi_file_open(path, FGI_DIRECT_AUTO, &file, &err), FG_OK);
    assert_int_equal(fgi_file_read(file.fd, path, 9999, &byte, 1, &err), FG_OK);
    assert_int_equal(byte, fgi_null_byte(9999));
    fgi_file_close(&file);
    unlink(path);
}

static void open_auto_goes_where_the_file_is(void **state)
{
    static uint8_t all[4 * MIB];
    struct fgi_file file;
    struct fg_error err;
    bool can_direct;

    (void)state;
    fixture_make_file("auto", sizeof(all));
    fixture_open("auto", true, &file);
    can_direct = file.is_direct;
    fgi_file_close(&file);
    drop_from_cache("auto");
    assert_int_equal(fgi_file_open("auto", FGI_DIRECT_AUTO, &file, &err),
                     FG_OK);
    if (fgi_file_cached_share(file.fd, 0, sizeof(all)) > 0.5) {
        fgi_file_close(&file);
        print_message("this file system keeps its pages\n");
        skip();
    }
    assert_int_equal(file.is_direct, can_direct);
    fgi_file_close(&file);

    fixture_open("auto", false, &file);
    assert_int_equal(fgi_file_read(file.fd, "auto", 0, all, sizeof(all), &err),
                     FG_OK);
    fgi_file_close(&file);
    assert_int_equal(fgi_file_open("auto", FGI_DIRECT_AUTO, &file, &err),
                     FG_OK);
    assert_false(file.is_direct);
    fgi_file_close(&file);
}

static void cached_share_counts_pages(void **state)
{
    static uint8_t half[2 * MIB];
    struct fgi_file file;
    struct fg_error err;
    double share;

    (void)state;
    fixture_make_file("cached", 4 * MIB);
    drop_from_cache("cached");
    fixture_open("cached", false, &file);
    share = fgi_file_cached_share(file.fd, 0, 4 * MIB);
    if (share != 0) {
        fgi_file_close(&file);
        print_message("pages cached after dropping them: %g\n", share);
        skip();
    }
    /* No read-ahead past what is asked for. */
    posix_fadvise(file.fd, 0, 0, POSIX_FADV_RANDOM);
    assert_int_equal(
        fgi_file_read(file.fd, "cached", 0, half, sizeof(half), &err), FG_OK);
    share = fgi_file_cached_share(file.fd, 0, 4 * MIB);
    assert_true(share >= 0.5 && share < 0.9);
    assert_true(fgi_file_cached_share(file.fd, 0, MIB) == 1);
    assert_true(fgi_file_cached_share(file.fd, 100, 1) == 1);
    assert_true(fgi_file_cached_share(file.fd, 0, 0) == 0);
    assert_true(fgi_file_cached_share(file.fd, UINT64_MAX, 2) == -1);
    fgi_file_close(&file);
    assert_true(fgi_file_cached_share(-1, 0, MIB) == -1);
}

static void check_finds_growth_shrinking_and_writing(void **state)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = 1000000000}};
    struct fgi_file file;
    struct fg_error err;

    (void)state;
    fixture_make_file("check", 1000);
    fixture_open("check", false, &file);
    assert_int_equal(fgi_file_check(&file, "check", &err), FG_OK);
    assert_int_equal(truncate("check", 999), 0);
    assert_int_equal(fgi_file_check(&file, "check", &err), FG_ERR_CHANGED);
    assert_string_equal(err.message, "check: size: got 999 wanted 1000 bytes, "
                                     "as when opened");
    assert_int_equal(truncate("check", 1001), 0);
    assert_int_equal(fgi_file_check(&file, "check", &err), FG_ERR_CHANGED);
    assert_int_equal(truncate("check", 1000), 0);
    assert_int_equal(utimensat(AT_FDCWD, "check", times, 0), 0);
    assert_int_equal(fgi_file_check(&file, "check", &err), FG_ERR_CHANGED);
    assert_string_equal(err.message, "check: written to since opened");
    fgi_file_close(&file);
}

static void open_after_replacement_shows_another_file(void **state)
{
    struct fgi_file before;
    struct fgi_file after;
    struct fg_error err;
    uint8_t byte;

    (void)state;
    fixture_make_file("replaced", 5000);
    fixture_open("replaced", false, &before);
    fixture_make_file("replacement", 3000);
    assert_int_equal(rename("replacement", "replaced"), 0);
    /* The old one is still whole under its descriptor. */
    assert_int_equal(fgi_file_check(&before, "replaced", &err), FG_OK);
    assert_int_equal(fgi_file_read(before.fd, "replaced", 4999, &byte, 1, &err),
                     FG_OK);
    fixture_open("replaced", false, &after);
    assert_true(after.inode != before.inode);
    assert_int_equal(after.size_bytes, 3000);
    fgi_file_close(&before);
    fgi_file_close(&after);
}

static void read_gives_exactly_what_was_asked(void **state)
{
    static uint8_t buffer[5000];
    struct fgi_file file;
    struct fg_error err;

    (void)state;
    fixture_make_file("exact", 5000);
    fixture_open("exact", false, &file);
    assert_int_equal(fgi_file_read(file.fd, "exact", 1, buffer, 4999, &err),
                     FG_OK);
    assert_int_equal(fixture_matching(buffer, 1, 4999), 4999);
    assert_int_equal(fgi_file_read(file.fd, "exact", 9, buffer, 0, &err),
                     FG_OK);
    fgi_file_close(&file);
}

static void read_past_the_end_is_damage_with_the_offset(void **state)
{
    uint8_t buffer[100];
    struct fgi_file file;
    struct fg_error err;

    (void)state;
    fixture_make_file("short", 1000);
    fixture_open("short", false, &file);
    assert_int_equal(fgi_file_read(file.fd, "short", 960, buffer, 100, &err),
                     FG_ERR_DAMAGED);
    assert_string_equal(err.message,
                        "short: offset 960: read: got 40 wanted 100 bytes: "
                        "unexpected end of file");
    assert_int_equal(err.offset, 960);
    fgi_file_close(&file);
    assert_int_equal(fgi_file_read(-1, "short", 960, buffer, 100, &err),
                     FG_ERR_READ);
    assert_string_equal(err.message,
                        "short: offset 960: read: Bad file descriptor");
    assert_int_equal(err.offset, 960);
    assert_int_equal(err.sys_errno, 9);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_regular_file_fills_everything),
        cmocka_unit_test(open_missing_or_forbidden_says_why),
        cmocka_unit_test(open_unreadable_is_a_permission_error),
        cmocka_unit_test(open_other_kinds_is_refused_without_hanging),
        cmocka_unit_test(open_without_descriptors_says_so),
        cmocka_unit_test(open_direct_reads_through_its_own_alignment),
        cmocka_unit_test(open_empty_file_works_direct_and_not),
        cmocka_unit_test(open_direct_on_tmpfs_works_or_is_refused_clearly),
        cmocka_unit_test(open_auto_goes_where_the_file_is),
        cmocka_unit_test(cached_share_counts_pages),
        cmocka_unit_test(check_finds_growth_shrinking_and_writing),
        cmocka_unit_test(open_after_replacement_shows_another_file),
        cmocka_unit_test(read_gives_exactly_what_was_asked),
        cmocka_unit_test(read_past_the_end_is_damage_with_the_offset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
