/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of io/engine.h, case by case, over every engine: uring, pread,
 * null, and the fault decorator with no fault over the two real ones. An
 * engine that this machine forbids is skipped with the reason.
 */
#include "tests/conformance/engine_suite.h"

#include <errno.h>

struct engine_suite *suite;

enum fg_status suite_make(const struct fgi_engine_config *config,
                          struct fgi_engine **engine, struct fg_error *err)
{
    static const struct fgi_fault none = {.nth = 0};
    const char *name = suite->below != NULL ? suite->below : suite->name;
    enum fg_status status;

    if (strcmp(name, "null") == 0) {
        return fgi_engine_null_create(config, true, engine, err);
    }
    status = fgi_engine_create(name, config, -1, engine, NULL, 0, err);
    if (status == FG_OK && suite->below != NULL) {
        status = fgi_engine_fault_create(*engine, &none, engine, err);
    }
    return status;
}

static void report_of_a_new_engine_names_it(void **state)
{
    struct fgi_engine *engine = suite_open(DEPTH);
    struct fgi_engine_report report;

    (void)state;
    engine->ops->report(engine, &report);
    assert_string_equal(report.name,
                        suite->below != NULL ? "fault" : suite->name);
    assert_string_equal(report.name, engine->ops->name);
    assert_true(report.note[0] != '\0');
    assert_int_equal(report.reads, 0);
    assert_int_equal(report.retries, 0);
    print_message("%s: %s\n", suite->name, report.note);
    suite_close(engine);
}

static void submit_one_brings_its_bytes(void **state)
{
    struct fgi_engine *engine = suite_open(1);
    struct fgi_read read = suite_read(READ_BYTES, 0);
    int back = 0;
    uint64_t before_ns = fgi_now_ns();

    (void)state;
    read.owner = &back;
    memset(suite_slot(0), 0, READ_BYTES);
    fixture_do(engine, &read);
    suite_must_hold(&read);
    assert_int_equal(back, 1);
    assert_ptr_equal(read.owner, &back);
    assert_ptr_equal(read.buffer, suite_slot(0));
    assert_int_equal(read.offset, READ_BYTES);
    assert_int_equal(read.length_bytes, READ_BYTES);
    assert_true(read.submit_ns >= before_ns);
    assert_true(read.complete_ns >= read.submit_ns);
    assert_true(read.complete_ns <= fgi_now_ns());
    suite_close(engine);
}

/* Reads of many sizes and places, always `depth` of them in flight. */
static void stream_file(uint32_t depth, uint32_t count)
{
    struct fgi_engine *engine = suite_open(depth);
    struct fgi_engine_report report;
    struct fgi_read reads[DEPTH];
    struct fgi_read *done[DEPTH];
    uint32_t submitted = 0;
    uint32_t finished = 0;

    while (finished < count) {
        while (submitted < count && submitted - finished < depth) {
            /* A place in `reads` is free when its `owner` is NULL. */
            uint32_t at = 0;
            uint32_t unit = suite->file.offset_align;
            uint32_t length = READ_BYTES - (submitted * 3 % 7) * unit;

            while (submitted >= depth && reads[at].owner != NULL) {
                at++;
            }
            at = submitted < depth ? submitted : at;
            reads[at] = fixture_read(
                &suite->file, (uint64_t)(submitted % 50) * READ_BYTES, length,
                length - submitted * 5 % 300, suite_slot(at));
            reads[at].owner = reads;
            memset(suite_slot(at), 0, READ_BYTES);
            engine->ops->submit(engine, &reads[at]);
            submitted++;
        }
        size_t got = engine->ops->wait(engine, done, depth, FGI_NEVER);

        assert_true(got >= 1 && got <= submitted - finished);
        for (size_t i = 0; i < got; i++) {
            assert_non_null(done[i]->owner); /* else it came twice */
            done[i]->owner = NULL;
            suite_must_hold(done[i]);
        }
        finished += (uint32_t)got;
    }
    engine->ops->report(engine, &report);
    assert_int_equal(report.reads, count);
    suite_close(engine);
}

static void stream_at_any_depth_brings_each_read_once(void **state)
{
    (void)state;
    stream_file(1, 50);
    stream_file(2, 100);
    stream_file(7, 200);
    stream_file(DEPTH, 400);
}

