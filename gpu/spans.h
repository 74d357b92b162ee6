/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the last FG_COMPUTE_SPANS_MAX compute steps of a stream ran, for the
 * devices that know it when the step is enqueued (host, emulated).
 */
#ifndef FGI_GPU_SPANS_H
#define FGI_GPU_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/device.h>

/* One step. Zeroed: none yet. */
struct fgi_step {
    uint64_t index;      /* as given to fg_stream_compute */
    struct fg_span span; /* CLOCK_MONOTONIC ns */
    bool is_set;         /* the other two hold a step */
};

/* Storage is the owner's, who also brings the lock. Zeroed: empty. */
struct fgi_spans {
    struct fgi_step steps[FG_COMPUTE_SPANS_MAX]; /* by index modulo the max */
};

/* Where step `index` is kept, or will be. Borrowed. */
static inline struct fgi_step *fgi_spans_place(struct fgi_spans *spans,
                                               uint64_t index)
{
    return &spans->steps[index % FG_COMPUTE_SPANS_MAX];
}

static inline void fgi_spans_put(struct fgi_spans *spans, uint64_t index,
                                 uint64_t start_ns, uint64_t end_ns)
{
    struct fgi_step *step = fgi_spans_place(spans, index);

    step->index = index;
    step->span.start_ns = start_ns;
    step->span.end_ns = end_ns;
    step->is_set = true;
}

/* *span of step `index`; false when it is not, or no longer, kept. */
static inline bool fgi_spans_get(struct fgi_spans *spans, uint64_t index,
                                 struct fg_span *span)
{
    struct fgi_step *step = fgi_spans_place(spans, index);

    if (!step->is_set || step->index != index) {
        return false;
    }
    *span = step->span;
    return true;
}

#endif /* FGI_GPU_SPANS_H */
