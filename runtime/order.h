/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sample when. The order of an epoch is a pure function of the
 * dataset's size, the seed, the epoch and the shuffle mode; no thread count,
 * queue depth, rank or clock goes in.
 *
 *     samples   | block 0 | block 1 | block 2 | ... | tail |
 *                    permuted by (seed, epoch); the short tail block is put
 *                    at a random place of the sequence
 *     positions | block 7 | block 2 | tail | block 5 | block 0 | ...
 *               |<------ window 0 ------->|<------ window 1 -- ...
 *                    positions of a window are permuted among themselves by
 *                    (seed, epoch, window)
 *
 * The three modes are one geometry: none has windows of one block and no
 * permutation; full has blocks of one sample. What must be in memory to
 * deliver a position is its window's blocks, which is all that the reader
 * needs to know.
 */
#ifndef FGI_RUNTIME_ORDER_H
#define FGI_RUNTIME_ORDER_H

#include <stdint.h>

#include <feedgpu/loader.h>

#include "runtime/permute.h"

struct fgi_order {
    enum fg_shuffle shuffle;
    uint64_t seed;
    uint64_t sample_count;  /* at least 1 */
    uint64_t block_samples; /* at least 1 */
    uint64_t window_blocks; /* at least 1 */
    uint64_t block_count;   /* with the tail */
    uint64_t window_count;
};

/* One epoch's keys; a value, cheap to make. */
struct fgi_order_epoch {
    const struct fgi_order *order; /* borrowed */
    uint64_t epoch;
    uint64_t tail_place;       /* where the short block stands */
    struct fgi_permute blocks; /* of the full blocks */
};

/* A window of positions [begin, end), and the blocks that fill it. */
struct fgi_window {
    uint64_t begin;         /* first position */
    uint64_t end;           /* one past its last */
    uint64_t first_place;   /* of its blocks in the epoch's sequence */
    uint64_t place_count;   /* blocks */
    struct fgi_permute mix; /* of its positions; unused without shuffle */
};

/* `block_samples`, `window_blocks`: see above; full ignores both. */
void fgi_order_init(struct fgi_order *order, enum fg_shuffle shuffle,
                    uint64_t seed, uint64_t sample_count,
                    uint64_t block_samples, uint64_t window_blocks);

void fgi_order_epoch_init(struct fgi_order_epoch *epoch,
                          const struct fgi_order *order, uint64_t number);

/* Window number that holds position (below sample_count). */
uint64_t fgi_order_window_of(const struct fgi_order_epoch *epoch,
                             uint64_t position);

/* Describe window number `index`. */
void fgi_order_window(const struct fgi_order_epoch *epoch, uint64_t index,
                      struct fgi_window *window);

/* Samples [*first, *first + *count) of the block at that place. */
void fgi_order_block(const struct fgi_order_epoch *epoch, uint64_t place,
                     uint64_t *first, uint64_t *count);

/*
 * Where the sample of a position (inside `window`) lies: place of its block,
 * and index in that block.
 */
void fgi_order_at(const struct fgi_order_epoch *epoch,
                  const struct fgi_window *window, uint64_t position,
                  uint64_t *place, uint64_t *index_in_block);

/* The sample of a position, from nothing. Slower; for tests and tools. */
uint64_t fgi_order_sample(const struct fgi_order_epoch *epoch,
                          uint64_t position);

#endif /* FGI_RUNTIME_ORDER_H */
