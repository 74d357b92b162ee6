/* SPDX-License-Identifier: Apache-2.0 */
/* See touch.h. */
#include "runtime/feeder/touch.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define HUGE_BYTES FGI_MIB(2)
/* Ahead of use: as much again as is used, within these. */
#define AHEAD_BYTES_MIN FGI_MIB(64)
#define AHEAD_BYTES_MAX FGI_MIB(256)
#define SAMPLE_BYTES FGI_MIB(64)

/*
 * One huge page's worth. With one page of it there, MADV_COLLAPSE makes a huge
 * page and has nothing to copy: 0.13 s per GiB, where populating all small
 * pages first took 0.5 s and collapsing them as much again. What is in use
 * already keeps its bytes. False: no more memory, or no such call.
 */
static bool touch_piece(struct fgi_touch *touch, uint64_t at)
{
    uint8_t *base = touch->base + at;

    if (madvise(base, FGI_KIB(4), MADV_POPULATE_WRITE) != 0) {
        return false;
    }
    if (madvise(base, HUGE_BYTES, MADV_COLLAPSE) == 0) {
        atomic_fetch_add(&touch->huge_bytes, HUGE_BYTES);
        return true;
    }
    return madvise(base, HUGE_BYTES, MADV_POPULATE_WRITE) == 0;
}

/* Where to go on: pages that reads have filled would have to be copied. */
static uint64_t next_piece(const struct fgi_touch *touch)
{
    uint64_t used = atomic_load(&touch->used_bytes);

    return fgi_max(atomic_load(&touch->ready_bytes),
                   fgi_align_up(used, HUGE_BYTES));
}

static void touch_main(void *context)
{
    struct fgi_touch *touch = context;
    bool can_go_on = true;

    while (!atomic_load(&touch->is_stopping)) {
        uint32_t seen = fgi_gate_read(&touch->gate);
        uint64_t ready = next_piece(touch);

        if (can_go_on && ready < atomic_load(&touch->wanted_bytes)) {
            can_go_on = touch_piece(touch, ready);
            atomic_store(&touch->ready_bytes,
                         ready + (can_go_on ? HUGE_BYTES : 0));
        } else if (!atomic_load(&touch->is_stopping)) {
            fgi_gate_wait(&touch->gate, seen, FGI_NEVER);
        }
    }
}

enum fg_status fgi_touch_start(struct fgi_touch *touch, uint8_t *base,
                               uint64_t keep_bytes, uint64_t bytes, int node,
                               struct fg_error *err)
{
    touch->base = base;
    touch->keep_bytes = keep_bytes;
    touch->bytes = fgi_align_down(bytes, HUGE_BYTES);
    touch->node = node;
    fgi_gate_init(&touch->gate);
    touch->policy_errno = node >= 0 ? fgi_numa_prefer(base, bytes, node) : 0;
    return fgi_thread_start(&touch->thread, "fg-touch", node, touch_main, touch,
                            err);
}

void fgi_touch_want(struct fgi_touch *touch, uint64_t used_bytes)
{
    uint64_t wanted = atomic_load(&touch->wanted_bytes);
    uint64_t ahead = fgi_clamp(used_bytes, AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);

    atomic_store(&touch->used_bytes, used_bytes);
    if (wanted == touch->bytes || used_bytes + ahead / 2 < wanted) {
        return;
    }
    wanted = fgi_align_up(used_bytes + ahead, HUGE_BYTES);
    if (wanted > touch->keep_bytes) {
        wanted = touch->bytes; /* and the ring */
    }
    atomic_store(&touch->wanted_bytes, wanted);
    fgi_gate_notify(&touch->gate);
}

void fgi_touch_report(const struct fgi_touch *touch,
                      struct fg_placement *report)
{
    uint64_t ready = atomic_load(&touch->ready_bytes);
    bool is_huge = atomic_load(&touch->huge_bytes) > ready / 2;

    memset(report, 0, sizeof(*report));
    report->home_node = touch->base != NULL ? touch->node : -1;
    report->home_source =
        report->home_node >= 0 ? FG_SOURCE_OVERRIDE : FG_SOURCE_UNKNOWN;
    report->storage_node = -1;
    report->page_bytes = is_huge ? HUGE_BYTES : FGI_KIB(4);
    report->page_kind = is_huge ? "thp" : "small";
    report->verified_by = "nothing";
    report->policy = report->home_node < 0      ? "none"
                     : touch->policy_errno == 0 ? "preferred"
                                                : "first touch";
    if (ready > 0) {
        fgi_numa_verify(touch->base, fgi_min(ready, SAMPLE_BYTES), report);
    }
}

void fgi_touch_stop(struct fgi_touch *touch)
{
    if (touch->thread.started) {
        atomic_store(&touch->is_stopping, 1);
        fgi_gate_notify(&touch->gate);
        fgi_thread_join(&touch->thread);
    }
}
