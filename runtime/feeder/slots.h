/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of the board, and what the feeder itself knows of them. It never
 * believes what it reads on the board: a program may have written there.
 *
 *     FREE ─▶ READING ─▶ READY ─▶ FREE
 *                │
 *                └─▶ LEAVING ─▶ FREE    dropped while its read is in flight:
 *                                       gone for programs, but not its bytes
 */
#ifndef FGI_FEEDER_SLOTS_H
#define FGI_FEEDER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

#include "runtime/feeder/arena.h"
#include "runtime/feeder/board.h"

enum fgi_block_state {
    FGI_BLOCK_FREE = 0,
    FGI_BLOCK_READING,
    FGI_BLOCK_READY,
    FGI_BLOCK_LEAVING,
};

/* The feeder's own knowledge of one slot. */
struct fgi_feed_block {
    uint64_t tag;           /* fgi_slot_tag */
    struct fgi_place place; /* in the arena */
    uint64_t ready_ns;      /* since when; CLOCK_MONOTONIC */
    uint32_t length_bytes;  /* of the file's block */
    uint32_t count;         /* of the slot's word, in FGI_SLOT_STEP */
    uint32_t file_index;    /* whose block it is */
    uint8_t state;          /* enum fgi_block_state */
    bool is_used;           /* a program has read of it */
    bool is_wanted;         /* a reader is still to come to it */
};

struct fgi_slots {
    const struct fgi_board_view *view; /* borrowed */
    struct fgi_feed_block *blocks;     /* one for each slot; owned */
    uint32_t count;
    uint32_t there_count; /* blocks that are READING or READY */
};

enum fg_status fgi_slots_init(struct fgi_slots *slots,
                              const struct fgi_board_view *view,
                              struct fg_error *err);
void fgi_slots_fini(struct fgi_slots *slots);

/* The block that programs find by that tag, or NULL. */
struct fgi_feed_block *fgi_slots_find(struct fgi_slots *slots, uint64_t tag);

/* A free block in the tag's bucket, or NULL: it is full. */
struct fgi_feed_block *fgi_slots_pick(struct fgi_slots *slots, uint64_t tag);

/* i-th block of the tag's bucket, i < FGI_BUCKET_SLOTS. */
struct fgi_feed_block *fgi_slots_at(struct fgi_slots *slots, uint64_t tag,
                                    uint32_t i);

/* FREE to READING: tag, place, length_bytes are set; programs may wait. */
void fgi_slots_begin(struct fgi_slots *slots, struct fgi_feed_block *block);

/* READING to READY; programs that wait are woken. */
void fgi_slots_ready(struct fgi_slots *slots, struct fgi_feed_block *block,
                     uint64_t now_ns);

/*
 * Take a block away from programs; those that wait are woken. READING becomes
 * LEAVING, READY becomes FREE; its place is then the caller's to give back.
 */
void fgi_slots_drop(struct fgi_slots *slots, struct fgi_feed_block *block);

#endif /* FGI_FEEDER_SLOTS_H */
