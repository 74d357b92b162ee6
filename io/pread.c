/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine for where io_uring is not: a pool of threads that call pread.
 * Under O_DIRECT sixteen of them reach what a ring reaches at 1 MiB a read.
 *
 *     submit ─▶ todo ─▶ a worker: pread until done ─▶ done ─▶ wait
 *
 * Lock rule: `mutex` guards both lists and `stop`; nobody holds it across a
 * system call that may block. The owner sleeps on the gate, the workers on
 * the condition.
 *
 * Destroy: what no worker has begun is dropped, what one has begun is waited
 * for by joining it, so no buffer is written afterwards.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "io/engine.h"
#include "io/list.h"
#include "io/retry.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/base/thread.h"

#define THREADS_DEFAULT 16
#define THREADS_MAX 256

struct pread_engine {
    struct fgi_engine base;
    pthread_mutex_t mutex;      /* todo, done, stop */
    pthread_cond_t has_todo;    /* todo or stop changed */
    struct fgi_read_list todo;  /* submitted, no worker has them */
    struct fgi_read_list done;  /* to be handed back */
    bool stop;                  /* workers return */
    _Atomic bool is_woken;      /* wake was called, wait has not seen it */
    struct fgi_gate gate;       /* moved by done reads and wake */
    _Atomic uint64_t reads;     /* submitted; written by the owner */
    _Atomic uint64_t retries;   /* attempts after a read's first */
    uint32_t fork_generation;   /* of the process the threads live in */
    uint32_t thread_count;      /* running */
    struct fgi_thread *threads; /* owned */
};

static struct pread_engine *self(struct fgi_engine *engine)
{
    return (struct pread_engine *)engine;
}

static enum fgi_retry attempt(struct fgi_read *read)
{
    struct fgi_retry_rest rest = fgi_retry_rest(read);
    ssize_t got = pread(read->fd, rest.buffer, rest.bytes, (off_t)rest.offset);

    return fgi_retry_decide(read, got >= 0 ? got : -errno);
}

static void perform(struct pread_engine *pool, struct fgi_read *read)
{
    enum fgi_retry verdict = attempt(read);

    while (verdict != FGI_RETRY_DONE) {
        atomic_fetch_add(&pool->retries, 1);
        if (verdict == FGI_RETRY_LATER) {
            fgi_sleep_ns(fgi_retry_delay_ns(read));
        }
        verdict = attempt(read);
    }
    read->complete_ns = fgi_now_ns();
}

