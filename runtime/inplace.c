/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches in place: stored order, one fixed field, nothing to decode or check,
 * and every sample on the alignment that direct I/O asks for. Then a batch is
 * a stretch of a file, and the device writes it where it belongs: no CPU
 * touches a byte.
 */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/reader.h"

/* Take the next batch's ticket. False when there is none, or none is free. */
static bool begin_batch(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fgi_batch_place place;
    struct fgi_ticket *ticket;

    if (reader->next_dispatch >= pipeline->schedule.batch_count) {
        reader->is_planned = true;
        return false;
    }
    if (!fgi_ticket_is_free(pipeline, reader->next_dispatch)) {
        reader->wants |= FGI_WANT_TURN;
        return false;
    }
    fgi_schedule_batch(&pipeline->schedule, reader->next_dispatch, &place);
    ticket = fgi_ticket_begin(pipeline, reader->next_dispatch, &place);
    ticket->times.planned_ns = fgi_now_ns();
    ticket->times.read_ns = ticket->times.planned_ns;
    for (uint32_t i = 0; i < place.count; i++) {
        ticket->sample_indices[i] =
            (place.position + i) % pipeline->schedule.sample_count;
        ticket->sample_lengths[i] =
            (uint32_t)pipeline->layout.fields[0].max_bytes;
    }
    memset(ticket->bad, 0, place.count);
    /* One part stands for the cutting itself, so that reads which are back
     * early do not finish a batch that is still being asked for. */
    atomic_store(&ticket->parts_left, 1);
    reader->next_dispatch++;
    reader->filling = ticket;
    reader->samples_done = 0;
    return true;
}

static void drop_part(struct fgi_reader *reader, struct fgi_ticket *ticket)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    uint64_t stride = pipeline->layout.fields[0].max_bytes;
    uint64_t rest = pipeline->layout.batch_size - ticket->place.count;

    if (atomic_fetch_sub(&ticket->parts_left, 1) != 1) {
        return;
    }
    if (rest > 0) {
        memset(ticket->host + ticket->place.count * stride, 0, rest * stride);
    }
    atomic_store(&ticket->payload_bytes, ticket->place.count * stride);
    ticket->times.underfed_ns =
        fgi_pipeline_underfed_ns(pipeline, ticket->times.read_ns);
    fgi_ticket_finish(pipeline, ticket);
}

/* May the file of the next sample be had now? */
static bool may_set_piece(const struct fgi_reader *reader)
{
    const struct fgi_pipeline *pipeline = reader->pipeline;
    uint64_t index = reader->filling->sample_indices[reader->samples_done];

    return fgi_files_may_acquire(&pipeline->files,
                                 fgi_dataset_find(pipeline->dataset, index));
}

/* Set the piece for the samples that lie together from samples_done on. */
static bool set_piece(struct fgi_reader *reader)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fgi_ticket *ticket = reader->filling;
    uint64_t stride = pipeline->layout.fields[0].max_bytes;
    uint64_t index = ticket->sample_indices[reader->samples_done];
    uint64_t count = fgi_min(ticket->place.count - reader->samples_done,
                             pipeline->schedule.sample_count - index);
    const struct fgi_file *file;
    struct fgi_extent extent;
    uint64_t shard_index;
    uint64_t skipped;
    uint64_t begin;

    if (fgi_dataset_extent(pipeline->dataset, index, count, &shard_index,
                           &extent, &reader->error) != FG_OK ||
        fgi_files_acquire(&pipeline->files, shard_index, &file,
                          &reader->error) != FG_OK) {
        return false;
    }
    /* The extent may be a block that begins before the sample asked for. */
    skipped =
        index - pipeline->dataset->first_samples[shard_index] - extent.first;
    count = fgi_min(count, extent.count - skipped);
    begin = extent.offset + skipped * stride;
    if (begin % file->offset_align != 0 || stride % file->offset_align != 0) {
        fgi_files_drop(&pipeline->files, shard_index);
        fgi_fail_at(&reader->error, FG_ERR_UNSUPPORTED, begin,
                    "%s: offset %llu: direct read: wanted a multiple of %u "
                    "(likely cause: shards on file systems that differ; use "
                    "direct off)",
                    pipeline->dataset->shards[shard_index].path,
                    (unsigned long long)begin, file->offset_align);
        return false;
    }
    reader->piece = (struct fgi_piece){
        .file = file,
        .shard_index = shard_index,
        .at = begin,
        .end = begin + count * stride,
        .wanted_end = begin + count * stride,
        .buffer = ticket->host + reader->samples_done * stride,
        .ticket = ticket,
    };
    reader->samples_done += (uint32_t)count;
    return true;
}

/* A batch that cannot be asked for fails in its turn. */
static void fail_filling(struct fgi_reader *reader)
{
    struct fgi_ticket *ticket = reader->filling;

    fgi_ticket_fail(ticket, &reader->error);
    reader->filling = NULL;
    reader->is_planned = true;
    drop_part(reader, ticket);
}

bool fgi_inplace_next(struct fgi_reader *reader)
{
    for (;;) {
        struct fgi_ticket *ticket = reader->filling;

        if (ticket == NULL) {
            if (!begin_batch(reader)) {
                return false;
            }
        } else if (reader->samples_done < ticket->place.count) {
            if (!may_set_piece(reader)) {
                return false; /* until a read is back */
            }
            if (!set_piece(reader)) {
                fail_filling(reader);
                return false;
            }
            return true;
        } else {
            reader->filling = NULL;
            drop_part(reader, ticket);
        }
    }
}

/* The samples that a failed read was to bring are bad. */
static void mark_bad(struct fgi_reader *reader, const struct fgi_read_op *op,
                     const struct fg_error *err)
{
    struct fgi_pipeline *pipeline = reader->pipeline;
    struct fgi_ticket *ticket = op->ticket;
    uint64_t stride = pipeline->layout.fields[0].max_bytes;
    uint64_t from = (uint64_t)((uint8_t *)op->read.buffer - ticket->host);
    uint64_t last = (from + op->read.wanted_bytes - 1) / stride;

    if (pipeline->on_bad_sample == FG_BAD_SAMPLE_FAIL) {
        fgi_ticket_fail(ticket, err);
        return;
    }
    for (uint64_t i = from / stride; i <= last; i++) {
        atomic_fetch_add(&ticket->bad_count, ticket->bad[i] == 0);
        ticket->bad[i] = 1;
    }
    fgi_log(&pipeline->log, FG_LOG_WARN, "bad sample: %s", err->message);
}

void fgi_inplace_done(struct fgi_reader *reader, struct fgi_read_op *op)
{
    struct fgi_ticket *ticket = op->ticket;
    struct fg_error err;

    ticket->times.read_ns =
        fgi_max(ticket->times.read_ns, op->read.complete_ns);
    /* A changed file first: it is why the read met an early end. */
    if (fgi_files_release(&reader->pipeline->files, op->shard_index, &err) !=
        FG_OK) {
        fgi_ticket_fail(ticket, &err);
    } else if (op->read.error != 0) {
        fgi_reader_read_error(reader, op, &err);
        mark_bad(reader, op, &err);
    }
    drop_part(reader, ticket);
}
