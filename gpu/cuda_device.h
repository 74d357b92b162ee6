/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the cuda device: what its files share. CUDA headers enter the
 * project here and in cuda_kernels.cu, nowhere else.
 *
 *     cuda_open.c     names, the search for a GPU, what it is, close
 *     cuda_device.c   memory, streams, events, copies, the vtable
 *     cuda_compute.c  compute steps and when they ran
 *     cuda_error.c    the wording of what CUDA says
 */
#ifndef FGI_GPU_CUDA_DEVICE_H
#define FGI_GPU_CUDA_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

#include "gpu/device.h"

/* One compute step of a stream. */
struct fgi_cuda_step {
    cudaEvent_t start; /* owned; before the kernel */
    cudaEvent_t end;   /* owned; behind the kernel */
    uint64_t index;    /* as given to fg_stream_compute */
    uint64_t given_ns; /* when: it cannot have started before */
    bool is_set;       /* the others hold a step */
};

/* A stream that we made. Others' streams are only ever passed through. */
struct fgi_cuda_stream {
    cudaStream_t handle;          /* owned */
    struct fgi_cuda_step *steps;  /* owned; NULL until the first compute */
    struct fgi_cuda_stream *next; /* in the device's list */
};

/* One instant on both clocks: the device's, as an event, and the host's. */
struct fgi_cuda_clock {
    cudaStream_t stream; /* owned; nothing else runs on it. NULL: not yet */
    cudaEvent_t event;   /* owned; passed at host_ns */
    cudaEvent_t spare;   /* owned; for the next attempt */
    uint64_t host_ns;    /* 0: not measured */
};

struct fgi_cuda {
    struct fg_device base;           /* first: the public handle */
    int ordinal;                     /* CUDA's number, after CUDA_VISIBLE_... */
    uint32_t fork_generation;        /* of the process that opened it */
    struct fg_device_info info;      /* filled by open, then constant */
    pthread_mutex_t mutex;           /* guards what follows */
    struct fgi_cuda_stream *streams; /* owned list of our streams */
    struct fgi_cuda_clock clock;     /* made by the first compute */
};

extern const struct fgi_device_ops fgi_cuda_ops;

static inline struct fgi_cuda *fgi_cuda_of(struct fg_device *device)
{
    return (struct fgi_cuda *)device;
}

/*
 * Word a failed call and clear CUDA's record of it, so that the program's next
 * cudaGetLastError does not find our error:
 * "device cuda:0: ACTION: CALL: cudaErrorName: text (likely cause: ...)".
 */
enum fg_status fgi_cuda_fail(const struct fgi_cuda *cuda, cudaError_t code,
                             struct fg_error *err, const char *call,
                             const char *action, ...)
    __attribute__((format(printf, 5, 6)));

/* Does this process own the device? False in a forked child. */
bool fgi_cuda_is_ours(const struct fgi_cuda *cuda);

/*
 * For what the stream-capture rules call unsafe (queries, allocation,
 * pinning): without this, doing it while another thread of the program
 * captures a CUDA graph would spoil that capture.
 */
enum cudaStreamCaptureMode fgi_cuda_relax(void);
void fgi_cuda_restore(enum cudaStreamCaptureMode before);

/* Our record of a stream, or NULL for others'. Under the mutex. */
struct fgi_cuda_stream *fgi_cuda_find(struct fgi_cuda *cuda, fg_stream stream);

/* cuda_compute.c */
enum fg_status fgi_cuda_compute(struct fg_device *device, fg_stream stream,
                                uint64_t duration_ns, uint64_t index,
                                struct fg_error *err);
enum fg_status fgi_cuda_compute_span(struct fg_device *device, fg_stream stream,
                                     uint64_t index, struct fg_span *span,
                                     struct fg_error *err);
/* Destroy what the first compute made. Null members are allowed. */
void fgi_cuda_steps_destroy(struct fgi_cuda_step *steps);
void fgi_cuda_clock_fini(struct fgi_cuda_clock *clock);

/* cuda_open.c */
void fgi_cuda_close(struct fg_device *device);

#endif /* FGI_GPU_CUDA_DEVICE_H */
