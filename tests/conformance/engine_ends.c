/* SPDX-License-Identifier: Apache-2.0 */
/* How engines end: with reads in flight, unwaited, in a forked child. */
#include "tests/conformance/engine_suite.h"

void destroy_waits_for_reads_in_flight(void **state)
{
    struct fgi_read *done[1];

    (void)state;
    for (int round = 0; round < 8; round++) {
        struct fgi_engine *engine = suite_open(DEPTH);
        struct fgi_read reads[DEPTH];

        for (uint32_t i = 0; i < DEPTH; i++) {
            reads[i] = suite_read((uint64_t)i * READ_BYTES, i);
            engine->ops->submit(engine, &reads[i]);
        }
        engine->ops->wait(engine, done, 1, round % 2 == 0 ? 0 : FGI_NEVER);
        suite_close(engine);
        memset(suite_slot(0), 0xa5, (size_t)DEPTH * READ_BYTES);
        fgi_sleep_ns(2 * FGI_NS_PER_MS);
        assert_true(
            fixture_is_all(suite_slot(0), (size_t)DEPTH * READ_BYTES, 0xa5));
    }
}

void destroy_without_waiting_leaks_nothing(void **state)
{
    int before = fixture_count_fds();

    (void)state;
    for (int i = 0; i < 10; i++) {
        struct fgi_engine *engine = suite_open(DEPTH);
        struct fgi_read reads[4];

        for (uint32_t r = 0; r < 4; r++) {
            reads[r] = suite_read((uint64_t)r * READ_BYTES, r);
            engine->ops->submit(engine, &reads[r]);
        }
        engine->ops->wake(engine);
        suite_close(engine);
    }
    assert_int_equal(fixture_count_fds(), before);
}

static int destroy_it(void *context)
{
    suite_close(context);
    return 0;
}

void destroy_in_a_forked_child_harms_nobody(void **state)
{
    struct fgi_engine *engine = suite_open(4);
    struct fgi_read read = suite_read(0, 0);

    (void)state;
    fixture_do(engine, &read);
    fixture_in_child(destroy_it, engine);
    fixture_do(engine, &read);
    suite_must_hold(&read);
    suite_close(engine);
}
