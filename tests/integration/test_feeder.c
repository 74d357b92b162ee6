/* SPDX-License-Identifier: Apache-2.0 */
/* A feeder with a client that plays the shim's part, on real files. */
#include "tests/lib/feeder_fixture.h"

#define BIG_BYTES (FGI_MIB(24) + 1234)

static void read_twice_is_served_from_memory(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;

    feed_file(fixture, "a", BIG_BYTES);
    feed_settle(fixture);
    client_open(&fixture->client, &file, "a");
    feed_load(fixture, &file);
    fixture->client.kernel_bytes = fixture->client.arena_bytes = 0;
    feed_read_all(fixture, &file, FGI_KIB(256));
    assert_int_equal(fixture->client.kernel_bytes, 0);
    assert_int_equal(fixture->client.arena_bytes, BIG_BYTES);
    assert_int_equal(fixture->client.hung, 0);
    client_close(&file);
}

static void read_of_a_fresh_file_is_fed_once_it_has_settled(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    struct fgi_feed_key key;

    feed_file(fixture, "fresh", FGI_MIB(3));
    client_open(&fixture->client, &file, "fresh");
    feed_wait_events(fixture, 1);
    assert_true(client_key(file.fd, &key));
    if (!fgi_key_is_settled(&key, fgi_real_ns())) {
        assert_int_equal(
            atomic_load(&client_entry(&fixture->client, &key)->mode),
            FGI_FEED_WATCH);
    }
    feed_settle(fixture);
    feed_load(fixture, &file);
    client_close(&file);
}

static void read_in_steps_is_read_ahead(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    uint8_t buffer[4096];
    uint64_t at = 0;

    feed_file(fixture, "steps", FGI_MIB(64));
    feed_settle(fixture);
    client_open(&fixture->client, &file, "steps");
    for (int i = 0; i < 20; i++) {
        at = (uint64_t)i * FGI_MIB(3) + 1000;
        assert_int_equal(
            client_pread(&fixture->client, &file, buffer, sizeof(buffer), at),
            sizeof(buffer));
        assert_int_equal(fixture_matching(buffer, at, sizeof(buffer)),
                         sizeof(buffer));
        if (i == 8) {
            feed_wait_block(fixture, &file, 9 * 3);
        }
    }
    assert_true(fixture->client.arena_bytes > 0);
    client_close(&file);
}

static void read_at_random_loads_the_whole_file(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    uint8_t buffer[4096];

    feed_file(fixture, "random", FGI_MIB(40));
    feed_settle(fixture);
    client_open(&fixture->client, &file, "random");
    for (uint64_t i = 1; i < 200; i++) {
        uint64_t at = fgi_board_hash(i) % (FGI_MIB(40) - sizeof(buffer));

        assert_int_equal(
            client_pread(&fixture->client, &file, buffer, sizeof(buffer), at),
            sizeof(buffer));
        assert_int_equal(fixture_matching(buffer, at, sizeof(buffer)),
                         sizeof(buffer));
    }
    feed_wait_blocks(fixture, &file);
    client_close(&file);
}

#define SMALL_COUNT 200

static void walk(struct feed_fixture *fixture)
{
    for (uint64_t i = 0; i < SMALL_COUNT; i++) {
        struct client_file file;
        char path[64];

        snprintf(path, sizeof(path), "walk/%03u", (unsigned)i);
        client_open(&fixture->client, &file, path);
        feed_read_all(fixture, &file, FGI_KIB(256));
        client_close(&file);
        fgi_sleep_ns(200 * FGI_NS_PER_US);
    }
}

static void make_walk(struct feed_fixture *fixture)
{
    assert_true(mkdir("walk", 0755) == 0 || errno == EEXIST);
    for (uint64_t i = 0; i < SMALL_COUNT; i++) {
        char path[64];

        snprintf(path, sizeof(path), "walk/%03u", (unsigned)i);
        feed_file(fixture, path, FGI_KIB(20) + i * 1111);
    }
    feed_settle(fixture);
}

static void walk_of_a_folder_is_predicted(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_stats stats;

    make_walk(fixture);
    walk(fixture);
    feed_stats(fixture, &stats);
    assert_true(stats.predictions_hit > 0);
    assert_true(stats.predictions_hit <= stats.predictions);
    assert_string_equal(stats.order, "directory");
    assert_true(fixture->client.arena_bytes > 0);
    assert_int_equal(fixture->client.hung, 0);
}

#define SHARD_COUNT 9

/* What is read ahead does not end with a file: all of the next ones comes,
 * not only their beginnings. */
