/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which block next. The files in which something is to be read ahead are on a
 * list; each gives one block in its turn, until the budget of bytes in flight
 * is used up. So a fast reader does not starve the others.
 */
#include "runtime/feeder/feeder.h"

#include "runtime/base/clock.h"
#include "runtime/base/math.h"

/* A stream that has not moved for so long is nobody's. */
#define STALE_NS (10 * FGI_NS_PER_S)
/* Strided: look so many steps ahead at most. */
#define STEPS_MAX 64

void fgi_ahead_activate(struct fg_feeder *feeder, struct fgi_record *record)
{
    uint32_t index = (uint32_t)(record - feeder->files.records);

    if (record->is_active || record->look != FGI_LOOK_FED) {
        return;
    }
    record->is_active = true;
    record->active_next = FGI_NO_INDEX;
    if (feeder->active_last != FGI_NO_INDEX) {
        feeder->files.records[feeder->active_last].active_next = index;
    } else {
        feeder->active_first = index;
    }
    feeder->active_last = index;
    feeder->active_count++;
}

static struct fgi_record *pop_active(struct fg_feeder *feeder)
{
    struct fgi_record *record = &feeder->files.records[feeder->active_first];

    feeder->active_first = record->active_next;
    if (feeder->active_first == FGI_NO_INDEX) {
        feeder->active_last = FGI_NO_INDEX;
    }
    record->is_active = false;
    feeder->active_count--;
    return record;
}

/* How far ahead a stream may read: with nothing left to keep, all windows
 * together must fit into the ring. */
static uint64_t window_of(const struct fg_feeder *feeder,
                          const struct fgi_stream *stream)
{
    uint64_t share = feeder->arena.ring_bytes / 2 / (feeder->active_count + 1);

    if (fgi_arena_keep_room(&feeder->arena) >= stream->window_bytes) {
        return stream->window_bytes;
    }
    return fgi_min(stream->window_bytes, fgi_max(share, FGI_FEED_BLOCK_BYTES));
}

/* The next block that is not there of [at, end); end: none. Those that are
 * there are wanted once more. */
static uint64_t skip_there(struct fg_feeder *feeder,
                           const struct fgi_record *record, uint64_t at,
                           uint64_t end)
{
    for (; at < end; at++) {
        struct fgi_feed_block *block = fgi_slots_find(
            &feeder->slots, fgi_slot_tag(record->id, (uint32_t)at));

        if (block == NULL) {
            break;
        }
        block->is_wanted = true;
    }
    return at;
}

static bool next_sequential(struct fg_feeder *feeder,
                            const struct fgi_record *record,
                            struct fgi_stream *stream, uint64_t now_ns,
                            uint64_t *block)
{
    uint64_t reach;
    uint64_t end;

    if (!fgi_add(stream->next_offset, window_of(feeder, stream), &reach)) {
        return false;
    }
    end = fgi_min(fgi_ceil_div(reach, FGI_FEED_BLOCK_BYTES),
                  fgi_block_count(record));
    stream->ahead = skip_there(feeder, record, stream->ahead, end);
    *block = stream->ahead;
    if (stream->ahead >= end && reach > record->key.size_bytes) {
        fgi_walk_run_over(feeder, record, reach - record->key.size_bytes,
                          now_ns);
    }
    return stream->ahead < end;
}

static bool next_strided(struct fg_feeder *feeder,
                         const struct fgi_record *record,
                         struct fgi_stream *stream, uint64_t *block)
{
    uint64_t bytes = stream->next_offset - stream->last_offset;
    uint64_t steps =
        fgi_clamp(window_of(feeder, stream) / fgi_max(bytes, 1), 1, STEPS_MAX);
    uint64_t limit;

    if (!fgi_mul(stream->stride_bytes, steps, &limit) ||
        !fgi_add(limit, stream->last_offset, &limit)) {
        return false;
    }
    while (stream->ahead <= limit && stream->ahead < record->key.size_bytes) {
        uint64_t end =
            fgi_min(stream->ahead + fgi_max(bytes, 1), record->key.size_bytes);
        uint64_t last = fgi_ceil_div(end, FGI_FEED_BLOCK_BYTES);

        *block = skip_there(feeder, record,
                            stream->ahead / FGI_FEED_BLOCK_BYTES, last);
        if (*block < last) {
            return true;
        }
        stream->ahead += stream->stride_bytes;
    }
    return false;
}

/* Random reads: all of it, if it can stay. */
static bool next_whole(struct fg_feeder *feeder,
                       const struct fgi_record *record, uint64_t *block)
{
    struct fgi_pattern *pattern = record->pattern;
    uint64_t count = fgi_block_count(record);

    if (pattern->kind == FGI_PATTERN_RANDOM &&
        record->key.size_bytes -
                (uint64_t)record->blocks * FGI_FEED_BLOCK_BYTES <=
            fgi_arena_keep_room(&feeder->arena)) {
        pattern->kind = FGI_PATTERN_WHOLE;
        pattern->whole_ahead = 0;
    }
    if (pattern->kind != FGI_PATTERN_WHOLE) {
        return false;
    }
    pattern->whole_ahead =
        skip_there(feeder, record, pattern->whole_ahead, count);
    *block = pattern->whole_ahead;
    return *block < count;
}

