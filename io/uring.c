/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io_uring engine. The ring is made in uring_setup.c.
 *
 *     submit ─▶ queued ─▶ (wait) SQE ─▶ in flight ─▶ CQE ─▶ handed back
 *                 ▲                                   │
 *                 └──── later (EAGAIN: after a delay) ◀┴─ short: the rest
 *
 * One ring per engine, made by the thread that owns it: SINGLE_ISSUER and
 * DEFER_TASKRUN demand that. A round of wait is one system call: it submits
 * what is queued and waits for the first completion. Completions only run
 * inside that call, so nothing here peeks without entering the kernel.
 *
 * Wake: a read of an eventfd is always armed in the ring; a write to the
 * eventfd completes it.
 *
 * Destroy: io_uring_queue_exit does not wait for reads in flight, and O_DIRECT
 * reads of files cannot be cancelled, so destroy reaps every completion before
 * it lets go: only then may the buffers go away.
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/buffers.h"
#include "io/engine.h"
#include "io/list.h"
#include "io/retry.h"
#include "io/uring_setup.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/base/thread.h"

/* What reads get to end in when their ring broke under them. */
#define BROKEN_GRACE_NS (2 * FGI_NS_PER_S)
/* Before trying again when the kernel could not take a call. */
#define BUSY_NS (100 * FGI_NS_PER_US)

struct uring {
    struct fgi_engine base;
    struct io_uring ring;
    struct fgi_read_list queued;     /* to be asked for */
    struct fgi_read_list later;      /* to be queued at later_ns */
    uint64_t later_ns;               /* FGI_NEVER when there are none */
    struct fgi_read_list failed;     /* never started, to be handed back */
    int broken_errno;                /* the ring cannot be entered any more */
    uint32_t in_flight;              /* reads the kernel has, or its SQ */
    int wake_fd;                     /* eventfd, or -1 */
    bool wake_is_armed;              /* its read is in flight */
    uint64_t wake_value;             /* where that read puts its bytes */
    _Atomic bool is_woken;           /* wake was called, wait has not seen it */
    struct fgi_buffers buffers;      /* registered; none when refused */
    uint32_t fork_generation;        /* of the process that may use the ring */
    _Atomic uint64_t reads;          /* submitted; written by the owner */
    _Atomic uint64_t retries;        /* asked for again; written by the owner */
    char note[FGI_URING_NOTE_BYTES]; /* for the report */
};

static struct uring *self(struct fgi_engine *engine)
{
    return (struct uring *)engine;
}

static void uring_submit(struct fgi_engine *engine, struct fgi_read *read)
{
    struct uring *uring = self(engine);

    fgi_retry_begin(read);
    read->buffer_index =
        fgi_buffers_find(&uring->buffers, read->buffer, read->length_bytes);
    fgi_count_up(&uring->reads);
    fgi_read_list_put(&uring->queued, read);
}

static void postpone(struct uring *uring, struct fgi_read *read)
{
    uint64_t at_ns = fgi_now_ns() + fgi_retry_delay_ns(read);

    fgi_read_list_put(&uring->later, read);
    uring->later_ns = fgi_min(uring->later_ns, at_ns);
}

/* Queue all postponed reads when the first of them is due. */
static void queue_due(struct uring *uring)
{
    if (uring->later_ns == FGI_NEVER || fgi_now_ns() < uring->later_ns) {
        return;
    }
    fgi_read_list_move(&uring->queued, &uring->later);
    uring->later_ns = FGI_NEVER;
}

static void prepare(struct io_uring_sqe *sqe, struct fgi_read *read)
{
    struct fgi_retry_rest rest = fgi_retry_rest(read);

    if (read->buffer_index != UINT32_MAX) {
        io_uring_prep_read_fixed(sqe, read->fd, rest.buffer, rest.bytes,
                                 rest.offset, (int)read->buffer_index);
    } else {
        io_uring_prep_read(sqe, read->fd, rest.buffer, rest.bytes, rest.offset);
    }
    io_uring_sqe_set_data(sqe, read);
    if (read->is_spread) {
        io_uring_sqe_set_flags(sqe, IOSQE_ASYNC); /* to the kernel's workers */
    }
}

static void arm_wake(struct uring *uring)
{
    struct io_uring_sqe *sqe;

    if (uring->wake_is_armed) {
        return;
    }
    sqe = io_uring_get_sqe(&uring->ring);
    if (sqe == NULL) {
        return; /* the next round has room */
    }
    io_uring_prep_read(sqe, uring->wake_fd, &uring->wake_value,
                       sizeof(uring->wake_value), 0);
    io_uring_sqe_set_data(sqe, &uring->wake_value);
    uring->wake_is_armed = true;
}

