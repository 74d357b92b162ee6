/* SPDX-License-Identifier: Apache-2.0 */
/* The first touch of a mapped block's pages: in parallel, with a time box. */
#ifndef FGI_BASE_TOUCH_H
#define FGI_BASE_TOUCH_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/mem.h"

/* What threads take at a time; what is small is a whole number of these. */
#define FGI_TOUCH_CHUNK_BYTES ((uint64_t)16 << 20)

/*
 * Touch all pages of a block whose policy and advice are set, by threads on
 * the CPUs of `thread_node` (-1: any). Fills block->small_bytes. Returns 0 or
 * an errno: ENOMEM, or EFAULT where hugetlb pages ran out.
 */
int fgi_block_touch(struct fgi_block *block, int thread_node);

/*
 * Tests only: instead of looking at the clock and the kernel, take chunks from
 * slow_from on (1 or more) for slow, and the kernel for one that compacts
 * memory meanwhile, or not. NULL: no pretence.
 * Threads: one, with no block being touched.
 */
struct fgi_touch_pretence {
    uint64_t slow_from;
    bool is_compacting;
};
void fgi_touch_pretend(const struct fgi_touch_pretence *pretence);

#endif /* FGI_BASE_TOUCH_H */
