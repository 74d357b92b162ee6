/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks into the arena and out of it.
 *
 * A block is first kept; when that part is full it takes a place in the ring,
 * where the oldest give way unless a reader is still to come to them. When
 * its read has ended, the file is asked once more whether it is what it was:
 * only then programs see the block. If it is not, the whole file goes.
 */
#include "runtime/feeder/feeder.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"

uint64_t fgi_block_count(const struct fgi_record *record)
{
    return fgi_ceil_div(record->key.size_bytes, FGI_FEED_BLOCK_BYTES);
}

static uint32_t length_of(const struct fgi_record *record, uint64_t block)
{
    return (uint32_t)fgi_min(record->key.size_bytes -
                                 block * FGI_FEED_BLOCK_BYTES,
                             FGI_FEED_BLOCK_BYTES);
}

bool fgi_block_is_there(struct fg_feeder *feeder,
                        const struct fgi_record *record, uint64_t block)
{
    return fgi_slots_find(&feeder->slots,
                          fgi_slot_tag(record->id, (uint32_t)block)) != NULL;
}

/* Take a READY block away, and its bytes. */
static void evict(struct fg_feeder *feeder, struct fgi_feed_block *block)
{
    feeder->files.records[block->file_index].blocks--;
    if (!block->is_used) {
        fgi_count(&feeder->counts.unused_bytes, block->length_bytes);
    }
    fgi_slots_drop(&feeder->slots, block);
    fgi_arena_free(&feeder->arena, &block->place);
}

static bool may_evict(struct fg_feeder *feeder,
                      const struct fgi_feed_block *block, uint64_t now_ns)
{
    return block->state == FGI_BLOCK_READY &&
           block->place.turn != FGI_PLACE_KEPT &&
           !fgi_plan_wants(&feeder->files.records[block->file_index], block,
                           now_ns);
}

/* A place in the ring; its oldest go for it as long as nobody wants them. */
static bool take_stream(struct fg_feeder *feeder, uint64_t bytes,
                        uint32_t owner, struct fgi_place *place)
{
    uint64_t now_ns = fgi_now_ns();

    while (!fgi_arena_stream(&feeder->arena, bytes, owner, place)) {
        uint32_t oldest;

        if (!fgi_arena_oldest(&feeder->arena, &oldest) ||
            !may_evict(feeder, &feeder->slots.blocks[oldest], now_ns)) {
            return false;
        }
        evict(feeder, &feeder->slots.blocks[oldest]);
    }
    return true;
}

/* A free slot for the tag; one in its bucket goes for it if nobody wants it. */
static struct fgi_feed_block *take_slot(struct fg_feeder *feeder, uint64_t tag)
{
    struct fgi_feed_block *block = fgi_slots_pick(&feeder->slots, tag);
    uint64_t now_ns = fgi_now_ns();

    for (uint32_t i = 0; block == NULL && i < FGI_BUCKET_SLOTS; i++) {
        struct fgi_feed_block *other = fgi_slots_at(&feeder->slots, tag, i);

        if (may_evict(feeder, other, now_ns)) {
            evict(feeder, other);
            block = other;
        }
    }
    return block;
}

static void submit(struct fg_feeder *feeder, struct fgi_record *record,
                   struct fgi_feed_block *block, uint64_t offset)
{
    struct fgi_feed_op *op = feeder->free_ops;

    feeder->free_ops = op->next;
    op->block = block;
    op->file_index = block->file_index;
    op->read = (struct fgi_read){
        .fd = record->fd,
        .length_bytes = (uint32_t)block->place.bytes,
        .wanted_bytes = block->length_bytes,
        .align_bytes = record->align_bytes,
        .offset = offset,
        .buffer = feeder->share.arena + block->place.offset,
        .owner = op,
    };
    record->reading++;
    if (record->align_bytes > 1) {
        fgi_pace_begin(&feeder->pace, fgi_now_ns());
    }
    feeder->inflight_count++;
    feeder->inflight_bytes += op->read.length_bytes;
    fgi_count(&feeder->counts.ahead_bytes, block->length_bytes);
    feeder->engine->ops->submit(feeder->engine, &op->read);
}

enum fgi_take fgi_block_fetch(struct fg_feeder *feeder,
                              struct fgi_record *record, uint32_t number)
{
    uint64_t tag = fgi_slot_tag(record->id, number);
    struct fgi_feed_block *block = take_slot(feeder, tag);
    uint32_t length = length_of(record, number);
    uint64_t bytes = fgi_align_up(length, FGI_ARENA_UNIT_BYTES);
    uint32_t owner;

