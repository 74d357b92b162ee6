/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cuda device: memory, streams, events and copies of the CUDA runtime.
 *
 * Its streams are non-blocking, so that they never synchronize with the legacy
 * stream by themselves: who consumes on that one waits by event like anyone
 * else. Any stream of the program's may be given, the NULL, legacy and
 * per-thread handles too; only computing needs one of ours. Events carry no
 * timing, which makes waiting for them and querying them cheap.
 *
 * Destroying things can block on the driver's locks, so nothing is destroyed
 * in the steady state or under our mutex. At exit, when cudart has unloaded,
 * the destroying calls fail without harm and what they leave the driver frees.
 */
#include "gpu/cuda_device.h"

#include <assert.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"

enum cudaStreamCaptureMode fgi_cuda_relax(void)
{
    enum cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;

    (void)cudaThreadExchangeStreamCaptureMode(&mode);
    return mode;
}

void fgi_cuda_restore(enum cudaStreamCaptureMode before)
{
    (void)cudaThreadExchangeStreamCaptureMode(&before);
}

/* A call that must not fail for reasons of ours; clear what it left. */
static void ignore(cudaError_t code)
{
    if (code != cudaSuccess) {
        (void)cudaGetLastError();
    }
}

static void cuda_get_info(const struct fg_device *device,
                          struct fg_device_info *info)
{
    const struct fgi_cuda *cuda = (const void *)device;

    *info = cuda->info;
}

static enum fg_status cuda_bind_thread(struct fg_device *device,
                                       struct fg_error *err)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);
    cudaError_t code;

    if (!fgi_cuda_is_ours(cuda)) {
        return fgi_fail(err, FG_ERR_STATE,
                        "device cuda:%d: use: got a forked child, wanted the "
                        "process that opened it (CUDA does not survive fork)",
                        cuda->ordinal);
    }
    code = cudaSetDevice(cuda->ordinal);
    if (code != cudaSuccess) {
        return fgi_cuda_fail(cuda, code, err, "cudaSetDevice", "use");
    }
    return FG_OK;
}

static enum fg_status cuda_pin(struct fg_device *device, void *base,
                               size_t bytes, struct fg_error *err)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);
    enum cudaStreamCaptureMode mode = fgi_cuda_relax();
    cudaError_t code = cudaHostRegister(base, bytes, cudaHostRegisterPortable);

    fgi_cuda_restore(mode);
    if (code != cudaSuccess) {
        return fgi_cuda_fail(cuda, code, err, "cudaHostRegister",
                             "pin %zu bytes", bytes);
    }
    return FG_OK;
}

static void cuda_unpin(struct fg_device *device, void *base, size_t bytes)
{
    (void)bytes;
    if (fgi_cuda_is_ours(fgi_cuda_of(device))) {
        enum cudaStreamCaptureMode mode = fgi_cuda_relax();

        ignore(cudaHostUnregister(base));
        fgi_cuda_restore(mode);
    }
}

static enum fg_status cuda_alloc(struct fg_device *device, size_t bytes,
                                 void **memory, struct fg_error *err)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);
    enum cudaStreamCaptureMode mode;
    void *made = NULL;
    cudaError_t code;

    assert(bytes > 0);
    mode = fgi_cuda_relax();
    code = cudaMalloc(&made, bytes);
    fgi_cuda_restore(mode);
    if (code != cudaSuccess) {
        return fgi_cuda_fail(cuda, code, err, "cudaMalloc", "alloc %zu bytes",
                             bytes);
    }
    *memory = made;
    return FG_OK;
}

static void cuda_free(struct fg_device *device, void *memory, size_t bytes)
{
    (void)bytes;
    if (memory != NULL && fgi_cuda_is_ours(fgi_cuda_of(device))) {
        enum cudaStreamCaptureMode mode = fgi_cuda_relax();

        ignore(cudaFree(memory));
        fgi_cuda_restore(mode);
    }
}

struct fgi_cuda_stream *fgi_cuda_find(struct fgi_cuda *cuda, fg_stream stream)
{
    struct fgi_cuda_stream *own = cuda->streams;

    while (own != NULL && own->handle != (cudaStream_t)stream) {
        own = own->next;
    }
    return own;
}

static enum fg_status cuda_stream_create(struct fg_device *device,
                                         bool for_copies, fg_stream *stream,
                                         struct fg_error *err)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);
    struct fgi_cuda_stream *own = fgi_alloc(1, sizeof(*own));
    cudaError_t code;

    /* Priorities would be ignored: they do not apply to copies. */
    (void)for_copies;
    if (own == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device cuda:%d: open a stream: got no memory",
                        cuda->ordinal);
    }
    code = cudaStreamCreateWithFlags(&own->handle, cudaStreamNonBlocking);
    if (code != cudaSuccess) {
        fgi_free(own);
        return fgi_cuda_fail(cuda, code, err, "cudaStreamCreateWithFlags",
                             "open a stream");
    }
    pthread_mutex_lock(&cuda->mutex);
    own->next = cuda->streams;
    cuda->streams = own;
    pthread_mutex_unlock(&cuda->mutex);
    *stream = own->handle;
    return FG_OK;
}

/* Take our record out of the list; NULL for others' streams. */
static struct fgi_cuda_stream *unlink_stream(struct fgi_cuda *cuda,
                                             fg_stream stream)
{
    struct fgi_cuda_stream **link = &cuda->streams;
    struct fgi_cuda_stream *own;

    pthread_mutex_lock(&cuda->mutex);
    while (*link != NULL && (*link)->handle != (cudaStream_t)stream) {
        link = &(*link)->next;
    }
    own = *link;
    if (own != NULL) {
        *link = own->next;
    }
    pthread_mutex_unlock(&cuda->mutex);
    return own;
}

