/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker threads: decode and assemble, on the home node's CPUs. Two bounded
 * queues of tasks, each first in, first out. Assembling goes before decoding:
 * a batch that can be complete is needed sooner than one that has blocks to
 * decode, and what was just decoded is still in the caches.
 *
 * Lock rule: `mutex` guards the queue and `is_stopping`; no task runs and no
 * callback is called under it.
 */
#ifndef FGI_RUNTIME_WORK_H
#define FGI_RUNTIME_WORK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/ring.h"
#include "runtime/base/thread.h"

/* A task; `scratch` is the worker's own decoding scratch. */
typedef void (*fgi_task_fn)(void *context, uint64_t argument, void *scratch);

enum fgi_task_queue {
    FGI_TASK_ASSEMBLE, /* taken first */
    FGI_TASK_DECODE,
    FGI_TASK_QUEUES,
};

struct fgi_task {
    fgi_task_fn run;
    void *context;
    uint64_t argument;
};

struct fgi_worker {
    struct fgi_thread thread;
    struct fgi_work *work; /* its pool */
    void *scratch;         /* owned: fgi_codec_create */
};

struct fgi_work {
    pthread_mutex_t mutex;
    pthread_cond_t ready;                   /* a task was queued, or stopping */
    struct fgi_ring rings[FGI_TASK_QUEUES]; /* over tasks */
    struct fgi_task *tasks[FGI_TASK_QUEUES]; /* owned */
    struct fgi_worker *workers;              /* owned, thread_count entries */
    uint32_t thread_count;
    bool is_stopping;
};

/* Start `threads` workers on `node` (-1: any) with queues of `capacity`. */
enum fg_status fgi_work_init(struct fgi_work *work, uint32_t threads, int node,
                             uint64_t capacity, struct fg_error *err);

/* Queue a task. The caller knows that there is room. Threads: any. */
void fgi_work_push(struct fgi_work *work, enum fgi_task_queue queue,
                   const struct fgi_task *task);

/* Drop what is queued, wait for what runs, release. Zeroed is allowed. */
void fgi_work_fini(struct fgi_work *work);

#endif /* FGI_RUNTIME_WORK_H */
