/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the emulated device: what its files share.
 *
 *     emulated.c          open, close, memory, the vtable
 *     emulated_time.c     streams, events, copies and compute as timelines
 *     emulated_mover.c    the threads that move the bytes
 *     emulated_profile.c  names and numbers
 */
#ifndef FGI_GPU_EMULATED_H
#define FGI_GPU_EMULATED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/device.h"
#include "gpu/place.h"
#include "gpu/spans.h"
#include "runtime/base/thread.h"

/* The numbers that make one device differ from another. */
struct fgi_emulated_profile {
    char name[64];           /* "h100", or the custom text */
    double copy_bytes_per_s; /* of one direction of the link */
    uint64_t latency_ns;     /* every copy costs this much more */
    uint64_t memory_bytes;   /* device memory */
    struct fgi_place place;  /* where it says it hangs */
};

/* Numbers of `spec`: "", a profile, "key=value" items, or both. */
enum fg_status fgi_emulated_profile_parse(const char *spec,
                                          struct fgi_emulated_profile *profile,
                                          struct fg_error *err);

/* How long a copy of `bytes` keeps its engine busy. */
uint64_t fgi_emulated_copy_ns(const struct fgi_emulated_profile *profile,
                              size_t bytes);

/* Directions, each with a copy engine of its own as GPUs have. */
enum fgi_way {
    FGI_TO_DEVICE = 0,
    FGI_TO_HOST = 1,
    FGI_WAYS = 2,
};

/*
 * How many moves of each way must be done before a point on a timeline has
 * really passed. All zero where only time is emulated.
 */
struct fgi_moves {
    uint64_t count[FGI_WAYS]; /* running number of the last move, from 1 */
};

#define FGI_MOVER_JOBS 1024u /* moves queued at most; a power of two */

/* One copy of bytes, done at due_ns. */
struct fgi_job {
    void *to;         /* borrowed until done */
    const void *from; /* borrowed until done */
    size_t bytes;
    uint64_t due_ns;       /* end of the copy's interval */
    uint64_t other_before; /* moves of the other way that come first */
};

/*
 * The engine of one way: a thread and its queue. Jobs are done in the order
 * they were put, at or after their due time.
 */
struct fgi_mover {
    struct fgi_job jobs[FGI_MOVER_JOBS]; /* by number modulo the size */
    _Atomic uint64_t put;     /* jobs put so far; under the device's mutex */
    _Atomic uint64_t done;    /* jobs done so far; the thread's */
    _Atomic bool is_stopping; /* leave once the queue is empty */
    struct fgi_gate work;     /* moves when a job is put */
    struct fgi_gate progress; /* moves when one is done */
    struct fgi_mover *other;  /* the other way's; borrowed */
    struct fgi_thread thread;
};

enum fg_status fgi_mover_start(struct fgi_mover *mover, const char *name,
                               struct fgi_mover *other, struct fg_error *err);
/* Do what is queued, then end the thread. Zeroed: does nothing. */
void fgi_mover_stop(struct fgi_mover *mover);
bool fgi_mover_is_full(struct fgi_mover *mover);
/* Put a job (copied) and return its number. Not full; under the mutex. */
uint64_t fgi_mover_put(struct fgi_mover *mover, const struct fgi_job *job);
/* Have the first `count` moves been done? */
bool fgi_mover_is_done(struct fgi_mover *mover, uint64_t count);
/* Block until they have. */
void fgi_mover_wait(struct fgi_mover *mover, uint64_t count);

/* A point on the timeline: what a stream ends at, what an event stands for. */
struct fgi_point {
    uint64_t at_ns;         /* CLOCK_MONOTONIC */
    struct fgi_moves moves; /* and these moves done */
};

struct fgi_emulated_stream {
    struct fgi_point tail;  /* where the work given so far ends */
    struct fgi_spans spans; /* its compute steps */
};

struct fgi_emulated_event {
    struct fgi_point point; /* zeroed: never recorded, has passed */
    bool can_sleep;         /* synchronize may be late, but must not spin */
};

struct fgi_emulated {
    struct fg_device base; /* first: the public handle */
    struct fgi_emulated_profile profile;
    bool moves_bytes;         /* not FG_DEVICE_TIME_ONLY */
    uint32_t fork_generation; /* of the process that opened it */
    pthread_mutex_t mutex;    /* guards everything below, never held long */
    uint64_t used_bytes;      /* of device memory */
    uint64_t copy_free_ns[FGI_WAYS]; /* when each copy engine is idle */
    uint64_t compute_free_ns;        /* when the compute engine is idle */
    struct fgi_emulated_stream null_stream; /* behind a NULL handle */
    struct fgi_mover *movers[FGI_WAYS];     /* owned; NULL: time only */
};

static inline struct fgi_emulated *fgi_emulated_of(struct fg_device *device)
{
    return (struct fgi_emulated *)device;
}

/* The timelines' part of the vtable; see gpu/device.h. */
enum fg_status fgi_emulated_stream_create(struct fg_device *device,
                                          bool for_copies, fg_stream *stream,
                                          struct fg_error *err);
void fgi_emulated_stream_destroy(struct fg_device *device, fg_stream stream);
enum fg_status fgi_emulated_stream_synchronize(struct fg_device *device,
                                               fg_stream stream,
                                               struct fg_error *err);
enum fg_status fgi_emulated_stream_wait(struct fg_device *device,
                                        fg_stream stream, fgi_event event,
                                        struct fg_error *err);
enum fg_status fgi_emulated_copy(struct fg_device *device, fg_stream stream,
                                 void *to, const void *from, size_t bytes,
                                 struct fg_error *err);
enum fg_status fgi_emulated_copy_back(struct fg_device *device,
                                      fg_stream stream, void *to,
                                      const void *from, size_t bytes,
                                      struct fg_error *err);
enum fg_status fgi_emulated_event_create(struct fg_device *device,
                                         bool can_sleep, fgi_event *event,
                                         struct fg_error *err);
void fgi_emulated_event_destroy(struct fg_device *device, fgi_event event);
enum fg_status fgi_emulated_event_record(struct fg_device *device,
                                         fgi_event event, fg_stream stream,
                                         struct fg_error *err);
enum fg_status fgi_emulated_event_query(struct fg_device *device,
                                        fgi_event event, bool *passed,
                                        struct fg_error *err);
enum fg_status fgi_emulated_event_synchronize(struct fg_device *device,
                                              fgi_event event,
                                              struct fg_error *err);
uint64_t fgi_emulated_event_passed_ns(struct fg_device *device,
                                      fgi_event event);
enum fg_status fgi_emulated_compute(struct fg_device *device, fg_stream stream,
                                    uint64_t duration_ns, uint64_t index,
                                    struct fg_error *err);
enum fg_status fgi_emulated_compute_span(struct fg_device *device,
                                         fg_stream stream, uint64_t index,
                                         struct fg_span *span,
                                         struct fg_error *err);

#endif /* FGI_GPU_EMULATED_H */
