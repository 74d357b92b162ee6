/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans from the board into the timeline, and to who wants to see each. The
 * ring is large enough for some 100 ms of busy GPUs: a feeder that was late,
 * and programs that died in the middle of a span, cost some, which is counted.
 * A span is believed only if it lies within the life of this feeder.
 */
#include "runtime/feeder/spans.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/feeder/feeder.h"

#define STUCK_NS (10 * FGI_NS_PER_MS)
#define SLICES_ROOM (1u << 18)
#define CLOCK_ERROR_NS FGI_NS_PER_S /* GPUs' times are interpolated */
#define PATH_BYTES 512
#define SPANS_AT_ONCE 8192u /* some ms; events come first */

#define SPAN_NAME(name, text)                                                  \
    case name:                                                                 \
        return text;

const char *fg_feeder_span_name(enum fg_feeder_span_kind kind)
{
    switch (kind) {
        FG_FEEDER_SPAN_MAP(SPAN_NAME)
    }
    return "?";
}

enum fg_status fgi_spans_init(struct fgi_spans *spans, struct fg_error *err)
{
    pthread_mutex_init(&spans->mutex, NULL);
    spans->opened_ns = fgi_now_ns();
    return fgi_timeline_init(&spans->timeline, SLICES_ROOM, err);
}

void fgi_spans_fini(struct fgi_spans *spans)
{
    if (spans->opened_ns != 0) {
        fgi_timeline_fini(&spans->timeline);
        pthread_mutex_destroy(&spans->mutex);
    }
}

/* The board's first entry of the GPU that this entry is of. */
static bool find_gpu(struct fg_feeder *feeder, uint32_t entry, uint16_t *found)
{
    const struct fgi_gpu *gpus = feeder->share.view.board->gpus;
    struct fgi_spans *spans = &feeder->spans;
    uint32_t first = 0;

    if (entry >= FGI_GPUS_MAX ||
        atomic_load(&gpus[entry].state) != FGI_GPU_THERE) {
        return false;
    }
    if (spans->gpus[entry] == 0) {
        while (first < entry &&
               (atomic_load(&gpus[first].state) != FGI_GPU_THERE ||
                memcmp(gpus[first].uuid, gpus[entry].uuid,
                       sizeof(gpus[first].uuid)) != 0)) {
            first++;
        }
        spans->gpus[entry] = (uint8_t)(first + 1);
    }
    *found = (uint16_t)(spans->gpus[entry] - 1);
    return true;
}

/* A program may have written anything. */
static bool make_slice(struct fg_feeder *feeder, const struct fgi_span *span,
                       struct fgi_slice *slice)
{
    bool is_copy =
        span->kind == FGI_SPAN_COPY_HTOD || span->kind == FGI_SPAN_COPY_OTHER;

    memset(slice, 0, sizeof(*slice));
    if (span->kind < FGI_SPAN_KERNEL || span->kind > FGI_SPAN_READ ||
        span->end_ns < span->start_ns ||
        span->start_ns + CLOCK_ERROR_NS < feeder->spans.opened_ns ||
        span->end_ns > fgi_now_ns() + CLOCK_ERROR_NS ||
        span->bytes > INT64_MAX ||
        (is_copy && span->detail >= FGI_MEMORY_KINDS) ||
        (span->kind != FGI_SPAN_READ &&
         !find_gpu(feeder, span->device, &slice->gpu))) {
        return false;
    }
    slice->start_ns = span->start_ns;
    slice->end_ns = span->end_ns;
    slice->bytes = span->bytes;
    slice->kind = (uint8_t)span->kind;
    slice->memory = is_copy ? (uint8_t)span->detail : 0;
    return true;
}

static void find_path(struct fg_feeder *feeder, uint32_t index,
                      char path[PATH_BYTES])
{
    const char *found = NULL;

    pthread_mutex_lock(&feeder->mutex);
    if (index < feeder->files.count) {
        found = feeder->files.records[index].path;
    }
    snprintf(path, PATH_BYTES, "%s", found != NULL ? found : "");
    pthread_mutex_unlock(&feeder->mutex);
}

