/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that move the emulated device's bytes, one per direction.
 *
 * A thread takes its jobs in order. For each it sleeps until the end of the
 * copy's interval, waits for the moves of the other direction that the copy
 * was ordered behind, and copies. The jobs a job waits for were all put before
 * it, so the two threads cannot wait for each other in a circle.
 *
 * It sleeps without the final spin: what comes 50 us late here is the memcpy,
 * which takes far longer than a DMA would; who needs exact times asks for
 * FG_DEVICE_TIME_ONLY and gets no thread.
 */
#include <assert.h>
#include <string.h>

#include "gpu/emulated.h"
#include "runtime/base/clock.h"

bool fgi_mover_is_done(struct fgi_mover *mover, uint64_t count)
{
    return atomic_load_explicit(&mover->done, memory_order_acquire) >= count;
}

void fgi_mover_wait(struct fgi_mover *mover, uint64_t count)
{
    for (;;) {
        uint32_t seen = fgi_gate_read(&mover->progress);

        if (fgi_mover_is_done(mover, count)) {
            return;
        }
        fgi_gate_wait(&mover->progress, seen, FGI_NEVER);
    }
}

static bool has_work(struct fgi_mover *mover)
{
    return atomic_load(&mover->put) > atomic_load(&mover->done);
}

static void do_job(struct fgi_mover *mover, const struct fgi_job *job)
{
    uint64_t now_ns = fgi_now_ns();

    if (job->due_ns > now_ns) {
        fgi_sleep_ns(job->due_ns - now_ns);
    }
    fgi_mover_wait(mover->other, job->other_before);
    memcpy(job->to, job->from, job->bytes);
}

static void run(void *context)
{
    struct fgi_mover *mover = context;

    for (;;) {
        uint32_t seen = fgi_gate_read(&mover->work);
        uint64_t done = atomic_load(&mover->done);

        if (has_work(mover)) {
            do_job(mover, &mover->jobs[done % FGI_MOVER_JOBS]);
            atomic_store(&mover->done, done + 1);
            fgi_gate_notify(&mover->progress);
        } else if (atomic_load(&mover->is_stopping)) {
            return;
        } else {
            fgi_gate_wait(&mover->work, seen, FGI_NEVER);
        }
    }
}

enum fg_status fgi_mover_start(struct fgi_mover *mover, const char *name,
                               struct fgi_mover *other, struct fg_error *err)
{
    mover->other = other;
    return fgi_thread_start(&mover->thread, name, -1, run, mover, err);
}

void fgi_mover_stop(struct fgi_mover *mover)
{
    atomic_store(&mover->is_stopping, true);
    fgi_gate_notify(&mover->work);
    fgi_thread_join(&mover->thread);
}

bool fgi_mover_is_full(struct fgi_mover *mover)
{
    return atomic_load(&mover->put) - atomic_load(&mover->done) ==
           FGI_MOVER_JOBS;
}

uint64_t fgi_mover_put(struct fgi_mover *mover, const struct fgi_job *job)
{
    uint64_t number = atomic_load(&mover->put);

    assert(!fgi_mover_is_full(mover));
    mover->jobs[number % FGI_MOVER_JOBS] = *job;
    atomic_store(&mover->put, number + 1);
    fgi_gate_notify(&mover->work);
    return number + 1;
}
