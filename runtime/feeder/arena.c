/* SPDX-License-Identifier: Apache-2.0 */
/* See arena.h. */
#include "runtime/feeder/arena.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define RING_BYTES_MIN FGI_MIB(64)
#define RING_SHARE 8
#define QUEUE_MAX 65536u
#define HOLE_MAX 1024u

enum fg_status fgi_arena_init(struct fgi_arena *arena, uint64_t bytes,
                              struct fg_error *err)
{
    uint64_t ring = fgi_max(bytes / RING_SHARE, RING_BYTES_MIN);
    uint64_t entries;

    memset(arena, 0, sizeof(*arena));
    ring = fgi_min(ring, bytes / 2);
    arena->ring_bytes = fgi_align_down(ring, FGI_ARENA_UNIT_BYTES);
    arena->keep_bytes = bytes - arena->ring_bytes;
    entries =
        fgi_min(fgi_round_up_power(arena->ring_bytes / FGI_ARENA_UNIT_BYTES),
                QUEUE_MAX);
    arena->queue_mask = (uint32_t)entries - 1;
    arena->queue = fgi_alloc(entries, sizeof(*arena->queue));
    arena->hole_max = HOLE_MAX;
    arena->holes = fgi_alloc(arena->hole_max, sizeof(*arena->holes));
    if (arena->queue == NULL || arena->holes == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder: arena's tables");
    }
    return FG_OK;
}

void fgi_arena_fini(struct fgi_arena *arena)
{
    fgi_free(arena->queue);
    fgi_free(arena->holes);
    memset(arena, 0, sizeof(*arena));
}

/* The smallest hole that is large enough; hole_count: none. */
static uint32_t find_hole(const struct fgi_arena *arena, uint64_t bytes)
{
    uint32_t best = arena->hole_count;

    for (uint32_t i = 0; i < arena->hole_count; i++) {
        if (arena->holes[i].bytes >= bytes &&
            (best == arena->hole_count ||
             arena->holes[i].bytes < arena->holes[best].bytes)) {
            best = i;
        }
    }
    return best;
}

bool fgi_arena_keep(struct fgi_arena *arena, uint64_t bytes,
                    struct fgi_place *place)
{
    uint32_t index = find_hole(arena, bytes);

    assert(bytes > 0 && bytes % FGI_ARENA_UNIT_BYTES == 0);
    *place = (struct fgi_place){.bytes = bytes, .turn = FGI_PLACE_KEPT};
    if (index < arena->hole_count) {
        struct fgi_hole *hole = &arena->holes[index];

        place->offset = hole->offset;
        hole->offset += bytes;
        hole->bytes -= bytes;
        if (hole->bytes == 0) {
            *hole = arena->holes[--arena->hole_count];
        }
    } else if (bytes <= arena->keep_bytes - arena->keep_top) {
        place->offset = arena->keep_top;
        arena->keep_top += bytes;
    } else {
        return false;
    }
    arena->kept_bytes += bytes;
    return true;
}

uint64_t fgi_arena_keep_room(const struct fgi_arena *arena)
{
    return arena->keep_bytes - arena->keep_top;
}

bool fgi_arena_stream(struct fgi_arena *arena, uint64_t bytes, uint32_t owner,
                      struct fgi_place *place)
{
    uint64_t at = arena->ring_head % arena->ring_bytes;
    uint64_t skip = at + bytes > arena->ring_bytes ? arena->ring_bytes - at : 0;
    uint64_t used = arena->ring_head - arena->ring_tail;

    assert(bytes > 0 && bytes % FGI_ARENA_UNIT_BYTES == 0);
    if (bytes > arena->ring_bytes || skip + bytes > arena->ring_bytes - used ||
        arena->queue_head - arena->queue_tail > arena->queue_mask) {
        return false;
    }
    arena->ring_head += skip + bytes;
    *place = (struct fgi_place){
        .offset = arena->keep_bytes + (skip > 0 ? 0 : at),
        .bytes = bytes,
        .turn = arena->queue_head,
    };
    arena->queue[arena->queue_head & arena->queue_mask] =
        (struct fgi_ring_entry){.end = arena->ring_head, .owner = owner};
    arena->queue_head++;
    return true;
}

bool fgi_arena_oldest(const struct fgi_arena *arena, uint32_t *owner)
{
    if (arena->queue_head == arena->queue_tail) {
        return false;
    }
    *owner = arena->queue[arena->queue_tail & arena->queue_mask].owner;
    return true;
}

static void free_ring(struct fgi_arena *arena, uint64_t turn)
{
    assert(turn >= arena->queue_tail && turn < arena->queue_head);
    arena->queue[turn & arena->queue_mask].is_dead = true;
    while (arena->queue_tail < arena->queue_head) {
        struct fgi_ring_entry *entry =
            &arena->queue[arena->queue_tail & arena->queue_mask];

        if (!entry->is_dead) {
            return;
        }
        arena->ring_tail = entry->end;
        arena->queue_tail++;
    }
}

/* Join with the neighbours that are holes too. */
static void free_kept(struct fgi_arena *arena, uint64_t offset, uint64_t bytes)
{
    for (uint32_t i = 0; i < arena->hole_count;) {
        struct fgi_hole *hole = &arena->holes[i];

        if (hole->offset + hole->bytes == offset ||
            offset + bytes == hole->offset) {
            offset = fgi_min(offset, hole->offset);
            bytes += hole->bytes;
            *hole = arena->holes[--arena->hole_count];
        } else {
            i++;
        }
    }
    if (offset + bytes == arena->keep_top) {
        arena->keep_top = offset;
    } else if (arena->hole_count < arena->hole_max) {
        arena->holes[arena->hole_count++] = (struct fgi_hole){offset, bytes};
    }
}

void fgi_arena_free(struct fgi_arena *arena, const struct fgi_place *place)
{
    if (place->turn != FGI_PLACE_KEPT) {
        free_ring(arena, place->turn);
        return;
    }
    arena->kept_bytes -= place->bytes;
    free_kept(arena, place->offset, place->bytes);
}
