/* SPDX-License-Identifier: Apache-2.0 */
/* See pattern.h. */
#include "runtime/feeder/pattern.h"

#include <string.h>

#include "runtime/base/math.h"
#include "runtime/feeder/board.h"

/* Steps of one length before they are believed. */
#define STRIDES_MIN 2
/* A file is random when that share of its last reads were jumps. */
#define HISTORY 16
#define JUMPS_RANDOM 10
#define JUMPS_ORDERLY 4

static uint64_t block_of(uint64_t offset)
{
    return offset / FGI_FEED_BLOCK_BYTES;
}

/* How far behind the stream's expectation, or UINT64_MAX: not its read. A
 * reader may skip a little, and the rest of a block is not told of. */
static uint64_t distance(const struct fgi_stream *stream, uint64_t offset)
{
    uint64_t end = block_of(stream->next_offset) + 1;

    if (stream->used_ns == 0 || stream->kind == FGI_PATTERN_STRIDED ||
        offset < stream->next_offset || block_of(offset) > end) {
        return UINT64_MAX;
    }
    return offset - stream->next_offset;
}

static struct fgi_stream *find_sequential(struct fgi_pattern *pattern,
                                          uint64_t offset)
{
    struct fgi_stream *best = NULL;
    uint64_t best_distance = UINT64_MAX;

    for (uint32_t i = 0; i < FGI_STREAMS; i++) {
        uint64_t far = distance(&pattern->streams[i], offset);

        if (far < best_distance) {
            best = &pattern->streams[i];
            best_distance = far;
        }
    }
    return best;
}

/* The one of that reader that was used last, or NULL. */
static struct fgi_stream *find_last(struct fgi_pattern *pattern,
                                    uint64_t reader)
{
    struct fgi_stream *last = NULL;

    for (uint32_t i = 0; i < FGI_STREAMS; i++) {
        struct fgi_stream *stream = &pattern->streams[i];

        if (stream->used_ns != 0 && stream->reader == reader &&
            (last == NULL || stream->used_ns >= last->used_ns)) {
            last = stream;
        }
    }
    return last;
}

static struct fgi_stream *find_oldest(struct fgi_pattern *pattern)
{
    struct fgi_stream *oldest = &pattern->streams[0];

    for (uint32_t i = 1; i < FGI_STREAMS; i++) {
        if (pattern->streams[i].used_ns < oldest->used_ns) {
            oldest = &pattern->streams[i];
        }
    }
    return oldest;
}

static void grow_window(struct fgi_stream *stream)
{
    stream->window_bytes = fgi_clamp(
        stream->window_bytes * 2, FGI_WINDOW_BYTES_MIN, FGI_WINDOW_BYTES_MAX);
}

static void follow(struct fgi_stream *stream, const struct fgi_feed_read *read)
{
    stream->last_offset = read->offset;
    if (!fgi_add(read->offset, read->bytes, &stream->next_offset)) {
        stream->next_offset = read->offset;
    }
    stream->used_ns = read->now_ns;
    stream->run++;
}

/* A read that was expected. The rest of the block it begins is only worth
 * reading if this read is a small part of it. */
static void go_on(struct fgi_stream *stream, const struct fgi_feed_read *read)
{
    uint64_t from = block_of(read->offset);

    if (read->offset % FGI_FEED_BLOCK_BYTES + read->bytes >
        FGI_FEED_BLOCK_BYTES / 2) {
        from++;
    }
    follow(stream, read);
    if (stream->kind == FGI_PATTERN_UNKNOWN) {
        stream->kind = FGI_PATTERN_SEQUENTIAL;
        stream->ahead = from;
    }
    stream->ahead = fgi_max(stream->ahead, from);
    grow_window(stream);
}

static struct fgi_stream *begin(struct fgi_pattern *pattern,
                                const struct fgi_feed_read *read)
{
    struct fgi_stream *stream = find_oldest(pattern);

    memset(stream, 0, sizeof(*stream));
    stream->reader = read->reader;
    follow(stream, read);
    stream->run = 0;
    return stream;
}

