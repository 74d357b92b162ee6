/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a served read is copied into. Where the kernel would say EFAULT
 * a copy of ours would be a SIGSEGV, so the kernel is asked before each piece.
 *
 * The question that is always right, MADV_POPULATE_WRITE, is asked page by page
 * in the kernel: half as long as copying 1 MiB takes. But programs read into
 * the same memory again and again. What this thread was told of once, it knows;
 * then mincore, which goes over all pages at one go, says whether they are
 * still there. That they may still be written is so until the program maps or
 * protects something so that it may not be: each such call makes all forget
 * (`changes`). Such calls that pass by the shim would have to take away the
 * memory of a read that is still to come; what malloc does to its own is never
 * that.
 *
 * Handlers of signals may come in between at any point: an entry is void while
 * it is written.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "shim.h"

#define PAGE ((uintptr_t)4096)
/* Pages of a piece: a block, not aligned. */
#define PAGES_MAX (FGI_FEED_BLOCK_BYTES / 4096 + 1)
/* For fewer, asking twice costs as much as asking once and for all. */
#define PAGES_MIN 5u

/* Counts what may have taken memory away. With keys of protection that can be
 * done without a call: then nothing is known for ever. */
static _Atomic uint32_t changes;
static _Atomic bool has_keys;

#define KNOWN 4u

static __thread struct known {
    _Atomic uintptr_t first;
    _Atomic uintptr_t end;       /* 0: void */
    _Atomic uint32_t changes_at; /* what `changes` was */
} known[KNOWN] __attribute__((tls_model("initial-exec")));

static __thread uint32_t known_next __attribute__((tls_model("initial-exec")));

#define LOAD(member) atomic_load_explicit(&(member), memory_order_relaxed)

/* To be written, as far as one may know without asking. */
static bool is_known(uintptr_t first, uintptr_t end)
{
    uint32_t now = atomic_load_explicit(&changes, memory_order_acquire);
    for (uint32_t i = 0; i < KNOWN; i++) {
        const struct known *entry = &known[i];
        if (first >= LOAD(entry->first) && end <= LOAD(entry->end) &&
            LOAD(entry->changes_at) == now) {
            return !LOAD(has_keys);
        }
    }
    return false;
}

static void write_entry(struct known *entry, uintptr_t first, uintptr_t end,
                        uint32_t now)
{
    atomic_store_explicit(&entry->end, 0, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&entry->first, first, memory_order_relaxed);
    atomic_store_explicit(&entry->changes_at, now, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&entry->end, end, memory_order_relaxed);
}

/* `now`: what `changes` was before the kernel said that it may be written. */
static void remember(uintptr_t first, uintptr_t end, uint32_t now)
{
    for (uint32_t i = 0; i < KNOWN; i++) {
        struct known *entry = &known[i];
        uintptr_t from = LOAD(entry->first);
        uintptr_t to = LOAD(entry->end);
        /* The next piece of a large buffer. */
        if (LOAD(entry->changes_at) == now && first <= to && end >= from) {
            write_entry(entry, first < from ? first : from, end > to ? end : to,
                        now);
            return;
        }
    }
    write_entry(&known[known_next++ % KNOWN], first, end, now);
}

static bool are_there(uintptr_t first, uintptr_t end)
{
    unsigned char is_there[PAGES_MAX];
    size_t count = (end - first) / PAGE;
    if (count > PAGES_MAX || mincore((void *)first, end - first, is_there)) {
        return false;
    }
    unsigned char all = 1;
    for (size_t i = 0; i < count; i++) {
        all &= is_there[i];
    }
    return (all & 1) != 0;
}

bool shim_has_memory(void *to, size_t bytes)
{
    uintptr_t first = (uintptr_t)to & ~(PAGE - 1);
    uintptr_t end = ((uintptr_t)to + bytes + PAGE - 1) & ~(PAGE - 1);
    bool is_many = end - first >= PAGES_MIN * PAGE;
    uint32_t now = atomic_load_explicit(&changes, memory_order_acquire);
    if (end <= first || (uintptr_t)to + bytes < (uintptr_t)to) {
        return false;
    }
    if (is_many && is_known(first, end) && are_there(first, end)) {
        return true;
    }
    if (madvise((void *)first, end - first, MADV_POPULATE_WRITE) != 0) {
        return false;
    }
    if (is_many) {
        remember(first, end, now);
    }
    return true;
}

void shim_memory_changes(void)
{
    atomic_fetch_add_explicit(&changes, 1, memory_order_acq_rel);
}

/* ---- what may take memory away ------------------------------------------- */

SHIM_EXPORT int mprotect(void *at, size_t bytes, int allowed)
{
    int result = shim_real()->mprotect(at, bytes, allowed);
    if ((allowed & PROT_WRITE) == 0) {
        shim_memory_changes();
    }
    return result;
}

SHIM_EXPORT int pkey_mprotect(void *at, size_t bytes, int allowed, int key)
{
    if (shim_real()->pkey_mprotect == NULL) {
        errno = ENOSYS;
        return -1;
    }
    atomic_store(&has_keys, true);
    return shim_real()->pkey_mprotect(at, bytes, allowed, key);
}

/* It may move memory that cannot be written to where it could. */
SHIM_EXPORT void *mremap(void *old, size_t old_bytes, size_t new_bytes,
                         int flags, ...)
{
    va_list more;
    va_start(more, flags);
    void *new = va_arg(more, void *);
    va_end(more);
    void *result = shim_real()->mremap(old, old_bytes, new_bytes, flags, new);
    shim_memory_changes();
    return result;
}

SHIM_EXPORT void *shmat(int id, const void *at, int flags)
{
    void *result = shim_real()->shmat(id, at, flags);
    if ((flags & SHM_RDONLY) != 0) {
        shim_memory_changes();
    }
    return result;
}
