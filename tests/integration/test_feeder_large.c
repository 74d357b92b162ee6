/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large files that the kernel serves as well as we do, or better: read in
 * order past the shim where the kernel itself reads far ahead, or in small
 * pieces where the disk is fast. The tests say how far and how fast.
 */
#include "runtime/feeder/feeder.h"
#include "tests/lib/feeder_fixture.h"

#include <sys/mman.h>

#define LARGE_BYTES FGI_MIB(24)
#define PIECE_BYTES FGI_KIB(4)
/* Something that should not happen is waited for so long. */
#define WHILE_NS (300 * FGI_NS_PER_MS)

/* Make a file in a folder of its own, and let the feeder know its device, which
 * reads `ahead_bytes` ahead. */
static const char *make_large(struct feed_fixture *fixture, const char *folder,
                              uint64_t ahead_bytes)
{
    static char path[64];
    struct fgi_looker *looker = &fixture->feeder->looker;
    struct client_file file;
    struct fgi_feed_key key;

    assert_true(mkdir(folder, 0755) == 0 || errno == EEXIST);
    snprintf(path, sizeof(path), "%s/large", folder);
    feed_file(fixture, path, LARGE_BYTES);
    feed_file(fixture, "known", FGI_MIB(1));
    feed_settle(fixture);
    client_open(&fixture->client, &file, "known");
    assert_true(client_key(file.fd, &key));
    while (fgi_looker_rule(looker, key.device) == FGI_DEVICE_UNKNOWN) {
        fgi_sleep_ns(FGI_NS_PER_MS);
    }
    client_close(&file);
    pthread_mutex_lock(&looker->mutex);
    for (uint32_t i = 0; i < FGI_LOOK_DEVICES; i++) {
        looker->devices[i].ahead_bytes = ahead_bytes;
    }
    pthread_mutex_unlock(&looker->mutex);
    return path;
}

static int tell(struct feed_fixture *fixture, const char *path, uint32_t kind)
{
    struct fgi_event event = {.kind = kind, .pid = getpid()};

    event.fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(event.fd >= 0 && client_key(event.fd, &event.key));
    event.bytes = kind == FGI_EVENT_MAP ? event.key.size_bytes : 0;
    snprintf(event.path, sizeof(event.path), "%s", path);
    client_post(&fixture->client, &event);
    return event.fd;
}

static uint64_t warmed_bytes(struct feed_fixture *fixture)
{
    struct fg_feeder_stats stats;

    feed_stats(fixture, &stats);
    return stats.warmed_bytes;
}

static void wait_warmed(struct feed_fixture *fixture, uint64_t bytes)
{
    uint64_t limit_ns = fgi_now_ns() + 20 * FGI_NS_PER_S;

    while (warmed_bytes(fixture) < bytes) {
        assert_true(fgi_now_ns() < limit_ns);
        fgi_sleep_ns(FGI_NS_PER_MS);
    }
}

/* So that the descriptor's offset moves, as fread moves it. */
static void read_some(int fd)
{
    static uint8_t buffer[FGI_MIB(2)];

    assert_int_equal(read(fd, buffer, sizeof(buffer)), sizeof(buffer));
}

static void fread_is_left_to_a_kernel_that_reads_ahead(void **state)
{
    struct feed_fixture *fixture = *state;
    const char *path = make_large(fixture, "left", FGI_MIB(8));
    int fd = tell(fixture, path, FGI_EVENT_STDIO);

    read_some(fd);
    fgi_sleep_ns(WHILE_NS);
    read_some(fd);
    fgi_sleep_ns(WHILE_NS);
    assert_int_equal(warmed_bytes(fixture), 0);
    close(fd);
}

static void fread_is_warmed_where_the_kernel_does_not(void **state)
{
    struct feed_fixture *fixture = *state;
    const char *path = make_large(fixture, "helped", FGI_KIB(128));
    int fd = tell(fixture, path, FGI_EVENT_STDIO);

    /* Nor does it really, this time. */
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    read_some(fd);
    wait_warmed(fixture, FGI_MIB(1));
    close(fd);
}

/* Touch so many pages, from the first on or all over the mapping. */
static void touch(const volatile uint8_t *mapping, uint64_t pages,
                  uint64_t step_bytes)
{
    uint8_t sum = 0;

    for (uint64_t i = 0; i < pages; i++) {
        sum = (uint8_t)(sum + mapping[i * step_bytes]);
    }
    (void)sum;
}

static const volatile uint8_t *map_large(int fd, int advice)
{
    void *mapping = mmap(NULL, LARGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);

    assert_true(mapping != MAP_FAILED);
    assert_int_equal(madvise(mapping, LARGE_BYTES, advice), 0);
    fgi_sleep_ns(WHILE_NS); /* what is mapped from now on counts */
    return mapping;
}

static void mapping_read_in_order_is_left_to_the_kernel(void **state)
{
    struct feed_fixture *fixture = *state;
    const char *path = make_large(fixture, "ordered", FGI_MIB(8));
    int fd = tell(fixture, path, FGI_EVENT_MAP);
    const volatile uint8_t *mapping = map_large(fd, MADV_NORMAL);

    touch(mapping, 1024, 4096);
    fgi_sleep_ns(WHILE_NS);
    assert_int_equal(warmed_bytes(fixture), 0);
    munmap((void *)(uintptr_t)mapping, LARGE_BYTES);
    close(fd);
}

