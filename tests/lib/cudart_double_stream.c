/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The double's streams, events, copies and kernels.
 *
 * A stream is a thread and a list of operations. An event points to its last
 * record; recording again gives it a new one, and a stream that waits for the
 * old one keeps waiting for that. Records are counted by reference.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gpu/cuda_kernels.h"
#include "runtime/base/clock.h"
#include "tests/lib/cudart_double.h"

/* The device's clock began at another time than the host's. */
#define CLOCK_ORIGIN_NS UINT64_C(123456789)

struct record {
    unsigned references; /* of the event and of operations */
    bool is_done;
    uint64_t device_ns; /* when, on the device's clock */
};

struct CUevent_st {
    unsigned flags;
    int device;
    struct record *record; /* the last, or NULL */
};

enum kind { COPY, RECORD, WAIT, SPIN, HASH };

struct operation {
    enum kind kind;
    struct record *record; /* RECORD, WAIT */
    void *to;              /* COPY, HASH */
    const void *from;      /* COPY, HASH */
    size_t bytes;          /* COPY, HASH */
    bool is_from_device;   /* COPY */
    uint64_t duration_ns;  /* SPIN */
    struct operation *next;
};

struct CUstream_st {
    int device;
    pthread_t thread;
    struct operation *first; /* queue; the first is being done */
    struct operation **last; /* where the next is linked */
    bool is_stopping;
    struct CUstream_st *next; /* in the list of all */
};

static struct CUstream_st *all_streams; /* under the mutex */
/* Behind the NULL, legacy and per-thread handles of each device. */
static struct CUstream_st *default_streams[8];

static void unreference(struct record *record)
{
    if (record != NULL && --record->references == 0) {
        free(record);
    }
}

/* A copy's memory as it is when its turn comes. Under the mutex. */
static bool is_still_there(const struct operation *op)
{
    if (op->is_from_device) {
        return cudart_double_is_allocated(op->from, op->bytes);
    }
    return cudart_double_is_allocated(op->to, op->bytes) &&
           cudart_double_is_registered(op->from, op->bytes);
}

