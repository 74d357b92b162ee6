/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams, events, copies and compute as timelines.
 *
 * A stream is the instant at which the work given to it so far ends, its tail.
 * A piece of work starts when the host has given it, the stream's tail has
 * come and its engine is idle, whichever is last; engine and tail then move to
 * its end:
 *
 *     start = max(now, stream tail, engine idle)
 *     end   = start + duration
 *
 * Recording an event copies the stream's tail; making a stream wait for an
 * event raises the tail to the event's point. All of it is decided when the
 * work is given. It follows that, as in CUDA, a wait sees the event's last
 * record before it and none after it; and, other than in CUDA, that work given
 * later never overtakes work of another stream on the same engine, even when
 * that one still waits for an event.
 *
 * A point has passed when the clock has reached it and the bytes of the moves
 * before it have arrived. Blocking calls sleep to the absolute instant.
 */
#include <assert.h>
#include <string.h>

#include "gpu/emulated.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

static struct fgi_emulated_stream *stream_of(struct fgi_emulated *emulated,
                                             fg_stream stream)
{
    return stream != NULL ? stream : &emulated->null_stream;
}

static void raise_point(struct fgi_point *point, const struct fgi_point *to)
{
    point->at_ns = fgi_max(point->at_ns, to->at_ns);
    for (int way = 0; way < FGI_WAYS; way++) {
        point->moves.count[way] =
            fgi_max(point->moves.count[way], to->moves.count[way]);
    }
}

static bool has_passed(struct fgi_emulated *emulated,
                       const struct fgi_point *point)
{
    if (fgi_now_ns() < point->at_ns) {
        return false;
    }
    for (int way = 0; emulated->moves_bytes && way < FGI_WAYS; way++) {
        if (!fgi_mover_is_done(emulated->movers[way],
                               point->moves.count[way])) {
            return false;
        }
    }
    return true;
}

/* Never under the mutex. */
static void wait_for(struct fgi_emulated *emulated,
                     const struct fgi_point *point)
{
    fgi_sleep_until(point->at_ns);
    for (int way = 0; emulated->moves_bytes && way < FGI_WAYS; way++) {
        fgi_mover_wait(emulated->movers[way], point->moves.count[way]);
    }
}

/* A copy of a point that others may be changing. */
static struct fgi_point read_point(struct fgi_emulated *emulated,
                                   const struct fgi_point *point)
{
    struct fgi_point seen;

    pthread_mutex_lock(&emulated->mutex);
    seen = *point;
    pthread_mutex_unlock(&emulated->mutex);
    return seen;
}

enum fg_status fgi_emulated_stream_create(struct fg_device *device,
                                          bool for_copies, fg_stream *stream,
                                          struct fg_error *err)
{
    struct fgi_emulated_stream *made = fgi_alloc(1, sizeof(*made));

    (void)device;
    (void)for_copies;
    if (made == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device emulated: open a stream: got no memory");
    }
    *stream = made;
    return FG_OK;
}

void fgi_emulated_stream_destroy(struct fg_device *device, fg_stream stream)
{
    (void)device;
    fgi_free(stream);
}

enum fg_status fgi_emulated_stream_synchronize(struct fg_device *device,
                                               fg_stream stream,
                                               struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_point tail =
        read_point(emulated, &stream_of(emulated, stream)->tail);

    (void)err;
    wait_for(emulated, &tail);
    return FG_OK;
}

enum fg_status fgi_emulated_stream_wait(struct fg_device *device,
                                        fg_stream stream, fgi_event event,
                                        struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_emulated_event *own = event;

    (void)err;
    pthread_mutex_lock(&emulated->mutex);
    raise_point(&stream_of(emulated, stream)->tail, &own->point);
    pthread_mutex_unlock(&emulated->mutex);
    return FG_OK;
}

/* Take the mutex at a moment when the way's queue has room for a job. */
static void lock_with_room(struct fgi_emulated *emulated, enum fgi_way way)
{
    struct fgi_mover *mover = emulated->movers[way];

    for (;;) {
        uint32_t seen = mover != NULL ? fgi_gate_read(&mover->progress) : 0;

        pthread_mutex_lock(&emulated->mutex);
        if (mover == NULL || !fgi_mover_is_full(mover)) {
            return;
        }
        pthread_mutex_unlock(&emulated->mutex);
        fgi_gate_wait(&mover->progress, seen, FGI_NEVER);
    }
}

static void give_copy(struct fgi_emulated *emulated, fg_stream stream,
                      enum fgi_way way, struct fgi_job *job)
{
    struct fgi_point *tail = &stream_of(emulated, stream)->tail;
    uint64_t start_ns;

    lock_with_room(emulated, way);
    start_ns = fgi_max(fgi_now_ns(), tail->at_ns);
    start_ns = fgi_max(start_ns, emulated->copy_free_ns[way]);
    tail->at_ns =
        start_ns + fgi_emulated_copy_ns(&emulated->profile, job->bytes);
    emulated->copy_free_ns[way] = tail->at_ns;
    if (emulated->moves_bytes) {
        job->due_ns = tail->at_ns;
        job->other_before = tail->moves.count[1 - way];
        tail->moves.count[way] = fgi_mover_put(emulated->movers[way], job);
    }
    pthread_mutex_unlock(&emulated->mutex);
}