static void walk_of_shards_is_read_ahead_beyond_their_ends(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file = {.fd = -1};
    char path[64];

    assert_true(mkdir("shards", 0755) == 0 || errno == EEXIST);
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        snprintf(path, sizeof(path), "shards/%u", i);
        feed_file(fixture, path, 3 * FGI_WINDOW_BYTES_OPEN);
    }
    feed_settle(fixture);
    for (uint32_t i = 0; i < SHARD_COUNT - 2; i++) {
        snprintf(path, sizeof(path), "shards/%u", i);
        client_open(&fixture->client, &file, path);
        feed_read_all(fixture, &file, FGI_KIB(256));
        client_close(&file);
    }
    for (uint32_t i = SHARD_COUNT - 2; i < SHARD_COUNT; i++) {
        snprintf(path, sizeof(path), "shards/%u", i);
        file.fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(file.fd >= 0);
        feed_wait_blocks(fixture, &file);
        close(file.fd);
    }
}

/* Bytes of the walk's files that are in memory. */
static uint64_t count_there(struct feed_fixture *fixture)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < SMALL_COUNT; i++) {
        struct client_file file = {.fd = -1};
        char path[64];

        snprintf(path, sizeof(path), "walk/%03u", (unsigned)i);
        file.fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(file.fd >= 0);
        bytes += feed_has(fixture, &file, 0, 1) ? FGI_KIB(20) + i * 1111 : 0;
        close(file.fd);
    }
    return bytes;
}

static void walk_twice_is_served_from_memory(void **state)
{
    struct feed_fixture *fixture = *state;
    uint64_t bytes;

    make_walk(fixture);
    walk(fixture);
    bytes = count_there(fixture);
    assert_true(bytes > 0);
    fixture->client.arena_bytes = 0;
    walk(fixture);
    assert_true(fixture->client.arena_bytes >= bytes);
}

static void read_of_more_than_memory_streams(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_config config;
    struct client_file file;

    feed_close(fixture);
    feed_default(&config);
    config.memory_bytes = FGI_MIB(64);
    feed_open(fixture, &config);
    feed_file(fixture, "more", FGI_MIB(150));
    feed_settle(fixture);
    for (int pass = 0; pass < 2; pass++) {
        struct fg_feeder_stats stats;

        client_open(&fixture->client, &file, "more");
        feed_read_all(fixture, &file, FGI_KIB(256));
        client_close(&file);
        feed_stats(fixture, &stats);
        assert_int_equal(stats.kept_bytes, FGI_MIB(32));
    }
    assert_true(fixture->client.arena_bytes > FGI_MIB(64));
    assert_int_equal(fixture->client.hung, 0);
}

static void read_by_the_pread_engine_is_served(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_config config;
    struct fg_feeder_stats stats;
    struct client_file file;

    feed_close(fixture);
    feed_default(&config);
    config.io = "pread";
    feed_open(fixture, &config);
    feed_file(fixture, "pread", BIG_BYTES);
    feed_settle(fixture);
    client_open(&fixture->client, &file, "pread");
    feed_load(fixture, &file);
    feed_read_all(fixture, &file, FGI_KIB(256));
    feed_stats(fixture, &stats);
    assert_string_equal(stats.engine, "pread");
    client_close(&file);
}

static void read_when_observed_is_the_kernels(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_config config;
    struct fg_feeder_stats stats;
    struct client_file file;

    feed_close(fixture);
    feed_default(&config);
    config.flags = FG_FEEDER_OBSERVE;
    feed_open(fixture, &config);
    assert_int_equal(fixture->client.view.board->flags, FGI_BOARD_OBSERVE);
    feed_file(fixture, "observed", BIG_BYTES);
    feed_settle(fixture);
    client_open(&fixture->client, &file, "observed");
    feed_read_all(fixture, &file, FGI_KIB(256));
    feed_stats(fixture, &stats);
    assert_int_equal(fixture->client.arena_bytes, 0);
    assert_int_equal(stats.ahead_bytes, 0);
    assert_int_equal(stats.files, 1);
    client_close(&file);
}

static void read_of_a_cached_file_is_left_to_the_kernel(void **state)
{
    struct feed_fixture *fixture = *state;
    struct client_file file;
    struct fgi_feed_key key;

    feed_file(fixture, "cached", FGI_MIB(4));
    feed_settle(fixture);
    feed_fill_cache("cached");
    client_open(&fixture->client, &file, "cached");
    feed_wait_events(fixture, 1);
    feed_read_all(fixture, &file, FGI_KIB(256));
    assert_true(client_key(file.fd, &key));
    assert_int_equal(atomic_load(&client_entry(&fixture->client, &key)->mode),
                     FGI_FEED_WATCH);
    assert_int_equal(fixture->client.arena_bytes, 0);
    client_close(&file);
}

