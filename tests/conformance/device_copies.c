/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite's copies: bytes go there and back, in order, behind
 * events, from slots that are reused as soon as they may be.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/thread.h"
#include "tests/conformance/device_suite.h"

#define SLOT_BYTES ((size_t)192 << 10)
#define SLOTS 3
#define BATCHES 120

/* A host block, pinned, and device memory of the same size. */
struct pair {
    struct fgi_block block; /* pinned */
    uint8_t *host;          /* = block.base */
    void *device;           /* SLOTS slots */
};

static bool is_not_for_copies(void)
{
    return suite.ops->is_host || !suite.has_bytes;
}

static void pair_open(struct pair *pair)
{
    ok(fgi_block_map(&pair->block, 4 * SLOTS * SLOT_BYTES, -1, &suite.err));
    pair->host = pair->block.base;
    ok(suite.ops->pin(suite.device, pair->block.base, pair->block.bytes,
                      &suite.err));
    ok(suite.ops->alloc(suite.device, SLOTS * SLOT_BYTES, &pair->device,
                        &suite.err));
}

static void pair_close(struct pair *pair)
{
    suite.ops->free(suite.device, pair->device, SLOTS * SLOT_BYTES);
    suite.ops->unpin(suite.device, pair->block.base, pair->block.bytes);
    fgi_block_unmap(&pair->block);
}

static void fill(uint8_t *bytes, size_t count, uint64_t seed)
{
    uint64_t x = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;

    for (size_t i = 0; i < count; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(bytes + i, &x, 8);
    }
}

static void assert_filled(const uint8_t *bytes, size_t count, uint64_t seed)
{
    uint8_t *wanted = malloc(count);

    assert_non_null(wanted);
    fill(wanted, count, seed);
    assert_int_equal(memcmp(bytes, wanted, count), 0);
    free(wanted);
}

void copy_there_and_back_keeps_every_byte(void **state)
{
    struct pair pair;
    fg_stream stream;
    uint8_t *back;

    (void)state;
    if (is_not_for_copies()) {
        skip();
    }
    pair_open(&pair);
    stream = suite_stream();
    back = malloc(SLOT_BYTES);
    fill(pair.host, SLOT_BYTES, 1);
    ok(suite.ops->copy(suite.device, stream, pair.device, pair.host, SLOT_BYTES,
                       &suite.err));
    ok(fg_device_read(suite.device, stream, back, pair.device, SLOT_BYTES,
                      &suite.err));
    assert_filled(back, SLOT_BYTES, 1);
    /* A part, from and to the middle. */
    ok(suite.ops->copy(suite.device, stream, (uint8_t *)pair.device + 4096,
                       pair.host, 1000, &suite.err));
    ok(fg_device_read(suite.device, stream, back, (uint8_t *)pair.device + 4095,
                      1002, &suite.err));
    assert_int_equal(back[0], pair.host[4095]);
    assert_int_equal(memcmp(back + 1, pair.host, 1000), 0);
    assert_int_equal(back[1001], pair.host[5096]);
    free(back);
    fg_stream_close(suite.device, stream);
    pair_close(&pair);
}

void copies_on_one_stream_run_in_order(void **state)
{
    struct pair pair;
    fg_stream stream;
    uint8_t back[64];

    (void)state;
    if (is_not_for_copies()) {
        skip();
    }
    pair_open(&pair);
    stream = suite_stream();
    for (size_t i = 0; i < 64; i++) {
        memset(pair.host + i * 4096, (int)i, 4096);
        ok(suite.ops->copy(suite.device, stream, pair.device,
                           pair.host + i * 4096, 4096, &suite.err));
    }
    ok(fg_device_read(suite.device, stream, back, pair.device, 64, &suite.err));
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(back[i], 63);
    }
    fg_stream_close(suite.device, stream);
    pair_close(&pair);
}

