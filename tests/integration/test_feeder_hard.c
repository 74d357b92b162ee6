/* SPDX-License-Identifier: Apache-2.0 */
/* A feeder among programs that die, lie and scribble, and disks that fail. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/lib/feeder_fixture.h"

#define SCRIBBLE_NS FGI_NS_PER_S

/* Sets up nothing: these open feeders of their own. */
static int setup_none(void **state)
{
    *state = calloc(1, sizeof(struct feed_fixture));
    return 0;
}

static int teardown_none(void **state)
{
    free(*state);
    fgi_engine_fault_all(NULL);
    return 0;
}

static void open_with(struct feed_fixture *fixture,
                      const struct fgi_fault *fault)
{
    struct fg_feeder_config config;

    fgi_engine_fault_all(fault);
    feed_default(&config);
    feed_open(fixture, &config);
}

static void read_when_each_third_read_fails_is_the_kernels(void **state)
{
    const struct fgi_fault fault = {
        .kind = FGI_FAULT_ERROR, .nth = 3, .every = 3, .sys_errno = EIO};
    struct feed_fixture *fixture = *state;
    struct fg_feeder_stats stats;
    struct client_file file;

    open_with(fixture, &fault);
    feed_file(fixture, "faulty", FGI_MIB(16));
    feed_settle(fixture);
    do {
        feed_drop_cache("faulty");
        client_open(&fixture->client, &file, "faulty");
        feed_read_all(fixture, &file, FGI_KIB(256));
        client_close(&file);
        feed_stats(fixture, &stats);
    } while (stats.read_errors == 0);
    assert_int_equal(fixture->client.hung, 0);
    feed_close(fixture);
}

static void *read_first(void *context)
{
    struct feed_fixture *fixture = context;
    struct client_file file;

    client_open(&fixture->client, &file, "late");
    fgi_sleep_ns(200 * FGI_NS_PER_MS);
    feed_read_all(fixture, &file, FGI_KIB(256));
    client_close(&file);
    return NULL;
}

/* Each read takes 2 s: the client sleeps for one when the feeder closes. */
static void close_while_a_program_waits_lets_it_go(void **state)
{
    const struct fgi_fault fault = {.kind = FGI_FAULT_LATE,
                                    .nth = 1,
                                    .every = 1,
                                    .delay_ns = 2 * FGI_NS_PER_S};
    struct feed_fixture *fixture = *state;
    pthread_t thread;

    open_with(fixture, &fault);
    feed_file(fixture, "late", FGI_MIB(4));
    feed_settle(fixture);
    assert_int_equal(pthread_create(&thread, NULL, read_first, fixture), 0);
    for (int i = 0; i < 1000 && fixture->client.waits == 0; i++) {
        fgi_sleep_ns(FGI_NS_PER_MS);
    }
    fg_feeder_close(fixture->feeder);
    pthread_join(thread, NULL);
    assert_int_equal(fixture->client.hung, 0);
    assert_int_equal(atomic_load(&fixture->client.view.board->heartbeat_ns), 0);
    client_detach(&fixture->client);
}

/* Random bytes all over what a program may write. */
static void scribble(struct client *client, uint64_t seed)
{
    uint64_t from = sizeof(struct fgi_board);
    uint64_t room = client->view.board->board_bytes - from;
    uint8_t *base = (uint8_t *)client->view.board + from;

    for (int i = 0; i < 4096; i++) {
        uint64_t random = fgi_board_hash(seed * 4096 + (uint64_t)i);
        uint64_t at = random % room;

        base[at] = (uint8_t)(random >> 32);
    }
    if (seed % 16 == 0) {
        atomic_store(&client->view.board->event_tail, fgi_board_hash(seed));
        atomic_store(&client->view.board->actor_next, (uint32_t)seed * 77777u);
        atomic_store(&client->view.board->feeder_sleeps, (uint32_t)seed);
    }
}

static void post_random(struct client *client, uint64_t seed)
{
    struct fgi_event event;
    uint8_t *bytes = (uint8_t *)&event;

    for (size_t i = 0; i < sizeof(event); i++) {
        bytes[i] = (uint8_t)fgi_board_hash(seed * sizeof(event) + i);
    }
    event.kind = 1 + (uint32_t)(seed % 4);
    event.pid = (int32_t)(seed % 3 == 0 ? getpid() : (int)(seed % 1000));
    event.key.size_bytes &= INT64_MAX;
    event.offset &= INT64_MAX;
    event.bytes &= INT64_MAX;
    client_post(client, &event);
}

static void board_full_of_noise_harms_nobody(void **state)
{
    struct feed_fixture *fixture = *state;
    uint64_t until_ns = fgi_now_ns() + SCRIBBLE_NS;
    struct fg_feeder_group groups[4];
    struct fg_feeder_actor actors[4];
    struct fg_feeder_stats stats;
    struct client_file file;
    uint8_t buffer[4096];

    open_with(fixture, NULL);
    feed_file(fixture, "noise", FGI_MIB(16));
    feed_settle(fixture);
    client_open(&fixture->client, &file, "noise");
    for (uint64_t seed = 1; fgi_now_ns() < until_ns; seed++) {
        struct fgi_event event = {.kind = FGI_EVENT_READ, .pid = getpid()};

        scribble(&fixture->client, seed);
        post_random(&fixture->client, seed);
        assert_true(client_key(file.fd, &event.key));
        event.fd = file.fd;
        event.offset = fgi_board_hash(seed) % FGI_MIB(16);
        event.bytes = sizeof(buffer);
        client_post(&fixture->client, &event);
        if (seed % 64 == 0) {
            feed_stats(fixture, &stats);
            fg_feeder_get_groups(fixture->feeder, groups, 4);
            fg_feeder_get_actors(fixture->feeder, actors, 4);
        }
    }
    client_close(&file);
    munmap(fixture->client.view.board, sizeof(struct fgi_board));
    fg_feeder_close(fixture->feeder);
}

