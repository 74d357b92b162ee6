/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the arena what lies. Two parts:
 *
 *     0          kept            keep_bytes       stream             end
 *     | files that stay: bump, free list | ring: first in, first out |
 *
 * What is kept stays until its file changes: a fixed part of the data is then
 * there in each epoch, where evicting the oldest would have it gone each time
 * just before it is wanted. Once that part is full the rest streams through
 * the ring. Arithmetic only: it touches no memory and knows no slots.
 */
#ifndef FGI_FEEDER_ARENA_H
#define FGI_FEEDER_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

/* Places begin and end at multiples of this: direct I/O needs no more. */
#define FGI_ARENA_UNIT_BYTES 4096u

/* turn of a place that is kept. */
#define FGI_PLACE_KEPT UINT64_MAX

/* A piece of the arena. */
struct fgi_place {
    uint64_t offset; /* in the arena */
    uint64_t bytes;  /* a multiple of the unit */
    uint64_t turn;   /* in the ring: which entry; or KEPT */
};

/* A piece of the ring, in order of its taking. */
struct fgi_ring_entry {
    uint64_t end;   /* position behind it, what it skipped included */
    uint32_t owner; /* the caller's number for it */
    bool is_dead;   /* given back, but not the oldest yet */
};

struct fgi_hole {
    uint64_t offset;
    uint64_t bytes;
};

struct fgi_arena {
    uint64_t keep_bytes;
    uint64_t ring_bytes;
    uint64_t keep_top;            /* never used from here on */
    uint64_t kept_bytes;          /* in use */
    struct fgi_hole *holes;       /* given back below keep_top; owned */
    uint32_t hole_count;          /* of hole_max */
    uint32_t hole_max;            /* more are lost until the end */
    struct fgi_ring_entry *queue; /* power of two; owned */
    uint32_t queue_mask;          /* its size - 1 */
    uint64_t queue_head;          /* turns given */
    uint64_t queue_tail;          /* oldest that is not free */
    uint64_t ring_head;           /* positions, in bytes: taken so far */
    uint64_t ring_tail;           /* freed so far */
};

/* Split `bytes`. Errors: MEMORY. On failure, fini is due too. */
enum fg_status fgi_arena_init(struct fgi_arena *arena, uint64_t bytes,
                              struct fg_error *err);
void fgi_arena_fini(struct fgi_arena *arena);

/* Take a piece that stays. False: no room. */
bool fgi_arena_keep(struct fgi_arena *arena, uint64_t bytes,
                    struct fgi_place *place);

/* Room for that many more bytes to be kept, as far as it is in one piece. */
uint64_t fgi_arena_keep_room(const struct fgi_arena *arena);

/* Take a piece of the ring for `owner`. False: older ones are in the way. */
bool fgi_arena_stream(struct fgi_arena *arena, uint64_t bytes, uint32_t owner,
                      struct fgi_place *place);

/* Who owns the oldest piece of the ring. False: it is empty. */
bool fgi_arena_oldest(const struct fgi_arena *arena, uint32_t *owner);

/* Give a piece back. */
void fgi_arena_free(struct fgi_arena *arena, const struct fgi_place *place);

#endif /* FGI_FEEDER_ARENA_H */
