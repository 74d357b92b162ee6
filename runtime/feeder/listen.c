/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that listens for programs, "fg-event". It sleeps on the board
 * until there is an event that fg-feed was not woken for, and now and then
 * shows programs that the feeder lives, and takes spans.
 */
#include "runtime/feeder/feeder.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"

static void sleep_on(struct fgi_board *board, uint32_t seen)
{
    struct timespec limit = {
        .tv_sec = 0,
        .tv_nsec = (long)FGI_HEARTBEAT_NS,
    };

    syscall(SYS_futex, &board->event_moves, FUTEX_WAIT, seen, &limit, NULL, 0);
}

void fgi_listen_main(void *context)
{
    struct fg_feeder *feeder = context;
    struct fgi_board *board = feeder->share.view.board;
    uint64_t told = 0;  /* fg-feed knows of the events before */
    uint32_t heard = 0; /* and of the wakes */
    bool is_behind = false;

    while (!atomic_load(&feeder->is_stopping)) {
        uint32_t seen = atomic_load(&board->event_moves);
        uint64_t tail;

        atomic_store(&board->heartbeat_ns, fgi_now_ns());
        /* First say that a wake is wanted, then look: an event that came in
         * between is seen here, or wakes us. */
        atomic_store(&board->feeder_sleeps, 1);
        tail = atomic_load(&board->event_tail);
        if (tail != told || seen != heard) {
            told = tail;
            heard = seen;
            fgi_ahead_wake(feeder);
            if (!is_behind && atomic_load(&feeder->calm_ns) > 0) {
                /* Programs need not wake us for each event: many at once
                 * will do. */
                fgi_sleep_ns(atomic_load(&feeder->calm_ns));
            }
        } else if (!is_behind) {
            sleep_on(board, seen);
        }
        is_behind = fgi_spans_run(feeder, false);
    }
    atomic_store(&board->heartbeat_ns, 0);
}

void fgi_listen_stop(struct fg_feeder *feeder)
{
    struct fgi_board *board = feeder->share.view.board;

    if (feeder->event_thread.started) {
        atomic_fetch_add(&board->event_moves, 1);
        syscall(SYS_futex, &board->event_moves, FUTEX_WAKE, INT32_MAX, NULL,
                NULL, 0);
        fgi_thread_join(&feeder->event_thread);
    }
}
