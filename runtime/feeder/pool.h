/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for what may block in the file system: opening files, listing
 * folders. Jobs go in, are run by any thread, and come back to the reader,
 * which is woken for them.
 *
 * Lock rule: `mutex` guards the lists and is_stopping; no job runs under
 * it.
 */
#ifndef FGI_FEEDER_POOL_H
#define FGI_FEEDER_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/thread.h"

struct fgi_job {
    void (*run)(struct fgi_job *job); /* by a thread of the pool */
    void (*finish)(struct fgi_job *job, void *context,
                   uint64_t now_ns);   /* by the reader, after it */
    void (*drop)(struct fgi_job *job); /* release it, run or not */
    struct fgi_job *next;
};

struct fgi_job_list {
    struct fgi_job *first;
    struct fgi_job *last;
    uint32_t count;
};

struct fgi_pool {
    pthread_mutex_t mutex;
    pthread_cond_t ready;       /* a job was queued, or stopping */
    struct fgi_job_list urgent; /* taken first */
    struct fgi_job_list queued;
    struct fgi_job_list done;
    struct fgi_thread *threads; /* owned */
    uint32_t thread_count;      /* started */
    bool is_stopping;
    bool is_ready;               /* mutex and ready are made */
    void (*wake)(void *context); /* the reader: a job is done */
    void *context;               /* of wake, and of jobs' finish */
};

/* Start threads on `node` (-1: any). On failure, fini is due too. */
enum fg_status fgi_pool_init(struct fgi_pool *pool, uint32_t threads, int node,
                             void (*wake)(void *context), void *context,
                             struct fg_error *err);

/* So many jobs wait at most. */
#define FGI_POOL_JOBS_MAX 1024u

/* Whether so many wait already: nobody should ask for more. */
bool fgi_pool_is_full(struct fgi_pool *pool);

/* Queue a job; consumed. `is_urgent`: before all that are not. Threads: any. */
void fgi_pool_push(struct fgi_pool *pool, struct fgi_job *job, bool is_urgent);

/* Finish and drop all jobs that are done, first done first. */
void fgi_pool_finish(struct fgi_pool *pool, uint64_t now_ns);

/* Wait for what runs until deadline_ns, drop everything else. Zeroed is
 * allowed. False: a file system does not let a thread go. Then nothing was
 * released, because that thread will use it. */
bool fgi_pool_fini(struct fgi_pool *pool, uint64_t deadline_ns);

#endif /* FGI_FEEDER_POOL_H */
