/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine that does nothing, to measure everything else with: a read is
 * done when it is submitted. With `fill`, the file has no end and byte i of it
 * is fgi_null_byte(i); without, buffers keep what they hold.
 *
 * It makes no system call unless wait has nothing to hand back: then it blocks
 * on a gate until wake or the deadline.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "io/engine.h"
#include "io/list.h"
#include "io/retry.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/base/thread.h"

struct null_engine {
    struct fgi_engine base;
    bool fill;                 /* write the pattern */
    struct fgi_read_list done; /* to be handed back */
    _Atomic uint64_t reads;    /* submitted; written by the owner */
    _Atomic bool is_woken;     /* wake was called, wait has not seen it */
    struct fgi_gate gate;      /* moved by wake */
};

uint8_t fgi_null_byte(uint64_t offset)
{
    return (uint8_t)((offset * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

static struct null_engine *self(struct fgi_engine *engine)
{
    return (struct null_engine *)engine;
}

static void fill_pattern(const struct fgi_read *read)
{
    uint8_t *to = read->buffer;

    for (uint32_t i = 0; i < read->wanted_bytes; i++) {
        to[i] = fgi_null_byte(read->offset + i);
    }
}

static void null_submit(struct fgi_engine *engine, struct fgi_read *read)
{
    struct null_engine *null = self(engine);

    fgi_retry_begin(read);
    if (null->fill) {
        fill_pattern(read);
    }
    read->done_bytes = read->wanted_bytes;
    read->complete_ns = read->submit_ns;
    fgi_count_up(&null->reads);
    fgi_read_list_put(&null->done, read);
}

static bool take_wake(struct null_engine *null)
{
    return atomic_load(&null->is_woken) &&
           atomic_exchange(&null->is_woken, false);
}

static size_t null_wait(struct fgi_engine *engine, struct fgi_read **done,
                        size_t room, uint64_t deadline_ns)
{
    struct null_engine *null = self(engine);

    for (;;) {
        uint32_t seen = fgi_gate_read(&null->gate);
        size_t count = fgi_read_list_take_all(&null->done, done, room);

        if (take_wake(null) || count > 0 || deadline_ns == 0 || room == 0 ||
            (deadline_ns != FGI_NEVER && fgi_now_ns() >= deadline_ns)) {
            return count;
        }
        fgi_gate_wait(&null->gate, seen, deadline_ns);
    }
}

static void null_wake(struct fgi_engine *engine)
{
    atomic_store(&self(engine)->is_woken, true);
    fgi_gate_notify(&self(engine)->gate);
}

static void null_report(const struct fgi_engine *engine,
                        struct fgi_engine_report *report)
{
    const struct null_engine *null = (const struct null_engine *)engine;

    *report = (struct fgi_engine_report){
        .name = engine->ops->name,
        .reads = atomic_load_explicit(&null->reads, memory_order_relaxed),
    };
    snprintf(report->note, sizeof(report->note), "%s",
             null->fill ? "a pattern without I/O" : "nothing without I/O");
}

static void null_destroy(struct fgi_engine *engine)
{
    fgi_free(engine);
}

static const struct fgi_engine_ops null_ops = {
    .name = "null",
    .submit = null_submit,
    .wait = null_wait,
    .wake = null_wake,
    .report = null_report,
    .destroy = null_destroy,
};

enum fg_status fgi_engine_null_create(const struct fgi_engine_config *config,
                                      bool fill, struct fgi_engine **engine,
                                      struct fg_error *err)
{
    struct null_engine *null = fgi_alloc(1, sizeof(*null));

    (void)config;
    if (null == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "null engine: out of memory");
    }
    null->base.ops = &null_ops;
    null->fill = fill;
    fgi_read_list_init(&null->done);
    fgi_gate_init(&null->gate);
    *engine = &null->base;
    return FG_OK;
}
