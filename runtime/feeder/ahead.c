/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that reads ahead, "fg-feed". Each turn: reads that have ended,
 * events of programs, answers of the pool, then as many new reads as the
 * budget allows; then it waits in its engine, and nowhere else.
 *
 * When the feeder closes, all entries are hidden first, so that no program
 * looks for a block any more, and those that wait for one are let go. Then
 * the reads in flight are waited for: until then they write to the arena.
 */
#include "runtime/feeder/feeder.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define TURN_NS (100 * FGI_NS_PER_MS) /* at least so often */
#define LATE_NS FGI_NS_PER_MS         /* while an event is late */

void fgi_ahead_wake(void *context)
{
    struct fg_feeder *feeder = context;

    feeder->engine->ops->wake(feeder->engine);
}

/* One turn. Returns until when to wait. */
static uint64_t run_turn(struct fg_feeder *feeder, size_t done_count)
{
    uint64_t now_ns = fgi_now_ns();
    bool is_level;

    pthread_mutex_lock(&feeder->mutex);
    for (size_t i = 0; i < done_count; i++) {
        fgi_block_finish(feeder, feeder->done[i]->owner);
    }
    is_level = fgi_events_run(feeder, now_ns);
    fgi_pool_finish(&feeder->pool, now_ns);
    fgi_doubt_run(feeder, now_ns);
    fgi_plan_run(feeder, now_ns);
    fgi_watch_idle(feeder, now_ns);
    atomic_store(&feeder->calm_ns,
                 fgi_walk_calm_ns(&feeder->walk, feeder->inflight_bytes));
    fgi_walk_tell_calm(&feeder->walk, feeder->share.view.board);
    if (feeder->arena.keep_top > 0) {
        fgi_touch_want(&feeder->touch, feeder->arena.keep_top);
    }
    pthread_mutex_unlock(&feeder->mutex);
    return now_ns + (is_level ? TURN_NS : LATE_NS);
}

static void loop(struct fg_feeder *feeder)
{
    struct fgi_engine *engine = feeder->engine;
    size_t count = 0;

    while (!atomic_load(&feeder->is_stopping)) {
        uint64_t deadline_ns = run_turn(feeder, count);

        count = engine->ops->wait(engine, feeder->done, FGI_FEED_DEPTH,
                                  deadline_ns);
    }
    pthread_mutex_lock(&feeder->mutex);
    for (size_t i = 0; i < count; i++) {
        fgi_block_finish(feeder, feeder->done[i]->owner);
    }
    pthread_mutex_unlock(&feeder->mutex);
}

/* Counters stay readable until the very end: nothing is forgotten here. */
static void hide_all(struct fg_feeder *feeder)
{
    struct fgi_records *files = &feeder->files;
    struct fgi_slots *slots = &feeder->slots;

    pthread_mutex_lock(&feeder->mutex);
    for (uint32_t i = 0; i < files->used_count; i++) {
        fgi_records_hide(files, &files->records[files->used[i]]);
    }
    for (uint32_t i = 0; i < slots->count && slots->there_count > 0; i++) {
        if (slots->blocks[i].state == FGI_BLOCK_READING ||
            slots->blocks[i].state == FGI_BLOCK_READY) {
            fgi_slots_drop(slots, &slots->blocks[i]);
        }
    }
    pthread_mutex_unlock(&feeder->mutex);
}

static void drain(struct fg_feeder *feeder)
{
    while (feeder->inflight_count > 0) {
        size_t count = feeder->engine->ops->wait(feeder->engine, feeder->done,
                                                 FGI_FEED_DEPTH, FGI_NEVER);

        feeder->inflight_count -= (uint32_t)count;
    }
}

static void wait_for_flag(struct fg_feeder *feeder, _Atomic uint32_t *flag)
{
    for (;;) {
        uint32_t seen = fgi_gate_read(&feeder->gate);

        if (atomic_load(flag)) {
            return;
        }
        fgi_gate_wait(&feeder->gate, seen, FGI_NEVER);
    }
}

static void raise_flag(struct fg_feeder *feeder, _Atomic uint32_t *flag)
{
    atomic_store(flag, 1);
    fgi_gate_notify(&feeder->gate);
}

static void feed_main(void *context)
{
    struct fg_feeder *feeder = context;
    const struct fgi_engine_config config = {
        .depth = FGI_FEED_DEPTH,
        .node = feeder->config.numa_node,
    };
    struct fgi_engine_report report;

    feeder->start_status = fgi_engine_create(
        feeder->io, &config, -1, &feeder->engine, feeder->engine_note,
        sizeof(feeder->engine_note), &feeder->start_error);
    if (feeder->start_status == FG_OK) {
        feeder->engine->ops->report(feeder->engine, &report);
        feeder->engine_name = report.name;
    }
    raise_flag(feeder, &feeder->is_started);
    if (feeder->start_status != FG_OK) {
        return;
    }
    loop(feeder);
    hide_all(feeder);
    drain(feeder);
    raise_flag(feeder, &feeder->is_idle);
    /* The owner destroys the engine, but not while others may wake it. */
    wait_for_flag(feeder, &feeder->may_end);
    feeder->engine->ops->destroy(feeder->engine);
    feeder->engine = NULL;
}

enum fg_status fgi_ahead_start(struct fg_feeder *feeder, struct fg_error *err)
{
    enum fg_status status;

    feeder->active_first = feeder->active_last = FGI_NO_INDEX;
    fgi_depth_init(&feeder->depth, 0);
    feeder->ops = fgi_alloc(FGI_FEED_DEPTH, sizeof(*feeder->ops));
    feeder->done = fgi_alloc(FGI_FEED_DEPTH, sizeof(struct fgi_read *));
    feeder->doubts = fgi_alloc(FGI_DOUBTS, sizeof(*feeder->doubts));
    if (feeder->ops == NULL || feeder->done == NULL || feeder->doubts == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder: %u reads", FGI_FEED_DEPTH);
    }
    for (uint32_t i = 0; i < FGI_FEED_DEPTH; i++) {
        feeder->ops[i].next = feeder->free_ops;
        feeder->free_ops = &feeder->ops[i];
    }
    status = fgi_thread_start(&feeder->feed_thread, "fg-feed",
                              feeder->config.numa_node, feed_main, feeder, err);
    if (status != FG_OK) {
        return status;
    }
    wait_for_flag(feeder, &feeder->is_started);
    return feeder->start_status == FG_OK
               ? FG_OK
               : fgi_error_copy(err, &feeder->start_error);
}

void fgi_ahead_stop(struct fg_feeder *feeder)
{
    raise_flag(feeder, &feeder->is_stopping);
    if (feeder->feed_thread.started && feeder->start_status == FG_OK) {
        fgi_ahead_wake(feeder);
        wait_for_flag(feeder, &feeder->is_idle);
    }
}

void fgi_ahead_join(struct fg_feeder *feeder)
{
    raise_flag(feeder, &feeder->may_end);
    fgi_thread_join(&feeder->feed_thread);
    fgi_free(feeder->ops);
    fgi_free(feeder->done);
    fgi_free(feeder->doubts);
}
