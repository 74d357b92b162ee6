/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers. Each takes the next shard of the plan and writes it from its
 * first sample to its last; no two touch the same shard, so nothing about the
 * result depends on how many there are. The main thread only waits: it draws
 * the progress line, and passes a signal on.
 *
 * The first error stops all. Of several, the one that is kept is that of the
 * lowest shard.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pack.h"
#include "progress.h"
#include "report.h"
#include "signals.h"

#define WAIT_NS 50000000L /* between two looks at signals and progress */

struct worker {
    struct pack_job *job; /* shared by all */
    struct fg_error err;  /* why it gave up */
    size_t failed_shard;  /* valid with err */
    bool is_failed;
    pthread_t thread;
};

/* Workers that still run; the main thread waits for it to be 0. */
struct finish_line {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t running; /* under lock */
};

static struct finish_line finish = {PTHREAD_MUTEX_INITIALIZER,
                                    PTHREAD_COND_INITIALIZER, 0};

static bool must_stop(const struct pack_job *job)
{
    return atomic_load(&job->is_stopping) || is_interrupted();
}

static uint64_t sample_bytes(const struct pack_source *source,
                             const struct pack_sample *sample)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < source->field_count; i++) {
        bytes += sample->lengths[i];
    }
    return bytes;
}

/* Add a shard's samples to its writer. Stopped half way is FG_ERR_CANCELLED. */
static enum fg_status add_samples(struct pack_job *job,
                                  const struct pack_shard *shard,
                                  struct pack_reader *reader,
                                  struct fg_shard_writer *writer,
                                  struct fg_error *err)
{
    const struct pack_source_ops *ops = job->source->ops;
    enum fg_status status = FG_OK;
    for (uint64_t i = 0; status == FG_OK && i < shard->count; i++) {
        struct pack_sample sample;
        if (must_stop(job)) {
            return FG_ERR_CANCELLED;
        }
        status = ops->read(reader, shard->first + i, &sample, err);
        if (status == FG_OK) {
            status =
                fg_shard_writer_add(writer, sample.fields, sample.lengths, err);
        }
        if (status == FG_OK) {
            atomic_fetch_add(&job->done_bytes,
                             sample_bytes(job->source, &sample));
        }
    }
    return status;
}

static enum fg_status write_shard(struct pack_job *job, size_t index,
                                  struct pack_reader *reader, const char *path,
                                  struct fg_error *err)
{
    struct fg_shard_config config;
    struct fg_shard_writer *writer;
    const struct pack_options *pack = &job->options->pack;
    fg_shard_config_init(&config);
    config.field_count = job->source->field_count;
    config.fields = job->source->fields;
    config.zstd_level = (int32_t)pack->zstd_level;
    config.block_samples = job->plan->block_samples;
    enum fg_status status = fg_shard_writer_open(path, &config, &writer, err);
    if (status != FG_OK) {
        return status;
    }
    status = add_samples(job, &job->plan->shards[index], reader, writer, err);
    if (status != FG_OK) {
        fg_shard_writer_abort(writer);
        return status;
    }
    return fg_shard_writer_finish(writer, err);
}

static void fail_memory(struct fg_error *err)
{
    err->status = FG_ERR_MEMORY;
    snprintf(err->message, sizeof(err->message), "pack: out of memory");
}

/* Take shards until there are none, or one fails. */
static enum fg_status write_shards(struct worker *worker,
                                   struct pack_reader *reader)
{
    struct pack_job *job = worker->job;
    enum fg_status status = FG_OK;
    while (status == FG_OK && !must_stop(job)) {
        size_t index = atomic_fetch_add(&job->next, 1);
        if (index >= job->plan->count) {
            break;
        }
        worker->failed_shard = index;
        char *path = pack_output_path(job->output, index);
        if (path == NULL) {
            fail_memory(&worker->err);
            return FG_ERR_MEMORY;
        }
        status = write_shard(job, index, reader, path, &worker->err);
        free(path);
    }
    return status;
}

static void *work(void *context)
{
    struct worker *worker = context;
    const struct pack_source *source = worker->job->source;
    struct pack_reader *reader = source->ops->open(source);
    enum fg_status status = FG_ERR_MEMORY;
    if (reader != NULL) {
        status = write_shards(worker, reader);
        source->ops->close(reader);
    } else {
        fail_memory(&worker->err);
    }
    if (status != FG_OK && status != FG_ERR_CANCELLED) {
        worker->is_failed = true;
        atomic_store(&worker->job->is_stopping, true);
    }
    pthread_mutex_lock(&finish.lock);
    finish.running--;
    pthread_cond_signal(&finish.changed);
    pthread_mutex_unlock(&finish.lock);
    return NULL;
}

/* Wait for all workers, drawing the progress line meanwhile. */
static void watch(const struct pack_job *job)
{
    struct progress progress;
    progress_start(&progress, "packing", job->plan->bytes);
    pthread_mutex_lock(&finish.lock);
    while (finish.running > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += WAIT_NS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&finish.changed, &finish.lock, &until);
        progress_update(&progress, now_ns(), atomic_load(&job->done_bytes));
    }
    pthread_mutex_unlock(&finish.lock);
    progress_clear();
}

/* Start the workers, which take no signals; gives how many run. */
static uint32_t start_workers(struct worker *workers, uint32_t threads,
                              struct pack_job *job)
{
    sigset_t all, before;
    uint32_t started = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; started < threads; started++) {
        struct worker *worker = &workers[started];
        worker->job = job;
        pthread_mutex_lock(&finish.lock);
        finish.running++;
        pthread_mutex_unlock(&finish.lock);
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            pthread_mutex_lock(&finish.lock);
            finish.running--;
            pthread_mutex_unlock(&finish.lock);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static const struct worker *first_failed(const struct worker *workers,
                                         uint32_t count)
{
    const struct worker *first = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (workers[i].is_failed &&
            (first == NULL || workers[i].failed_shard < first->failed_shard)) {
            first = &workers[i];
        }
    }
    return first;
}

int pack_run(struct pack_job *job, uint32_t threads)
{
    threads = threads < job->plan->count ? threads : (uint32_t)job->plan->count;
    struct worker *workers = calloc(threads, sizeof(*workers));
    if (workers == NULL) {
        complain("out of memory");
        return STATUS_FAILED;
    }
    uint32_t started = start_workers(workers, threads, job);
    watch(job);
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    int status = STATUS_DONE;
    const struct worker *failed = first_failed(workers, started);
    if (is_interrupted()) {
        complain("interrupted: nothing was written");
        status = status_of_signal();
    } else if (failed != NULL) {
        status = complain_error(&failed->err);
    } else if (started == 0) {
        complain("pack: no thread could be started");
        status = STATUS_FAILED;
    }
    free(workers);
    return status;
}
