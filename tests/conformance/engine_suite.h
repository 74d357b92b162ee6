/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the engine conformance suite share. */
#ifndef TESTS_ENGINE_SUITE_H
#define TESTS_ENGINE_SUITE_H

#include "tests/lib/io_fixture.h"

#define FILE_BYTES (4 * 1024 * 1024 + 1699)
#define READ_BYTES 32768
#define DEPTH 32

struct engine_suite {
    const char *name;     /* for messages */
    const char *below;    /* engine under the fault decorator, or NULL */
    bool is_real;         /* reads a file: has an end, errors */
    bool is_direct;       /* opens the file with O_DIRECT */
    struct fgi_file file; /* of FILE_BYTES */
    struct fgi_block block;
};

/* The engine under test. */
extern struct engine_suite *suite;

enum fg_status suite_make(const struct fgi_engine_config *config,
                          struct fgi_engine **engine, struct fg_error *err);

static inline struct fgi_engine *suite_open(uint32_t depth)
{
    const struct fgi_region region = {suite->block.base,
                                      suite->block.bytes / 2};
    const struct fgi_engine_config config = {
        .depth = depth,
        .threads = 4,
        .node = 0,
        .region_count = 1,
        .regions = &region,
    };
    struct fgi_engine *engine = NULL;
    struct fg_error err;

    if (suite_make(&config, &engine, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    return engine;
}

static inline void suite_close(struct fgi_engine *engine)
{
    engine->ops->destroy(engine);
}

static inline uint8_t *suite_slot(uint32_t index)
{
    return suite->block.base + (size_t)index * READ_BYTES;
}

static inline struct fgi_read suite_read(uint64_t offset, uint32_t slot_index)
{
    return fixture_read(&suite->file, offset, READ_BYTES, READ_BYTES,
                        suite_slot(slot_index));
}

static inline void suite_must_hold(const struct fgi_read *read)
{
    assert_int_equal(read->error, 0);
    assert_true(read->done_bytes >= read->wanted_bytes);
    assert_true(read->done_bytes <= read->length_bytes);
    assert_int_equal(
        fixture_matching(read->buffer, read->offset, read->wanted_bytes),
        read->wanted_bytes);
}

/* Cases in engine_wakes.c and engine_ends.c. */
void wake_before_wait_makes_it_return(void **state);
void wake_by_another_thread_ends_every_wait(void **state);
void wake_during_reads_loses_none(void **state);
void wake_by_a_signal_handler_ends_the_wait(void **state);
void destroy_waits_for_reads_in_flight(void **state);
void destroy_without_waiting_leaks_nothing(void **state);
void destroy_in_a_forked_child_harms_nobody(void **state);

#endif /* TESTS_ENGINE_SUITE_H */
