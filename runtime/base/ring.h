/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index ring: a bounded queue's head and tail over a power of two of
 * entries that live elsewhere. For one thread; owners that share a queue put
 * their own lock or gate around it.
 */
#ifndef FGI_BASE_RING_H
#define FGI_BASE_RING_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/math.h"

struct fgi_ring {
    uint64_t head;     /* next to take, counts up for ever */
    uint64_t tail;     /* next to put, counts up for ever */
    uint64_t capacity; /* a power of two */
};

static inline void fgi_ring_init(struct fgi_ring *ring, uint64_t capacity)
{
    assert(fgi_is_power_of_two(capacity));
    ring->head = 0;
    ring->tail = 0;
    ring->capacity = capacity;
}

static inline uint64_t fgi_ring_count(const struct fgi_ring *ring)
{
    return ring->tail - ring->head;
}

static inline bool fgi_ring_is_empty(const struct fgi_ring *ring)
{
    return ring->tail == ring->head;
}

static inline bool fgi_ring_is_full(const struct fgi_ring *ring)
{
    return fgi_ring_count(ring) == ring->capacity;
}

/* Where the entry with that running number lives. */
static inline uint64_t fgi_ring_index(const struct fgi_ring *ring,
                                      uint64_t number)
{
    return number & (ring->capacity - 1);
}

/* Index for the next entry; the ring must not be full. */
static inline uint64_t fgi_ring_put(struct fgi_ring *ring)
{
    assert(!fgi_ring_is_full(ring));
    return fgi_ring_index(ring, ring->tail++);
}

/* Index of the oldest entry, which leaves; the ring must not be empty. */
static inline uint64_t fgi_ring_take(struct fgi_ring *ring)
{
    assert(!fgi_ring_is_empty(ring));
    return fgi_ring_index(ring, ring->head++);
}

#endif /* FGI_BASE_RING_H */
