/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/numa.h"

/* About what a futex sleep and wake cost: spinning longer cannot pay. */
#define SPIN_NS (6 * FGI_NS_PER_US)

static bool gate_moved(struct fgi_gate *gate, uint32_t seen)
{
    return fgi_gate_read(gate) != seen;
}

static bool spin(struct fgi_gate *gate, uint32_t seen)
{
    uint64_t until_ns = fgi_now_ns() + SPIN_NS;

    do {
        for (int i = 0; i < 32; i++) {
            if (gate_moved(gate, seen)) {
                return true;
            }
            fgi_cpu_relax();
        }
    } while (fgi_now_ns() < until_ns);
    return false;
}

static void futex_wait(struct fgi_gate *gate, uint32_t seen,
                       uint64_t deadline_ns)
{
    struct timespec at;
    struct timespec *limit = NULL;

    if (deadline_ns != FGI_NEVER) {
        at.tv_sec = (time_t)(deadline_ns / FGI_NS_PER_S);
        at.tv_nsec = (long)(deadline_ns % FGI_NS_PER_S);
        limit = &at;
    }
    /* BITSET takes an absolute CLOCK_MONOTONIC time; plain WAIT does not. */
    syscall(SYS_futex, &gate->moves, FUTEX_WAIT_BITSET_PRIVATE, seen, limit,
            NULL, FUTEX_BITSET_MATCH_ANY);
}

void fgi_gate_wait(struct fgi_gate *gate, uint32_t seen, uint64_t deadline_ns)
{
    if (spin(gate, seen)) {
        return;
    }
    atomic_fetch_add(&gate->waiters, 1);
    if (!gate_moved(gate, seen)) {
        futex_wait(gate, seen, deadline_ns);
    }
    atomic_fetch_sub(&gate->waiters, 1);
}

void fgi_gate_notify(struct fgi_gate *gate)
{
    atomic_fetch_add(&gate->moves, 1);
    if (atomic_load(&gate->waiters) > 0) {
        int saved = errno;

        syscall(SYS_futex, &gate->moves, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL,
                NULL, 0);
        errno = saved;
    }
}

static void *thread_main(void *argument)
{
    struct fgi_thread *thread = argument;

    pthread_setname_np(pthread_self(), thread->name);
    if (thread->node >= 0) {
        (void)fgi_numa_run_on(thread->node);
    }
    thread->run(thread->context);
    atomic_store(&thread->has_ended, 1);
    fgi_gate_notify(&thread->ended);
    return NULL;
}

enum fg_status fgi_thread_start(struct fgi_thread *thread, const char *name,
                                int node, fgi_thread_fn run, void *context,
                                struct fg_error *err)
{
    sigset_t all;
    sigset_t before;
    int rv;

    thread->run = run;
    thread->context = context;
    thread->node = node;
    thread->started = false;
    atomic_init(&thread->has_ended, 0);
    fgi_gate_init(&thread->ended);
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    /* The program's signals are the program's: ours never take one. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = pthread_create(&thread->handle, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rv != 0) {
        return fgi_fail_errno(err, rv, "thread %s: start", name);
    }
    thread->started = true;
    return FG_OK;
}

void fgi_thread_join(struct fgi_thread *thread)
{
    if (thread->started) {
        pthread_join(thread->handle, NULL);
        thread->started = false;
    }
}

bool fgi_thread_join_by(struct fgi_thread *thread, uint64_t deadline_ns)
{
    while (thread->started && atomic_load(&thread->has_ended) == 0) {
        uint32_t seen = fgi_gate_read(&thread->ended);

        if (atomic_load(&thread->has_ended) != 0) {
            break;
        }
        if (fgi_now_ns() >= deadline_ns) {
            return false;
        }
        fgi_gate_wait(&thread->ended, seen, deadline_ns);
    }
    fgi_thread_join(thread);
    return true;
}

unsigned fgi_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        int count = CPU_COUNT(&set);

        return count > 0 ? (unsigned)count : 1;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online > 0 ? (unsigned)online : 1;
}

static _Atomic uint32_t fork_generation;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_fetch_add(&fork_generation, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

uint32_t fgi_fork_generation(void)
{
    pthread_once(&fork_once, watch_forks);
    return atomic_load(&fork_generation);
}