void copy_behind_an_event_sees_what_came_before_it(void **state)
{
    struct pair pair;
    fg_stream first;
    fg_stream second;
    fgi_event event;

    (void)state;
    if (is_not_for_copies()) {
        skip();
    }
    pair_open(&pair);
    first = suite_stream();
    second = suite_stream();
    event = suite_event(false);
    for (uint64_t round = 0; round < 16; round++) {
        uint8_t *back = pair.host + SLOT_BYTES;

        fill(pair.host, SLOT_BYTES, round);
        memset(back, 0, SLOT_BYTES);
        ok(suite.ops->copy(suite.device, first, pair.device, pair.host,
                           SLOT_BYTES, &suite.err));
        ok(suite.ops->event_record(suite.device, event, first, &suite.err));
        ok(suite.ops->stream_wait(suite.device, second, event, &suite.err));
        ok(suite.ops->copy_back(suite.device, second, back, pair.device,
                                SLOT_BYTES, &suite.err));
        ok(fg_stream_synchronize(suite.device, second, &suite.err));
        assert_filled(back, SLOT_BYTES, round);
    }
    suite.ops->event_destroy(suite.device, event);
    fg_stream_close(suite.device, first);
    fg_stream_close(suite.device, second);
    pair_close(&pair);
}

void pin_and_unpin_can_be_repeated(void **state)
{
    struct fgi_block block;

    (void)state;
    ok(fgi_block_map(&block, 2 * SLOT_BYTES, -1, &suite.err));
    for (int round = 0; round < 3; round++) {
        ok(suite.ops->pin(suite.device, block.base, block.bytes, &suite.err));
        suite.ops->unpin(suite.device, block.base, block.bytes);
    }
    fgi_block_unmap(&block);
}

void copy_back_where_only_time_passes_is_unsupported(void **state)
{
    void *memory;
    char byte;

    (void)state;
    if (suite.has_bytes) {
        skip();
    }
    ok(suite.ops->alloc(suite.device, 4096, &memory, &suite.err));
    ok(suite.ops->copy(suite.device, NULL, memory, &byte, 1, &suite.err));
    assert_int_equal(
        fg_device_read(suite.device, NULL, &byte, memory, 1, &suite.err),
        FG_ERR_UNSUPPORTED);
    assert_string_equal(suite.err.message,
                        "device emulated: copy back 1 bytes: it was opened "
                        "with FG_DEVICE_TIME_ONLY and holds none");
    suite.ops->free(suite.device, memory, 4096);
}

/*
 * A loader in small. Batch i is filled into host slot i % SLOTS once the copy
 * out of it has passed, copied to device slot i % SLOTS once the consumer has
 * left it, and read back by the consumer's stream behind the ready event. The
 * host waits for nothing else.
 */
struct pipeline {
    struct pair pair;
    fg_stream copies;
    fg_stream consumer;
    fgi_event ready[SLOTS];
    fgi_event freed[SLOTS];
    struct fgi_block results; /* BATCHES slots */
};

static void pipeline_open(struct pipeline *line)
{
    pair_open(&line->pair);
    ok(suite.ops->stream_create(suite.device, true, &line->copies, &suite.err));
    line->consumer = suite_stream();
    for (int i = 0; i < SLOTS; i++) {
        line->ready[i] = suite_event(true);
        line->freed[i] = suite_event(false);
    }
    ok(fgi_block_map(&line->results, BATCHES * SLOT_BYTES, -1, &suite.err));
    ok(suite.ops->pin(suite.device, line->results.base, line->results.bytes,
                      &suite.err));
}

static void pipeline_close(struct pipeline *line)
{
    suite.ops->unpin(suite.device, line->results.base, line->results.bytes);
    fgi_block_unmap(&line->results);
    for (int i = 0; i < SLOTS; i++) {
        suite.ops->event_destroy(suite.device, line->ready[i]);
        suite.ops->event_destroy(suite.device, line->freed[i]);
    }
    fg_stream_close(suite.device, line->consumer);
    suite.ops->stream_destroy(suite.device, line->copies);
    pair_close(&line->pair);
}

