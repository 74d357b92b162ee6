/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine that spoils the n-th read of the engine below it, for tests.
 *
 *     submit ─▶ entry ─▶ below ─▶ back ─▶ spoiled? ─▶ ready ─▶ wait
 *                 ▲                         │  └─ late: until it is due
 *                 └── EAGAIN, short: the rest again
 *
 * The engine below sees a copy of each read, so that a spoiled one can be asked
 * for again as an engine does after a short read or EAGAIN; what that means is
 * io/retry.h's business, as everywhere. Errors other than EAGAIN and EINTR are
 * handed back at once. Unspoiled reads pass as they are.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "io/engine.h"
#include "io/list.h"
#include "io/retry.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* Taken from below in one go. */
#define TAKE_MAX 16

/* A read on its way. */
struct entry {
    struct fgi_read below;     /* what the engine below sees; its owner: us */
    struct fgi_read *original; /* the caller's */
    bool is_armed;             /* to be spoiled */
    uint64_t due_ns;           /* in `late`: when it may be seen */
    struct entry *next;        /* in `free` or `late` */
};

struct fault_engine {
    struct fgi_engine base;
    struct fgi_engine *below;   /* owned */
    struct fgi_fault fault;     /* what to do, and when */
    struct fgi_read_list ready; /* originals, to be handed back */
    struct entry *free;         /* entries, owned, not in use */
    struct entry *late;         /* complete, but not yet due */
    uint32_t below_count;       /* entries that the engine below has */
    _Atomic bool is_woken;      /* wake was called, wait has not seen it */
    _Atomic uint64_t reads;     /* submitted; written by the owner */
    _Atomic uint64_t retries;   /* asked for again; written by the owner */
};

static struct fault_engine *self(struct fgi_engine *engine)
{
    return (struct fault_engine *)engine;
}

static bool is_spoiled(const struct fgi_fault *fault, uint64_t number)
{
    if (fault->nth == 0 || number < fault->nth) {
        return false;
    }
    return number == fault->nth ||
           (fault->every > 0 && (number - fault->nth) % fault->every == 0);
}

static struct entry *take_entry(struct fault_engine *engine)
{
    struct entry *entry = engine->free;

    if (entry == NULL) {
        return fgi_alloc(1, sizeof(*entry));
    }
    engine->free = entry->next;
    return entry;
}

static void give_entry(struct fault_engine *engine, struct entry *entry)
{
    entry->next = engine->free;
    engine->free = entry;
}

/* Hand the original back and forget the entry. */
static void finish(struct fault_engine *engine, struct entry *entry)
{
    entry->original->complete_ns = fgi_now_ns();
    fgi_read_list_put(&engine->ready, entry->original);
    give_entry(engine, entry);
}

/* Ask the engine below for what the original lacks. */
static void ask(struct fault_engine *engine, struct entry *entry)
{
    const struct fgi_read *original = entry->original;
    struct fgi_retry_rest rest = fgi_retry_rest(original);

    entry->below = (struct fgi_read){
        .fd = original->fd,
        .length_bytes = rest.bytes,
        .wanted_bytes = original->wanted_bytes - original->done_bytes,
        .align_bytes = original->align_bytes,
        .offset = rest.offset,
        .buffer = rest.buffer,
        .owner = entry,
    };
    engine->below_count++;
    engine->below->ops->submit(engine->below, &entry->below);
}

static void fault_submit(struct fgi_engine *base, struct fgi_read *read)
{
    struct fault_engine *engine = self(base);
    struct entry *entry = take_entry(engine);

    fgi_retry_begin(read);
    fgi_count_up(&engine->reads);
    if (entry == NULL) {
        read->error = ENOMEM;
        read->complete_ns = read->submit_ns;
        fgi_read_list_put(&engine->ready, read);
        return;
    }
    entry->original = read;
    entry->is_armed = is_spoiled(&engine->fault, atomic_load(&engine->reads));
    ask(engine, entry);
}

/* Take over what the engine below says, as it is. */
static void pass(struct fault_engine *engine, struct entry *entry)
{
    struct fgi_read *original = entry->original;

    original->done_bytes += entry->below.done_bytes;
    original->error = entry->below.error;
    finish(engine, entry);
}

/* Pretend that the attempt gave `result`, and go on from there. */
static void pretend(struct fault_engine *engine, struct entry *entry,
                    int64_t result)
{
    if (fgi_retry_decide(entry->original, result) == FGI_RETRY_DONE) {
        finish(engine, entry);
        return;
    }
    fgi_count_up(&engine->retries);
    ask(engine, entry);
}

/* Half of what arrived, aligned and less than wanted; 0: too little. */
static uint32_t part_of(const struct fgi_read *below, uint32_t align_bytes)
{
    uint32_t most =
        (uint32_t)fgi_min(below->done_bytes / 2, below->wanted_bytes - 1);

    return most - most % align_bytes;
}

static void spoil_error(struct fault_engine *engine, struct entry *entry)
{
    int sys_errno = engine->fault.sys_errno;

    if (sys_errno == EAGAIN || sys_errno == EINTR) {
        pretend(engine, entry, -sys_errno);
        return;
    }
    entry->original->error = sys_errno;
    finish(engine, entry);
}

static void spoil_short(struct fault_engine *engine, struct entry *entry)
{
    uint32_t part = part_of(&entry->below, entry->below.align_bytes);

    if (part == 0) {
        pass(engine, entry); /* cannot be shorter than one unit */
        return;
    }
    pretend(engine, entry, part);
}