static void cuda_stream_destroy(struct fg_device *device, fg_stream stream)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);
    struct fgi_cuda_stream *own;

    if (!fgi_cuda_is_ours(cuda)) {
        return;
    }
    own = unlink_stream(cuda, stream);
    if (own != NULL) {
        ignore(cudaStreamDestroy(own->handle));
        fgi_cuda_steps_destroy(own->steps);
        fgi_free(own);
    }
}

static enum fg_status cuda_stream_synchronize(struct fg_device *device,
                                              fg_stream stream,
                                              struct fg_error *err)
{
    cudaError_t code = cudaStreamSynchronize((cudaStream_t)stream);

    if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err,
                             "cudaStreamSynchronize", "wait for a stream");
    }
    return FG_OK;
}

static enum fg_status cuda_stream_wait(struct fg_device *device,
                                       fg_stream stream, fgi_event event,
                                       struct fg_error *err)
{
    cudaError_t code =
        cudaStreamWaitEvent((cudaStream_t)stream, (cudaEvent_t)event, 0);

    if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err,
                             "cudaStreamWaitEvent",
                             "order a stream behind an event");
    }
    return FG_OK;
}

static enum fg_status cuda_copy(struct fg_device *device, fg_stream stream,
                                void *to, const void *from, size_t bytes,
                                struct fg_error *err)
{
    cudaError_t code = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice,
                                       (cudaStream_t)stream);

    if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err, "cudaMemcpyAsync",
                             "copy %zu bytes", bytes);
    }
    return FG_OK;
}

static enum fg_status cuda_copy_back(struct fg_device *device, fg_stream stream,
                                     void *to, const void *from, size_t bytes,
                                     struct fg_error *err)
{
    cudaError_t code = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost,
                                       (cudaStream_t)stream);

    if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err, "cudaMemcpyAsync",
                             "copy back %zu bytes", bytes);
    }
    return FG_OK;
}

static enum fg_status cuda_event_create(struct fg_device *device,
                                        bool can_sleep, fgi_event *event,
                                        struct fg_error *err)
{
    unsigned flags = cudaEventDisableTiming |
                     (can_sleep ? (unsigned)cudaEventBlockingSync : 0);
    cudaEvent_t made = NULL;
    cudaError_t code = cudaEventCreateWithFlags(&made, flags);

    if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err,
                             "cudaEventCreateWithFlags", "create an event");
    }
    *event = made;
    return FG_OK;
}

static void cuda_event_destroy(struct fg_device *device, fgi_event event)
{
    if (event != NULL && fgi_cuda_is_ours(fgi_cuda_of(device))) {
        ignore(cudaEventDestroy((cudaEvent_t)event));
    }
}

static enum fg_status cuda_event_record(struct fg_device *device,
                                        fgi_event event, fg_stream stream,
                                        struct fg_error *err)
{
    cudaError_t code =
        cudaEventRecord((cudaEvent_t)event, (cudaStream_t)stream);

    if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err, "cudaEventRecord",
                             "record an event");
    }
    return FG_OK;
}

static enum fg_status cuda_event_query(struct fg_device *device,
                                       fgi_event event, bool *passed,
                                       struct fg_error *err)
{
    enum cudaStreamCaptureMode mode = fgi_cuda_relax();
    cudaError_t code = cudaEventQuery((cudaEvent_t)event);

    fgi_cuda_restore(mode);
    if (code == cudaErrorNotReady) {
        /* An answer, not an error; some versions record it all the same. */
        (void)cudaGetLastError();
    } else if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err, "cudaEventQuery",
                             "ask for an event");
    }
    *passed = code == cudaSuccess;
    return FG_OK;
}

static enum fg_status cuda_event_synchronize(struct fg_device *device,
                                             fgi_event event,
                                             struct fg_error *err)
{
    enum cudaStreamCaptureMode mode = fgi_cuda_relax();
    cudaError_t code = cudaEventSynchronize((cudaEvent_t)event);

    fgi_cuda_restore(mode);
    if (code != cudaSuccess) {
        return fgi_cuda_fail(fgi_cuda_of(device), code, err,
                             "cudaEventSynchronize", "wait for an event");
    }
    return FG_OK;
}

static uint64_t cuda_event_passed_ns(struct fg_device *device, fgi_event event)
{
    (void)device;
    (void)event;
    return 0;
}

const struct fgi_device_ops fgi_cuda_ops = {
    .kind = "cuda",
    .is_host = false,
    .get_info = cuda_get_info,
    .bind_thread = cuda_bind_thread,
    .pin = cuda_pin,
    .unpin = cuda_unpin,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .stream_create = cuda_stream_create,
    .stream_destroy = cuda_stream_destroy,
    .stream_synchronize = cuda_stream_synchronize,
    .stream_wait = cuda_stream_wait,
    .copy = cuda_copy,
    .copy_back = cuda_copy_back,
    .event_create = cuda_event_create,
    .event_destroy = cuda_event_destroy,
    .event_record = cuda_event_record,
    .event_query = cuda_event_query,
    .event_synchronize = cuda_event_synchronize,
    .event_passed_ns = cuda_event_passed_ns,
    .compute = fgi_cuda_compute,
    .compute_span = fgi_cuda_compute_span,
    .close = fgi_cuda_close,
};