static void wait_without_blocking_returns_at_once(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    struct fgi_read *done[4];

    (void)state;
    assert_int_equal(engine->ops->wait(engine, done, 4, 0), 0);
    assert_int_equal(engine->ops->wait(engine, done, 4, fgi_now_ns()), 0);
    assert_int_equal(engine->ops->wait(engine, done, 4, 1), 0);
    suite_close(engine);
}

static void wait_with_a_deadline_keeps_it(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    struct fgi_read *done[4];
    uint64_t deadline_ns = fgi_now_ns() + 10 * FGI_NS_PER_MS;

    (void)state;
    assert_int_equal(engine->ops->wait(engine, done, 4, deadline_ns), 0);
    assert_true(fgi_now_ns() >= deadline_ns);
    suite_close(engine);
}

static void wait_polling_alone_makes_progress(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    struct fgi_read read = suite_read(0, 0);
    struct fgi_read *done[4];
    uint64_t give_up_ns = fgi_now_ns() + 60 * FGI_NS_PER_S;

    (void)state;
    engine->ops->submit(engine, &read);
    while (engine->ops->wait(engine, done, 4, 0) == 0) {
        assert_true(fgi_now_ns() < give_up_ns);
    }
    assert_ptr_equal(done[0], &read);
    suite_must_hold(&read);
    suite_close(engine);
}

static void wait_with_little_room_hands_the_rest_back_later(void **state)
{
    struct fgi_engine *engine = suite_open(DEPTH);
    struct fgi_read reads[DEPTH];
    struct fgi_read *done[2] = {NULL, NULL};
    int back[DEPTH] = {0};
    size_t sum = 0;

    (void)state;
    for (uint32_t i = 0; i < DEPTH; i++) {
        reads[i] = suite_read((uint64_t)i * READ_BYTES, i);
        reads[i].owner = &back[i];
        engine->ops->submit(engine, &reads[i]);
    }
    while (sum < DEPTH) {
        size_t got = engine->ops->wait(engine, done, 1, FGI_NEVER);

        assert_int_equal(got, 1);
        assert_null(done[1]);
        ++*(int *)done[0]->owner;
        sum += got;
    }
    for (uint32_t i = 0; i < DEPTH; i++) {
        assert_int_equal(back[i], 1);
        suite_must_hold(&reads[i]);
    }
    assert_int_equal(engine->ops->wait(engine, done, 2, 0), 0);
    suite_close(engine);
}

static void submit_again_of_the_same_read_works(void **state)
{
    struct fgi_engine *engine = suite_open(1);
    struct fgi_read read = suite_read(0, 0);

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        read.offset = (uint64_t)i * READ_BYTES;
        fixture_do(engine, &read);
        suite_must_hold(&read);
    }
    suite_close(engine);
}

static void read_into_across_and_outside_the_regions_is_the_same(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    size_t half = suite->block.bytes / 2;
    const size_t places[] = {0, half - READ_BYTES, half - READ_BYTES / 2, half,
                             suite->block.bytes - READ_BYTES};

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct fgi_read read = suite_read(READ_BYTES * i, 0);

        read.buffer = suite->block.base + places[i];
        memset(read.buffer, 0, READ_BYTES);
        fixture_do(engine, &read);
        suite_must_hold(&read);
    }
    suite_close(engine);
}

static void read_of_the_tail_needs_only_what_is_there(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    uint64_t offset = FILE_BYTES - FILE_BYTES % 4096;
    struct fgi_read read = fixture_read(&suite->file, offset, READ_BYTES,
                                        FILE_BYTES % 4096, suite_slot(0));

    (void)state;
    fixture_do(engine, &read);
    suite_must_hold(&read);
    if (suite->is_real) {
        assert_int_equal(read.done_bytes, FILE_BYTES % 4096);
    }
    suite_close(engine);
}

