/* SPDX-License-Identifier: Apache-2.0 */
/* The feeder's side of the shared memory: making it, and giving it back. */
#ifndef FGI_FEEDER_SHARE_H
#define FGI_FEEDER_SHARE_H

#include <stdint.h>

#include <feedgpu/error.h>

#include "runtime/feeder/board.h"

/* How large the parts are. Counts are powers of two but for actors. */
struct fgi_share_sizes {
    uint64_t arena_bytes; /* a multiple of 2 MiB */
    uint32_t file_count;
    uint32_t slot_count;
    uint32_t event_count;
    uint32_t actor_count;
};

/* Board and arena, mapped for writing. Storage is the owner's. */
struct fgi_share {
    int board_fd; /* memfds; -1: none */
    int arena_fd;
    struct fgi_board_view view; /* of our own mapping */
    uint8_t *arena;             /* the same memory as view.arena */
    uint64_t board_bytes;       /* mapped */
    uint64_t arena_bytes;       /* mapped */
    char environment[64];       /* "FEEDGPU_BOARD=PID:FD:FD" */
};

/* Sizes that suit so much memory for file contents. */
void fgi_share_sizes(uint64_t memory_bytes, struct fgi_share_sizes *sizes);

/*
 * Make both. Pages are not touched. No fork copies the mappings.
 * Errors: MEMORY, SYSTEM. On failure, fini is due too.
 */
enum fg_status fgi_share_init(struct fgi_share *share,
                              const struct fgi_share_sizes *sizes,
                              struct fg_error *err);

/* Programs that have the memory mapped keep it; nobody else finds it. With
 * both descriptors -1 it does nothing. */
void fgi_share_fini(struct fgi_share *share);

#endif /* FGI_FEEDER_SHARE_H */