/* Make SQEs of queued reads, as far as the submission queue has room. */
static void fill_queue(struct uring *uring)
{
    arm_wake(uring);
    while (!fgi_read_list_is_empty(&uring->queued)) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

        if (sqe == NULL) {
            return;
        }
        prepare(sqe, fgi_read_list_take(&uring->queued));
        uring->in_flight++;
    }
}

/* Hand SQEs over and run completions without waiting for any. */
static int enter_now(struct uring *uring)
{
    if (io_uring_cq_ready(&uring->ring) > 0 &&
        io_uring_sq_ready(&uring->ring) == 0) {
        return 0;
    }
    return io_uring_submit_and_get_events(&uring->ring);
}

/* Hand SQEs over and wait for a completion until the deadline. */
static int enter_until(struct uring *uring, uint64_t deadline_ns)
{
    struct __kernel_timespec left;
    struct io_uring_cqe *cqe;
    uint64_t now_ns;

    if (deadline_ns == FGI_NEVER) {
        return io_uring_submit_and_wait(&uring->ring, 1);
    }
    now_ns = fgi_now_ns();
    if (deadline_ns <= now_ns) {
        return enter_now(uring);
    }
    left.tv_sec = (int64_t)((deadline_ns - now_ns) / FGI_NS_PER_S);
    left.tv_nsec = (long long)((deadline_ns - now_ns) % FGI_NS_PER_S);
    return io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &left, NULL);
}

/* Take back the SQEs that the kernel never took. */
static void take_unstarted(struct uring *uring)
{
    const struct io_uring_sq *sq = &uring->ring.sq;

    for (unsigned n = io_uring_sq_ready(&uring->ring); n > 0; n--) {
        const struct io_uring_sqe *sqe =
            &sq->sqes[(sq->sqe_tail - n) & (sq->ring_entries - 1)];
        void *data = (void *)(uintptr_t)sqe->user_data;

        if (data == &uring->wake_value) {
            uring->wake_is_armed = false;
        } else {
            fgi_read_list_put(&uring->queued, data);
            uring->in_flight--;
        }
    }
}

static void fail_queued(struct uring *uring)
{
    fgi_read_list_move(&uring->queued, &uring->later);
    for (struct fgi_read *read = uring->queued.first; read != NULL;
         read = read->next) {
        read->error = uring->broken_errno;
        read->complete_ns = fgi_now_ns();
    }
    fgi_read_list_move(&uring->failed, &uring->queued);
}

/* Whether the ring was entered, or may be next time. */
static bool is_passing(int result)
{
    switch (result) {
    case -ETIME:
    case -EINTR:
        return true;
    case -EAGAIN: /* out of kernel memory */
    case -ENOMEM:
    case -EBUSY: /* completions to be taken first */
        fgi_sleep_ns(BUSY_NS);
        return true;
    default:
        return result >= 0;
    }
}

/* One round in the kernel. */
static void enter(struct uring *uring, uint64_t deadline_ns)
{
    int rv;

    if (uring->broken_errno == 0) {
        queue_due(uring);
        fill_queue(uring);
        deadline_ns = fgi_min(deadline_ns, uring->later_ns);
        if (io_uring_cq_ready(&uring->ring) > 0 || deadline_ns == 0) {
            rv = enter_now(uring);
        } else {
            rv = enter_until(uring, deadline_ns);
        }
        if (is_passing(rv)) {
            return;
        }
        /* Somebody closed the ring's descriptor, or forbade the call after
         * it was made: what the kernel does not have comes back with why. */
        uring->broken_errno = -rv;
        take_unstarted(uring);
    }
    fail_queued(uring);
    if (fgi_read_list_is_empty(&uring->failed)) {
        fgi_sleep_ns(BUSY_NS);
    }
}

/* Whether the completion of a read hands it back; else it is queued again. */
static bool is_done(struct uring *uring, struct fgi_read *read, int result)
{
    switch (fgi_retry_decide(read, result)) {
    case FGI_RETRY_DONE:
        return true;
    case FGI_RETRY_NOW:
        fgi_read_list_put(&uring->queued, read);
        break;
    case FGI_RETRY_LATER:
        postpone(uring, read);
        break;
    }
    fgi_count_up(&uring->retries);
    return false;
}

/* Take completions, up to `room` finished reads; returns how many. */
static size_t reap(struct uring *uring, struct fgi_read **done, size_t room)
{
    uint64_t now_ns = fgi_now_ns();
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned seen = 0;
    size_t count = 0;

    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        void *data = io_uring_cqe_get_data(cqe);

        if (count == room) {
            break;
        }
        seen++;
        if (data == &uring->wake_value) {
            uring->wake_is_armed = false;
            continue;
        }
        uring->in_flight--;
        if (is_done(uring, data, cqe->res)) {
            ((struct fgi_read *)data)->complete_ns = now_ns;
            done[count++] = data;
        }
    }
    io_uring_cq_advance(&uring->ring, seen);
    /* The completion queue has room for all that can be in flight. */
    assert(!io_uring_cq_has_overflow(&uring->ring));
    return count;
}

