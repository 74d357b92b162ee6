/* SPDX-License-Identifier: Apache-2.0 */
/* See slots.h; board.h has what a program does with a slot. */
#include "runtime/feeder/slots.h"

#include <assert.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"

enum fg_status fgi_slots_init(struct fgi_slots *slots,
                              const struct fgi_board_view *view,
                              struct fg_error *err)
{
    slots->view = view;
    slots->count = (view->bucket_mask + 1) * FGI_BUCKET_SLOTS;
    slots->blocks = fgi_alloc(slots->count, sizeof(*slots->blocks));
    if (slots->blocks == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder: %u slots", slots->count);
    }
    return FG_OK;
}

void fgi_slots_fini(struct fgi_slots *slots)
{
    fgi_free(slots->blocks);
    memset(slots, 0, sizeof(*slots));
}

struct fgi_feed_block *fgi_slots_at(struct fgi_slots *slots, uint64_t tag,
                                    uint32_t i)
{
    return &slots->blocks[fgi_board_bucket(slots->view, tag) -
                          slots->view->slots + i];
}

struct fgi_feed_block *fgi_slots_find(struct fgi_slots *slots, uint64_t tag)
{
    struct fgi_feed_block *block = fgi_slots_at(slots, tag, 0);

    for (uint32_t i = 0; i < FGI_BUCKET_SLOTS; i++) {
        if (block[i].tag == tag && (block[i].state == FGI_BLOCK_READING ||
                                    block[i].state == FGI_BLOCK_READY)) {
            return &block[i];
        }
    }
    return NULL;
}

struct fgi_feed_block *fgi_slots_pick(struct fgi_slots *slots, uint64_t tag)
{
    struct fgi_feed_block *block = fgi_slots_at(slots, tag, 0);

    for (uint32_t i = 0; i < FGI_BUCKET_SLOTS; i++) {
        if (block[i].state == FGI_BLOCK_FREE) {
            return &block[i];
        }
    }
    return NULL;
}

static struct fgi_slot *slot_of(struct fgi_slots *slots,
                                const struct fgi_feed_block *block)
{
    return &slots->view->slots[block - slots->blocks];
}

/* Let the word say another state; wake who waits for the one before. What is
 * stored with release order after it is seen after it. */
static void move(struct fgi_slots *slots, struct fgi_feed_block *block,
                 uint32_t state)
{
    struct fgi_slot *slot = slot_of(slots, block);
    uint32_t before;

    block->count++;
    before = atomic_exchange(&slot->word, block->count * FGI_SLOT_STEP | state);
    if ((before & FGI_SLOT_WAITED) != 0) {
        syscall(SYS_futex, &slot->word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
    }
}

void fgi_slots_begin(struct fgi_slots *slots, struct fgi_feed_block *block)
{
    struct fgi_slot *slot = slot_of(slots, block);

    assert(block->state == FGI_BLOCK_FREE);
    move(slots, block, FGI_SLOT_EMPTY);
    atomic_store_explicit(&slot->tag, block->tag, memory_order_release);
    atomic_store_explicit(&slot->offset, block->place.offset,
                          memory_order_release);
    atomic_store_explicit(&slot->length_bytes, block->length_bytes,
                          memory_order_release);
    block->state = FGI_BLOCK_READING;
    slots->there_count++;
    move(slots, block, FGI_SLOT_READING);
}

void fgi_slots_ready(struct fgi_slots *slots, struct fgi_feed_block *block,
                     uint64_t now_ns)
{
    struct fgi_slot *slot = slot_of(slots, block);

    assert(block->state == FGI_BLOCK_READING);
    block->state = FGI_BLOCK_READY;
    block->ready_ns = now_ns;
    /* Once more: what lies there now is nobody's but ours to say. */
    atomic_store_explicit(&slot->tag, block->tag, memory_order_release);
    atomic_store_explicit(&slot->offset, block->place.offset,
                          memory_order_release);
    atomic_store_explicit(&slot->length_bytes, block->length_bytes,
                          memory_order_release);
    move(slots, block,
         FGI_SLOT_READY |
             (block->place.turn == FGI_PLACE_KEPT ? FGI_SLOT_KEPT : 0));
}

void fgi_slots_drop(struct fgi_slots *slots, struct fgi_feed_block *block)
{
    assert(block->state == FGI_BLOCK_READING ||
           block->state == FGI_BLOCK_READY);
    block->state =
        block->state == FGI_BLOCK_READING ? FGI_BLOCK_LEAVING : FGI_BLOCK_FREE;
    slots->there_count--;
    move(slots, block, FGI_SLOT_EMPTY);
    /* Programs look on when they meet it, should its block come back in
     * another slot. */
    atomic_store_explicit(&slot_of(slots, block)->tag, 0, memory_order_release);
}
