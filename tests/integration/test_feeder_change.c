/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Never a stale byte: files that change while they are fed. A writer says
 * which version of each block is complete; whoever reads after that must see
 * that version or a later one.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "tests/lib/feeder_fixture.h"

#define BLOCKS 6u
#define ROUNDS 6u

enum way { WAY_WRITE, WAY_MAP, WAY_RENAME, WAY_TRUNCATE, WAYS };

struct race {
    const char *path;
    enum way way;
    _Atomic uint64_t done;    /* version that is complete */
    _Atomic uint64_t is_over; /* the writer has ended */
    uint64_t seed;
};

static void fill(uint64_t *words, uint64_t version)
{
    for (size_t i = 0; i < FGI_FEED_BLOCK_BYTES / sizeof(*words); i++) {
        words[i] = version;
    }
}

static uint64_t block_words[FGI_FEED_BLOCK_BYTES / sizeof(uint64_t)];

static void write_blocks(int fd, uint64_t version)
{
    fill(block_words, version);
    for (off_t i = 0; i < (off_t)BLOCKS; i++) {
        assert_int_equal(pwrite(fd, block_words, sizeof(block_words),
                                i * (off_t)sizeof(block_words)),
                         sizeof(block_words));
    }
}

static int open_for_writing(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644);

    assert_true(fd >= 0);
    return fd;
}

