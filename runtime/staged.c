/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches by way of the staging ring: extents are read (plan.h says which),
 * checked and decoded by workers, and when all that a batch needs is ready,
 * gathered into its slot. Runs on the reader's thread; the workers' part is
 * in gather.c.
 */
#include "runtime/base/math.h"
#include "runtime/reader.h"

static void set_load_piece(struct fgi_reader *reader, struct fgi_load *load)
{
    const struct fgi_file *file =
        &reader->pipeline->files.opened[load->shard_index].file;
    const struct fgi_extent *extent = &load->extent;

    reader->piece = (struct fgi_piece){
        .file = file,
        .shard_index = load->shard_index,
        .at = fgi_align_down(extent->offset, file->offset_align),
        .end = fgi_align_up(extent->offset + extent->stored_bytes,
                            file->offset_align),
        .wanted_end = extent->offset + extent->stored_bytes,
        .buffer = load->buffer,
        .load = load,
    };
}

bool fgi_staged_next(struct fgi_reader *reader)
{
    struct fgi_plan *plan = &reader->pipeline->plan;

    for (;;) {
        struct fgi_load *load;

        switch (fgi_plan_next(plan, &load, &reader->error)) {
        case FGI_PLAN_LOAD:
            set_load_piece(reader, load);
            return true;
        case FGI_PLAN_BATCH:
            break;
        case FGI_PLAN_FULL:
            if (!fgi_plan_release(plan, reader->next_release)) {
                reader->wants |= FGI_WANT_ASSEMBLED;
                return false;
            }
            break;
        case FGI_PLAN_END:
            reader->is_planned = true;
            return false;
        case FGI_PLAN_ERROR:
            fgi_reader_give_up(reader);
            return false;
        }
    }
}

/* All reads of a load are back. */
static void finish_load(struct fgi_reader *reader, struct fgi_load *load)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fg_error err;

    load->underfed_ns = fgi_pipeline_underfed_ns(pipeline, load->read_ns);
    if (fgi_files_release(&pipeline->files, load->shard_index, &err) != FG_OK) {
        load->error = err;
        atomic_store(&load->state, FGI_LOAD_BAD);
    } else if (load->error.status != FG_OK) {
        atomic_store(&load->state, FGI_LOAD_BAD);
    } else if (load->needs_work) {
        atomic_store(&load->state, FGI_LOAD_DECODING);
        fgi_decode_start(pipeline, load);
    } else {
        atomic_store(&load->state, FGI_LOAD_READY);
    }
}

void fgi_staged_done(struct fgi_reader *reader, struct fgi_read_op *op)
{
    struct fgi_load *load = op->load;

    if (op->read.error != 0) {
        fgi_reader_read_error(reader, op, &load->error);
    }
    load->read_ns = fgi_max(load->read_ns, op->read.complete_ns);
    load->reads_pending--;
    if (load->reads_pending == 0 && load->is_submitted) {
        finish_load(reader, load);
    }
}

/* Step over the loads that are ready, in order. */
static bool advance_frontier(struct fgi_reader *reader)
{
    const struct fgi_plan *plan = &reader->pipeline->plan;
    uint64_t before = reader->frontier;

    while (reader->frontier < plan->load_ring.tail) {
        struct fgi_load *load = fgi_plan_load(plan, reader->frontier);
        uint32_t state = atomic_load(&load->state);

        if (state != FGI_LOAD_READY && state != FGI_LOAD_BAD) {
            if (state == FGI_LOAD_DECODING) {
                reader->wants |= FGI_WANT_LOAD;
            }
            break;
        }
        if (load->read_ns > reader->ready_ns) {
            reader->ready_ns = load->read_ns;
            reader->ready_underfed_ns = load->underfed_ns;
        }
        load->ready_ns = reader->ready_ns;
        load->underfed_ns = reader->ready_underfed_ns;
        reader->frontier++;
    }
    return reader->frontier != before;
}

static void dispatch_batch(struct fgi_reader *reader,
                           const struct fgi_planned_batch *planned)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fgi_ticket *ticket =
        fgi_ticket_begin(pipeline, reader->next_dispatch, &planned->place);

    ticket->first_window = planned->first_window;
    ticket->times.planned_ns = planned->planned_ns;
    ticket->times.read_ns = planned->planned_ns;
    if (planned->loads_end > 0) {
        const struct fgi_load *last =
            fgi_plan_load(&pipeline->plan, planned->loads_end - 1);

        ticket->times.read_ns = fgi_max(last->ready_ns, planned->planned_ns);
        ticket->times.underfed_ns = last->underfed_ns;
    }
    reader->next_dispatch++;
    fgi_gather_start(pipeline, ticket);
}

/* Hand batches whose loads are ready to the workers. */
static bool dispatch(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fgi_plan *plan = &pipeline->plan;
    uint64_t before = reader->next_dispatch;

    while (!fgi_ring_is_empty(&plan->batch_ring)) {
        const struct fgi_planned_batch *planned = &plan->batches[fgi_ring_index(
            &plan->batch_ring, plan->batch_ring.head)];

        if (planned->loads_end > reader->frontier) {
            return reader->next_dispatch != before;
        }
        if (!fgi_ticket_is_free(pipeline, reader->next_dispatch)) {
            reader->wants |= FGI_WANT_TURN;
            return reader->next_dispatch != before;
        }
        fgi_ring_take(&plan->batch_ring);
        dispatch_batch(reader, planned);
    }
    return reader->next_dispatch != before;
}

bool fgi_staged_hand_on(struct fgi_reader *reader)
{
    bool has_moved = advance_frontier(reader);

    return dispatch(reader) || has_moved;
}

/* Batch `sequence` was handed on: is it assembled, or even gone already? */
static bool is_assembled(const struct fgi_pipeline *pipeline, uint64_t sequence)
{
    const struct fgi_ticket *ticket = fgi_pipeline_ticket(pipeline, sequence);

    return fgi_ticket_state(ticket) != FGI_TICKET_FILLING ||
           ticket->sequence != sequence;
}

bool fgi_staged_release(struct fgi_reader *reader)
{
    uint64_t before = reader->next_release;

    while (reader->next_release < reader->next_dispatch &&
           is_assembled(reader->pipeline, reader->next_release)) {
        reader->next_release++;
    }
    return reader->next_release != before &&
           fgi_plan_release(&reader->pipeline->plan, reader->next_release);
}
