/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/order.h"

#include <assert.h>

#include "runtime/base/math.h"

/* What a key is for, so that no two permutations share one. */
enum key_use { KEY_BLOCKS = 1, KEY_TAIL = 2, KEY_WINDOW = 3 };

static uint64_t key(const struct fgi_order *order, uint64_t epoch,
                    enum key_use use, uint64_t number)
{
    uint64_t base = fgi_mix(order->seed, epoch);

    return fgi_mix(fgi_mix(base, (uint64_t)use), number);
}

static uint64_t full_blocks(const struct fgi_order *order)
{
    return order->sample_count / order->block_samples;
}

static uint64_t tail_samples(const struct fgi_order *order)
{
    return order->sample_count % order->block_samples;
}

void fgi_order_init(struct fgi_order *order, enum fg_shuffle shuffle,
                    uint64_t seed, uint64_t sample_count,
                    uint64_t block_samples, uint64_t window_blocks)
{
    assert(sample_count >= 1 && block_samples >= 1 && window_blocks >= 1);
    if (shuffle == FG_SHUFFLE_FULL) {
        block_samples = 1;
    }
    if (shuffle != FG_SHUFFLE_BLOCK) {
        window_blocks = 1;
    }
    order->shuffle = shuffle;
    order->seed = seed;
    order->sample_count = sample_count;
    order->block_samples = block_samples;
    order->block_count = fgi_ceil_div(sample_count, block_samples);
    order->window_blocks = fgi_min(window_blocks, order->block_count);
    order->window_count =
        fgi_ceil_div(order->block_count, order->window_blocks);
}

void fgi_order_epoch_init(struct fgi_order_epoch *epoch,
                          const struct fgi_order *order, uint64_t number)
{
    uint64_t full = full_blocks(order);

    epoch->order = order;
    epoch->epoch = number;
    epoch->tail_place = full;
    if (order->shuffle == FG_SHUFFLE_NONE) {
        return;
    }
    if (full > 0) {
        fgi_permute_init(&epoch->blocks, full,
                         key(order, number, KEY_BLOCKS, 0));
    }
    if (tail_samples(order) != 0) {
        epoch->tail_place = key(order, number, KEY_TAIL, 0) % (full + 1);
    }
}

/* First position of the block at that place. */
static uint64_t place_begin(const struct fgi_order_epoch *epoch, uint64_t place)
{
    const struct fgi_order *order = epoch->order;

    if (place <= epoch->tail_place || tail_samples(order) == 0) {
        return fgi_min(place * order->block_samples, order->sample_count);
    }
    return (place - 1) * order->block_samples + tail_samples(order);
}

/* Place of the block that fills a position, before mixing. */
static uint64_t place_of(const struct fgi_order_epoch *epoch, uint64_t position)
{
    const struct fgi_order *order = epoch->order;
    uint64_t tail = tail_samples(order);
    uint64_t tail_begin = epoch->tail_place * order->block_samples;

    if (tail == 0 || position < tail_begin) {
        return position / order->block_samples;
    }
    if (position < tail_begin + tail) {
        return epoch->tail_place;
    }
    return (position - tail) / order->block_samples + 1;
}

uint64_t fgi_order_window_of(const struct fgi_order_epoch *epoch,
                             uint64_t position)
{
    return place_of(epoch, position) / epoch->order->window_blocks;
}

void fgi_order_window(const struct fgi_order_epoch *epoch, uint64_t index,
                      struct fgi_window *window)
{
    const struct fgi_order *order = epoch->order;
    uint64_t first = index * order->window_blocks;
    uint64_t last = fgi_min(first + order->window_blocks, order->block_count);

    assert(index < order->window_count);
    window->first_place = first;
    window->place_count = last - first;
    window->begin = place_begin(epoch, first);
    window->end = place_begin(epoch, last);
    if (last == order->block_count) {
        window->end = order->sample_count;
    }
    if (order->shuffle == FG_SHUFFLE_BLOCK) {
        fgi_permute_init(&window->mix, window->end - window->begin,
                         key(order, epoch->epoch, KEY_WINDOW, index));
    }
}

void fgi_order_block(const struct fgi_order_epoch *epoch, uint64_t place,
                     uint64_t *first, uint64_t *count)
{
    const struct fgi_order *order = epoch->order;
    uint64_t tail = tail_samples(order);
    uint64_t block = place;

    *count = order->block_samples;
    if (tail != 0 && place == epoch->tail_place) {
        *first = full_blocks(order) * order->block_samples;
        *count = tail;
        return;
    }
    if (tail != 0 && place > epoch->tail_place) {
        block--;
    }
    if (order->shuffle != FG_SHUFFLE_NONE) {
        block = fgi_permute_at(&epoch->blocks, block);
    }
    *first = block * order->block_samples;
}

void fgi_order_at(const struct fgi_order_epoch *epoch,
                  const struct fgi_window *window, uint64_t position,
                  uint64_t *place, uint64_t *index_in_block)
{
    assert(position >= window->begin && position < window->end);
    if (epoch->order->shuffle == FG_SHUFFLE_BLOCK) {
        position = window->begin +
                   fgi_permute_at(&window->mix, position - window->begin);
    }
    *place = place_of(epoch, position);
    *index_in_block = position - place_begin(epoch, *place);
}

uint64_t fgi_order_sample(const struct fgi_order_epoch *epoch,
                          uint64_t position)
{
    struct fgi_window window;
    uint64_t place;
    uint64_t index;
    uint64_t first;
    uint64_t count;

    fgi_order_window(epoch, fgi_order_window_of(epoch, position), &window);
    fgi_order_at(epoch, &window, position, &place, &index);
    fgi_order_block(epoch, place, &first, &count);
    return first + index;
}
