/* SPDX-License-Identifier: Apache-2.0 */
/* A feeder, a client of it, and files of a known pattern on disk. */
#ifndef TESTS_FEEDER_FIXTURE_H
#define TESTS_FEEDER_FIXTURE_H

#include <errno.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <feedgpu/feeder.h>

#include "runtime/feeder/look.h"
#include "tests/lib/feeder_client.h"
#include "tests/lib/io_fixture.h"

struct feed_fixture {
    struct fg_feeder *feeder;
    struct client client;
};

#define feed_test(name)                                                        \
    cmocka_unit_test_setup_teardown(name, feed_setup, feed_teardown)

/* Files on these disks are fed; elsewhere there is nothing to test. */
static inline void feed_need_disk(void)
{
    struct statfs info;

    if (statfs(".", &info) != 0 || !fgi_look_is_fit((uint64_t)info.f_type)) {
        printf("skipped: the folder is on no file system that is fed\n");
        exit(77);
    }
}

static inline void feed_open(struct feed_fixture *fixture,
                             const struct fg_feeder_config *config)
{
    struct fg_error err;

    if (fg_feeder_open(config, &fixture->feeder, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    assert_true(client_attach(&fixture->client,
                              fg_feeder_environment(fixture->feeder)));
}

static inline void feed_default(struct fg_feeder_config *config)
{
    fg_feeder_config_init(config);
    config->memory_bytes = FGI_MIB(256);
    config->threads = 2;
}

static inline int feed_setup(void **state)
{
    struct feed_fixture *fixture = calloc(1, sizeof(*fixture));
    struct fg_feeder_config config;

    feed_default(&config);
    feed_open(fixture, &config);
    *state = fixture;
    return 0;
}

static inline void feed_close(struct feed_fixture *fixture)
{
    client_detach(&fixture->client);
    fg_feeder_close(fixture->feeder);
    fixture->feeder = NULL;
}

static inline int feed_teardown(void **state)
{
    struct feed_fixture *fixture = *state;

    feed_close(fixture);
    free(fixture);
    return 0;
}

static inline void feed_stats(struct feed_fixture *fixture,
                              struct fg_feeder_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->struct_size = sizeof(*stats);
    fg_feeder_get_stats(fixture->feeder, stats);
}

/* Wait until the feeder has taken so many events, and 20 ms more. */
static inline void feed_wait_events(struct feed_fixture *fixture,
                                    uint64_t count)
{
    struct fg_feeder_stats stats;

    do {
        fgi_sleep_ns(20 * FGI_NS_PER_MS);
        feed_stats(fixture, &stats);
    } while (stats.events < count);
}

/* Have it in the page cache, or not. */
static inline void feed_drop_cache(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

static inline void feed_fill_cache(const char *path)
{
    static uint8_t buffer[1 << 16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    while (read(fd, buffer, sizeof(buffer)) > 0) {
    }
    close(fd);
}

/* Let writes be long ago enough for the feeder. */
static inline void feed_settle(struct feed_fixture *fixture)
{
    (void)fixture;
    fgi_sleep_ns(FGI_FEED_SETTLED_NS + 50 * FGI_NS_PER_MS);
}

/* Write a file of the pattern, on disk and not in the page cache. */
static inline void feed_file(struct feed_fixture *fixture, const char *path,
                             uint64_t bytes)
{
    static uint8_t buffer[1 << 20];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    (void)fixture;
    assert_true(fd >= 0);
    for (uint64_t at = 0; at < bytes; at += sizeof(buffer)) {
        size_t part = fgi_min(sizeof(buffer), bytes - at);

        fixture_fill(buffer, at, part);
        assert_int_equal(pwrite(fd, buffer, part, (off_t)at), part);
    }
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

/* Read it all, front to back, and check each byte. */
static inline void feed_read_all(struct feed_fixture *fixture,
                                 struct client_file *file, size_t bytes)
{
    uint8_t *buffer = malloc(bytes);
    uint64_t at = 0;
    ssize_t got = 1;

    while (got > 0) {
        got = client_pread(&fixture->client, file, buffer, bytes, at);
        assert_true(got >= 0);
        assert_int_equal(fixture_matching(buffer, at, (size_t)got), got);
        at += (uint64_t)got;
    }
    free(buffer);
}

/* Whether that block of the entry is there. */
static inline bool feed_is_there(struct feed_fixture *fixture, uint32_t id,
                                 uint32_t block)
{
    uint64_t tag = fgi_slot_tag(id, block);
    struct fgi_slot *slot = fgi_board_bucket(&fixture->client.view, tag);

    for (uint32_t i = 0; i < FGI_BUCKET_SLOTS; i++) {
        if (atomic_load(&slot[i].tag) == tag &&
            (atomic_load(&slot[i].word) & FGI_SLOT_STATE) == FGI_SLOT_READY) {
            return true;
        }
    }
    return false;
}

/* Whether blocks [from, to) of the file are there, as far as it has them. */
static inline bool feed_has(struct feed_fixture *fixture,
                            const struct client_file *file, uint64_t from,
                            uint64_t to)
{
    struct fgi_feed_key key;
    struct fgi_feed_file *entry;
    bool has_all = true;

    assert_true(client_key(file->fd, &key));
    entry = client_entry(&fixture->client, &key);
    if (entry == NULL || atomic_load(&entry->mode) != FGI_FEED_COPY) {
        return false;
    }
    to = fgi_min(to, fgi_ceil_div(key.size_bytes, FGI_FEED_BLOCK_BYTES));
    for (uint64_t block = from; block < to; block++) {
        has_all = has_all && feed_is_there(fixture, atomic_load(&entry->id),
                                           (uint32_t)block);
    }
    return has_all;
}

/* Wait for that; a feeder that never gets there is stuck. */
static inline void feed_wait(struct feed_fixture *fixture,
                             const struct client_file *file, uint64_t from,
                             uint64_t to)
{
    uint64_t limit_ns = fgi_now_ns() + 20 * FGI_NS_PER_S;

    while (!feed_has(fixture, file, from, to)) {
        if (fgi_now_ns() > limit_ns) {
            fail_msg("blocks did not come");
        }
        fgi_sleep_ns(FGI_NS_PER_MS);
    }
}

static inline void feed_wait_blocks(struct feed_fixture *fixture,
                                    const struct client_file *file)
{
    feed_wait(fixture, file, 0, UINT64_MAX);
}

static inline void feed_wait_block(struct feed_fixture *fixture,
                                   const struct client_file *file,
                                   uint64_t block)
{
    feed_wait(fixture, file, block, block + 1);
}

/* Read it until all of it is in memory: what a program read before the feeder
 * came to it is left out the first time. */
static inline void feed_load(struct feed_fixture *fixture,
                             struct client_file *file)
{
    uint64_t limit_ns = fgi_now_ns() + 60 * FGI_NS_PER_S;
    char path[256];

    while (!feed_has(fixture, file, 0, UINT64_MAX)) {
        client_close(file);
        feed_drop_cache(file->path);
        snprintf(path, sizeof(path), "%s", file->path);
        client_open(&fixture->client, file, path);
        feed_read_all(fixture, file, FGI_KIB(256));
        fgi_sleep_ns(50 * FGI_NS_PER_MS);
        if (fgi_now_ns() > limit_ns) {
            fail_msg("%s: never came into memory", file->path);
        }
    }
}

#endif /* TESTS_FEEDER_FIXTURE_H */