/* One that nobody expected: another step of a reader, or a new place. */
static struct fgi_stream *jump(struct fgi_pattern *pattern,
                               const struct fgi_feed_read *read, bool *is_step)
{
    struct fgi_stream *last = find_last(pattern, read->reader);
    uint64_t step = 0;

    if (last != NULL && read->offset > last->last_offset) {
        step = read->offset - last->last_offset;
    }
    if (step == 0 || step != last->stride_bytes) {
        last = begin(pattern, read);
        last->stride_bytes = step;
        return last;
    }
    *is_step = true;
    follow(last, read);
    if (last->run >= STRIDES_MIN) {
        if (last->kind != FGI_PATTERN_STRIDED) {
            last->kind = FGI_PATTERN_STRIDED;
            last->ahead = 0;
        }
        last->ahead = fgi_max(last->ahead, read->offset + step);
        grow_window(last);
    }
    return last;
}

static void judge(struct fgi_pattern *pattern, const struct fgi_stream *stream)
{
    uint64_t last = pattern->history & ((UINT64_C(1) << HISTORY) - 1);
    int jumps = __builtin_popcountll(last);

    if (jumps >= JUMPS_RANDOM) {
        if (pattern->kind != FGI_PATTERN_WHOLE) {
            pattern->kind = FGI_PATTERN_RANDOM;
        }
    } else if (jumps <= JUMPS_ORDERLY && stream->kind != FGI_PATTERN_UNKNOWN) {
        pattern->kind = stream->kind;
    }
}

/* A start that no read has followed yet. */
static struct fgi_stream *find_start(struct fgi_pattern *pattern)
{
    for (uint32_t i = 0; i < FGI_STREAMS; i++) {
        struct fgi_stream *stream = &pattern->streams[i];

        if (stream->used_ns != 0 && stream->run == 0 &&
            stream->next_offset == 0 &&
            stream->kind == FGI_PATTERN_SEQUENTIAL) {
            return stream;
        }
    }
    return NULL;
}

struct fgi_stream *fgi_pattern_start(struct fgi_pattern *pattern,
                                     uint64_t now_ns)
{
    const struct fgi_feed_read start = {.now_ns = now_ns};
    struct fgi_stream *stream;

    if (pattern->kind == FGI_PATTERN_RANDOM ||
        pattern->kind == FGI_PATTERN_WHOLE) {
        return NULL;
    }
    stream = find_start(pattern);
    if (stream == NULL) {
        stream = begin(pattern, &start);
    }
    stream->kind = FGI_PATTERN_SEQUENTIAL;
    stream->used_ns = now_ns;
    stream->ahead = 0;
    stream->window_bytes = FGI_WINDOW_BYTES_OPEN;
    return stream;
}

bool fgi_pattern_widen(struct fgi_pattern *pattern, uint64_t bytes,
                       uint64_t now_ns)
{
    struct fgi_stream *start = find_start(pattern);
    uint64_t window = fgi_min(bytes, FGI_WINDOW_BYTES_MAX);

    if (start == NULL || start->window_bytes >= window) {
        return false;
    }
    start->window_bytes = window;
    start->used_ns = now_ns;
    return true;
}

struct fgi_stream *fgi_pattern_read(struct fgi_pattern *pattern,
                                    const struct fgi_feed_read *read)
{
    struct fgi_stream *stream = find_sequential(pattern, read->offset);
    bool is_expected = stream != NULL;

    if (stream != NULL) {
        go_on(stream, read);
    } else {
        stream = jump(pattern, read, &is_expected);
    }
    pattern->history = pattern->history << 1 | (is_expected ? 0 : 1);
    pattern->reads++;
    judge(pattern, stream);
    return stream;
}

struct fgi_stream *fgi_pattern_last(struct fgi_pattern *pattern,
                                    uint64_t offset)
{
    for (uint32_t i = 0; i < FGI_STREAMS; i++) {
        struct fgi_stream *stream = &pattern->streams[i];

        if (stream->used_ns != 0 && stream->last_offset == offset &&
            stream->kind == FGI_PATTERN_SEQUENTIAL) {
            return stream;
        }
    }
    return NULL;
}

const char *fgi_pattern_name(enum fgi_pattern_kind kind)
{
    switch (kind) {
    case FGI_PATTERN_SEQUENTIAL:
        return "sequential";
    case FGI_PATTERN_STRIDED:
        return "strided";
    case FGI_PATTERN_WHOLE:
        return "whole";
    case FGI_PATTERN_RANDOM:
        return "random";
    case FGI_PATTERN_UNKNOWN:
        break;
    }
    return "";
}