static void spoil_eof(struct fault_engine *engine, struct entry *entry)
{
    entry->original->done_bytes += part_of(&entry->below, 1);
    entry->original->error = FGI_READ_EOF;
    finish(engine, entry);
}

static void spoil_late(struct fault_engine *engine, struct entry *entry)
{
    entry->due_ns = fgi_now_ns() + engine->fault.delay_ns;
    entry->next = engine->late;
    engine->late = entry;
}

static void spoil_flip(struct fault_engine *engine, struct entry *entry)
{
    const struct fgi_read *below = &entry->below;
    uint64_t arrived = fgi_min(below->done_bytes, below->wanted_bytes);

    if (arrived > 0) {
        ((uint8_t *)below->buffer)[arrived / 2] ^= 0x10;
    }
    pass(engine, entry);
}

/* A read is back from below: spoil it or pass it on. */
static void take_back(struct fault_engine *engine, struct entry *entry)
{
    static void (*const spoil[])(struct fault_engine *, struct entry *) = {
        [FGI_FAULT_ERROR] = spoil_error, [FGI_FAULT_SHORT] = spoil_short,
        [FGI_FAULT_EOF] = spoil_eof,     [FGI_FAULT_LATE] = spoil_late,
        [FGI_FAULT_FLIP] = spoil_flip,
    };

    engine->below_count--;
    if (!entry->is_armed) {
        pass(engine, entry);
        return;
    }
    entry->is_armed = false;
    spoil[engine->fault.kind](engine, entry);
}

/* Pass on late reads that are due; returns when the next one is. */
static uint64_t release_late(struct fault_engine *engine)
{
    struct entry **link = &engine->late;
    uint64_t next_ns = FGI_NEVER;
    uint64_t now_ns = *link != NULL ? fgi_now_ns() : 0;

    while (*link != NULL) {
        struct entry *entry = *link;

        if (entry->due_ns <= now_ns) {
            *link = entry->next;
            pass(engine, entry);
        } else {
            next_ns = fgi_min(next_ns, entry->due_ns);
            link = &entry->next;
        }
    }
    return next_ns;
}

static size_t fault_wait(struct fgi_engine *base, struct fgi_read **done,
                         size_t room, uint64_t deadline_ns)
{
    struct fault_engine *engine = self(base);
    struct fgi_engine *below = engine->below;
    struct fgi_read *back[TAKE_MAX];

    for (;;) {
        uint64_t due_ns = release_late(engine);
        bool is_last = atomic_load(&engine->is_woken) || deadline_ns == 0 ||
                       room == 0 || !fgi_read_list_is_empty(&engine->ready);
        size_t count = below->ops->wait(
            below, back, TAKE_MAX, is_last ? 0 : fgi_min(deadline_ns, due_ns));

        for (size_t i = 0; i < count; i++) {
            take_back(engine, back[i]->owner);
        }
        count = fgi_read_list_take_all(&engine->ready, done, room);
        if (atomic_exchange(&engine->is_woken, false) || is_last || count > 0 ||
            (deadline_ns != FGI_NEVER && fgi_now_ns() >= deadline_ns)) {
            return count;
        }
    }
}

static void fault_wake(struct fgi_engine *base)
{
    struct fault_engine *engine = self(base);

    atomic_store(&engine->is_woken, true);
    engine->below->ops->wake(engine->below);
}

static void fault_report(const struct fgi_engine *base,
                         struct fgi_engine_report *report)
{
    const struct fault_engine *engine = (const struct fault_engine *)base;
    struct fgi_engine_report below;

    engine->below->ops->report(engine->below, &below);
    *report = below;
    report->name = base->ops->name;
    report->reads = atomic_load_explicit(&engine->reads, memory_order_relaxed);
    report->retries +=
        atomic_load_explicit(&engine->retries, memory_order_relaxed);
    snprintf(report->note, sizeof(report->note), "over %s: %.100s", below.name,
             below.note);
}

static void free_entries(struct entry *entry)
{
    while (entry != NULL) {
        struct entry *next = entry->next;

        fgi_free(entry);
        entry = next;
    }
}

/* The engine below waits for its reads, but does not name them when it goes:
 * take them back first, since their copies are ours. */
static void fault_destroy(struct fgi_engine *base)
{
    struct fault_engine *engine = self(base);
    struct fgi_engine *below = engine->below;
    struct fgi_read *back[TAKE_MAX];

    while (engine->below_count > 0) {
        size_t count = below->ops->wait(below, back, TAKE_MAX, FGI_NEVER);

        for (size_t i = 0; i < count; i++) {
            give_entry(engine, back[i]->owner);
        }
        engine->below_count -= (uint32_t)count;
    }
    below->ops->destroy(below);
    free_entries(engine->free);
    free_entries(engine->late);
    fgi_free(engine);
}

static const struct fgi_engine_ops fault_ops = {
    .name = "fault",
    .submit = fault_submit,
    .wait = fault_wait,
    .wake = fault_wake,
    .report = fault_report,
    .destroy = fault_destroy,
};

enum fg_status fgi_engine_fault_create(struct fgi_engine *below,
                                       const struct fgi_fault *fault,
                                       struct fgi_engine **engine,
                                       struct fg_error *err)
{
    struct fault_engine *made = fgi_alloc(1, sizeof(*made));

    if (made == NULL) {
        below->ops->destroy(below);
        return fgi_fail(err, FG_ERR_MEMORY, "fault engine: out of memory");
    }
    made->base.ops = &fault_ops;
    made->below = below;
    made->fault = *fault;
    fgi_read_list_init(&made->ready);
    *engine = &made->base;
    return FG_OK;
}
