/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking events from the board. A program claims a position, fills the slot
 * and then says that it is there. One that died, or was stopped, in between
 * is waited for shortly and then passed over; so is everything after a
 * feeder that was late for a whole round.
 */
#include "runtime/feeder/feeder.h"

#include <string.h>

#include "runtime/base/clock.h"

#define STUCK_NS (10 * FGI_NS_PER_MS)

enum taken {
    TAKEN_WHOLE, /* the copy is good */
    TAKEN_NONE,  /* not there yet */
    TAKEN_LOST,  /* overwritten */
};

/* The struct's plain members belong to the program until sequence says that
 * they are there; what it says after the copy decides. */
static enum taken copy_event(const struct fgi_board_view *view,
                             uint64_t position, struct fgi_event *copy)
{
    struct fgi_event *event = &view->events[position & view->event_mask];
    uint64_t sequence =
        atomic_load_explicit(&event->sequence, memory_order_acquire);

    if (sequence != position + 1) {
        return sequence > position + 1 ? TAKEN_LOST : TAKEN_NONE;
    }
    memcpy(copy, event, sizeof(*copy));
    /* To change nothing, but after all of the copy. */
    sequence = atomic_fetch_or(&event->sequence, 0);
    return sequence == position + 1 ? TAKEN_WHOLE : TAKEN_LOST;
}

/* A program may have written anything. */
static bool is_sound(struct fgi_event *event)
{
    event->path[FGI_EVENT_PATH_BYTES - 1] = '\0';
    return event->kind >= FGI_EVENT_OPEN && event->kind <= FGI_EVENT_COPY &&
           event->pid > 0 && event->key.size_bytes > 0 &&
           event->key.size_bytes <= INT64_MAX && event->offset <= INT64_MAX &&
           event->bytes <= INT64_MAX;
}

static void take_one(struct fg_feeder *feeder, struct fgi_event *event,
                     uint64_t now_ns)
{
    if (is_sound(event)) {
        fgi_count(&feeder->counts.events, 1);
        fgi_watch_event(feeder, event, now_ns);
    } else {
        fgi_count(&feeder->counts.events_lost, 1);
    }
}

/* Where programs are; our own place is moved if that cannot be right. */
static uint64_t find_tail(struct fg_feeder *feeder)
{
    const struct fgi_board_view *view = &feeder->share.view;
    struct fgi_event_cursor *cursor = &feeder->cursor;
    uint64_t tail = atomic_load(&view->board->event_tail);

    if (tail < cursor->head) {
        cursor->head = tail;
    } else if (tail - cursor->head > (uint64_t)view->event_mask + 1) {
        uint64_t lost = tail - cursor->head - view->event_mask - 1;

        fgi_count(&feeder->counts.events_lost, lost);
        cursor->head = tail - view->event_mask - 1;
    }
    return tail;
}

bool fgi_events_run(struct fg_feeder *feeder, uint64_t now_ns)
{
    struct fgi_event_cursor *cursor = &feeder->cursor;
    uint64_t tail = find_tail(feeder);
    bool is_late =
        cursor->stuck_ns != 0 && now_ns - cursor->stuck_ns > STUCK_NS;

    while (cursor->head != tail) {
        struct fgi_event event;
        enum taken taken =
            copy_event(&feeder->share.view, cursor->head, &event);

        if (taken == TAKEN_NONE && !is_late) {
            cursor->stuck_ns =
                cursor->stuck_ns == 0 ? now_ns : cursor->stuck_ns;
            return false;
        }
        cursor->head++;
        if (taken == TAKEN_WHOLE) {
            take_one(feeder, &event, now_ns);
        } else {
            fgi_count(&feeder->counts.events_lost, 1);
        }
    }
    cursor->stuck_ns = 0;
    return true;
}
