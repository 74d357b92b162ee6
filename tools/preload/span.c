/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What took how long, told to the feeder. This file goes into the shim and
 * into the GPU's recorder: it needs nothing of either.
 */
#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

uint64_t shim_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void shim_wake(struct fgi_board *board)
{
    if (atomic_load(&board->feeder_sleeps) == 0 ||
        atomic_exchange(&board->feeder_sleeps, 0) == 0) {
        return;
    }
    atomic_fetch_add(&board->event_moves, 1);
    syscall(SYS_futex, &board->event_moves, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void shim_span(const struct fgi_board_view *view, const struct fgi_span *span)
{
    uint64_t position = atomic_fetch_add(&view->board->span_tail, 1);
    struct fgi_span *slot = &view->spans[position & view->span_mask];
    atomic_store_explicit(&slot->sequence, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy((char *)slot + offsetof(struct fgi_span, start_ns), &span->start_ns,
           sizeof(*slot) - offsetof(struct fgi_span, start_ns));
    atomic_store_explicit(&slot->sequence, position + 1, memory_order_release);
}
