/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/reader.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"

enum fg_status fgi_reader_read_error(const struct fgi_reader *reader,
                                     const struct fgi_read_op *op,
                                     struct fg_error *err)
{
    const struct fgi_shard *shard =
        &reader->pipeline->dataset->shards[op->shard_index];
    enum fg_status status =
        op->read.error == FGI_READ_EOF ? FG_ERR_DAMAGED : FG_ERR_READ;

    fgi_fail_at(err, status, op->read.offset,
                "%s: offset %llu: read: got %u of %u bytes: %s", shard->path,
                (unsigned long long)op->read.offset, op->read.done_bytes,
                op->read.wanted_bytes, fgi_read_error_text(op->read.error));
    if (op->read.error == FGI_READ_EOF) {
        fgi_likely(err, "the file was truncated while open");
    }
    err->sys_errno = op->read.error > 0 ? op->read.error : 0;
    return status;
}

static bool may_submit(const struct fgi_reader *reader, uint64_t bytes)
{
    return reader->free_ops != NULL &&
           (reader->inflight_bytes == 0 ||
            reader->inflight_bytes + bytes <= reader->depth.budget_bytes);
}

static void submit_op(struct fgi_reader *reader, uint64_t bytes)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fgi_piece *piece = &reader->piece;
    struct fgi_read_op *op = reader->free_ops;

    reader->free_ops = op->next;
    op->load = piece->load;
    op->ticket = piece->ticket;
    op->shard_index = piece->shard_index;
    memset(&op->read, 0, sizeof(op->read));
    op->read.fd = piece->file->fd;
    op->read.length_bytes = (uint32_t)bytes;
    op->read.wanted_bytes =
        (uint32_t)fgi_min(bytes, piece->wanted_end - piece->at);
    op->read.align_bytes = piece->file->offset_align;
    op->read.offset = piece->at;
    op->read.buffer = piece->buffer;
    op->read.owner = op;
    op->read.is_spread = piece->file->is_tmpfs && !piece->file->is_direct;
    if (op->load != NULL) {
        op->load->reads_pending++;
    } else {
        atomic_fetch_add_explicit(&op->ticket->parts_left, 1,
                                  memory_order_relaxed);
        fgi_files_retain(&pipeline->files, op->shard_index);
    }
    piece->at += bytes;
    piece->buffer += bytes;
    reader->inflight_bytes += bytes;
    reader->inflight_count++;
    atomic_fetch_add_explicit(&pipeline->read_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pipeline->read_bytes_total, bytes,
                              memory_order_relaxed);
    pipeline->engine->ops->submit(pipeline->engine, &op->read);
}

/* Cut the piece in hand into reads; false when the budget is used up. */
static bool submit_piece(struct fgi_reader *reader)
{
    struct fgi_piece *piece = &reader->piece;

    while (piece->at < piece->end) {
        uint64_t bytes =
            fgi_min(reader->pipeline->read_bytes, piece->end - piece->at);

        if (!may_submit(reader, bytes)) {
            reader->was_limited = true;
            return false;
        }
        submit_op(reader, bytes);
    }
    if (piece->load != NULL) {
        piece->load->is_submitted = true;
    } else {
        fgi_files_drop(&reader->pipeline->files, piece->shard_index);
    }
    piece->file = NULL;
    return true;
}

void fgi_reader_give_up(struct fgi_reader *reader)
{
    /* The batch in planning fails, in its turn; those before it are good. */
    reader->is_planned = true;
    reader->plan_status = reader->error.status;
}

static void plan_and_submit(struct fgi_reader *reader)
{
    reader->was_limited = false;
    for (;;) {
        if (reader->piece.file != NULL && !submit_piece(reader)) {
            return;
        }
        if (reader->is_planned) {
            return;
        }
        /* With the budget full, planning ahead would only use up memory. */
        if (!may_submit(reader, 1)) {
            reader->was_limited = true;
            return;
        }
        if (!(reader->pipeline->is_in_place ? fgi_inplace_next(reader)
                                            : fgi_staged_next(reader))) {
            return;
        }
    }
}

static void finish_read(struct fgi_reader *reader, struct fgi_read_op *op)
{
    reader->inflight_bytes -= op->read.length_bytes;
    reader->inflight_count--;
    fgi_depth_add(&reader->depth, op->read.length_bytes, reader->was_limited,
                  op->read.complete_ns);
    if (op->load != NULL) {
        fgi_staged_done(reader, op);
    } else {
        fgi_inplace_done(reader, op);
    }
    op->next = reader->free_ops;
    reader->free_ops = op;
}

/* Planning gave up: once all planned batches are out, fail the next one. */
static void deliver_failure(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fgi_batch_place place = {0};
    struct fgi_ticket *ticket;

    if (reader->plan_status == FG_OK) {
        return;
    }
    if (!fgi_ticket_is_free(pipeline, reader->next_dispatch)) {
        reader->wants |= FGI_WANT_TURN;
        return;
    }
    ticket = fgi_ticket_begin(pipeline, reader->next_dispatch, &place);
    fgi_ticket_fail(ticket, &reader->error);
    reader->next_dispatch++;
    reader->plan_status = FG_OK;
    fgi_ticket_finish(pipeline, ticket);
}