    if (block == NULL) {
        return FGI_TAKE_NEVER;
    }
    owner = (uint32_t)(block - feeder->slots.blocks);
    if (!fgi_arena_keep(&feeder->arena, bytes, &block->place) &&
        !take_stream(feeder, bytes, owner, &block->place)) {
        return FGI_TAKE_NO_ROOM;
    }
    block->tag = tag;
    block->length_bytes = length;
    block->file_index = (uint32_t)(record - feeder->files.records);
    block->is_used = false;
    block->is_wanted = true;
    record->blocks++;
    fgi_slots_begin(&feeder->slots, block);
    submit(feeder, record, block, (uint64_t)number * FGI_FEED_BLOCK_BYTES);
    return FGI_TAKE_DONE;
}

/* Whether the file is in the state that its record says. */
static bool is_unchanged(const struct fgi_record *record)
{
    struct fgi_feed_key key;

    return fgi_key_read(record->fd, &key) &&
           fgi_key_is_same(&key, &record->key) &&
           fgi_key_is_settled(&key, fgi_real_ns());
}

static void give_back(struct fg_feeder *feeder, struct fgi_feed_block *block)
{
    if (block->state == FGI_BLOCK_READING) {
        feeder->files.records[block->file_index].blocks--;
        fgi_slots_drop(&feeder->slots, block);
    }
    block->state = FGI_BLOCK_FREE;
    fgi_arena_free(&feeder->arena, &block->place);
}

/* A read that failed: reads are the kernel's again, and so are its errors. */
static void give_up(struct fg_feeder *feeder, struct fgi_record *record)
{
    fgi_count(&feeder->counts.read_errors, 1);
    record->look = FGI_LOOK_UNFIT;
    fgi_records_set_mode(&feeder->files, record, FGI_FEED_WATCH);
}

static void judge(struct fg_feeder *feeder, struct fgi_record *record,
                  struct fgi_feed_op *op)
{
    struct fgi_feed_block *block = op->block;

    if (block->state == FGI_BLOCK_LEAVING) {
        give_back(feeder, block);
    } else if (!is_unchanged(record)) {
        give_back(feeder, block);
        fgi_count(&feeder->counts.changed_files, 1);
        fgi_file_retire(feeder, record);
    } else if (op->read.error != 0) {
        give_back(feeder, block);
        give_up(feeder, record);
    } else {
        fgi_slots_ready(&feeder->slots, block, op->read.complete_ns);
    }
}

void fgi_file_end(struct fg_feeder *feeder, struct fgi_record *record)
{
    if (record->id == 0 || record->reading > 0) {
        return;
    }
    if (record->is_retired && !record->is_active) {
        fgi_records_remove(&feeder->files, record);
    } else if (record->blocks == fgi_block_count(record)) {
        fgi_records_shut(&feeder->files, record);
    }
}

void fgi_block_finish(struct fg_feeder *feeder, struct fgi_feed_op *op)
{
    struct fgi_record *record = &feeder->files.records[op->file_index];

    feeder->inflight_count--;
    feeder->inflight_bytes -= op->read.length_bytes;
    fgi_depth_add(&feeder->depth, op->read.length_bytes, feeder->was_limited,
                  op->read.complete_ns);
    if (op->read.align_bytes > 1) {
        fgi_pace_end(&feeder->pace, op->read.length_bytes,
                     feeder->inflight_count, op->read.complete_ns);
    }
    record->reading--;
    judge(feeder, record, op);
    op->next = feeder->free_ops;
    feeder->free_ops = op;
    fgi_file_end(feeder, record);
}

void fgi_file_retire(struct fg_feeder *feeder, struct fgi_record *record)
{
    uint64_t count = fgi_block_count(record);

    if (record->is_retired) {
        return;
    }
    fgi_folders_fold(&feeder->folders, record,
                     fgi_records_entry(&feeder->files, record));
    fgi_records_hide(&feeder->files, record);
    record->is_retired = true;
    for (uint64_t i = 0; i < count && record->blocks > 0; i++) {
        struct fgi_feed_block *block = fgi_slots_find(
            &feeder->slots, fgi_slot_tag(record->id, (uint32_t)i));

        if (block != NULL && block->state == FGI_BLOCK_READY) {
            evict(feeder, block);
        } else if (block != NULL) {
            record->blocks--;
            fgi_slots_drop(&feeder->slots, block);
        }
    }
    fgi_file_end(feeder, record);
}
