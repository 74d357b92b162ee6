/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler does two things, both allowed in one: it stores the signal's
 * number and calls fg_loader_cancel. Watching a loader after the signal has
 * come cancels it at once, so that there is no gap.
 */
#include "signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "report.h"

static atomic_int signal_seen;
static _Atomic(struct fg_loader *) watched;

static void on_signal(int number)
{
    atomic_store(&signal_seen, number);
    struct fg_loader *loader = atomic_load(&watched);
    if (loader != NULL) {
        fg_loader_cancel(loader);
    }
}

void signals_init(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_signal;
    /* The kernel puts the default back, so the second signal kills. */
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool is_interrupted(void)
{
    return atomic_load(&signal_seen) != 0;
}

int status_of_signal(void)
{
    return STATUS_SIGNAL + atomic_load(&signal_seen);
}

void signals_watch(struct fg_loader *loader)
{
    atomic_store(&watched, loader);
    if (loader != NULL && is_interrupted()) {
        fg_loader_cancel(loader);
    }
}