static void show(struct fg_feeder *feeder, const struct fgi_span *span,
                 const struct fgi_slice *slice)
{
    char path[PATH_BYTES] = "";
    struct fg_feeder_span shown = {
        .kind = (enum fg_feeder_span_kind)(slice->kind - FGI_SPAN_KERNEL),
        .memory = (enum fg_feeder_memory)slice->memory,
        .pid = span->pid,
        .gpu = slice->gpu,
        .lane = span->stream,
        .start_ns = slice->start_ns,
        .end_ns = slice->end_ns,
        .bytes = slice->bytes,
        .path = path,
    };

    if (slice->kind == FGI_SPAN_READ) {
        find_path(feeder, span->detail, path);
    }
    feeder->config.span(&shown, feeder->config.span_context);
}

static void take_one(struct fg_feeder *feeder, const struct fgi_span *span)
{
    struct fgi_slice slice;

    if (!make_slice(feeder, span, &slice)) {
        fgi_count(&feeder->spans.wrong, 1);
        return;
    }
    fgi_count(&feeder->spans.taken, 1);
    /* Without a GPU there is nothing that reads could keep from working. */
    if (atomic_load(&feeder->share.view.board->recorder_next) > 0) {
        fgi_timeline_add(&feeder->spans.timeline, &slice);
    }
    if (feeder->config.span != NULL) {
        show(feeder, span, &slice);
    }
}

/* Where programs are; our own place is moved if that cannot be right. */
static uint64_t find_tail(struct fg_feeder *feeder)
{
    const struct fgi_board_view *view = &feeder->share.view;
    uint64_t room = (uint64_t)view->span_mask + 1;
    uint64_t tail = atomic_load(&view->board->span_tail);
    struct fgi_spans *spans = &feeder->spans;

    if (tail < spans->head) {
        spans->head = tail;
    } else if (tail - spans->head > room) {
        fgi_count(&spans->lost, tail - spans->head - room);
        spans->head = tail - room;
    }
    return tail;
}

/* The copy's sequence is not head + 1: it is not there yet, or overwritten. */
static uint64_t copy_span(const struct fgi_board_view *view, uint64_t head,
                          struct fgi_span *copy)
{
    struct fgi_span *span = &view->spans[head & view->span_mask];
    uint64_t sequence =
        atomic_load_explicit(&span->sequence, memory_order_acquire);

    if (sequence == head + 1) {
        memcpy(copy, span, sizeof(*copy));
        /* To change nothing, but after all of the copy. */
        sequence = atomic_fetch_or(&span->sequence, 0);
    }
    return sequence;
}

/* True: there may be more. */
static bool drain(struct fg_feeder *feeder, uint64_t now_ns, bool is_final)
{
    struct fgi_spans *spans = &feeder->spans;
    uint64_t tail = find_tail(feeder);
    uint64_t end = fgi_min(tail, spans->head + SPANS_AT_ONCE);
    bool is_late = is_final || (spans->stuck_ns != 0 &&
                                now_ns - spans->stuck_ns > STUCK_NS);

    while (spans->head != end) {
        struct fgi_span span = {.kind = 0};
        uint64_t sequence = copy_span(&feeder->share.view, spans->head, &span);

        if (sequence < spans->head + 1 && !is_late) {
            spans->stuck_ns = spans->stuck_ns == 0 ? now_ns : spans->stuck_ns;
            return false;
        }
        spans->head++;
        if (sequence == spans->head) {
            take_one(feeder, &span);
        } else {
            fgi_count(&spans->lost, 1);
        }
    }
    spans->stuck_ns = 0;
    return end != tail;
}

bool fgi_spans_run(struct fg_feeder *feeder, bool is_final)
{
    bool has_more;

    pthread_mutex_lock(&feeder->spans.mutex);
    has_more = drain(feeder, fgi_now_ns(), is_final);
    pthread_mutex_unlock(&feeder->spans.mutex);
    return has_more;
}