static size_t uring_wait(struct fgi_engine *engine, struct fgi_read **done,
                         size_t room, uint64_t deadline_ns)
{
    struct uring *uring = self(engine);
    size_t count;

    for (;;) {
        bool is_last = atomic_load(&uring->is_woken) || room == 0;

        enter(uring, is_last ? 0 : deadline_ns);
        count = fgi_read_list_take_all(&uring->failed, done, room);
        count += reap(uring, done + count, room - count);
        if (atomic_exchange(&uring->is_woken, false) || is_last || count > 0 ||
            deadline_ns == 0 ||
            (deadline_ns != FGI_NEVER && fgi_now_ns() >= deadline_ns)) {
            break;
        }
    }
    if (!fgi_read_list_is_empty(&uring->queued)) {
        enter(uring, 0); /* the rest of a short read must not sit here */
    }
    return count;
}

static void uring_wake(struct fgi_engine *engine)
{
    struct uring *uring = self(engine);
    const uint64_t one = 1;
    int saved = errno;

    /* Whoever sets the flag also writes, so a wait that saw the flag clear
     * and went to sleep is woken. */
    if (!atomic_exchange(&uring->is_woken, true)) {
        while (write(uring->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
    errno = saved;
}

static void uring_report(const struct fgi_engine *engine,
                         struct fgi_engine_report *report)
{
    const struct uring *uring = (const struct uring *)engine;

    *report = (struct fgi_engine_report){
        .name = engine->ops->name,
        .is_registered = uring->buffers.count > 0,
        .reads = atomic_load_explicit(&uring->reads, memory_order_relaxed),
        .retries = atomic_load_explicit(&uring->retries, memory_order_relaxed),
    };
    memcpy(report->note, uring->note, sizeof(report->note));
}

/* Reap until the kernel holds neither a read nor our wake word. What would be
 * asked again is queued, and that is all. */
static void drain(struct uring *uring)
{
    struct fgi_read *dropped[32];

    uring_wake(&uring->base);
    while (uring->broken_errno == 0 &&
           (uring->in_flight > 0 || uring->wake_is_armed)) {
        int rv = io_uring_submit_and_wait(&uring->ring, 1);

        if (!is_passing(rv)) {
            uring->broken_errno = -rv;
            take_unstarted(uring);
        }
        reap(uring, dropped, sizeof(dropped) / sizeof(dropped[0]));
    }
    /* A broken ring names no completion: give the disk time to be done. */
    if (uring->in_flight > 0) {
        fgi_sleep_ns(BROKEN_GRACE_NS);
    }
}

static void uring_destroy(struct fgi_engine *engine)
{
    struct uring *uring = self(engine);

    /* In a forked child the reads are the parent's, and so is the ring. */
    if (uring->fork_generation == fgi_fork_generation()) {
        drain(uring);
    }
    io_uring_queue_exit(&uring->ring);
    close(uring->wake_fd);
    fgi_buffers_fini(&uring->buffers);
    fgi_free(uring);
}

static const struct fgi_engine_ops uring_ops = {
    .name = "uring",
    .submit = uring_submit,
    .wait = uring_wait,
    .wake = uring_wake,
    .report = uring_report,
    .destroy = uring_destroy,
};

static enum fg_status open_uring(struct uring *uring,
                                 const struct fgi_engine_config *config,
                                 struct fg_error *err)
{
    enum fg_status status;

    uring->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (uring->wake_fd < 0) {
        return fgi_fail_errno(err, errno, "io_uring: make an eventfd");
    }
    status = fgi_uring_set_up(&uring->ring, config, &uring->buffers,
                              uring->note, err);
    if (status != FG_OK) {
        close(uring->wake_fd);
    }
    return status;
}

enum fg_status fgi_engine_uring_create(const struct fgi_engine_config *config,
                                       struct fgi_engine **engine,
                                       struct fg_error *err)
{
    struct uring *uring = fgi_alloc(1, sizeof(*uring));
    enum fg_status status;

    if (uring == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "io_uring: out of memory");
    }
    uring->base.ops = &uring_ops;
    fgi_read_list_init(&uring->queued);
    fgi_read_list_init(&uring->later);
    fgi_read_list_init(&uring->failed);
    uring->later_ns = FGI_NEVER;
    uring->fork_generation = fgi_fork_generation();
    status = open_uring(uring, config, err);
    if (status != FG_OK) {
        fgi_free(uring);
        return status;
    }
    *engine = &uring->base;
    return FG_OK;
}