static void work(void *context)
{
    struct pread_engine *pool = context;
    struct fgi_read *read;

    pthread_mutex_lock(&pool->mutex);
    while (!pool->stop) {
        read = fgi_read_list_take(&pool->todo);
        if (read == NULL) {
            pthread_cond_wait(&pool->has_todo, &pool->mutex);
            continue;
        }
        pthread_mutex_unlock(&pool->mutex);
        perform(pool, read);
        pthread_mutex_lock(&pool->mutex);
        fgi_read_list_put(&pool->done, read);
        pthread_mutex_unlock(&pool->mutex);
        fgi_gate_notify(&pool->gate); /* the owner takes the lock at once */
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
}

static void pread_submit(struct fgi_engine *engine, struct fgi_read *read)
{
    struct pread_engine *pool = self(engine);

    fgi_retry_begin(read);
    fgi_count_up(&pool->reads);
    pthread_mutex_lock(&pool->mutex);
    fgi_read_list_put(&pool->todo, read);
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_signal(&pool->has_todo);
}

static size_t take_done(struct pread_engine *pool, struct fgi_read **done,
                        size_t room)
{
    size_t count;

    pthread_mutex_lock(&pool->mutex);
    count = fgi_read_list_take_all(&pool->done, done, room);
    pthread_mutex_unlock(&pool->mutex);
    return count;
}

static size_t pread_wait(struct fgi_engine *engine, struct fgi_read **done,
                         size_t room, uint64_t deadline_ns)
{
    struct pread_engine *pool = self(engine);

    for (;;) {
        uint32_t seen = fgi_gate_read(&pool->gate);
        size_t count = take_done(pool, done, room);

        if (atomic_exchange(&pool->is_woken, false) || count > 0 ||
            deadline_ns == 0 || room == 0 ||
            (deadline_ns != FGI_NEVER && fgi_now_ns() >= deadline_ns)) {
            return count;
        }
        fgi_gate_wait(&pool->gate, seen, deadline_ns);
    }
}

static void pread_wake(struct fgi_engine *engine)
{
    atomic_store(&self(engine)->is_woken, true);
    fgi_gate_notify(&self(engine)->gate);
}

static void pread_report(const struct fgi_engine *engine,
                         struct fgi_engine_report *report)
{
    const struct pread_engine *pool = (const struct pread_engine *)engine;

    *report = (struct fgi_engine_report){
        .name = engine->ops->name,
        .reads = atomic_load_explicit(&pool->reads, memory_order_relaxed),
        .retries = atomic_load_explicit(&pool->retries, memory_order_relaxed),
    };
    snprintf(report->note, sizeof(report->note), "%u threads",
             pool->thread_count);
}

static void stop_threads(struct pread_engine *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->stop = true;
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_broadcast(&pool->has_todo);
    for (uint32_t i = 0; i < pool->thread_count; i++) {
        fgi_thread_join(&pool->threads[i]);
    }
    pthread_cond_destroy(&pool->has_todo);
    pthread_mutex_destroy(&pool->mutex);
}

static void pread_destroy(struct fgi_engine *engine)
{
    struct pread_engine *pool = self(engine);

    /* A forked child has this memory, but neither the threads nor a mutex
     * in a known state. */
    if (pool->fork_generation == fgi_fork_generation()) {
        stop_threads(pool);
    }
    fgi_free(pool->threads);
    fgi_free(pool);
}

static const struct fgi_engine_ops pread_ops = {
    .name = "pread",
    .submit = pread_submit,
    .wait = pread_wait,
    .wake = pread_wake,
    .report = pread_report,
    .destroy = pread_destroy,
};

/* Start up to `wanted`; fewer will do (RLIMIT_NPROC), none will not. */
static enum fg_status start_threads(struct pread_engine *pool, uint32_t wanted,
                                    int node, struct fg_error *err)
{
    struct fg_error first;

    while (pool->thread_count < wanted) {
        struct fgi_thread *thread = &pool->threads[pool->thread_count];

        if (fgi_thread_start(thread, "fg-read", node, work, pool, &first) !=
            FG_OK) {
            return pool->thread_count > 0 ? FG_OK : fgi_error_copy(err, &first);
        }
        pool->thread_count++;
    }
    return FG_OK;
}

static uint32_t threads_wanted(const struct fgi_engine_config *config)
{
    uint32_t wanted = config->threads != 0 ? config->threads : THREADS_DEFAULT;

    return (uint32_t)fgi_clamp(wanted, 1, fgi_min(config->depth, THREADS_MAX));
}

enum fg_status fgi_engine_pread_create(const struct fgi_engine_config *config,
                                       struct fgi_engine **engine,
                                       struct fg_error *err)
{
    struct pread_engine *pool = fgi_alloc(1, sizeof(*pool));
    uint32_t wanted = threads_wanted(config);
    enum fg_status status;

    if (pool == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "pread engine: out of memory");
    }
    pool->threads = fgi_alloc(wanted, sizeof(*pool->threads));
    if (pool->threads == NULL) {
        fgi_free(pool);
        return fgi_fail(err, FG_ERR_MEMORY, "pread engine: out of memory");
    }
    pool->base.ops = &pread_ops;
    fgi_read_list_init(&pool->todo);
    fgi_read_list_init(&pool->done);
    fgi_gate_init(&pool->gate);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->has_todo, NULL);
    pool->fork_generation = fgi_fork_generation();
    status = start_threads(pool, wanted, config->node, err);
    if (status != FG_OK) {
        fgi_prefix(err, "pread engine");
        pread_destroy(&pool->base);
        return status;
    }
    *engine = &pool->base;
    return FG_OK;
}
