/* SPDX-License-Identifier: Apache-2.0 */
/* What GPUs did and when reads blocked, in Chrome's trace format. */
#ifndef TOOL_RUN_TRACE_H
#define TOOL_RUN_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <feedgpu/feeder.h>

/* Viewers do not load more. */
#define TRACE_BYTES_MAX (UINT64_C(1) << 30)

struct run_trace {
    FILE *out;         /* NULL: none is wanted */
    uint64_t start_ns; /* CLOCK_MONOTONIC of its beginning */
    uint64_t bytes;    /* written */
    uint64_t left_out; /* spans that did not fit */
};

/* Begin a trace in a file, which is consumed. */
void run_trace_begin(struct run_trace *trace, FILE *out);

/* A span; fg_feeder_span_fn, context is the trace. */
void run_trace_span(const struct fg_feeder_span *span, void *context);

/* A name for a GPU's spans. */
void run_trace_gpu(struct run_trace *trace, const struct fg_feeder_gpu *gpu);

/* End it, and close the file. False, with errno: not all was written. */
bool run_trace_end(struct run_trace *trace);

#endif /* TOOL_RUN_TRACE_H */
