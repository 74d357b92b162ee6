/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are read past the shim, by fread, mmap or sendfile: made ready
 * in the page cache, and not in memory, where nobody would look for them. */
#include "runtime/feeder/feeder.h"
#include "tests/lib/feeder_fixture.h"

#define BIG_BYTES FGI_MIB(12) /* and no large file: test_feeder_large */
#define SMALL_BYTES FGI_KIB(300)
#define SMALL_FILES 40

/* Wait until the page cache has all of [0, bytes). */
static void wait_cached(const char *path, uint64_t bytes)
{
    uint64_t limit_ns = fgi_now_ns() + 20 * FGI_NS_PER_S;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    while (fgi_file_cached_share(fd, 0, bytes) < 1) {
        if (fgi_now_ns() > limit_ns) {
            fail_msg("%s: the page cache was not warmed", path);
        }
        fgi_sleep_ns(FGI_NS_PER_MS);
    }
    close(fd);
}

/* Tell of a file that is opened, or of a range of it. Returns a descriptor. */
static int tell(struct feed_fixture *fixture, const char *path, uint32_t kind)
{
    struct fgi_event event = {.kind = kind, .pid = getpid()};

    event.fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(event.fd >= 0 && client_key(event.fd, &event.key));
    if (kind == FGI_EVENT_MAP || kind == FGI_EVENT_COPY) {
        event.bytes = event.key.size_bytes;
    } else {
        snprintf(event.path, sizeof(event.path), "%s", path);
    }
    client_post(&fixture->client, &event);
    return event.fd;
}

static void fopen_is_warmed_ahead_of_its_position(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_stats stats;
    int fd;

    feed_file(fixture, "stdio", BIG_BYTES);
    feed_settle(fixture);
    fd = tell(fixture, "stdio", FGI_EVENT_STDIO);
    wait_cached("stdio", FGI_MIB(4));
    assert_int_equal(lseek(fd, FGI_MIB(8), SEEK_SET), FGI_MIB(8));
    for (uint64_t at = 8; at < 12; at++) {
        uint64_t limit_ns = fgi_now_ns() + 20 * FGI_NS_PER_S;

        while (fgi_file_cached_share(fd, FGI_MIB(at), FGI_MIB(1)) < 1) {
            assert_true(fgi_now_ns() < limit_ns);
            fgi_sleep_ns(FGI_NS_PER_MS);
        }
    }
    feed_stats(fixture, &stats);
    assert_int_equal(stats.stdio_files, 1);
    assert_true(stats.warmed_bytes > 0);
    assert_int_equal(stats.ahead_bytes, 0);
    close(fd);
}

static void mapping_is_warmed(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_stats stats;
    int fd;

    feed_file(fixture, "mapped", BIG_BYTES);
    feed_settle(fixture);
    fd = tell(fixture, "mapped", FGI_EVENT_MAP);
    wait_cached("mapped", BIG_BYTES);
    feed_stats(fixture, &stats);
    assert_int_equal(stats.mapped_bytes, BIG_BYTES);
    close(fd);
}

/* As programs do it: open, map and close, all before the feeder comes to it.
 * Only the open told the name, and not from where it counts. */
static void mapping_of_a_closed_file_is_warmed(void **state)
{
    struct feed_fixture *fixture = *state;
    int fd;

    feed_file(fixture, "mapped", BIG_BYTES);
    feed_settle(fixture);
    fd = tell(fixture, "mapped", FGI_EVENT_OPEN);
    close(tell(fixture, "mapped", FGI_EVENT_MAP));
    close(fd);
    wait_cached("mapped", BIG_BYTES);
}

static void small_path(char path[32], int number)
{
    snprintf(path, 32, "unseen/%02d", number);
}

static void make_folder(struct feed_fixture *fixture)
{
    char path[32];

    assert_true(mkdir("unseen", 0755) == 0 || errno == EEXIST);
    for (int i = 0; i < SMALL_FILES; i++) {
        small_path(path, i);
        feed_file(fixture, path, SMALL_BYTES);
    }
    feed_settle(fixture);
}

/* Open files from the first on, each told so, until the last is warm. */
static void open_all(struct feed_fixture *fixture, uint32_t open_kind,
                     uint32_t range_kind)
{
    char path[32];

    for (int i = 0; i < SMALL_FILES; i++) {
        int fd;

        small_path(path, i);
        fd = tell(fixture, path, open_kind);
        if (range_kind != 0) {
            close(tell(fixture, path, range_kind));
        }
        fgi_sleep_ns(5 * FGI_NS_PER_MS);
        close(fd);
    }
    wait_cached(path, SMALL_BYTES);
}

static void check_warmed(struct feed_fixture *fixture, uint64_t ahead_max)
{
    struct fg_feeder_stats stats;

    feed_stats(fixture, &stats);
    assert_true(stats.predictions_hit > SMALL_FILES / 2);
    assert_true(stats.warmed_bytes > SMALL_FILES / 2 * SMALL_BYTES);
    assert_true(stats.ahead_bytes <= ahead_max);
    assert_string_equal(stats.order, "directory");
}

static void folder_read_by_fread_is_warmed_ahead(void **state)
{
    struct feed_fixture *fixture = *state;

    make_folder(fixture);
    open_all(fixture, FGI_EVENT_STDIO, 0);
    check_warmed(fixture, 0);
}

/* Of the first file nobody knows how it will be read. */
static void folder_of_mapped_files_is_warmed_ahead(void **state)
{
    struct feed_fixture *fixture = *state;

    make_folder(fixture);
    open_all(fixture, FGI_EVENT_OPEN, FGI_EVENT_MAP);
    check_warmed(fixture, 2 * FGI_FEED_BLOCK_BYTES);
}

static void folder_that_is_copied_is_warmed_ahead(void **state)
{
    struct feed_fixture *fixture = *state;

    make_folder(fixture);
    open_all(fixture, FGI_EVENT_OPEN, FGI_EVENT_COPY);
    check_warmed(fixture, 2 * FGI_FEED_BLOCK_BYTES);
}

/* Another program may read the same files so that the shim sees it. */
static void folder_that_is_read_again_is_fed(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    char path[32];

    make_folder(fixture);
    open_all(fixture, FGI_EVENT_STDIO, 0);
    for (int i = 0; i < SMALL_FILES; i++) {
        small_path(path, i);
        feed_drop_cache(path);
    }
    fgi_sleep_ns(FGI_RETRY_NS + 100 * FGI_NS_PER_MS);
    for (int i = 0; i < SMALL_FILES; i++) {
        small_path(path, i);
        client_open(&fixture->client, &file, path);
        feed_read_all(fixture, &file, FGI_KIB(256));
        fgi_sleep_ns(5 * FGI_NS_PER_MS);
        client_close(&file);
    }
    assert_true(fixture->client.arena_bytes > SMALL_BYTES);
    assert_int_equal(fixture->client.hung, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(fopen_is_warmed_ahead_of_its_position),
        feed_test(mapping_is_warmed),
        feed_test(mapping_of_a_closed_file_is_warmed),
        feed_test(folder_read_by_fread_is_warmed_ahead),
        feed_test(folder_of_mapped_files_is_warmed_ahead),
        feed_test(folder_that_is_copied_is_warmed_ahead),
        feed_test(folder_that_is_read_again_is_fed),
    };

    feed_need_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
