/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trace is written as spans come, in their order of arrival, which viewers
 * do not mind. Each GPU is a process of its own with a lane per stream; reads
 * are in their process, with a lane per thread. Times are in microseconds.
 */
#include "run_trace.h"

#include <errno.h>
#include <inttypes.h>

#include "report.h"

#define GPU_PID 0x40000000u /* beyond any process's id */

/* As in the C locale, whatever the program's is. */
static void put_us(struct run_trace *trace, const char *key, uint64_t ns)
{
    trace->bytes += (uint64_t)fprintf(trace->out, "\"%s\":%" PRIu64 ".%03u,",
                                      key, ns / 1000, (unsigned)(ns % 1000));
}

/* Paths are bytes: those that are no plain text become '?'. */
static void put_escaped(struct run_trace *trace, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fputc('\\', trace->out);
            trace->bytes++;
        }
        fputc(c < ' ' || c > '~' ? '?' : c, trace->out);
        trace->bytes++;
    }
}

void run_trace_begin(struct run_trace *trace, FILE *out)
{
    *trace = (struct run_trace){.out = out, .start_ns = now_ns()};
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
          "{\"ph\":\"M\",\"name\":\"trace\",\"pid\":0,\"args\":{}}",
          out);
}

static const char *memory_name(enum fg_feeder_memory memory)
{
    switch (memory) {
    case FG_FEEDER_PAGEABLE:
        return "pageable";
    case FG_FEEDER_PINNED:
        return "pinned";
    case FG_FEEDER_MEMORY_UNKNOWN:
        break;
    }
    return "unknown";
}

void run_trace_span(const struct fg_feeder_span *span, void *context)
{
    struct run_trace *trace = context;
    bool is_read = span->kind == FG_FEEDER_READ;
    bool is_copy = span->kind == FG_FEEDER_H2D || span->kind == FG_FEEDER_COPY;
    uint32_t pid = is_read ? (uint32_t)span->pid : GPU_PID + span->gpu;
    if (trace->bytes > TRACE_BYTES_MAX || ferror(trace->out)) {
        trace->left_out++;
        return;
    }
    trace->bytes += (uint64_t)fprintf(
        trace->out, ",\n{\"ph\":\"X\",\"name\":\"%s\",\"cat\":\"%s\",",
        fg_feeder_span_name(span->kind), is_read ? "read" : "gpu");
    put_us(trace, "ts",
           span->start_ns > trace->start_ns ? span->start_ns - trace->start_ns
                                            : 0);
    put_us(trace, "dur", span->end_ns - span->start_ns);
    trace->bytes += (uint64_t)fprintf(trace->out,
                                      "\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
                                      ",\"args\":{\"bytes\":%" PRIu64,
                                      pid, span->lane, span->bytes);
    if (is_copy) {
        fprintf(trace->out, ",\"memory\":\"%s\"", memory_name(span->memory));
    }
    if (is_read) {
        fputs(",\"path\":\"", trace->out);
        put_escaped(trace, span->path);
        fputc('"', trace->out);
    } else {
        fprintf(trace->out, ",\"process\":%" PRId32, span->pid);
    }
    fputs("}}", trace->out);
}

void run_trace_gpu(struct run_trace *trace, const struct fg_feeder_gpu *gpu)
{
    fprintf(trace->out,
            ",\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%" PRIu32
            ",\"args\":{\"name\":\"GPU %" PRIu32 " ",
            GPU_PID + gpu->index, gpu->index);
    put_escaped(trace, gpu->bus_id);
    fputc(' ', trace->out);
    put_escaped(trace, gpu->name);
    fputs("\"}}", trace->out);
}

bool run_trace_end(struct run_trace *trace)
{
    fputs("\n]}\n", trace->out);
    bool is_good = fflush(trace->out) == 0 && !ferror(trace->out);
    int reason = errno;
    is_good = fclose(trace->out) == 0 && is_good;
    errno = is_good || reason == 0 ? errno : reason;
    trace->out = NULL;
    return is_good;
}
