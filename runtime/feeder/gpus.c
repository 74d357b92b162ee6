/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of programs' GPUs, and of those who record them. */
#include "runtime/feeder/feeder.h"

#include <string.h>

#include "runtime/base/math.h"

/* Programs that still run and tell without an end do not keep us. */
#define RUNS_MAX 64u

/* Programs wrote it, and it goes to a terminal. */
static void copy_text(char *to, const char *from, size_t bytes)
{
    memcpy(to, from, bytes);
    to[bytes - 1] = '\0';
    for (char *c = to; *c != '\0'; c++) {
        *c = (char)(*c < ' ' || *c > '~' ? '?' : *c);
    }
}

static void read_copies(const struct fgi_copies *from,
                        struct fg_feeder_copies *to)
{
    to->count = from->count;
    to->bytes = from->bytes;
    to->ns = from->ns;
    to->small = from->small;
    to->alone = from->lonely;
    to->alone_ns = from->lonely_ns;
}

static void read_gpu(const struct fgi_gpu *entry,
                     const struct fgi_gpu_time *time, struct fg_feeder_gpu *gpu)
{
    copy_text(gpu->bus_id, entry->bus_id, sizeof(gpu->bus_id));
    copy_text(gpu->name, entry->name, sizeof(gpu->name));
    gpu->first_ns = time->first_ns;
    gpu->last_ns = time->kernel_until_ns;
    gpu->labels.ns[FG_LABEL_COMPUTE] = time->compute_ns;
    gpu->labels.ns[FG_LABEL_H2D] = time->idle.h2d_ns;
    gpu->labels.ns[FG_LABEL_STORAGE_DEVICE] = time->idle.storage_ns;
    gpu->labels.ns[FG_LABEL_OTHER] = time->idle.other_ns;
    gpu->labels.ns[FG_LABEL_HOST] = time->idle.host_ns;
    gpu->idle_read_ns = time->idle.read_ns;
    gpu->busy_read_ns = time->busy_read_ns;
    gpu->kernels = time->kernels;
    gpu->kernel_ns = time->kernel_ns;
    read_copies(&time->h2d[FGI_MEMORY_PINNED], &gpu->pinned);
    read_copies(&time->h2d[FGI_MEMORY_PAGEABLE], &gpu->pageable);
    read_copies(&time->h2d[FGI_MEMORY_UNKNOWN], &gpu->unknown);
    read_copies(&time->other, &gpu->other);
    gpu->memsets = time->memsets;
    gpu->memset_ns = time->memset_ns;
    gpu->late = time->late;
}

static bool is_used(const struct fgi_gpu_time *time)
{
    uint64_t copies = time->other.count;

    for (uint32_t i = 0; i < FGI_MEMORY_KINDS; i++) {
        copies += time->h2d[i].count;
    }
    return time->kernels + time->memsets + copies > 0;
}

uint32_t fg_feeder_get_gpus(struct fg_feeder *feeder,
                            struct fg_feeder_gpu *gpus, uint32_t room)
{
    const struct fgi_timeline *timeline = &feeder->spans.timeline;
    uint32_t count = 0;

    for (uint32_t i = 0; i < RUNS_MAX && fgi_spans_run(feeder, true); i++) {
    }
    pthread_mutex_lock(&feeder->spans.mutex);
    fgi_timeline_finish(&feeder->spans.timeline);
    for (uint32_t i = 0; i < FGI_GPUS_MAX; i++) {
        if (!is_used(&timeline->gpus[i])) {
            continue;
        }
        if (count < room) {
            gpus[count] = (struct fg_feeder_gpu){.index = i};
            read_gpu(&feeder->share.view.board->gpus[i], &timeline->gpus[i],
                     &gpus[count]);
        }
        count++;
    }
    pthread_mutex_unlock(&feeder->spans.mutex);
    return count;
}

uint32_t fg_feeder_get_recorders(struct fg_feeder *feeder,
                                 struct fg_feeder_recorder *recorders,
                                 uint32_t room)
{
    const struct fgi_board *board = feeder->share.view.board;
    uint32_t claimed = (uint32_t)fgi_min(atomic_load(&board->recorder_next),
                                         FGI_RECORDERS_MAX);
    uint32_t count = 0;

    for (uint32_t i = 0; i < claimed; i++) {
        const struct fgi_recorder *from = &board->recorders[i];
        uint32_t state = atomic_load(&from->state);

        if (state == FGI_RECORDER_NONE) {
            continue;
        }
        if (count++ < room) {
            struct fg_feeder_recorder *to = &recorders[count - 1];

            to->pid = atomic_load(&from->pid);
            to->is_on = state == FGI_RECORDER_OFF ? 0 : 1;
            to->is_whole = state == FGI_RECORDER_ENDED ? 1 : 0;
            to->version = atomic_load(&from->version);
            to->records = atomic_load(&from->records);
            to->dropped = atomic_load(&from->dropped);
            to->untimed = atomic_load(&from->untimed);
            to->unknown = atomic_load(&from->unknown);
            copy_text(to->note, from->note, sizeof(to->note));
        }
    }
    return count;
}
