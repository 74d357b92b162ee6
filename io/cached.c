/* SPDX-License-Identifier: Apache-2.0 */
/* Files in the page cache: how much of one is there (cachestat, or mincore
 * before it), and bringing it there. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/file.h"
#include "runtime/base/math.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

#define PAGE_BYTES 4096
/* One mincore's worth: its answer is a byte per page. */
#define WINDOW_BYTES FGI_MIB(32)
/* Of one POSIX_FADV_WILLNEED the kernel reads no more than the device's
 * read-ahead or its largest request (force_page_cache_ra in mm/readahead.c),
 * and forgets the rest. This is Linux's default of the first. */
#define ADVICE_BYTES FGI_KIB(128)

/* The kernel's structs; headers older than Linux 6.5 lack them. */
struct range {
    uint64_t offset;
    uint64_t bytes;
};

struct answer {
    uint64_t cached;
    uint64_t dirty;
    uint64_t writeback;
    uint64_t evicted;
    uint64_t recently_evicted;
};

/* mincore calls every page of a file cached that the caller may not write. */
static bool mincore_is_honest(int fd)
{
    struct stat info;
    uid_t user = geteuid();

    return fstat(fd, &info) == 0 && (user == 0 || user == info.st_uid);
}

/* Cached pages of [from, from + bytes), at most a window, or -1. */
static int64_t count_window(int fd, uint64_t from, uint64_t bytes)
{
    unsigned char pages[WINDOW_BYTES / PAGE_BYTES];
    void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)from);
    int64_t cached = 0;
    int rv;

    if (at == MAP_FAILED) {
        return -1;
    }
    rv = mincore(at, bytes, pages);
    munmap(at, bytes);
    if (rv != 0) {
        return -1;
    }
    for (uint64_t i = 0; i < fgi_ceil_div(bytes, PAGE_BYTES); i++) {
        cached += pages[i] & 1;
    }
    return cached;
}

/* Cached pages of the pages [from, to), or -1. */
static int64_t count_by_mincore(int fd, uint64_t from, uint64_t to)
{
    int64_t cached = 0;

    if (!mincore_is_honest(fd)) {
        return -1;
    }
    while (from < to) {
        uint64_t bytes = fgi_min(to - from, WINDOW_BYTES);
        int64_t more = count_window(fd, from, bytes);

        if (more < 0) {
            return -1;
        }
        cached += more;
        from += bytes;
    }
    return cached;
}

double fgi_file_cached_share(int fd, uint64_t offset, uint64_t bytes)
{
    uint64_t from = fgi_align_down(offset, PAGE_BYTES);
    uint64_t to;
    struct range range;
    struct answer answer;
    int64_t cached;
    uint64_t pages;

    if (bytes == 0) {
        return 0;
    }
    if (!fgi_add(offset, bytes, &to) || to > INT64_MAX - PAGE_BYTES) {
        return -1;
    }
    to = fgi_align_up(to, PAGE_BYTES);
    range = (struct range){from, to - from};
    if (syscall(SYS_cachestat, fd, &range, &answer, 0) == 0) {
        cached = (int64_t)answer.cached;
    } else {
        cached = count_by_mincore(fd, from, to);
    }
    pages = (to - from) / PAGE_BYTES;
    return cached < 0 ? -1 : (double)cached / (double)pages;
}

bool fgi_file_will_need(int fd, uint64_t offset, uint64_t bytes)
{
    uint64_t end;

    if (!fgi_add(offset, bytes, &end) || end > INT64_MAX) {
        return false;
    }
    while (offset < end) {
        uint64_t step = fgi_min(end - offset, ADVICE_BYTES);

        if (posix_fadvise(fd, (off_t)offset, (off_t)step,
                          POSIX_FADV_WILLNEED) != 0) {
            return false;
        }
        offset += step;
    }
    return true;
}