/* Do a copy. Under the mutex, but for the bytes. */
static void do_copy(const struct operation *op)
{
    if (!is_still_there(op)) {
        cudart_double_violations++;
        return;
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    memcpy(op->to, op->from, op->bytes);
    pthread_mutex_lock(&cudart_double_mutex);
}

/* Do one operation. Under the mutex, left while it takes its time. */
static void execute(struct operation *op)
{
    uint64_t hash;

    switch (op->kind) {
    case COPY:
        do_copy(op);
        break;
    case RECORD:
        op->record->device_ns = fgi_now_ns() - CLOCK_ORIGIN_NS;
        op->record->is_done = true;
        break;
    case WAIT:
        while (!op->record->is_done) {
            pthread_cond_wait(&cudart_double_moved, &cudart_double_mutex);
        }
        break;
    case SPIN:
        pthread_mutex_unlock(&cudart_double_mutex);
        fgi_sleep_until(fgi_now_ns() + op->duration_ns);
        pthread_mutex_lock(&cudart_double_mutex);
        break;
    case HASH:
        hash = fgi_hash_host(op->from, op->bytes);
        memcpy(op->to, &hash, sizeof(hash));
        break;
    }
}

static void dawdle(void)
{
    unsigned delay_us = cudart_double_delay_us();

    if (delay_us > 0) {
        pthread_mutex_unlock(&cudart_double_mutex);
        usleep(delay_us);
        pthread_mutex_lock(&cudart_double_mutex);
    }
}

static bool may_start(const struct CUstream_st *stream)
{
    return stream->first != NULL && !cudart_double_is_held;
}

static void *stream_main(void *context)
{
    struct CUstream_st *stream = context;

    pthread_mutex_lock(&cudart_double_mutex);
    while (stream->first != NULL || !stream->is_stopping) {
        struct operation *op = stream->first;

        if (!may_start(stream)) {
            pthread_cond_wait(&cudart_double_moved, &cudart_double_mutex);
            continue;
        }
        /* A thousand empty steps need not each be late. */
        if (op->kind != SPIN && op->kind != RECORD) {
            dawdle();
        }
        execute(op);
        stream->first = op->next;
        if (stream->first == NULL) {
            stream->last = &stream->first;
        }
        unreference(op->record);
        free(op);
        pthread_cond_broadcast(&cudart_double_moved);
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return NULL;
}

/* Make a stream of the current device. Under the mutex. */
static struct CUstream_st *make_stream(void)
{
    struct CUstream_st *stream = calloc(1, sizeof(*stream));

    stream->device = cudart_double_current();
    stream->last = &stream->first;
    stream->next = all_streams;
    all_streams = stream;
    if (pthread_create(&stream->thread, NULL, stream_main, stream) != 0) {
        abort();
    }
    return stream;
}

/* The stream behind a handle; NULL when it is no stream. Under the mutex. */
static struct CUstream_st *resolve(cudaStream_t handle)
{
    int device = cudart_double_current();
    struct CUstream_st *stream = all_streams;

    if (handle == NULL || handle == cudaStreamLegacy ||
        handle == cudaStreamPerThread) {
        if (default_streams[device] == NULL) {
            default_streams[device] = make_stream();
        }
        return default_streams[device];
    }
    while (stream != NULL && stream != handle) {
        stream = stream->next;
    }
    return stream;
}

/* Drain and end a stream. Not under the mutex. */
static void end_stream(struct CUstream_st *stream)
{
    struct CUstream_st **link = &all_streams;

    pthread_mutex_lock(&cudart_double_mutex);
    stream->is_stopping = true;
    pthread_cond_broadcast(&cudart_double_moved);
    pthread_mutex_unlock(&cudart_double_mutex);
    pthread_join(stream->thread, NULL);
    pthread_mutex_lock(&cudart_double_mutex);
    while (*link != stream) {
        link = &(*link)->next;
    }
    *link = stream->next;
    pthread_mutex_unlock(&cudart_double_mutex);
    free(stream);
}

void cudart_double_finish(void)
{
    for (size_t i = 0; i < 8; i++) {
        if (default_streams[i] != NULL) {
            end_stream(default_streams[i]);
            default_streams[i] = NULL;
        }
    }
}

/* Queue an operation; takes a reference of its record. Under the mutex. */
static void put(struct CUstream_st *stream, const struct operation *op)
{
    struct operation *copy = malloc(sizeof(*copy));

    *copy = *op;
    copy->next = NULL;
    if (copy->record != NULL) {
        copy->record->references++;
    }
    *stream->last = copy;
    stream->last = &copy->next;
    pthread_cond_broadcast(&cudart_double_moved);
}

static void wait_idle(struct CUstream_st *stream)
{
    while (stream->first != NULL) {
        pthread_cond_wait(&cudart_double_moved, &cudart_double_mutex);
    }
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    cudaError_t code = cudart_double_enter("cudaStreamCreateWithFlags");

    if (code != cudaSuccess) {
        return code;
    }
    if (flags != cudaStreamNonBlocking) {
        return cudart_double_error(cudaErrorInvalidValue);
    }
    pthread_mutex_lock(&cudart_double_mutex);
    *stream = make_stream();
    cudart_double_live.streams++;
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    end_stream(stream);
    pthread_mutex_lock(&cudart_double_mutex);
    cudart_double_live.streams--;
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle)
{
    cudaError_t code = cudart_double_enter("cudaStreamSynchronize");
    struct CUstream_st *stream;

    if (code != cudaSuccess) {
        return code;
    }
    pthread_mutex_lock(&cudart_double_mutex);
    stream = resolve(handle);
    if (stream != NULL) {
        wait_idle(stream);
    } else {
        code = cudaErrorInvalidResourceHandle;
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event,
                                unsigned flags)
{
    cudaError_t code = cudart_double_enter("cudaStreamWaitEvent");
    struct CUstream_st *stream;

    if (code != cudaSuccess) {
        return code;
    }
    pthread_mutex_lock(&cudart_double_mutex);
    stream = resolve(handle);
    if (stream == NULL || flags != 0) {
        code = cudaErrorInvalidResourceHandle;
    } else if (event->record != NULL) {
        put(stream, &(struct operation){.kind = WAIT, .record = event->record});
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    cudaError_t code = cudart_double_enter("cudaEventCreateWithFlags");
    struct CUevent_st *made;

    if (code != cudaSuccess) {
        return code;
    }
    made = calloc(1, sizeof(*made));
    made->flags = flags;
    made->device = cudart_double_current();
    pthread_mutex_lock(&cudart_double_mutex);
    cudart_double_live.events++;
    pthread_mutex_unlock(&cudart_double_mutex);
    *event = made;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    pthread_mutex_lock(&cudart_double_mutex);
    unreference(event->record);
    cudart_double_live.events--;
    pthread_mutex_unlock(&cudart_double_mutex);
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle)
{
    cudaError_t code = cudart_double_enter("cudaEventRecord");
    struct CUstream_st *stream;

    if (code != cudaSuccess) {
        return code;
    }
    pthread_mutex_lock(&cudart_double_mutex);
    stream = resolve(handle);
    if (stream == NULL || stream->device != event->device) {
        code = cudaErrorInvalidResourceHandle;
    } else {
        unreference(event->record);
        event->record = calloc(1, sizeof(*event->record));
        event->record->references = 1;
        put(stream,
            &(struct operation){.kind = RECORD, .record = event->record});
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    cudaError_t code = cudart_double_enter_unsafe("cudaEventQuery");

    if (code != cudaSuccess) {
        return code;
    }
    pthread_mutex_lock(&cudart_double_mutex);
    if (event->record != NULL && !event->record->is_done) {
        code = cudaErrorNotReady;
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    cudaError_t code = cudart_double_enter_unsafe("cudaEventSynchronize");
    struct record *record;

    if (code != cudaSuccess) {
        return code;
    }
    pthread_mutex_lock(&cudart_double_mutex);
    record = event->record;
    if (record != NULL) {
        record->references++;
        while (!record->is_done) {
            pthread_cond_wait(&cudart_double_moved, &cudart_double_mutex);
        }
        unreference(record);
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudaSuccess;
}

static bool has_time(const struct CUevent_st *event)
{
    return (event->flags & cudaEventDisableTiming) == 0 &&
           event->record != NULL;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    cudaError_t code = cudart_double_enter("cudaEventElapsedTime");

    if (code != cudaSuccess) {
        return code;
    }
    pthread_mutex_lock(&cudart_double_mutex);
    if (!has_time(start) || !has_time(end)) {
        code = cudaErrorInvalidResourceHandle;
    } else if (!start->record->is_done || !end->record->is_done) {
        code = cudaErrorNotReady;
    } else {
        int64_t ns =
            (int64_t)(end->record->device_ns - start->record->device_ns);

        *ms = (float)((double)ns / 1e6);
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

/* May this copy be given? Under the mutex. */
static cudaError_t check_copy(const struct CUstream_st *stream,
                              const struct operation *op)
{
    if (stream == NULL) {
        return cudaErrorInvalidResourceHandle;
    }
    return is_still_there(op) ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes,
                            enum cudaMemcpyKind kind, cudaStream_t handle)
{
    cudaError_t code = cudart_double_enter("cudaMemcpyAsync");
    struct operation op = {
        .kind = COPY, .to = to, .from = from, .bytes = bytes};
    struct CUstream_st *stream;

    if (code != cudaSuccess) {
        return code;
    }
    op.is_from_device = kind == cudaMemcpyDeviceToHost;
    pthread_mutex_lock(&cudart_double_mutex);
    stream = resolve(handle);
    code = check_copy(stream, &op);
    if (code == cudaSuccess) {
        put(stream, &op);
        /* To memory that is not pinned CUDA copies before it returns. */
        if (op.is_from_device && !cudart_double_is_registered(to, bytes)) {
            wait_idle(stream);
        }
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

/* A kernel goes to a stream of the current device only. */
static cudaError_t launch(void *handle, const struct operation *op)
{
    cudaError_t code = cudart_double_enter("cudaLaunchKernel");
    struct CUstream_st *stream;

    if (code != cudaSuccess) {
        return code;
    }
    pthread_mutex_lock(&cudart_double_mutex);
    stream = resolve(handle);
    if (stream != NULL && stream->device == cudart_double_current()) {
        put(stream, op);
    } else {
        code = cudaErrorInvalidResourceHandle;
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

int fgi_cuda_spin(void *stream, uint64_t duration_ns)
{
    return (int)launch(
        stream, &(struct operation){.kind = SPIN, .duration_ns = duration_ns});
}

int fgi_cuda_hash(void *stream, const void *data, uint64_t bytes,
                  uint64_t *hash)
{
    return (int)launch(
        stream, &(struct operation){
                    .kind = HASH, .to = hash, .from = data, .bytes = bytes});
}
