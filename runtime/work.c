/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/work.h"

#include <string.h>

#include "io/formats/format.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"

/* Take the task that goes first. False when there is none. */
static bool take_first(struct fgi_work *work, struct fgi_task *task)
{
    for (int i = 0; i < FGI_TASK_QUEUES; i++) {
        if (!fgi_ring_is_empty(&work->rings[i])) {
            *task = work->tasks[i][fgi_ring_take(&work->rings[i])];
            return true;
        }
    }
    return false;
}

/* Wait for a task. False when it is time to end. */
static bool take(struct fgi_work *work, struct fgi_task *task)
{
    bool has_task = false;

    pthread_mutex_lock(&work->mutex);
    while (!work->is_stopping && !has_task) {
        has_task = take_first(work, task);
        if (!has_task) {
            pthread_cond_wait(&work->ready, &work->mutex);
        }
    }
    has_task = has_task && !work->is_stopping;
    pthread_mutex_unlock(&work->mutex);
    return has_task;
}

static void worker_main(void *context)
{
    struct fgi_worker *worker = context;
    struct fgi_task task;

    while (take(worker->work, &task)) {
        task.run(task.context, task.argument, worker->scratch);
    }
}

static enum fg_status start(struct fgi_work *work, int node,
                            struct fg_error *err)
{
    for (uint32_t i = 0; i < work->thread_count; i++) {
        struct fgi_worker *worker = &work->workers[i];
        enum fg_status status;

        worker->work = work;
        worker->scratch = fgi_codec_create();
        if (worker->scratch == NULL) {
            return fgi_fail(err, FG_ERR_MEMORY, "worker %u: decoder", i);
        }
        status = fgi_thread_start(&worker->thread, "fg-work", node, worker_main,
                                  worker, err);
        if (status != FG_OK) {
            return status;
        }
    }
    return FG_OK;
}

static void free_memory(struct fgi_work *work)
{
    for (int i = 0; i < FGI_TASK_QUEUES; i++) {
        fgi_free(work->tasks[i]);
    }
    fgi_free(work->workers);
    memset(work, 0, sizeof(*work));
}

enum fg_status fgi_work_init(struct fgi_work *work, uint32_t threads, int node,
                             uint64_t capacity, struct fg_error *err)
{
    enum fg_status status;
    bool has_memory;

    memset(work, 0, sizeof(*work));
    capacity = fgi_round_up_power(capacity);
    work->workers = fgi_alloc(threads, sizeof(*work->workers));
    has_memory = work->workers != NULL;
    for (int i = 0; i < FGI_TASK_QUEUES; i++) {
        work->tasks[i] = fgi_alloc(capacity, sizeof(*work->tasks[i]));
        has_memory = has_memory && work->tasks[i] != NULL;
        fgi_ring_init(&work->rings[i], capacity);
    }
    if (!has_memory) {
        free_memory(work);
        return fgi_fail(err, FG_ERR_MEMORY, "workers: queue of %llu tasks",
                        (unsigned long long)capacity);
    }
    pthread_mutex_init(&work->mutex, NULL);
    pthread_cond_init(&work->ready, NULL);
    work->thread_count = threads;
    status = start(work, node, err);
    if (status != FG_OK) {
        fgi_work_fini(work);
    }
    return status;
}

void fgi_work_push(struct fgi_work *work, enum fgi_task_queue queue,
                   const struct fgi_task *task)
{
    pthread_mutex_lock(&work->mutex);
    work->tasks[queue][fgi_ring_put(&work->rings[queue])] = *task;
    pthread_cond_signal(&work->ready);
    pthread_mutex_unlock(&work->mutex);
}

void fgi_work_fini(struct fgi_work *work)
{
    if (work->workers == NULL) {
        return;
    }
    pthread_mutex_lock(&work->mutex);
    work->is_stopping = true;
    pthread_cond_broadcast(&work->ready);
    pthread_mutex_unlock(&work->mutex);
    for (uint32_t i = 0; i < work->thread_count; i++) {
        fgi_thread_join(&work->workers[i].thread);
        if (work->workers[i].scratch != NULL) {
            fgi_codec_destroy(work->workers[i].scratch);
        }
    }
    pthread_cond_destroy(&work->ready);
    pthread_mutex_destroy(&work->mutex);
    free_memory(work);
}
