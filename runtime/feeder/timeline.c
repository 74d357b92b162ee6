/* SPDX-License-Identifier: Apache-2.0 */
/* The heap, and the sweep over it; timeline.h says how it works. */
#include "runtime/feeder/timeline.h"

#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

enum fg_status fgi_timeline_init(struct fgi_timeline *timeline, uint32_t room,
                                 struct fg_error *err)
{
    memset(timeline, 0, sizeof(*timeline));
    timeline->room = room;
    timeline->heap = fgi_alloc(room, sizeof(*timeline->heap));
    timeline->gpus = fgi_alloc(FGI_GPUS_MAX, sizeof(*timeline->gpus));
    return timeline->heap != NULL && timeline->gpus != NULL
               ? FG_OK
               : fgi_fail(err, FG_ERR_MEMORY, "feeder: timeline of %u", room);
}

void fgi_timeline_fini(struct fgi_timeline *timeline)
{
    fgi_free(timeline->heap);
    fgi_free(timeline->gpus);
    memset(timeline, 0, sizeof(*timeline));
}

/* ---- the heap: the earliest start first ---------------------------------- */

static void push(struct fgi_timeline *timeline, const struct fgi_slice *slice)
{
    struct fgi_slice *heap = timeline->heap;
    uint32_t at = timeline->count++;

    while (at > 0 && heap[(at - 1) / 2].start_ns > slice->start_ns) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = *slice;
}

static struct fgi_slice pop(struct fgi_timeline *timeline)
{
    struct fgi_slice *heap = timeline->heap;
    struct fgi_slice first = heap[0];
    struct fgi_slice last = heap[--timeline->count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= timeline->count) {
            break;
        }
        if (child + 1 < timeline->count &&
            heap[child + 1].start_ns < heap[child].start_ns) {
            child++;
        }
        if (heap[child].start_ns >= last.start_ns) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/* ---- copies ---------------------------------------------------------------
 */

static void count_copy(struct fgi_copies *copies, const struct fgi_slice *slice)
{
    copies->count++;
    copies->bytes += slice->bytes;
    copies->ns += slice->end_ns - slice->start_ns;
    copies->small += slice->bytes < FGI_COPY_BYTES_MIN ? 1 : 0;
}

/* Also of late ones: what they are does not depend on when they come. */
static void count_slice(struct fgi_gpu_time *gpu, const struct fgi_slice *slice)
{
    switch ((enum fgi_span_kind)slice->kind) {
    case FGI_SPAN_KERNEL:
        gpu->kernels++;
        gpu->kernel_ns += slice->end_ns - slice->start_ns;
        break;
    case FGI_SPAN_COPY_HTOD:
        count_copy(&gpu->h2d[slice->memory], slice);
        break;
    case FGI_SPAN_COPY_OTHER:
        count_copy(&gpu->other, slice);
        break;
    case FGI_SPAN_MEMSET:
        gpu->memsets++;
        gpu->memset_ns += slice->end_ns - slice->start_ns;
        break;
    case FGI_SPAN_READ:
        break;
    }
}

static void end_lonely(struct fgi_gpu_time *gpu, uint32_t index)
{
    struct fgi_slice *slice = &gpu->lonely[index];

    gpu->h2d[slice->memory].lonely++;
    gpu->h2d[slice->memory].lonely_ns += slice->end_ns - slice->start_ns;
    *slice = gpu->lonely[--gpu->lonely_count];
}

/* No kernel can begin before now_ns any more. */
static void end_lonely_before(struct fgi_gpu_time *gpu, uint64_t now_ns)
{
    for (uint32_t i = gpu->lonely_count; i-- > 0;) {
        if (gpu->lonely[i].end_ns <= now_ns) {
            end_lonely(gpu, i);
        }
    }
}

static void begin_lonely(struct fgi_gpu_time *gpu,
                         const struct fgi_slice *slice)
{
    end_lonely_before(gpu, slice->start_ns);
    if (gpu->kernel_until_ns > slice->start_ns ||
        slice->end_ns == slice->start_ns) {
        return;
    }
    if (gpu->lonely_count == FGI_LONELY_MAX) {
        end_lonely(gpu, 0);
    }
    gpu->lonely[gpu->lonely_count++] = *slice;
}

/* ---- the sweep --------------------------------------------------------------
 */

/* How far into [cursor, cursor + length) something lasts. */
static uint64_t lasts(uint64_t until_ns, uint64_t cursor_ns, uint64_t length_ns)
{
    return fgi_min(until_ns > cursor_ns ? until_ns - cursor_ns : 0, length_ns);
}

/* Label everything before now_ns. */
static void advance(const struct fgi_timeline *timeline,
                    struct fgi_gpu_time *gpu, uint64_t now_ns)
{
    uint64_t length;
    uint64_t kernel;
    uint64_t done;
    uint64_t read;
    uint64_t end;

