/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"
#include "runtime/base/touch.h"

#define HUGE_BYTES FGI_MIB(2)

static _Atomic unsigned fail_after;

void fgi_alloc_fail_after(unsigned n)
{
    atomic_store(&fail_after, n);
}

static bool must_fail(void)
{
    unsigned n = atomic_load(&fail_after);

    /* Two threads at n == 1: one fails, neither counts below zero. */
    while (n != 0 && !atomic_compare_exchange_weak(&fail_after, &n, n - 1)) {
    }
    return n == 1;
}

void *fgi_alloc(size_t count, size_t bytes)
{
    size_t total;

    /* Counts come from files, and sanitizers abort on what calloc refuses. */
    if (must_fail() || __builtin_mul_overflow(count, bytes, &total) ||
        total > PTRDIFF_MAX) {
        return NULL;
    }
    return calloc(1, total == 0 ? 1 : total);
}

char *fgi_strdup(const char *text)
{
    return must_fail() ? NULL : strdup(text);
}

void *fgi_grow(void *block, size_t count, size_t bytes)
{
    size_t total;

    if (must_fail() || __builtin_mul_overflow(count, bytes, &total) ||
        total > PTRDIFF_MAX) {
        return NULL;
    }
    /* realloc of no bytes would free the block and say that it failed. */
    return realloc(block, total == 0 ? 1 : total);
}

void fgi_free(void *block)
{
    free(block);
}

size_t fgi_page_bytes(enum fgi_pages pages)
{
    return pages == FGI_PAGES_SMALL ? FGI_KIB(4) : HUGE_BYTES;
}

const char *fgi_pages_name(enum fgi_pages pages)
{
    switch (pages) {
    case FGI_PAGES_SMALL:
        return "small";
    case FGI_PAGES_THP:
        return "thp";
    case FGI_PAGES_HUGETLB:
        return "hugetlb";
    }
    return "?";
}

static bool map_pages(struct fgi_block *block, enum fgi_pages pages,
                      uint64_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    uint64_t total = bytes;
    void *at;

    if (pages == FGI_PAGES_HUGETLB) {
        flags |= MAP_HUGETLB | (21 << MAP_HUGE_SHIFT);
    } else {
        total += HUGE_BYTES; /* room to align */
    }
    at = mmap(NULL, total, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at == MAP_FAILED) {
        return false;
    }
    block->mapping = at;
    block->mapping_bytes = total;
    block->base = (uint8_t *)fgi_align_up((uintptr_t)at, HUGE_BYTES);
    block->bytes = bytes;
    block->pages = pages;
    return true;
}

/*
 * The administrator or a parent process may have turned huge pages off;
 * MADV_HUGEPAGE succeeds even then.
 */
static bool thp_is_off(void)
{
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    char text[64] = "";
    ssize_t length;
    int file;

    if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1) {
        return true;
    }
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    length = read(file, text, sizeof(text) - 1);
    close(file);
    return length > 0 && strstr(text, "[never]") != NULL;
}

/* Policy and advice come before the first touch, or they do nothing. */
static void advise(struct fgi_block *block, bool is_strict)
{
    block->policy_errno = 0;
    if (block->node >= 0) {
        block->policy_errno =
            is_strict ? fgi_numa_bind(block->base, block->bytes, block->node)
                      : fgi_numa_prefer(block->base, block->bytes, block->node);
    }
    if (block->pages == FGI_PAGES_THP &&
        (madvise(block->base, block->bytes, MADV_HUGEPAGE) != 0 ||
         thp_is_off())) {
        block->pages = FGI_PAGES_SMALL;
    }
    /* A fork would copy every pinned page: 2-4 s per GiB. */
    madvise(block->mapping, block->mapping_bytes, MADV_DONTFORK);
}

static enum fg_status fail_map(struct fg_error *err, int sys_errno,
                               uint64_t bytes)
{
    fgi_fail_errno(err, sys_errno, "memory: map %llu MiB",
                   (unsigned long long)fgi_ceil_div(bytes, FGI_MIB(1)));
    fgi_likely(err, "more than the machine, ulimit -v or the cgroup allows");
    if (err != NULL) {
        err->status = FG_ERR_MEMORY;
    }
    return FG_ERR_MEMORY;
}

enum fg_status fgi_block_map(struct fgi_block *block, uint64_t bytes, int node,
                             struct fg_error *err)
{
    struct fgi_block_place place = {.node = node, .thread_node = node};

    return fgi_block_map_at(block, bytes, &place, err);
}

/*
 * Would all of it fit into the node's own huge pages? Without this question a
 * preferred node's shortage is filled with another node's, silently.
 */
static bool has_hugepages(int node, uint64_t bytes)
{
    return node < 0 || fgi_numa_free_hugepages(node) >= bytes / HUGE_BYTES;
}

enum fg_status fgi_block_map_at(struct fgi_block *block, uint64_t bytes,
                                const struct fgi_block_place *place,
                                struct fg_error *err)
{
    static const enum fgi_pages ladder[] = {FGI_PAGES_HUGETLB, FGI_PAGES_THP};
    int last = ENOMEM;

    memset(block, 0, sizeof(*block));
    if (bytes == 0 || bytes > UINT64_MAX / 4) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "memory: map: got %llu bytes, wanted 1 to 2^62",
                        (unsigned long long)bytes);
    }
    if (must_fail()) {
        return fail_map(err, ENOMEM, bytes);
    }
    bytes = fgi_align_up(bytes, HUGE_BYTES);
    for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
        if (ladder[i] == FGI_PAGES_HUGETLB ? !has_hugepages(place->node, bytes)
                                           : place->only_hugetlb) {
            continue;
        }
        if (!map_pages(block, ladder[i], bytes)) {
            last = errno;
            continue;
        }
        block->node = place->node;
        advise(block, place->is_strict);
        last = fgi_block_touch(block, place->thread_node);
        if (last == 0) {
            return FG_OK;
        }
        fgi_block_unmap(block);
    }
    return fail_map(err, last, bytes);
}

void fgi_block_unmap(struct fgi_block *block)
{
    if (block->mapping != NULL) {
        munmap(block->mapping, block->mapping_bytes);
    }
    memset(block, 0, sizeof(*block));
}