static void pipeline_step(struct pipeline *line, size_t i)
{
    size_t slot = i % SLOTS;
    uint8_t *host = line->pair.host + slot * SLOT_BYTES;
    uint8_t *device = (uint8_t *)line->pair.device + slot * SLOT_BYTES;
    uint8_t *result = line->results.base + i * SLOT_BYTES;

    ok(suite.ops->event_synchronize(suite.device, line->ready[slot],
                                    &suite.err));
    fill(host, SLOT_BYTES, i);
    ok(suite.ops->stream_wait(suite.device, line->copies, line->freed[slot],
                              &suite.err));
    /* Two chunks make one batch. */
    ok(suite.ops->copy(suite.device, line->copies, device, host, SLOT_BYTES / 2,
                       &suite.err));
    ok(suite.ops->copy(suite.device, line->copies, device + SLOT_BYTES / 2,
                       host + SLOT_BYTES / 2, SLOT_BYTES / 2, &suite.err));
    ok(suite.ops->event_record(suite.device, line->ready[slot], line->copies,
                               &suite.err));
    ok(suite.ops->stream_wait(suite.device, line->consumer, line->ready[slot],
                              &suite.err));
    ok(suite.ops->copy_back(suite.device, line->consumer, result, device,
                            SLOT_BYTES, &suite.err));
    ok(suite.ops->event_record(suite.device, line->freed[slot], line->consumer,
                               &suite.err));
}

void slots_reused_behind_events_deliver_every_batch(void **state)
{
    struct pipeline line;

    (void)state;
    if (is_not_for_copies()) {
        skip();
    }
    pipeline_open(&line);
    for (size_t i = 0; i < BATCHES; i++) {
        pipeline_step(&line, i);
    }
    ok(fg_stream_synchronize(suite.device, line.consumer, &suite.err));
    for (size_t i = 0; i < BATCHES; i++) {
        assert_filled(line.results.base + i * SLOT_BYTES, SLOT_BYTES, i);
    }
    pipeline_close(&line);
}

/* One of several threads that copy at the same time. Asserts nothing itself:
 * cmocka's failures must come from the main thread. */
struct copier {
    struct pair pair;
    struct fgi_thread thread;
    fg_stream stream;
    uint64_t seed;
    enum fg_status status; /* first that was not OK */
    size_t wrong;          /* rounds whose bytes differed */
};

static void copier_run(void *context)
{
    struct copier *own = context;
    uint8_t *back = own->pair.host + SLOT_BYTES;
    const struct fgi_device_ops *ops = suite.ops;

    own->status = ops->bind_thread(suite.device, NULL);
    for (uint64_t i = 0; i < 40 && own->status == FG_OK; i++) {
        fill(own->pair.host, SLOT_BYTES, own->seed + i);
        own->status = ops->copy(suite.device, own->stream, own->pair.device,
                                own->pair.host, SLOT_BYTES, NULL);
        if (own->status == FG_OK) {
            own->status = fg_device_read(suite.device, own->stream, back,
                                         own->pair.device, SLOT_BYTES, NULL);
        }
        own->wrong += memcmp(back, own->pair.host, SLOT_BYTES) != 0;
    }
}

void threads_with_streams_of_their_own_do_not_mix(void **state)
{
    struct copier copiers[3];

    (void)state;
    if (is_not_for_copies()) {
        skip();
    }
    memset(copiers, 0, sizeof(copiers));
    for (size_t i = 0; i < 3; i++) {
        pair_open(&copiers[i].pair);
        copiers[i].stream = suite_stream();
        copiers[i].seed = i << 20;
        ok(fgi_thread_start(&copiers[i].thread, "copier", -1, copier_run,
                            &copiers[i], &suite.err));
    }
    for (size_t i = 0; i < 3; i++) {
        fgi_thread_join(&copiers[i].thread);
        assert_int_equal(copiers[i].status, FG_OK);
        assert_int_equal(copiers[i].wrong, 0);
        fg_stream_close(suite.device, copiers[i].stream);
        pair_close(&copiers[i].pair);
    }
}