static void mapping_read_at_random_is_warmed(void **state)
{
    struct feed_fixture *fixture = *state;
    const char *path = make_large(fixture, "random", FGI_MIB(8));
    int fd = tell(fixture, path, FGI_EVENT_MAP);
    const volatile uint8_t *mapping = map_large(fd, MADV_RANDOM);

    touch(mapping, LARGE_BYTES / FGI_KIB(32), FGI_KIB(32));
    wait_warmed(fixture, LARGE_BYTES / 3);
    munmap((void *)(uintptr_t)mapping, LARGE_BYTES);
    close(fd);
}

/* ---- pieces ---------------------------------------------------------------
 */

/* As if the disk had been measured: for ever. */
static void set_disk_rate(struct feed_fixture *fixture, uint64_t rate)
{
    const struct fgi_pace pace = {.busy_ns = FGI_NS_PER_S * 1000,
                                  .bytes = rate * 1000};

    pthread_mutex_lock(&fixture->feeder->mutex);
    fixture->feeder->pace = pace;
    pthread_mutex_unlock(&fixture->feeder->mutex);
}

static struct fgi_feed_file *entry_of(struct feed_fixture *fixture,
                                      const struct client_file *file)
{
    struct fgi_feed_key key;

    assert_true(client_key(file->fd, &key));
    return client_entry(&fixture->client, &key);
}

/* One MiB, as the shim counts and tells it. */
static void read_block(struct feed_fixture *fixture, struct client_file *file,
                       uint64_t block, uint64_t piece_bytes)
{
    struct fgi_feed_file *entry = entry_of(fixture, file);
    struct fgi_event event = {
        .kind = FGI_EVENT_READ,
        .pid = getpid(),
        .fd = file->fd,
        .offset = block * FGI_FEED_BLOCK_BYTES,
        .bytes = FGI_FEED_BLOCK_BYTES,
    };

    atomic_fetch_add(&entry->reads, FGI_FEED_BLOCK_BYTES / piece_bytes);
    atomic_fetch_add(&entry->kernel_bytes, FGI_FEED_BLOCK_BYTES);
    assert_true(client_key(file->fd, &event.key));
    client_post(&fixture->client, &event);
}

static void wait_mode(struct feed_fixture *fixture,
                      const struct client_file *file, uint32_t mode)
{
    uint64_t limit_ns = fgi_now_ns() + 20 * FGI_NS_PER_S;
    const struct fgi_feed_file *entry = NULL;

    while (entry == NULL || atomic_load(&entry->mode) != mode) {
        assert_true(fgi_now_ns() < limit_ns);
        fgi_sleep_ns(FGI_NS_PER_MS);
        entry = entry_of(fixture, file);
    }
}

/* Blocks from the first on, in pieces. The rate is set anew each time: reads
 * that go to the disk meanwhile measure it. */
static void read_in_pieces(struct feed_fixture *fixture,
                           struct client_file *file, uint64_t rate)
{
    for (uint64_t block = 0; block < 4; block++) {
        set_disk_rate(fixture, rate);
        read_block(fixture, file, block, PIECE_BYTES);
        fgi_sleep_ns(20 * FGI_NS_PER_MS);
    }
}

static const char *open_served(struct feed_fixture *fixture,
                               struct client_file *file, const char *folder)
{
    const char *path = make_large(fixture, folder, 0);

    client_open(&fixture->client, file, path);
    wait_mode(fixture, file, FGI_FEED_COPY);
    return path;
}

static void small_pieces_are_left_to_the_kernel_on_a_fast_disk(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    const char *path = open_served(fixture, &file, "pieces");

    read_in_pieces(fixture, &file, UINT64_C(3000000000));
    wait_mode(fixture, &file, FGI_FEED_WATCH);
    /* Opened again: as it was read the last time. */
    client_close(&file);
    client_open(&fixture->client, &file, path);
    fgi_sleep_ns(WHILE_NS);
    wait_mode(fixture, &file, FGI_FEED_WATCH);
    /* Now it is read in another way. */
    for (uint64_t block = 0; block < 20; block++) {
        read_block(fixture, &file, block, FGI_KIB(256));
    }
    wait_mode(fixture, &file, FGI_FEED_COPY);
    client_close(&file);
}

static void small_pieces_are_served_on_a_slow_disk(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;

    (void)open_served(fixture, &file, "slow");
    read_in_pieces(fixture, &file, UINT64_C(300000000));
    fgi_sleep_ns(WHILE_NS);
    assert_int_equal(atomic_load(&entry_of(fixture, &file)->mode),
                     FGI_FEED_COPY);
    client_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(fread_is_left_to_a_kernel_that_reads_ahead),
        feed_test(fread_is_warmed_where_the_kernel_does_not),
        feed_test(mapping_read_in_order_is_left_to_the_kernel),
        feed_test(mapping_read_at_random_is_warmed),
        feed_test(small_pieces_are_left_to_the_kernel_on_a_fast_disk),
        feed_test(small_pieces_are_served_on_a_slow_disk),
    };

    feed_need_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
