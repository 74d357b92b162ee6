/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CUPTI's buffers. It asks for one to fill, and gives it back when all that is
 * in it has happened: on its own thread, on the one that flushes, or on the
 * one that ends the program. Each new CUDA appends to the records, so only the
 * oldest form of each is read, and CUPTI itself steps from one to the next.
 *
 * A buffer should not wait long to be full: records that are seconds late
 * cannot be joined with reads. So its size follows the rate of records.
 */
#include <stdlib.h>

#include "cupti.h"

#define BUFFER_BYTES_MIN (64u << 10)
#define BUFFER_BYTES_MAX (4u << 20)
#define SOON_NS UINT64_C(50000000)    /* filled in less: make them larger */
#define LATE_NS UINT64_C(500000000)   /* filled in more: make them smaller */
#define ERROR_NS UINT64_C(1000000000) /* GPUs' times are interpolated */

static const struct cupti_recorder *self;
static _Atomic uint32_t buffer_bytes = BUFFER_BYTES_MIN;
static _Atomic uint64_t wanted_ns; /* when the last one was asked for */

void cupti_records_begin(const struct cupti_recorder *recorder)
{
    self = recorder;
}

void CUPTIAPI cupti_buffer_wanted(uint8_t **buffer, size_t *bytes,
                                  size_t *records_max)
{
    uint64_t now_ns = shim_now_ns();
    uint64_t past_ns = now_ns - atomic_exchange(&wanted_ns, now_ns);
    uint32_t size = atomic_load(&buffer_bytes);
    if (past_ns < SOON_NS && size < BUFFER_BYTES_MAX) {
        size *= 2;
    } else if (past_ns > LATE_NS && size > BUFFER_BYTES_MIN) {
        size /= 2;
    }
    atomic_store(&buffer_bytes, size);
    *buffer = malloc(size);
    *bytes = *buffer != NULL ? size : 0;
    *records_max = 0; /* as many as fit */
}

static void read_kernel(const CUpti_Activity *record, struct fgi_span *span)
{
    const CUpti_ActivityKernel4 *kernel = (const void *)record;
    span->kind = FGI_SPAN_KERNEL;
    span->start_ns = kernel->start;
    span->end_ns = kernel->end;
    span->device = kernel->deviceId;
    span->stream = kernel->streamId;
}

static uint32_t memory_of(uint8_t kind)
{
    switch (kind) {
    case CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE:
        return FGI_MEMORY_PAGEABLE;
    case CUPTI_ACTIVITY_MEMORY_KIND_PINNED:
        return FGI_MEMORY_PINNED;
    default:
        return FGI_MEMORY_UNKNOWN;
    }
}

static void read_copy(const CUpti_Activity *record, struct fgi_span *span)
{
    const CUpti_ActivityMemcpy *copy = (const void *)record;
    bool is_htod = copy->copyKind == CUPTI_ACTIVITY_MEMCPY_KIND_HTOD ||
                   copy->copyKind == CUPTI_ACTIVITY_MEMCPY_KIND_HTOA;
    span->kind = is_htod ? FGI_SPAN_COPY_HTOD : FGI_SPAN_COPY_OTHER;
    span->detail = memory_of(is_htod ? copy->srcKind : copy->dstKind);
    span->start_ns = copy->start;
    span->end_ns = copy->end;
    span->bytes = copy->bytes;
    span->device = copy->deviceId;
    span->stream = copy->streamId;
}

static void read_memset(const CUpti_Activity *record, struct fgi_span *span)
{
    const CUpti_ActivityMemset *set = (const void *)record;
    span->kind = FGI_SPAN_MEMSET;
    span->start_ns = set->start;
    span->end_ns = set->end;
    span->bytes = set->bytes;
    span->device = set->deviceId;
    span->stream = set->streamId;
}

/* False: not of a kind that was asked for. */
static bool read_record(const CUpti_Activity *record, struct fgi_span *span)
{
    switch (record->kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
    case CUPTI_ACTIVITY_KIND_KERNEL:
        read_kernel(record, span);
        return true;
    case CUPTI_ACTIVITY_KIND_MEMCPY:
        read_copy(record, span);
        return true;
    case CUPTI_ACTIVITY_KIND_MEMSET:
        read_memset(record, span);
        return true;
    default:
        return false;
    }
}

/* Would a record that says so be one that we understand? */
static bool is_sound(const struct fgi_span *span, uint64_t now_ns)
{
    return span->start_ns + ERROR_NS >= self->began_ns &&
           span->end_ns >= span->start_ns && span->end_ns <= now_ns + ERROR_NS;
}

static void take_record(const CUpti_Activity *record, uint64_t now_ns)
{
    struct fgi_span span = {.pid = self->pid};
    if (!read_record(record, &span)) {
        shim_count(&self->entry->unknown, 1);
        return;
    }
    shim_count(&self->entry->records, 1);
    if (span.start_ns == 0 || span.end_ns == 0) {
        shim_count(&self->entry->untimed, 1);
        return;
    }
    span.device = cupti_gpu(self->view, span.device);
    if (!is_sound(&span, now_ns) || span.device >= FGI_GPUS_MAX) {
        shim_count(&self->entry->unknown, 1);
        return;
    }
    shim_span(self->view, &span);
}

void CUPTIAPI cupti_buffer_done(CUcontext context, uint32_t stream,
                                uint8_t *buffer, size_t bytes,
                                size_t valid_bytes)
{
    CUpti_Activity *record = NULL;
    uint64_t now_ns = shim_now_ns();
    size_t dropped = 0;
    (void)bytes;
    if (buffer == NULL) {
        return;
    }
    /* One that is only late finds out what it has missed. */
    if (atomic_load(&self->view->board->heartbeat_ns) != 0) {
        while (valid_bytes > 0 &&
               self->api->cuptiActivityGetNextRecord(
                   buffer, valid_bytes, &record) == CUPTI_SUCCESS) {
            take_record(record, now_ns);
        }
        if (self->api->cuptiActivityGetNumDroppedRecords(
                context, stream, &dropped) == CUPTI_SUCCESS) {
            shim_count(&self->entry->dropped, dropped);
        }
        shim_wake(self->view->board);
    }
    free(buffer);
}
