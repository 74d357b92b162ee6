/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compute steps on cuda, and when they ran on the host's clock.
 *
 * A step is a kernel between two events with timing. Events only tell how far
 * apart they are, so one instant is needed on both clocks: an event recorded
 * on an idle stream between two readings of CLOCK_MONOTONIC. The host's time
 * of it is taken as their middle; of a few attempts the tightest one counts.
 *
 * The error of a span's place is half of that bracket (a few us), the clocks'
 * drift since (tens of ppm, so the pair is measured anew every second), and
 * the rounding of a float of milliseconds: under 50 us for a span that is asked
 * for within a few seconds of its end. Its length does not depend on any of
 * this. What is certain is kept: a step never starts before it was given, and
 * never ends after it was seen to have ended.
 *
 * The first compute on a stream makes the events of all its steps; later ones
 * allocate nothing.
 */
#include "gpu/cuda_device.h"
#include "gpu/cuda_kernels.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define CLOCK_AGE_MAX_NS FGI_NS_PER_S
#define CLOCK_ATTEMPTS 5

static void destroy_event(cudaEvent_t event)
{
    if (event != NULL && cudaEventDestroy(event) != cudaSuccess) {
        (void)cudaGetLastError();
    }
}

void fgi_cuda_steps_destroy(struct fgi_cuda_step *steps)
{
    for (size_t i = 0; steps != NULL && i < FG_COMPUTE_SPANS_MAX; i++) {
        destroy_event(steps[i].start);
        destroy_event(steps[i].end);
    }
    fgi_free(steps);
}

void fgi_cuda_clock_fini(struct fgi_cuda_clock *clock)
{
    destroy_event(clock->event);
    destroy_event(clock->spare);
    if (clock->stream != NULL &&
        cudaStreamDestroy(clock->stream) != cudaSuccess) {
        (void)cudaGetLastError();
    }
    *clock = (struct fgi_cuda_clock){0};
}

static enum fg_status make_steps(struct fgi_cuda *cuda,
                                 struct fgi_cuda_stream *own,
                                 struct fg_error *err)
{
    struct fgi_cuda_step *steps =
        fgi_alloc(FG_COMPUTE_SPANS_MAX, sizeof(*steps));
    cudaError_t code = cudaSuccess;

    if (steps == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device cuda:%d: compute: got no memory",
                        cuda->ordinal);
    }
    for (size_t i = 0; i < FG_COMPUTE_SPANS_MAX && code == cudaSuccess; i++) {
        code = cudaEventCreateWithFlags(&steps[i].start, cudaEventDefault);
        if (code == cudaSuccess) {
            code =
                cudaEventCreateWithFlags(&steps[i].end, cudaEventBlockingSync);
        }
    }
    if (code != cudaSuccess) {
        fgi_cuda_steps_destroy(steps);
        return fgi_cuda_fail(cuda, code, err, "cudaEventCreateWithFlags",
                             "compute");
    }
    own->steps = steps;
    return FG_OK;
}

static enum fg_status make_clock(struct fgi_cuda *cuda, struct fg_error *err)
{
    struct fgi_cuda_clock *clock = &cuda->clock;
    const char *call = "cudaStreamCreateWithFlags";
    cudaError_t code;

    code = cudaStreamCreateWithFlags(&clock->stream, cudaStreamNonBlocking);
    if (code == cudaSuccess) {
        call = "cudaEventCreateWithFlags";
        code = cudaEventCreateWithFlags(&clock->event, cudaEventDefault);
    }
    if (code == cudaSuccess) {
        code = cudaEventCreateWithFlags(&clock->spare, cudaEventDefault);
    }
    if (code != cudaSuccess) {
        fgi_cuda_clock_fini(clock);
        return fgi_cuda_fail(cuda, code, err, call, "compute");
    }
    return FG_OK;
}

