/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals while a program runs. All that concern it are blocked in every thread
 * of ours and taken one by one: what a terminal sends reaches the program by
 * itself, what is sent to this process alone is passed on.
 *
 * The child gets mask and dispositions as they were. SIGCHLD has to be at its
 * default here, or the program's end could not be waited for; a report to a
 * pipe that nobody reads must not end this process.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "launch.h"

#define NS_PER_S UINT64_C(1000000000)

/* And the real-time ones. Those of a crash are left out: it would be ours. */
static const int watched[] = {SIGCHLD, SIGINT,  SIGQUIT, SIGTERM,   SIGHUP,
                              SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT,   SIGALRM,
                              SIGPROF, SIGIO,   SIGPWR,  SIGVTALRM, SIGXCPU};

static sigset_t watched_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
        sigaddset(&set, watched[i]);
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        sigaddset(&set, number);
    }
    return set;
}

void launch_signals_take(struct launch_signals *signals)
{
    struct sigaction action;
    sigset_t set = watched_set();
    memset(&action, 0, sizeof(action));
    sigemptyset(&action.sa_mask);
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &signals->child);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, &signals->pipe);
    sigprocmask(SIG_BLOCK, &set, &signals->mask);
}

void launch_signals_child(const struct launch_signals *signals)
{
    sigaction(SIGCHLD, &signals->child, NULL);
    sigaction(SIGPIPE, &signals->pipe, NULL);
    sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

void launch_signals_give(const struct launch_signals *signals)
{
    siginfo_t info;
    /* What came for the program is no reason to end now. */
    while (launch_signals_wait(0, &info) != 0) {
    }
    sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

int launch_signals_wait(uint64_t wait_ns, siginfo_t *info)
{
    sigset_t set = watched_set();
    struct timespec time = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
                            .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int number = sigtimedwait(&set, info, &time);
    return number > 0 ? number : 0;
}
