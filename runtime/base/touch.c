/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads on the node's CPUs take the block chunk by chunk, so that pages come
 * from there even where no memory policy may be set, and so that one thread
 * which has to wait for a CPU does not make the others wait for its share.
 *
 * Where memory is fragmented, each transparent huge page may make the kernel
 * compact memory first, for so long that setting up takes minutes. So when a
 * chunk is slow and compaction was at work meanwhile, all chunks that nobody
 * has taken yet come as small pages.
 */
#include "runtime/base/touch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/thread.h"

/* More than this gain nothing on one memory controller. */
#define THREADS_MAX 8
/* Starting a thread costs more than touching less than this. */
#define THREAD_BYTES_MIN FGI_MIB(32)

/* Slower than this is not zeroing pages any more. */
#define CHUNK_NS_MAX (FGI_TOUCH_CHUNK_BYTES * 2) /* 0.5 GB/s */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* What all threads share. */
struct touch {
    const struct fgi_block *block;
    uint64_t stalls;              /* of compaction, before the first touch */
    _Atomic uint64_t next;        /* chunk that nobody has taken */
    _Atomic uint64_t small_bytes; /* that were taken small */
    _Atomic bool is_thp;          /* chunks still come as huge pages */
    _Atomic int result;           /* 0 or the first errno: stop */
};

static struct fgi_touch_pretence pretended;

void fgi_touch_pretend(const struct fgi_touch_pretence *pretence)
{
    memset(&pretended, 0, sizeof(pretended));
    if (pretence != NULL) {
        pretended = *pretence;
    }
}

/* How often the kernel has stalled for compaction; 0: it does not say. */
static uint64_t compaction_stalls(void)
{
    static const char key[] = "compact_stall ";
    uint64_t stalls = 0;
    char line[128];
    FILE *file = fopen("/proc/vmstat", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            stalls = strtoull(line + strlen(key), NULL, 10);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return stalls;
}

static bool was_compacting(const struct touch *touch)
{
    return pretended.slow_from != 0 ? pretended.is_compacting
                                    : compaction_stalls() != touch->stalls;
}

static bool was_slow(uint64_t chunk, uint64_t duration_ns)
{
    return pretended.slow_from != 0 ? chunk >= pretended.slow_from
                                    : duration_ns > CHUNK_NS_MAX;
}

static int touch_chunk(const struct touch *touch, uint8_t *base, size_t bytes)
{
    if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0) {
        return 0;
    }
    if (errno != EINVAL) {
        return errno;
    }
    if (touch->block->pages == FGI_PAGES_HUGETLB) {
        return ENOMEM; /* this kernel cannot say it without a SIGBUS */
    }
    /* Before Linux 5.14: a store to each page does the same. */
    for (size_t at = 0; at < bytes; at += FGI_KIB(4)) {
        ((volatile uint8_t *)base)[at] = 0;
    }
    return 0;
}

static void take_chunks(void *context)
{
    struct touch *touch = context;
    const struct fgi_block *block = touch->block;

    while (atomic_load(&touch->result) == 0) {
        uint64_t chunk = atomic_fetch_add(&touch->next, 1);
        uint64_t from = chunk * FGI_TOUCH_CHUNK_BYTES;
        bool is_thp = atomic_load(&touch->is_thp);
        uint64_t start_ns = fgi_now_ns();
        size_t bytes;
        int result;

        if (from >= block->bytes) {
            return;
        }
        bytes = fgi_min(FGI_TOUCH_CHUNK_BYTES, block->bytes - from);
        if (block->pages == FGI_PAGES_THP && !is_thp) {
            madvise(block->base + from, bytes, MADV_NOHUGEPAGE);
            atomic_fetch_add(&touch->small_bytes, bytes);
        }
        result = touch_chunk(touch, block->base + from, bytes);
        if (result != 0) {
            atomic_store(&touch->result, result);
        } else if (is_thp && was_slow(chunk, fgi_now_ns() - start_ns) &&
                   was_compacting(touch)) {
            atomic_store(&touch->is_thp, false);
        }
    }
}

int fgi_block_touch(struct fgi_block *block, int thread_node)
{
    struct fgi_thread threads[THREADS_MAX];
    struct touch touch = {.block = block};
    size_t count = fgi_clamp(block->bytes / THREAD_BYTES_MIN, 1,
                             fgi_min(THREADS_MAX, fgi_cpu_count()));
    size_t started = 0;

    atomic_store(&touch.is_thp, block->pages == FGI_PAGES_THP);
    touch.stalls = block->pages == FGI_PAGES_THP ? compaction_stalls() : 0;
    while (started < count &&
           fgi_thread_start(&threads[started], "fg-touch", thread_node,
                            take_chunks, &touch, NULL) == FG_OK) {
        started++;
    }
    if (started == 0) {
        take_chunks(&touch);
    }
    for (size_t i = 0; i < started; i++) {
        fgi_thread_join(&threads[i]);
    }
    block->small_bytes = atomic_load(&touch.small_bytes);
    return atomic_load(&touch.result);
}