/* One attempt: the spare event's instant is in [*before_ns, *after_ns]. */
static cudaError_t bracket(struct fgi_cuda_clock *clock, uint64_t *before_ns,
                           uint64_t *after_ns, const char **call)
{
    cudaError_t code;

    *call = "cudaEventRecord";
    *before_ns = fgi_now_ns();
    code = cudaEventRecord(clock->spare, clock->stream);
    if (code == cudaSuccess) {
        *call = "cudaEventSynchronize";
        code = cudaEventSynchronize(clock->spare);
    }
    *after_ns = fgi_now_ns();
    return code;
}

static enum fg_status measure_clock(struct fgi_cuda *cuda, struct fg_error *err)
{
    struct fgi_cuda_clock *clock = &cuda->clock;
    uint64_t best_ns = UINT64_MAX;

    for (int i = 0; i < CLOCK_ATTEMPTS; i++) {
        uint64_t before_ns;
        uint64_t after_ns;
        const char *call;
        cudaError_t code = bracket(clock, &before_ns, &after_ns, &call);

        if (code != cudaSuccess) {
            clock->host_ns = 0;
            return fgi_cuda_fail(cuda, code, err, call, "compare clocks");
        }
        if (after_ns - before_ns < best_ns) {
            cudaEvent_t beaten = clock->event;

            best_ns = after_ns - before_ns;
            clock->host_ns = before_ns + best_ns / 2;
            clock->event = clock->spare;
            clock->spare = beaten;
        }
    }
    return FG_OK;
}

/* A pair that is young enough. Under the mutex. */
static enum fg_status refresh_clock(struct fgi_cuda *cuda, struct fg_error *err)
{
    enum cudaStreamCaptureMode mode;
    enum fg_status status;

    if (cuda->clock.host_ns != 0 &&
        fgi_now_ns() - cuda->clock.host_ns < CLOCK_AGE_MAX_NS) {
        return FG_OK;
    }
    mode = fgi_cuda_relax();
    status = measure_clock(cuda, err);
    fgi_cuda_restore(mode);
    return status;
}

/* Everything that the first compute on a stream needs. Under the mutex. */
static enum fg_status prepare(struct fgi_cuda *cuda,
                              struct fgi_cuda_stream *own, struct fg_error *err)
{
    enum fg_status status = FG_OK;

    if (cuda->clock.stream == NULL) {
        status = make_clock(cuda, err);
    }
    if (status == FG_OK && own->steps == NULL) {
        status = make_steps(cuda, own, err);
    }
    return status;
}

static enum fg_status launch(struct fgi_cuda *cuda, struct fgi_cuda_stream *own,
                             uint64_t duration_ns, uint64_t index,
                             struct fg_error *err)
{
    struct fgi_cuda_step *step = &own->steps[index % FG_COMPUTE_SPANS_MAX];
    const char *call = "cudaEventRecord";
    cudaError_t code;

    step->is_set = false;
    step->given_ns = fgi_now_ns();
    code = cudaEventRecord(step->start, own->handle);
    if (code == cudaSuccess) {
        call = "cudaLaunchKernel";
        code = (cudaError_t)fgi_cuda_spin(own->handle, duration_ns);
    }
    if (code == cudaSuccess) {
        call = "cudaEventRecord";
        code = cudaEventRecord(step->end, own->handle);
    }
    if (code != cudaSuccess) {
        return fgi_cuda_fail(cuda, code, err, call, "compute");
    }
    step->index = index;
    step->is_set = true;
    return FG_OK;
}

enum fg_status fgi_cuda_compute(struct fg_device *device, fg_stream stream,
                                uint64_t duration_ns, uint64_t index,
                                struct fg_error *err)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);
    struct fgi_cuda_stream *own;
    enum fg_status status;

    pthread_mutex_lock(&cuda->mutex);
    own = fgi_cuda_find(cuda, stream);
    if (own == NULL) {
        status = fgi_fail(err, FG_ERR_ARGUMENT,
                          "device cuda:%d: compute: got a foreign stream, "
                          "wanted one that fg_stream_open made",
                          cuda->ordinal);
    } else {
        status = prepare(cuda, own, err);
    }
    if (status == FG_OK) {
        status = launch(cuda, own, duration_ns, index, err);
    }
    pthread_mutex_unlock(&cuda->mutex);
    return status;
}