bool fgi_plan_can_keep(const struct fg_feeder *feeder,
                       const struct fgi_record *record)
{
    return fgi_arena_keep_room(&feeder->arena) >=
           fgi_align_up(record->key.size_bytes, FGI_ARENA_UNIT_BYTES);
}

/* What to read next of a file; false: nothing. The stream that wants it most
 * is the one that was read last. */
static bool next_block(struct fg_feeder *feeder,
                       const struct fgi_record *record, uint64_t now_ns,
                       uint64_t *block)
{
    struct fgi_pattern *pattern = record->pattern;

    if (pattern == NULL) {
        *block = 0;
        return fgi_block_count(record) == 1 &&
               !fgi_block_is_there(feeder, record, 0) &&
               (!record->is_missed || fgi_plan_can_keep(feeder, record));
    }
    for (uint32_t i = 0; i < FGI_STREAMS; i++) {
        struct fgi_stream *stream =
            &pattern->streams[(pattern->turn + i) % FGI_STREAMS];
        bool is_wanted = false;

        if (stream->used_ns == 0 || now_ns - stream->used_ns > STALE_NS) {
            continue;
        }
        if (stream->kind == FGI_PATTERN_SEQUENTIAL) {
            is_wanted = next_sequential(feeder, record, stream, now_ns, block);
        } else if (stream->kind == FGI_PATTERN_STRIDED) {
            is_wanted = next_strided(feeder, record, stream, block);
        }
        if (is_wanted) {
            pattern->turn = (pattern->turn + i + 1) % FGI_STREAMS;
            return true;
        }
    }
    return next_whole(feeder, record, block);
}

static bool may_submit(const struct fg_feeder *feeder)
{
    return feeder->free_ops != NULL &&
           feeder->inflight_bytes < feeder->depth.budget_bytes;
}

/* Read one block of a file. False: not in this round again. */
static bool feed(struct fg_feeder *feeder, struct fgi_record *record,
                 uint64_t now_ns, bool *is_done)
{
    uint64_t block;

    *is_done = true;
    if (record->look != FGI_LOOK_FED || record->is_unseen ||
        record->is_in_pieces || !next_block(feeder, record, now_ns, &block) ||
        block > UINT32_MAX) {
        return false;
    }
    if (record->fd < 0) {
        fgi_inspect_ask(feeder, record, &record->key, record->path);
        return false; /* the answer puts it on the list again */
    }
    if (record->is_missed && record->align_bytes > 1 && record->reading == 0 &&
        fgi_look_set_direct(record->fd, false)) {
        /* The page cache has it, or is about to: no second read from disk. */
        record->align_bytes = 1;
    }
    switch (fgi_block_fetch(feeder, record, (uint32_t)block)) {
    case FGI_TAKE_DONE:
        return true;
    case FGI_TAKE_NO_ROOM:
        *is_done = false; /* stays on the list: room comes with time */
        return false;
    case FGI_TAKE_NEVER:
        break;
    }
    return false;
}

void fgi_plan_run(struct fg_feeder *feeder, uint64_t now_ns)
{
    uint32_t idle = 0; /* files in a row that could do nothing */

    feeder->was_limited = false;
    while (feeder->active_first != FGI_NO_INDEX &&
           idle < feeder->active_count) {
        struct fgi_record *record;
        bool is_done;

        if (!may_submit(feeder)) {
            feeder->was_limited = true;
            return;
        }
        record = pop_active(feeder);
        if (record->is_retired) {
            fgi_file_end(feeder, record);
        } else if (feed(feeder, record, now_ns, &is_done)) {
            fgi_ahead_activate(feeder, record);
            idle = 0;
        } else if (!is_done) {
            fgi_ahead_activate(feeder, record);
            idle++;
        }
    }
}

/* What a stream may come to before it stops to be believed. */
static bool may_come_to(const struct fgi_stream *stream, uint64_t offset)
{
    uint64_t reach = stream->next_offset - stream->last_offset;

    if (stream->kind == FGI_PATTERN_STRIDED) {
        reach = stream->stride_bytes * STEPS_MAX;
    }
    return stream->kind != FGI_PATTERN_UNKNOWN &&
           offset + FGI_FEED_BLOCK_BYTES > stream->last_offset &&
           offset < stream->last_offset + reach + stream->window_bytes;
}

bool fgi_plan_wants(const struct fgi_record *record,
                    const struct fgi_feed_block *block, uint64_t now_ns)
{
    const struct fgi_pattern *pattern = record->pattern;
    uint64_t offset = (block->tag & UINT32_MAX) * FGI_FEED_BLOCK_BYTES;

    if (!block->is_wanted || now_ns - block->ready_ns > STALE_NS) {
        return false;
    }
    if (pattern == NULL) {
        return true;
    }
    for (uint32_t i = 0; i < FGI_STREAMS; i++) {
        const struct fgi_stream *stream = &pattern->streams[i];

        if (stream->used_ns != 0 && now_ns - stream->used_ns <= STALE_NS &&
            may_come_to(stream, offset)) {
            return true;
        }
    }
    return false;
}
