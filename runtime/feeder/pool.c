/* SPDX-License-Identifier: Apache-2.0 */
/* See pool.h. */
#include "runtime/feeder/pool.h"

#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"

static void append(struct fgi_job_list *list, struct fgi_job *job)
{
    job->next = NULL;
    if (list->last != NULL) {
        list->last->next = job;
    } else {
        list->first = job;
    }
    list->last = job;
    list->count++;
}

static struct fgi_job *take_first(struct fgi_job_list *list)
{
    struct fgi_job *job = list->first;

    if (job != NULL) {
        list->first = job->next;
        list->count--;
        if (list->first == NULL) {
            list->last = NULL;
        }
    }
    return job;
}

static struct fgi_job *next_job(struct fgi_pool *pool)
{
    struct fgi_job *job = NULL;

    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_stopping && job == NULL) {
        job = take_first(&pool->urgent);
        if (job == NULL) {
            job = take_first(&pool->queued);
        }
        if (job == NULL) {
            pthread_cond_wait(&pool->ready, &pool->mutex);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void thread_main(void *context)
{
    struct fgi_pool *pool = context;
    struct fgi_job *job = next_job(pool);

    while (job != NULL) {
        job->run(job);
        pthread_mutex_lock(&pool->mutex);
        append(&pool->done, job);
        pthread_mutex_unlock(&pool->mutex);
        pool->wake(pool->context);
        job = next_job(pool);
    }
}

enum fg_status fgi_pool_init(struct fgi_pool *pool, uint32_t threads, int node,
                             void (*wake)(void *context), void *context,
                             struct fg_error *err)
{
    enum fg_status status = FG_OK;

    memset(pool, 0, sizeof(*pool));
    pool->wake = wake;
    pool->context = context;
    pool->threads = fgi_alloc(threads, sizeof(*pool->threads));
    if (pool->threads == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder: %u threads", threads);
    }
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->ready, NULL);
    pool->is_ready = true;
    for (uint32_t i = 0; i < threads && status == FG_OK; i++) {
        status = fgi_thread_start(&pool->threads[i], "fg-open", node,
                                  thread_main, pool, err);
        pool->thread_count += status == FG_OK ? 1 : 0;
    }
    return status;
}

bool fgi_pool_is_full(struct fgi_pool *pool)
{
    bool is_full;

    pthread_mutex_lock(&pool->mutex);
    is_full = pool->urgent.count + pool->queued.count >= FGI_POOL_JOBS_MAX;
    pthread_mutex_unlock(&pool->mutex);
    return is_full;
}

void fgi_pool_push(struct fgi_pool *pool, struct fgi_job *job, bool is_urgent)
{
    pthread_mutex_lock(&pool->mutex);
    append(is_urgent ? &pool->urgent : &pool->queued, job);
    pthread_cond_signal(&pool->ready);
    pthread_mutex_unlock(&pool->mutex);
}

void fgi_pool_finish(struct fgi_pool *pool, uint64_t now_ns)
{
    struct fgi_job *job;

    pthread_mutex_lock(&pool->mutex);
    job = pool->done.first;
    pool->done = (struct fgi_job_list){0};
    pthread_mutex_unlock(&pool->mutex);
    while (job != NULL) {
        struct fgi_job *next = job->next;

        job->finish(job, pool->context, now_ns);
        job->drop(job);
        job = next;
    }
}

static void drop_all(struct fgi_job_list *list)
{
    struct fgi_job *job = take_first(list);

    while (job != NULL) {
        job->drop(job);
        job = take_first(list);
    }
}

static bool join_all(struct fgi_pool *pool, uint64_t deadline_ns)
{
    bool is_joined = true;

    pthread_mutex_lock(&pool->mutex);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->ready);
    pthread_mutex_unlock(&pool->mutex);
    for (uint32_t i = 0; i < pool->thread_count; i++) {
        is_joined &= fgi_thread_join_by(&pool->threads[i], deadline_ns);
    }
    return is_joined;
}

bool fgi_pool_fini(struct fgi_pool *pool, uint64_t deadline_ns)
{
    if (pool->is_ready) {
        if (!join_all(pool, deadline_ns)) {
            return false;
        }
        drop_all(&pool->urgent);
        drop_all(&pool->queued);
        drop_all(&pool->done);
        pthread_cond_destroy(&pool->ready);
        pthread_mutex_destroy(&pool->mutex);
    }
    fgi_free(pool->threads);
    memset(pool, 0, sizeof(*pool));
    return true;
}