static void write_mapped(const char *path, uint64_t version)
{
    int fd = open_for_writing(path, 0);
    uint64_t *map;

    if (lseek(fd, 0, SEEK_END) != (off_t)(BLOCKS * sizeof(block_words))) {
        write_blocks(fd, 0);
    }
    map = mmap(NULL, BLOCKS * sizeof(block_words), PROT_READ | PROT_WRITE,
               MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    close(fd);
    for (size_t i = 0; i < BLOCKS; i++) {
        fill(map + i * (sizeof(block_words) / sizeof(*map)), version);
    }
    munmap(map, BLOCKS * sizeof(block_words));
}

static void write_version(const struct race *race, uint64_t version)
{
    char next[64];
    int fd;

    switch (race->way) {
    case WAY_WRITE:
        fd = open_for_writing(race->path, 0);
        write_blocks(fd, version);
        close(fd);
        return;
    case WAY_MAP:
        write_mapped(race->path, version);
        return;
    case WAY_RENAME:
        snprintf(next, sizeof(next), "%s.next", race->path);
        fd = open_for_writing(next, O_TRUNC);
        write_blocks(fd, version);
        close(fd);
        assert_int_equal(rename(next, race->path), 0);
        return;
    case WAY_TRUNCATE:
        fd = open_for_writing(race->path, O_TRUNC);
        write_blocks(fd, version);
        close(fd);
        return;
    case WAYS:
        break;
    }
}

/* On disk, and out of the page cache. */
static void forget(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

static void *writer(void *context)
{
    struct race *race = context;
    uint64_t version = atomic_load(&race->done) + 1;

    fgi_sleep_ns(fgi_board_hash(version) % (5 * FGI_NS_PER_MS));
    write_version(race, version);
    atomic_store(&race->done, version);
    return NULL;
}

static void check_words(const uint64_t *words, ssize_t bytes, uint64_t least)
{
    for (size_t i = 0; i < (size_t)bytes / sizeof(*words); i++) {
        if (words[i] < least) {
            fail_msg("got version %llu, %llu was complete",
                     (unsigned long long)words[i], (unsigned long long)least);
        }
    }
}

/* One look at the file by a descriptor opened just now. */
static void read_once(struct feed_fixture *fixture, const struct race *race)
{
    static uint64_t words[65536 / sizeof(uint64_t)];
    uint64_t least = atomic_load(&race->done);
    struct client_file file;

    client_open(&fixture->client, &file, race->path);
    if (file.fd < 0) {
        return; /* between two names */
    }
    for (uint64_t at = 0; at < BLOCKS * sizeof(block_words);
         at += sizeof(words)) {
        ssize_t got =
            client_pread(&fixture->client, &file, words, sizeof(words), at);

        assert_true(got >= 0);
        check_words(words, got, least);
        /* A name that moved on leaves the old file as it was. */
        least = race->way == WAY_RENAME ? least : atomic_load(&race->done);
    }
    client_close(&file);
}

/* Read it until all of it is in memory. */
static void load(struct feed_fixture *fixture, const struct race *race)
{
    uint64_t limit_ns = fgi_now_ns() + 60 * FGI_NS_PER_S;
    struct client_file file;
    bool is_there = false;

    while (!is_there) {
        forget(race->path);
        read_once(fixture, race);
        fgi_sleep_ns(20 * FGI_NS_PER_MS);
        client_open(&fixture->client, &file, race->path);
        is_there = feed_has(fixture, &file, 0, BLOCKS);
        client_close(&file);
        if (fgi_now_ns() > limit_ns) {
            fail_msg("%s: never came into memory", race->path);
        }
    }
}

/* Each version is in memory when the next one is written. */
static void race_with(struct feed_fixture *fixture, const char *path,
                      enum way way)
{
    struct race race = {.path = path, .way = way};

    write_version(&race, 1);
    atomic_store(&race.done, 1);
    for (uint64_t version = 2; version < ROUNDS; version++) {
        pthread_t thread;

        load(fixture, &race);
        assert_int_equal(pthread_create(&thread, NULL, writer, &race), 0);
        while (atomic_load(&race.done) < version) {
            read_once(fixture, &race);
        }
        read_once(fixture, &race);
        pthread_join(thread, NULL);
        read_once(fixture, &race);
    }
    assert_true(fixture->client.arena_bytes > 0);
    assert_int_equal(fixture->client.hung, 0);
}

static void read_while_written_is_never_stale(void **state)
{
    race_with(*state, "written", WAY_WRITE);
}

static void read_while_mapped_for_writing_is_never_stale(void **state)
{
    race_with(*state, "mapped", WAY_MAP);
}

static void read_while_replaced_is_never_stale(void **state)
{
    race_with(*state, "replaced", WAY_RENAME);
}

static void read_while_truncated_is_never_stale(void **state)
{
    race_with(*state, "truncated", WAY_TRUNCATE);
}

/* It was in memory, it is written to: the next read is the kernel's. */
static void read_after_a_write_sees_it(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    struct fg_feeder_stats stats;
    uint8_t byte = 0;
    uint8_t now;
    int fd;

    feed_file(fixture, "poked", FGI_MIB(3));
    feed_settle(fixture);
    client_open(&fixture->client, &file, "poked");
    feed_load(fixture, &file);
    fd = open("poked", O_WRONLY | O_CLOEXEC);
    assert_int_equal(client_pread(&fixture->client, &file, &byte, 1, 12345), 1);
    byte ^= 0xff;
    assert_int_equal(pwrite(fd, &byte, 1, 12345), 1);
    assert_int_equal(client_pread(&fixture->client, &file, &now, 1, 12345), 1);
    assert_int_equal(now, byte);
    close(fd);
    feed_settle(fixture);
    /* The read told of the new state: the old one goes. */
    client_pread(&fixture->client, &file, &now, 1, 12345);
    do {
        feed_stats(fixture, &stats);
        fgi_sleep_ns(FGI_NS_PER_MS);
    } while (stats.changed_files == 0);
    assert_true(stats.kept_bytes <= FGI_MIB(3));
    client_close(&file);
}

/* While somebody has it open for writing, it is not fed. */
static void read_of_a_file_open_for_writing_is_the_kernels(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    struct fgi_feed_key key;
    int fd;

    feed_file(fixture, "open", FGI_MIB(3));
    feed_settle(fixture);
    fd = open("open", O_RDWR | O_CLOEXEC);
    client_open(&fixture->client, &file, "open");
    feed_wait_events(fixture, 1);
    feed_read_all(fixture, &file, FGI_KIB(256));
    feed_wait_events(fixture, 2);
    assert_true(client_key(file.fd, &key));
    assert_int_equal(atomic_load(&client_entry(&fixture->client, &key)->mode),
                     FGI_FEED_WATCH);
    close(fd);
    client_close(&file);
}

static void settled_is_neither_young_nor_in_the_future(void **state)
{
    struct fgi_feed_key key = {.ctime_ns = 1000, .mtime_ns = 1000};

    (void)state;
    assert_false(fgi_key_is_settled(&key, 1000));
    assert_false(fgi_key_is_settled(&key, 1000 + FGI_FEED_SETTLED_NS));
    assert_true(fgi_key_is_settled(&key, 1001 + FGI_FEED_SETTLED_NS));
    assert_false(fgi_key_is_settled(&key, 0));
    key.mtime_ns = UINT64_MAX;
    assert_false(fgi_key_is_settled(&key, 1001 + FGI_FEED_SETTLED_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(read_while_written_is_never_stale),
        feed_test(read_while_mapped_for_writing_is_never_stale),
        feed_test(read_while_replaced_is_never_stale),
        feed_test(read_while_truncated_is_never_stale),
        feed_test(read_after_a_write_sees_it),
        feed_test(read_of_a_file_open_for_writing_is_the_kernels),
        cmocka_unit_test(settled_is_neither_young_nor_in_the_future),
    };

    feed_need_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