static void read_of_a_file_no_glob_names_is_the_kernels(void **state)
{
    struct feed_fixture *fixture = *state;
    const char *const globs[] = {"/nowhere/*.bin"};
    struct fg_feeder_config config;
    struct client_file file;

    feed_close(fixture);
    feed_default(&config);
    config.data = globs;
    config.data_count = 1;
    feed_open(fixture, &config);
    assert_memory_equal(fixture->client.view.board->rules, "+/nowhere/\0-/\0\0",
                        15);
    feed_file(fixture, "other", BIG_BYTES);
    feed_settle(fixture);
    client_open(&fixture->client, &file, "other");
    feed_read_all(fixture, &file, FGI_KIB(256));
    assert_int_equal(fixture->client.arena_bytes, 0);
    client_close(&file);
}

static void read_of_a_file_a_glob_names_is_served(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_config config;
    struct client_file file;
    const char *globs[1];
    char folder[200];
    char glob[256];
    char path[256];

    assert_non_null(getcwd(folder, sizeof(folder)));
    snprintf(glob, sizeof(glob), "%s/link/na*", folder);
    snprintf(path, sizeof(path), "%s/link/named", folder);
    globs[0] = glob;
    feed_close(fixture);
    feed_default(&config);
    config.data = globs;
    config.data_count = 1;
    feed_open(fixture, &config);
    unlink("link");
    assert_int_equal(symlink(".", "link"), 0);
    feed_file(fixture, "named", BIG_BYTES);
    feed_settle(fixture);
    client_open(&fixture->client, &file, path);
    feed_load(fixture, &file);
    client_close(&file);
}

/* What a client counts is what the feeder tells. */
static void stats_tell_what_programs_counted(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fgi_actor *actor = &fixture->client.view.actors[0];
    struct fg_feeder_actor told[2];
    struct fg_feeder_stats stats;

    atomic_store(&fixture->client.view.board->actor_next, 2);
    atomic_store(&actor[0].pid, 7);
    atomic_store(&actor[0].reads, 3);
    atomic_store(&actor[0].arena_bytes, 100);
    atomic_store(&actor[0].kernel_ns, 5);
    memcpy(actor[0].name, "py\x1b[31m", 8);
    atomic_store(&actor[1].pid, 8);
    atomic_store(&actor[1].reads, 1);
    atomic_store(&actor[1].kernel_ns, 9);
    feed_stats(fixture, &stats);
    assert_int_equal(stats.reads, 4);
    assert_int_equal(stats.arena_bytes, 100);
    assert_int_equal(stats.kernel_ns, 14);
    assert_int_equal(fg_feeder_get_actors(fixture->feeder, told, 2), 2);
    assert_int_equal(told[0].pid, 8);
    assert_int_equal(told[1].pid, 7);
    assert_string_equal(told[1].name, "py?[31m");
    assert_int_equal(fg_feeder_get_actors(fixture->feeder, told, 1), 2);
    assert_int_equal(told[0].pid, 8);
}

static void groups_tell_folders_and_patterns(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_group groups[4];
    struct client_file file;
    struct fgi_feed_key key;

    feed_file(fixture, "grouped", FGI_MIB(8));
    feed_settle(fixture);
    client_open(&fixture->client, &file, "grouped");
    feed_load(fixture, &file);
    assert_true(client_key(file.fd, &key));
    atomic_store(&client_entry(&fixture->client, &key)->opens, 1);
    assert_int_equal(fg_feeder_get_groups(fixture->feeder, groups, 4), 1);
    assert_int_equal(groups[0].files, 1);
    assert_string_equal(groups[0].pattern, "sequential");
    assert_string_equal(strrchr(groups[0].folder, '/'), "/test_feeder.dir");
    client_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        feed_test(read_twice_is_served_from_memory),
        feed_test(read_of_a_fresh_file_is_fed_once_it_has_settled),
        feed_test(read_in_steps_is_read_ahead),
        feed_test(read_at_random_loads_the_whole_file),
        feed_test(walk_of_a_folder_is_predicted),
        feed_test(walk_of_shards_is_read_ahead_beyond_their_ends),
        feed_test(walk_twice_is_served_from_memory),
        feed_test(read_of_more_than_memory_streams),
        feed_test(read_by_the_pread_engine_is_served),
        feed_test(read_when_observed_is_the_kernels),
        feed_test(read_of_a_cached_file_is_left_to_the_kernel),
        feed_test(read_of_a_file_no_glob_names_is_the_kernels),
        feed_test(read_of_a_file_a_glob_names_is_served),
        feed_test(stats_tell_what_programs_counted),
        feed_test(groups_tell_folders_and_patterns),
    };

    feed_need_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
