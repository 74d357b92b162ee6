/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The staging ring: a FIFO of byte ranges in one block of memory. Extents are
 * read (and decoded) into it in the order in which they are needed, and leave
 * it in the same order, so that a head and a tail are the whole allocator.
 * For one thread.
 */
#ifndef FGI_RUNTIME_STAGE_H
#define FGI_RUNTIME_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#define FGI_STAGE_ALIGN 4096u /* fits every direct-I/O memory alignment */

struct fgi_stage {
    uint8_t *base;  /* borrowed, aligned to FGI_STAGE_ALIGN */
    uint64_t bytes; /* size, a multiple of FGI_STAGE_ALIGN; 0: unused */
    uint64_t head;  /* oldest byte in use, counts up for ever */
    uint64_t tail;  /* next byte to give, counts up for ever */
};

void fgi_stage_init(struct fgi_stage *stage, void *base, uint64_t bytes);

/*
 * Take `bytes` in one piece, aligned. *mark is to be given to
 * fgi_stage_release. NULL when there is no room now.
 */
void *fgi_stage_take(struct fgi_stage *stage, uint64_t bytes, uint64_t *mark);

/* Give back everything up to that mark. */
void fgi_stage_release(struct fgi_stage *stage, uint64_t mark);

#endif /* FGI_RUNTIME_STAGE_H */