static void read_past_the_end_says_how_much_there_was(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    uint64_t offset = FILE_BYTES - FILE_BYTES % 4096;
    struct fgi_read over = fixture_read(&suite->file, offset, READ_BYTES,
                                        FILE_BYTES % 4096 + 1, suite_slot(0));
    struct fgi_read beyond = suite_read(offset + READ_BYTES, 1);

    (void)state;
    if (suite->is_real) {
        fixture_do(engine, &over);
        assert_int_equal(over.error, FGI_READ_EOF);
        assert_int_equal(over.done_bytes, FILE_BYTES % 4096);
        fixture_do(engine, &beyond);
        assert_int_equal(beyond.error, FGI_READ_EOF);
        assert_int_equal(beyond.done_bytes, 0);
    }
    suite_close(engine);
}

static void read_of_a_closed_descriptor_fails_alone(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    struct fgi_read bad = suite_read(0, 0);
    struct fgi_read good = suite_read(0, 1);

    (void)state;
    if (suite->is_real) {
        bad.fd = 1000000;
        engine->ops->submit(engine, &bad);
        engine->ops->submit(engine, &good);
        fixture_reap(engine, 2);
        assert_int_equal(bad.error, EBADF);
        assert_int_equal(bad.done_bytes, 0);
        assert_string_equal(fgi_read_error_text(bad.error),
                            "Bad file descriptor");
        suite_must_hold(&good);
    }
    suite_close(engine);
}

static const struct CMUnitTest cases[] = {
    cmocka_unit_test(report_of_a_new_engine_names_it),
    cmocka_unit_test(submit_one_brings_its_bytes),
    cmocka_unit_test(stream_at_any_depth_brings_each_read_once),
    cmocka_unit_test(wait_without_blocking_returns_at_once),
    cmocka_unit_test(wait_with_a_deadline_keeps_it),
    cmocka_unit_test(wait_polling_alone_makes_progress),
    cmocka_unit_test(wait_with_little_room_hands_the_rest_back_later),
    cmocka_unit_test(submit_again_of_the_same_read_works),
    cmocka_unit_test(wake_before_wait_makes_it_return),
    cmocka_unit_test(wake_by_another_thread_ends_every_wait),
    cmocka_unit_test(wake_during_reads_loses_none),
    cmocka_unit_test(wake_by_a_signal_handler_ends_the_wait),
    cmocka_unit_test(read_into_across_and_outside_the_regions_is_the_same),
    cmocka_unit_test(read_of_the_tail_needs_only_what_is_there),
    cmocka_unit_test(read_past_the_end_says_how_much_there_was),
    cmocka_unit_test(read_of_a_closed_descriptor_fails_alone),
    cmocka_unit_test(destroy_waits_for_reads_in_flight),
    cmocka_unit_test(destroy_without_waiting_leaks_nothing),
    cmocka_unit_test(destroy_in_a_forked_child_harms_nobody),
};

/* Run all cases over one engine; returns how many failed. */
static int run_suite(struct engine_suite *over)
{
    char title[64];
    struct fg_error err;
    struct fgi_engine *engine;
    const struct fgi_engine_config config = {.depth = 1, .node = -1};
    int failed;

    suite = over;
    snprintf(title, sizeof(title), "%s%s%s %s", over->name,
             over->below != NULL ? " over " : "",
             over->below != NULL ? over->below : "",
             over->is_direct ? "direct" : "buffered");
    if (suite_make(&config, &engine, &err) != FG_OK) {
        printf("skipped: %s: %s\n", title, err.message);
        return 0;
    }
    suite_close(engine);
    fixture_open("engine.data", over->is_direct, &over->file);
    if (fgi_block_map(&over->block, FGI_MIB(8), -1, &err) != FG_OK) {
        printf("%s\n", err.message);
        return 1;
    }
    failed = _cmocka_run_group_tests(
        title, cases, sizeof(cases) / sizeof(cases[0]), NULL, NULL);
    fgi_file_close(&over->file);
    fgi_block_unmap(&over->block);
    return failed;
}

int main(void)
{
    static struct engine_suite suites[] = {
        {.name = "uring", .is_real = true, .is_direct = true},
        {.name = "uring", .is_real = true},
        {.name = "pread", .is_real = true, .is_direct = true},
        {.name = "pread", .is_real = true},
        {.name = "null"},
        {.name = "fault", .below = "uring", .is_real = true, .is_direct = true},
        {.name = "fault", .below = "pread", .is_real = true},
    };
    int failed = 0;

    fixture_make_file("engine.data", FILE_BYTES);
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        failed += run_suite(&suites[i]);
    }
    return failed;
}
