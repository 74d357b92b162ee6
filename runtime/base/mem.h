/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. Heap blocks are zeroed, and their allocation can be made to fail
 * for tests. Mapped blocks know where they came from: which page size, which
 * node, and how they have to be given back.
 */
#ifndef FGI_BASE_MEM_H
#define FGI_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>

/* Zeroed heap memory for count objects, or NULL (also on overflow). */
void *fgi_alloc(size_t count, size_t bytes);

/* A copy of a string, or NULL. */
char *fgi_strdup(const char *text);

/* Grow to `count` objects; the old block is untouched when NULL returns. */
void *fgi_grow(void *block, size_t count, size_t bytes);

/* Give any of the above back. NULL is allowed. */
void fgi_free(void *block);

/*
 * Tests only: let the n-th heap or mapping allocation from now fail (1: the
 * next one; 0: none). The counter is the process's.
 */
void fgi_alloc_fail_after(unsigned n);

enum fgi_pages {
    FGI_PAGES_SMALL = 0,   /* 4 KiB */
    FGI_PAGES_THP = 1,     /* 2 MiB where the kernel could */
    FGI_PAGES_HUGETLB = 2, /* 2 MiB, reserved by the administrator */
};

/* A mapped block. Storage of this struct is the owner's. */
struct fgi_block {
    uint8_t *base;        /* start, aligned to 2 MiB */
    size_t bytes;         /* usable, a multiple of 2 MiB */
    void *mapping;        /* what to unmap */
    size_t mapping_bytes; /* how much of it */
    enum fgi_pages pages; /* what it is made of */
    int node;             /* node of the policy, or -1 */
    int policy_errno;     /* why mbind was refused, or 0 */
    size_t small_bytes; /* THP: taken small so as not to wait for compaction */
};

/* Where a block's pages are to lie. */
struct fgi_block_place {
    int node;          /* of the memory policy; -1: none */
    int thread_node;   /* whose CPUs touch the pages; -1: any */
    bool is_strict;    /* bind to the node instead of preferring it */
    bool only_hugetlb; /* bound small pages would not fit the node */
};

/*
 * Map at least `bytes` of private memory that no fork copies: huge pages if
 * reserved on the node, else transparent huge pages, else small ones. Every
 * page is touched before this returns, by the caller's thread and helpers on
 * the node's CPUs. node -1: no preference.
 * Errors: MEMORY with the size and the likely cause.
 */
enum fg_status fgi_block_map(struct fgi_block *block, uint64_t bytes, int node,
                             struct fg_error *err);

/* The same with all choices. */
enum fg_status fgi_block_map_at(struct fgi_block *block, uint64_t bytes,
                                const struct fgi_block_place *place,
                                struct fg_error *err);

/* Give the pages back. A zeroed struct is allowed. */
void fgi_block_unmap(struct fgi_block *block);

/* Bytes of one page of that kind. */
size_t fgi_page_bytes(enum fgi_pages pages);

/* "small", "thp" or "hugetlb". */
const char *fgi_pages_name(enum fgi_pages pages);

#endif /* FGI_BASE_MEM_H */