/* Programs that open and end at once: their descriptors are gone when the
 * feeder looks. */
static void programs_that_end_at_once_harm_nobody(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_stats stats;

    open_with(fixture, NULL);
    feed_file(fixture, "short", FGI_MIB(2));
    feed_settle(fixture);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            struct client_file file;

            client_open(&fixture->client, &file, "short");
            _exit(0);
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    do {
        feed_stats(fixture, &stats);
        fgi_sleep_ns(FGI_NS_PER_MS);
    } while (stats.events < 20);
    feed_close(fixture);
}

/* A program that claimed an event and died does not stop the others. */
static void event_that_never_comes_is_passed_over(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_stats stats;
    struct client_file file;

    open_with(fixture, NULL);
    feed_file(fixture, "passed", FGI_MIB(2));
    feed_settle(fixture);
    atomic_fetch_add(&fixture->client.view.board->event_tail, 1);
    client_open(&fixture->client, &file, "passed");
    feed_wait_blocks(fixture, &file);
    feed_stats(fixture, &stats);
    assert_int_equal(stats.events_lost, 1);
    client_close(&file);
    feed_close(fixture);
}

static void open_with_each_allocation_failing_says_so(void **state)
{
    struct fg_feeder_config config;
    struct fg_feeder *feeder = NULL;
    struct fg_error err;
    enum fg_status status = FG_ERR_MEMORY;
    unsigned n = 0;

    (void)state;
    feed_default(&config);
    config.io = "pread";
    while (status != FG_OK) {
        n++;
        assert_true(n < 100);
        fgi_alloc_fail_after(n);
        status = fg_feeder_open(&config, &feeder, &err);
        fgi_alloc_fail_after(0);
        if (status != FG_OK) {
            assert_int_equal(status, FG_ERR_MEMORY);
            assert_int_not_equal(err.message[0], '\0');
        }
    }
    assert_true(n > 8);
    fg_feeder_close(feeder);
}

/* Allocations that fail while it runs cost reads ahead, nothing else. */
static void read_with_an_allocation_failing_is_right(void **state)
{
    struct feed_fixture *fixture = *state;

    open_with(fixture, NULL);
    for (unsigned n = 1; n < 12; n++) {
        struct client_file file;
        char path[32];

        snprintf(path, sizeof(path), "poor%u", n);
        feed_file(fixture, path, FGI_MIB(2));
        feed_settle(fixture);
        fgi_alloc_fail_after(n);
        client_open(&fixture->client, &file, path);
        fgi_sleep_ns(10 * FGI_NS_PER_MS);
        fgi_alloc_fail_after(0);
        feed_read_all(fixture, &file, FGI_KIB(256));
        client_close(&file);
    }
    assert_int_equal(fixture->client.hung, 0);
    feed_close(fixture);
}

static void refuse(struct fg_feeder_config *config, enum fg_status status,
                   const char *message)
{
    struct fg_feeder *feeder = NULL;
    struct fg_error err;

    assert_int_equal(fg_feeder_open(config, &feeder, &err), status);
    assert_string_equal(err.message, message);
    assert_null(feeder);
    feed_default(config);
}

static void open_with_a_bad_config_says_which_member(void **state)
{
    const char *const globs[] = {"relative/*"};
    struct fg_feeder_config config;

    (void)state;
    feed_default(&config);
    config.struct_size = 4;
    refuse(&config, FG_ERR_ARGUMENT,
           "feeder config: struct_size: got 4 wanted at least 88 (likely "
           "cause: its init function was not called)");
    config.flags = 8;
    refuse(&config, FG_ERR_UNSUPPORTED,
           "feeder: flags: got 0x8, of which some are unknown");
    config.numa_node = -7;
    refuse(&config, FG_ERR_ARGUMENT,
           "feeder: numa_node: got -7 wanted -1 or a node of this machine");
    config.threads = 65;
    refuse(&config, FG_ERR_ARGUMENT, "feeder: threads: got 65 wanted 1 to 64");
    config.memory_bytes = 1;
    refuse(&config, FG_ERR_ARGUMENT,
           "feeder: memory_bytes: got 1 wanted at least 8388608");
    config.io = "magic";
    refuse(&config, FG_ERR_ARGUMENT,
           "engine: got \"magic\" wanted auto, uring, pread or null");
    config.data = globs;
    config.data_count = 1;
    refuse(&config, FG_ERR_ARGUMENT,
           "feeder: data: \"relative/*\": wanted an absolute path");
}

#define hard_test(name)                                                        \
    cmocka_unit_test_setup_teardown(name, setup_none, teardown_none)

int main(void)
{
    const struct CMUnitTest tests[] = {
        hard_test(read_when_each_third_read_fails_is_the_kernels),
        hard_test(close_while_a_program_waits_lets_it_go),
        hard_test(board_full_of_noise_harms_nobody),
        hard_test(programs_that_end_at_once_harm_nobody),
        hard_test(event_that_never_comes_is_passed_over),
        hard_test(open_with_each_allocation_failing_says_so),
        hard_test(read_with_an_allocation_failing_is_right),
        hard_test(open_with_a_bad_config_says_which_member),
    };

    feed_need_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