/* A copy of the step, or a zeroed one. Under the mutex. */
static struct fgi_cuda_step find_step(struct fgi_cuda *cuda, fg_stream stream,
                                      uint64_t index)
{
    struct fgi_cuda_stream *own = fgi_cuda_find(cuda, stream);
    struct fgi_cuda_step step = {0};

    if (own != NULL && own->steps != NULL) {
        step = own->steps[index % FG_COMPUTE_SPANS_MAX];
        step.is_set = step.is_set && step.index == index;
    }
    return step;
}

/* Move a step of that length to where it can have been. */
static void place(struct fg_span *span, int64_t start_ns, uint64_t length_ns,
                  uint64_t given_ns)
{
    uint64_t seen_ns = fgi_now_ns();
    uint64_t latest_ns = seen_ns - fgi_min(length_ns, seen_ns);

    span->start_ns = fgi_min((uint64_t)start_ns, latest_ns);
    span->start_ns = fgi_max(span->start_ns, given_ns);
    span->end_ns = fgi_min(span->start_ns + length_ns, seen_ns);
}

/* The span of a step that has ended. Under the mutex. */
static enum fg_status map_step(struct fgi_cuda *cuda,
                               const struct fgi_cuda_step *step,
                               struct fg_span *span, struct fg_error *err)
{
    float from_clock_ms = 0;
    float length_ms = 0;
    enum fg_status status = refresh_clock(cuda, err);
    cudaError_t code;

    if (status != FG_OK) {
        return status;
    }
    code = cudaEventElapsedTime(&from_clock_ms, cuda->clock.event, step->start);
    if (code == cudaSuccess) {
        code = cudaEventElapsedTime(&length_ms, step->start, step->end);
    }
    if (code != cudaSuccess) {
        return fgi_cuda_fail(cuda, code, err, "cudaEventElapsedTime", "span");
    }
    place(span,
          (int64_t)cuda->clock.host_ns +
              (int64_t)((double)from_clock_ms * (double)FGI_NS_PER_MS),
          (uint64_t)((double)length_ms * (double)FGI_NS_PER_MS),
          step->given_ns);
    return FG_OK;
}

static enum fg_status fail_forgotten(const struct fgi_cuda *cuda,
                                     uint64_t index, struct fg_error *err)
{
    return fgi_fail(err, FG_ERR_ARGUMENT,
                    "device cuda:%d: span: got step %llu, wanted one of the "
                    "stream's last %u",
                    cuda->ordinal, (unsigned long long)index,
                    FG_COMPUTE_SPANS_MAX);
}

enum fg_status fgi_cuda_compute_span(struct fg_device *device, fg_stream stream,
                                     uint64_t index, struct fg_span *span,
                                     struct fg_error *err)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);
    struct fgi_cuda_step step;
    enum fg_status status;

    pthread_mutex_lock(&cuda->mutex);
    step = find_step(cuda, stream, index);
    pthread_mutex_unlock(&cuda->mutex);
    if (!step.is_set) {
        return fail_forgotten(cuda, index, err);
    }
    /* Not under the mutex: this is the wait. */
    status = device->ops->event_synchronize(device, step.end, err);
    if (status != FG_OK) {
        return status;
    }
    pthread_mutex_lock(&cuda->mutex);
    step = find_step(cuda, stream, index);
    status = step.is_set ? map_step(cuda, &step, span, err)
                         : fail_forgotten(cuda, index, err);
    pthread_mutex_unlock(&cuda->mutex);
    return status;
}
