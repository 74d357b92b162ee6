/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying files out: does a direct read work and with which alignment, and how
 * much of a file is in the page cache. Nothing is written, and what is read
 * does not get into the cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor_path.h"

#define ALIGN_MIN 512u
#define ALIGN_MAX 65536u

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

/* The kernel's struct statx; older headers lack the alignments. */
struct statx_dio {
    uint32_t mask;
    unsigned char unused[148];
    uint32_t memory_align;
    uint32_t offset_align;
    unsigned char rest[96];
};
_Static_assert(sizeof(struct statx_dio) == 256, "the kernel writes 256 bytes");

/* What the kernel says of the file; false: it does not say. */
static bool ask_alignment(int fd, uint32_t *align)
{
    struct statx_dio answer = {.mask = 0};
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &answer) !=
            0 ||
        (answer.mask & STATX_DIOALIGN) == 0) {
        return false;
    }
    *align = answer.offset_align;
    return true;
}

/* Read once with each alignment until one works; 0 or errno. */
static int try_reads(int fd, struct direct_trial *trial)
{
    void *buffer;
    int reason = EINVAL;
    if (posix_memalign(&buffer, ALIGN_MAX, ALIGN_MAX) != 0) {
        return ENOMEM;
    }
    for (uint32_t align = ALIGN_MIN; reason == EINVAL && align <= ALIGN_MAX;
         align *= 2) {
        reason = pread(fd, buffer, align, 0) >= 0 ? 0 : errno;
        trial->align_bytes = align;
    }
    free(buffer);
    return reason;
}

void probe_direct(const char *file, struct direct_trial *trial)
{
    int plain = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *trial = (struct direct_trial){.result = DIRECT_UNREADABLE};
    if (plain < 0) {
        trial->reason = errno;
        return;
    }
    trial->result = DIRECT_REFUSED;
    trial->reason = EINVAL;
    bool is_told = ask_alignment(plain, &trial->told_bytes);
    close(plain);
    if (is_told && trial->told_bytes == 0) {
        return; /* the kernel says: none for this file */
    }
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECT);
    if (fd < 0) {
        trial->reason = errno;
        return;
    }
    trial->reason = try_reads(fd, trial);
    if (trial->reason == 0) {
        trial->result = DIRECT_WORKS;
    } else if (trial->reason != EINVAL && trial->reason != EOPNOTSUPP) {
        trial->result = DIRECT_UNREADABLE;
    }
    close(fd);
}

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same number on every architecture */
#endif

/* The kernel's structs; headers have them from Linux 6.5 on. */
struct cache_range {
    uint64_t offset;
    uint64_t length;
};

struct cache_counts {
    uint64_t cached;
    uint64_t dirty;
    uint64_t writeback;
    uint64_t evicted;
    uint64_t recently_evicted;
};

static bool count_by_cachestat(int fd, uint64_t size, uint64_t page_bytes,
                               uint64_t *cached_bytes)
{
    struct cache_range range = {.offset = 0, .length = size};
    struct cache_counts counts = {.cached = 0};
    if (syscall(SYS_cachestat, fd, &range, &counts, 0) != 0) {
        return false;
    }
    *cached_bytes = counts.cached * page_bytes;
    return true;
}

#define MAPPED_MAX (UINT64_C(256) << 20) /* of a file, with mincore */

/* mincore calls everything cached for who may not write the file. */
static bool may_ask(int fd, const char *file)
{
    struct stat of;
    return fstat(fd, &of) == 0 &&
           (of.st_uid == geteuid() || access(file, W_OK) == 0);
}

static bool count_by_mincore(int fd, uint64_t size, uint64_t page_bytes,
                             uint64_t *cached_bytes)
{
    uint64_t pages = (size + page_bytes - 1) / page_bytes;
    unsigned char *states = malloc(pages);
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    bool is_told = false;
    if (states != NULL && map != MAP_FAILED &&
        mincore(map, size, states) == 0) {
        uint64_t cached = 0;
        for (uint64_t i = 0; i < pages; i++) {
            cached += states[i] & 1;
        }
        *cached_bytes = cached * page_bytes;
        is_told = true;
    }
    if (map != MAP_FAILED) {
        munmap(map, size);
    }
    free(states);
    return is_told;
}

bool probe_cached(const char *file, uint64_t *cached_bytes,
                  uint64_t *seen_bytes)
{
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat of;
    uint64_t cached = 0;
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &of) != 0 || !S_ISREG(of.st_mode) || of.st_size <= 0) {
        close(fd);
        return false;
    }
    uint64_t seen = (uint64_t)of.st_size;
    bool is_told = count_by_cachestat(fd, seen, page_bytes, &cached);
    /* Of a file in layers cachestat sees the upper one, which has no pages. */
    if ((!is_told || cached == 0) && may_ask(fd, file)) {
        seen = seen < MAPPED_MAX ? seen : MAPPED_MAX;
        is_told = count_by_mincore(fd, seen, page_bytes, &cached);
    }
    close(fd);
    if (is_told) {
        *cached_bytes = cached < seen ? cached : seen;
        *seen_bytes = seen;
    }
    return is_told;
}