/* Begin or end a spell of too few reads in flight. */
static void note_underfed(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    uint64_t since =
        atomic_load_explicit(&pipeline->underfed_since, memory_order_relaxed);
    bool is_underfed = !reader->is_planned &&
                       reader->inflight_bytes < reader->depth.budget_bytes / 2;

    if (is_underfed == (since != 0)) {
        return;
    }
    if (is_underfed) {
        atomic_store(&pipeline->underfed_since, fgi_now_ns());
    } else {
        atomic_fetch_add(&pipeline->underfed_total, fgi_now_ns() - since);
        atomic_store(&pipeline->underfed_since, 0);
    }
}

/* Do all that can be done without waiting. Returns whether anything was. */
static bool run_once(struct fgi_reader *reader)
{
    const struct fgi_plan *plan = &reader->pipeline->plan;
    uint64_t reads_before = reader->inflight_count;
    uint64_t dispatch_before = reader->next_dispatch;
    bool has_moved = false;

    reader->wants = 0;
    if (!reader->pipeline->is_in_place) {
        has_moved |= fgi_staged_release(reader);
    }
    plan_and_submit(reader);
    if (!reader->pipeline->is_in_place) {
        has_moved |= fgi_staged_hand_on(reader);
    }
    if (reader->is_planned && fgi_ring_is_empty(&plan->batch_ring)) {
        deliver_failure(reader);
    }
    note_underfed(reader);
    return has_moved || reader->inflight_count != reads_before ||
           reader->next_dispatch != dispatch_before;
}

static void collect(struct fgi_reader *reader)
{
    struct fgi_engine *engine = reader->pipeline->engine;
    size_t count = engine->ops->wait(engine, reader->done,
                                     reader->engine_config.depth, FGI_NEVER);

    atomic_store(&reader->pipeline->wants, 0);
    for (size_t i = 0; i < count; i++) {
        finish_read(reader, reader->done[i]->owner);
    }
}

static void loop(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;

    while (!atomic_load(&pipeline->is_stopping)) {
        atomic_store_explicit(&pipeline->inflight_budget,
                              reader->depth.budget_bytes, memory_order_relaxed);
        if (run_once(reader) && reader->inflight_count == 0) {
            continue;
        }
        if (reader->wants != 0) {
            /* Say what a kick is good for, then look once more: what was
             * freed before it was said would kick nobody. */
            atomic_store(&pipeline->wants, reader->wants);
            if (run_once(reader)) {
                continue;
            }
        }
        collect(reader);
    }
}

static void wait_for_flag(struct fgi_pipeline *pipeline, _Atomic uint32_t *flag)
{
    for (;;) {
        uint32_t seen = fgi_gate_read(&pipeline->ready);

        if (atomic_load(flag)) {
            return;
        }
        fgi_gate_wait(&pipeline->ready, seen, FGI_NEVER);
    }
}

/* The owner destroys the engine, but not while a worker may still kick it. */
static void finish_thread(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;

    atomic_store(&reader->is_idle, 1);
    fgi_gate_notify(&pipeline->ready);
    wait_for_flag(pipeline, &reader->may_end);
    pipeline->engine->ops->destroy(pipeline->engine);
    pipeline->engine = NULL;
}

static void reader_main(void *context)
{
    struct fgi_reader *reader = context;
    struct fgi_pipeline *pipeline = reader->pipeline;

    reader->start_status = fgi_engine_create(
        reader->engine_name, &reader->engine_config, -1, &pipeline->engine,
        reader->engine_note, sizeof(reader->engine_note), &reader->error);
    atomic_store(&reader->is_started, 1);
    fgi_gate_notify(&pipeline->ready);
    if (reader->start_status == FG_OK) {
        loop(reader);
        finish_thread(reader);
    }
}

enum fg_status fgi_reader_start(struct fgi_reader *reader, struct fg_error *err)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    uint32_t depth = reader->engine_config.depth;
    enum fg_status status;

    reader->ops = fgi_alloc(depth, sizeof(*reader->ops));
    reader->done = fgi_alloc(depth, sizeof(struct fgi_read *));
    if (reader->ops == NULL || reader->done == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "reader: %u reads", depth);
    }
    for (uint32_t i = 0; i < depth; i++) {
        reader->ops[i].next = reader->free_ops;
        reader->free_ops = &reader->ops[i];
    }
    status =
        fgi_thread_start(&reader->thread, "fg-read", reader->engine_config.node,
                         reader_main, reader, err);
    if (status != FG_OK) {
        return status;
    }
    wait_for_flag(pipeline, &reader->is_started);
    if (reader->start_status != FG_OK) {
        return fgi_error_copy(err, &reader->error);
    }
    return FG_OK;
}

void fgi_reader_stop(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;

    if (reader->thread.started && reader->start_status == FG_OK) {
        pipeline->engine->ops->wake(pipeline->engine);
        wait_for_flag(pipeline, &reader->is_idle);
    }
}

void fgi_reader_fini(struct fgi_reader *reader)
{
    if (reader->pipeline != NULL) {
        atomic_store(&reader->may_end, 1);
        fgi_gate_notify(&reader->pipeline->ready);
        fgi_thread_join(&reader->thread);
    }
    fgi_free(reader->ops);
    fgi_free(reader->done);
}