    if (!gpu->has_kernel || now_ns <= gpu->cursor_ns) {
        return;
    }
    length = now_ns - gpu->cursor_ns;
    kernel = lasts(gpu->kernel_until_ns, gpu->cursor_ns, length);
    read = lasts(timeline->read_until_ns, gpu->cursor_ns, length);
    gpu->compute_ns += kernel;
    gpu->busy_read_ns += fgi_min(read, kernel);
    done = kernel;
    end = fgi_max(done, lasts(gpu->h2d_until_ns, gpu->cursor_ns, length));
    gpu->tail.h2d_ns += end - done;
    done = end;
    gpu->tail.read_ns += fgi_max(read, kernel) - kernel;
    end = fgi_max(done, read);
    gpu->tail.storage_ns += end - done;
    done = end;
    end = fgi_max(done, lasts(gpu->other_until_ns, gpu->cursor_ns, length));
    gpu->tail.other_ns += end - done;
    gpu->tail.host_ns += length - end;
    gpu->cursor_ns = now_ns;
}

static void begin_kernel(struct fgi_gpu_time *gpu,
                         const struct fgi_slice *slice)
{
    if (slice->end_ns == slice->start_ns) {
        return;
    }
    if (!gpu->has_kernel) {
        gpu->has_kernel = true;
        gpu->first_ns = gpu->cursor_ns = slice->start_ns;
    }
    gpu->idle.h2d_ns += gpu->tail.h2d_ns;
    gpu->idle.storage_ns += gpu->tail.storage_ns;
    gpu->idle.other_ns += gpu->tail.other_ns;
    gpu->idle.host_ns += gpu->tail.host_ns;
    gpu->idle.read_ns += gpu->tail.read_ns;
    memset(&gpu->tail, 0, sizeof(gpu->tail));
    end_lonely_before(gpu, slice->start_ns);
    gpu->lonely_count = 0; /* the others have met this kernel */
    gpu->kernel_until_ns = fgi_max(gpu->kernel_until_ns, slice->end_ns);
}

static void begin_read(struct fgi_timeline *timeline,
                       const struct fgi_slice *slice)
{
    for (uint32_t i = 0; i < FGI_GPUS_MAX; i++) {
        advance(timeline, &timeline->gpus[i], slice->start_ns);
    }
    timeline->read_until_ns = fgi_max(timeline->read_until_ns, slice->end_ns);
}

static void take(struct fgi_timeline *timeline, const struct fgi_slice *slice)
{
    struct fgi_gpu_time *gpu = &timeline->gpus[slice->gpu];

    timeline->swept_ns = fgi_max(timeline->swept_ns, slice->start_ns);
    if (slice->kind != FGI_SPAN_READ) {
        advance(timeline, gpu, slice->start_ns);
    }
    switch ((enum fgi_span_kind)slice->kind) {
    case FGI_SPAN_KERNEL:
        begin_kernel(gpu, slice);
        break;
    case FGI_SPAN_COPY_HTOD:
        begin_lonely(gpu, slice);
        gpu->h2d_until_ns = fgi_max(gpu->h2d_until_ns, slice->end_ns);
        break;
    case FGI_SPAN_COPY_OTHER:
    case FGI_SPAN_MEMSET:
        gpu->other_until_ns = fgi_max(gpu->other_until_ns, slice->end_ns);
        break;
    case FGI_SPAN_READ:
        begin_read(timeline, slice);
        break;
    }
}

static void take_first(struct fgi_timeline *timeline)
{
    struct fgi_slice first = pop(timeline);

    take(timeline, &first);
}

void fgi_timeline_add(struct fgi_timeline *timeline,
                      const struct fgi_slice *slice)
{
    struct fgi_slice rest = *slice;
    bool is_read = slice->kind == FGI_SPAN_READ;

    if (!is_read) {
        count_slice(&timeline->gpus[slice->gpu], slice);
    }
    if (slice->start_ns < timeline->swept_ns) {
        timeline->late++;
        timeline->gpus[slice->gpu].late += is_read ? 0 : 1;
        rest.start_ns = fgi_min(timeline->swept_ns, slice->end_ns);
    }
    if (timeline->count < timeline->room) {
        push(timeline, &rest);
    } else if (rest.start_ns <= timeline->heap[0].start_ns) {
        take(timeline, &rest);
    } else {
        take_first(timeline);
        push(timeline, &rest);
    }
    timeline->newest_ns = fgi_max(timeline->newest_ns, rest.start_ns);
    while (timeline->count > 0 &&
           timeline->heap[0].start_ns + FGI_HORIZON_NS < timeline->newest_ns) {
        take_first(timeline);
    }
}

void fgi_timeline_finish(struct fgi_timeline *timeline)
{
    while (timeline->count > 0) {
        take_first(timeline);
    }
    for (uint32_t i = 0; i < FGI_GPUS_MAX; i++) {
        struct fgi_gpu_time *gpu = &timeline->gpus[i];

        /* Up to its end everything is compute. */
        advance(timeline, gpu, gpu->kernel_until_ns);
        end_lonely_before(gpu, UINT64_MAX);
    }
}
