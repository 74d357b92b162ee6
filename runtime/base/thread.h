/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads, and the gate on which one thread waits for another.
 *
 * A gate is an event count over a futex. The waiter reads the gate, looks at
 * its condition, and waits only if the gate has not moved since:
 *
 *     for (;;) {
 *         uint32_t seen = fgi_gate_read(&gate);
 *         if (condition) break;
 *         fgi_gate_wait(&gate, seen, FGI_NEVER);
 *     }
 *
 * The other side makes the condition true, then notifies. Without a waiter a
 * notify is one atomic add; with one it costs a system call.
 *
 * A waiter may return before the notify that let it go has: a gate lives
 * until its notifiers are joined, not only until its waiters are.
 */
#ifndef FGI_BASE_THREAD_H
#define FGI_BASE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

struct fgi_gate {
    _Atomic uint32_t moves;   /* notifications so far, wraps */
    _Atomic uint32_t waiters; /* threads in, or about to enter, the futex */
};

static inline void fgi_gate_init(struct fgi_gate *gate)
{
    atomic_init(&gate->moves, 0);
    atomic_init(&gate->waiters, 0);
}

static inline uint32_t fgi_gate_read(struct fgi_gate *gate)
{
    return atomic_load_explicit(&gate->moves, memory_order_seq_cst);
}

/*
 * Return when the gate has moved past `seen`, or at deadline_ns (FGI_NEVER:
 * none), or now and then for no reason. Spins for a few microseconds first.
 */
void fgi_gate_wait(struct fgi_gate *gate, uint32_t seen, uint64_t deadline_ns);

/* Move the gate and wake all who wait. Threads: any, also signal handlers. */
void fgi_gate_notify(struct fgi_gate *gate);

typedef void (*fgi_thread_fn)(void *context);

/* A running thread. Storage is the owner's. */
struct fgi_thread {
    pthread_t handle;
    fgi_thread_fn run;
    void *context;
    int node;      /* NUMA node whose CPUs it runs on, or -1 */
    char name[16]; /* as seen in top and gdb */
    bool started;  /* join is due */
    _Atomic uint32_t has_ended;
    struct fgi_gate ended; /* of has_ended */
};

/*
 * Start a thread with all signals blocked, on the CPUs of `node` (-1: any).
 * Errors: SYSTEM with the reason (RLIMIT_NPROC).
 */
enum fg_status fgi_thread_start(struct fgi_thread *thread, const char *name,
                                int node, fgi_thread_fn run, void *context,
                                struct fg_error *err);

/* Wait for its end. Does nothing when it was never started. */
void fgi_thread_join(struct fgi_thread *thread);

/* The same, until deadline_ns. False: it runs still, and join is due. */
bool fgi_thread_join_by(struct fgi_thread *thread, uint64_t deadline_ns);

/* CPUs this process may run on, at least 1. */
unsigned fgi_cpu_count(void);

/* How many times this process is a forked child of one that used feedgpu. */
uint32_t fgi_fork_generation(void);

#endif /* FGI_BASE_THREAD_H */