enum fg_status fgi_emulated_copy(struct fg_device *device, fg_stream stream,
                                 void *to, const void *from, size_t bytes,
                                 struct fg_error *err)
{
    struct fgi_job job = {.to = to, .from = from, .bytes = bytes};

    (void)err;
    give_copy(fgi_emulated_of(device), stream, FGI_TO_DEVICE, &job);
    return FG_OK;
}

enum fg_status fgi_emulated_copy_back(struct fg_device *device,
                                      fg_stream stream, void *to,
                                      const void *from, size_t bytes,
                                      struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_job job = {.to = to, .from = from, .bytes = bytes};

    if (!emulated->moves_bytes) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "device emulated: copy back %zu bytes: it was opened "
                        "with FG_DEVICE_TIME_ONLY and holds none",
                        bytes);
    }
    give_copy(emulated, stream, FGI_TO_HOST, &job);
    return FG_OK;
}

enum fg_status fgi_emulated_event_create(struct fg_device *device,
                                         bool can_sleep, fgi_event *event,
                                         struct fg_error *err)
{
    struct fgi_emulated_event *made = fgi_alloc(1, sizeof(*made));

    (void)device;
    if (made == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device emulated: create an event: got no memory");
    }
    made->can_sleep = can_sleep;
    *event = made;
    return FG_OK;
}

void fgi_emulated_event_destroy(struct fg_device *device, fgi_event event)
{
    (void)device;
    fgi_free(event);
}

enum fg_status fgi_emulated_event_record(struct fg_device *device,
                                         fgi_event event, fg_stream stream,
                                         struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_emulated_event *own = event;

    (void)err;
    pthread_mutex_lock(&emulated->mutex);
    own->point = stream_of(emulated, stream)->tail;
    /* On an idle stream the event passes now, not when it last had work. */
    own->point.at_ns = fgi_max(own->point.at_ns, fgi_now_ns());
    pthread_mutex_unlock(&emulated->mutex);
    return FG_OK;
}

enum fg_status fgi_emulated_event_query(struct fg_device *device,
                                        fgi_event event, bool *passed,
                                        struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_emulated_event *own = event;
    struct fgi_point point = read_point(emulated, &own->point);

    (void)err;
    *passed = has_passed(emulated, &point);
    return FG_OK;
}

enum fg_status fgi_emulated_event_synchronize(struct fg_device *device,
                                              fgi_event event,
                                              struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_emulated_event *own = event;
    struct fgi_point point = read_point(emulated, &own->point);
    uint64_t now_ns = fgi_now_ns();

    (void)err;
    if (own->can_sleep && point.at_ns > now_ns) {
        fgi_sleep_ns(point.at_ns - now_ns);
    }
    wait_for(emulated, &point);
    return FG_OK;
}

uint64_t fgi_emulated_event_passed_ns(struct fg_device *device, fgi_event event)
{
    struct fgi_emulated_event *own = event;

    return read_point(fgi_emulated_of(device), &own->point).at_ns;
}

/*
 * A device takes only so many launches ahead; here as many as a stream keeps
 * spans. Wait until the step whose place is needed has ended.
 */
static void wait_for_place(struct fgi_emulated *emulated,
                           struct fgi_emulated_stream *own, uint64_t index)
{
    uint64_t end_ns;

    pthread_mutex_lock(&emulated->mutex);
    end_ns = fgi_spans_place(&own->spans, index)->span.end_ns;
    pthread_mutex_unlock(&emulated->mutex);
    fgi_sleep_until(end_ns);
}

enum fg_status fgi_emulated_compute(struct fg_device *device, fg_stream stream,
                                    uint64_t duration_ns, uint64_t index,
                                    struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_emulated_stream *own = stream;
    uint64_t start_ns;

    if (own == NULL) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device emulated: compute: got a foreign stream, "
                        "wanted one that fg_stream_open made");
    }
    wait_for_place(emulated, own, index);
    pthread_mutex_lock(&emulated->mutex);
    start_ns = fgi_max(fgi_now_ns(), own->tail.at_ns);
    start_ns = fgi_max(start_ns, emulated->compute_free_ns);
    own->tail.at_ns = start_ns + duration_ns;
    emulated->compute_free_ns = own->tail.at_ns;
    fgi_spans_put(&own->spans, index, start_ns, own->tail.at_ns);
    pthread_mutex_unlock(&emulated->mutex);
    return FG_OK;
}

enum fg_status fgi_emulated_compute_span(struct fg_device *device,
                                         fg_stream stream, uint64_t index,
                                         struct fg_span *span,
                                         struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    struct fgi_emulated_stream *own = stream;
    struct fg_span kept;
    bool is_kept = false;

    if (own != NULL) {
        pthread_mutex_lock(&emulated->mutex);
        is_kept = fgi_spans_get(&own->spans, index, &kept);
        pthread_mutex_unlock(&emulated->mutex);
    }
    if (!is_kept) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device emulated: span: got step %llu, wanted one of "
                        "the stream's last %u",
                        (unsigned long long)index, FG_COMPUTE_SPANS_MAX);
    }
    fgi_sleep_until(kept.end_ns);
    *span = kept;
    return FG_OK;
}
