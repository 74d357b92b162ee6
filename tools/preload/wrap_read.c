/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reads: read, pread, readv, preadv and the names that fortified and
 * 64-bit programs call them by. A descriptor that is not watched costs one
 * load and one compare before the real function is called.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

/* In libc since glibc 2.34; before, only where libpthread is. */
#pragma weak pthread_testcancel

/* Linux reads at most this much at once (MAX_RW_COUNT). */
#define READ_BYTES_MAX 0x7ffff000u

/* Reads below this are timed now and then only: the clock costs as much. */
#define TIMED_BYTES_MIN 32768u
#define TIMED_EVERY 16u

static __thread uint32_t untimed __attribute__((tls_model("initial-exec")));

static ssize_t call_real(const struct shim_call *call)
{
    const struct shim_real *real = shim_real();
    if (call->buffer_count == 1) {
        void *to = call->buffers[0].iov_base;
        size_t bytes = call->buffers[0].iov_len;
        return call->has_offset
                   ? real->pread64(call->fd, to, bytes, (off_t)call->offset)
                   : real->read(call->fd, to, bytes);
    }
    return call->has_offset
               ? real->preadv64(call->fd, call->buffers, call->buffer_count,
                                (off_t)call->offset)
               : real->readv(call->fd, call->buffers, call->buffer_count);
}

/*
 * Counts of small reads of one file, not on the board yet: adding to counters
 * that all programs share costs as much as such a read.
 */
static __thread struct {
    struct fgi_feed_file *entry;
    uint32_t id;
    uint32_t row;   /* reads of this file one after the other */
    uint32_t reads; /* of these, not on the board */
    uint64_t bytes;
} pending __attribute__((tls_model("initial-exec")));

void shim_flush(void)
{
    struct fgi_feed_file *entry = pending.entry;
    if (pending.reads > 0 && shim_view() != NULL &&
        atomic_load_explicit(&entry->id, memory_order_relaxed) == pending.id) {
        shim_count(&entry->reads, pending.reads);
        shim_count(&entry->kernel_bytes, pending.bytes);
    }
    pending.reads = 0;
    pending.bytes = 0;
}

static void count_file(const struct shim_file *file, uint64_t bytes,
                       uint64_t spent_ns)
{
    if (pending.entry != file->entry || pending.id != file->id) {
        shim_flush();
        pending.entry = file->entry;
        pending.id = file->id;
        pending.row = 0;
    }
    pending.reads++;
    pending.bytes += bytes;
    /* Who reads little may end without a word: it is written at once. */
    if (spent_ns > 0 || pending.row++ < TIMED_EVERY) {
        shim_flush();
        shim_count(&file->entry->blocked_ns, spent_ns);
    }
}

static void count_thread(struct fgi_actor *actor, uint64_t bytes)
{
    shim_add(&actor->reads, 1);
    shim_add(&actor->kernel_bytes, bytes);
}

/* A descriptor that nobody has looked at: its first read, by the kernel. */
static ssize_t read_later(const struct shim_file *file,
                          const struct shim_call *call)
{
    uint64_t start_ns = shim_now_ns();
    ssize_t got = call_real(call);
    int saved = errno;
    uint64_t now_ns = shim_now_ns();
    if (shim_settle(file, call, got, now_ns - start_ns)) {
        struct fgi_actor *actor = shim_actor(file->view);
        count_thread(actor, (uint64_t)got);
        shim_add(&actor->kernel_ns, now_ns - start_ns);
        atomic_store_explicit(&actor->last_ns, now_ns, memory_order_relaxed);
    }
    errno = saved;
    return got;
}

/* Let the kernel read, and count. */
static ssize_t read_counted(const struct shim_file *file,
                            const struct shim_call *call)
{
    bool is_large = call->bytes >= TIMED_BYTES_MIN;
    bool is_timed = is_large || untimed++ % TIMED_EVERY == 0;
    uint64_t start_ns = is_timed ? shim_now_ns() : 0;
    ssize_t got = call_real(call);
    int saved = errno;
    struct fgi_actor *actor = shim_actor(file->view);
    uint64_t bytes = got > 0 ? (uint64_t)got : 0;
    uint64_t spent_ns = 0;
    if (is_timed) {
        uint64_t now_ns = shim_now_ns();
        spent_ns = (now_ns - start_ns) * (is_large ? 1 : TIMED_EVERY);
        shim_add(&actor->kernel_ns, spent_ns);
        atomic_store_explicit(&actor->last_ns, now_ns, memory_order_relaxed);
        if (SHIM_UNLIKELY(now_ns - start_ns >= FGI_SPAN_READ_NS)) {
            shim_tell_blocked(file, start_ns, now_ns, got);
        }
    }
    count_thread(actor, bytes);
    if (file->entry != NULL) {
        count_file(file, bytes, spent_ns);
    }
    errno = saved;
    return got;
}

/* Of files whose reads are the kernel's, a thread tells so many reads' places,
 * and then now and then one: they only show the pattern. */
#define TOLD_MAX 256u
#define TOLD_EVERY 64u

static __thread uint32_t told __attribute__((tls_model("initial-exec")));

static uint32_t mode_of(const struct shim_file *file)
{
    return file->entry == NULL
               ? FGI_FEED_LOOK
               : atomic_load_explicit(&file->entry->mode, memory_order_relaxed);
}

static void tell_read(const struct shim_file *file, uint64_t offset,
                      uint64_t bytes)
{
    struct fgi_event event = {
        .kind = FGI_EVENT_READ,
        .fd = file->fd,
        .file_id = file->id,
        .offset = offset,
        .bytes = bytes,
    };
    shim_entry_key(file->entry, &event.key);
    shim_tell(file->view, &event, NULL);
}

/* Where a call begins to read, or -1. */
static off_t place_of(const struct shim_call *call)
{
    int saved = errno;
    off_t at =
        call->has_offset ? (off_t)call->offset : lseek(call->fd, 0, SEEK_CUR);
    errno = saved;
    return at;
}

/* Of a file that is warmed, tell small reads in a row by the row. */
static void tell_small(const struct shim_file *file,
                       const struct shim_call *call)
{
    uint64_t untold = shim_untold(call->fd, call->bytes);
    off_t at = untold > 0 ? place_of(call) : -1;
    if (at >= 0) {
        uint64_t end = (uint64_t)at + call->bytes;
        uint64_t before = shim_told(call->fd, end);
        bool is_row =
            before == UINT64_MAX ? end == untold : before + untold == end;
        tell_read(file, is_row ? end - untold : (uint64_t)at,
                  is_row ? untold : call->bytes);
    }
}

/* Of a file whose reads are the kernel's, tell the large ones' places, and
 * with each those of the reads in a row before it that were not told. */
static void tell_watched(const struct shim_file *file,
                         const struct shim_call *call)
{
    bool is_warmed = mode_of(file) == FGI_FEED_WARM;
    if (is_warmed && call->bytes < TIMED_BYTES_MIN) {
        tell_small(file, call);
        return;
    }
    if (call->bytes < TIMED_BYTES_MIN || file->entry == NULL ||
        (!is_warmed && told++ >= TOLD_MAX && told % TOLD_EVERY != 0)) {
        return;
    }
    off_t at = place_of(call);
    if (at < 0) {
        return;
    }
    uint64_t offset = (uint64_t)at;
    bool is_in_row = shim_expected(call->fd) == offset;
    if (shim_moves_on(call->fd, offset, call->bytes)) {
        uint64_t before = shim_told(call->fd, offset + call->bytes);
        uint64_t first = is_in_row && before <= offset ? before : offset;
        tell_read(file, first, offset + call->bytes - first);
    }
}

/* Of a file that the feeder does not know yet, reads that large are worth
 * being cut up: it may know it before they have ended. */
#define CUT_BYTES_MIN (2 * FGI_FEED_BLOCK_BYTES)

/*
 * A file that was opened just now: the feeder is looking it over. A large one
 * is worth a moment before its first read, or the kernel begins to read it
 * ahead as well.
 */
#define PATIENCE_BYTES_MIN FGI_FEED_BLOCK_BYTES
#define PATIENCE_STEP_NS 20000
#define PATIENCE_STEPS 100 /* 2 ms, and what sleeping costs */
/* After so many times for nothing, a thread is patient only now and then: the
 * files are in the page cache, or are not fed for another reason. */
#define PATIENCE_VAIN_MAX 3u
#define PATIENCE_EVERY 32u

static __thread uint32_t vain_waits __attribute__((tls_model("initial-exec")));

static void be_patient(struct shim_file *file)
{
    const struct timespec step = {.tv_nsec = PATIENCE_STEP_NS};
    int saved = errno;
    struct stat info;
    if (fstat(file->fd, &info) == 0 &&
        (uint64_t)info.st_size >= PATIENCE_BYTES_MIN &&
        shim_feeder_lives(file->view)) {
        for (int i = 0; i < PATIENCE_STEPS; i++) {
            if (file->entry == NULL) {
                (void)shim_find(file, &info);
            }
            if (mode_of(file) != FGI_FEED_LOOK) {
                break;
            }
            nanosleep(&step, NULL);
        }
    }
    errno = saved;
}

/* The mode, after waiting for it where that is worth it. */
static uint32_t settled_mode(struct shim_file *file)
{
    uint32_t mode = mode_of(file);
    if (mode == FGI_FEED_LOOK && shim_is_first(file->fd) &&
        (vain_waits < PATIENCE_VAIN_MAX ||
         ++vain_waits % PATIENCE_EVERY == 0)) {
        be_patient(file);
        mode = mode_of(file);
        vain_waits = mode == FGI_FEED_COPY ? 0 : vain_waits + 1;
    }
    return mode;
}

static ssize_t read_watched(struct shim_file *file,
                            const struct shim_call *call)
{
    ssize_t result;
    uint32_t mode;
    if (SHIM_UNLIKELY(file->is_later)) {
        if (call->bytes < FGI_FEED_BLOCK_BYTES) {
            return read_later(file, call);
        }
        if (!shim_watched_now(file)) {
            return call_real(call);
        }
    }
    mode = settled_mode(file);
    if (mode == FGI_FEED_LOOK ? call->bytes < CUT_BYTES_MIN
                              : mode != FGI_FEED_COPY) {
        tell_watched(file, call);
        return read_counted(file, call);
    }
    if (pthread_testcancel != NULL) {
        pthread_testcancel(); /* as read does */
    }
    if (!shim_serve(file, call, &result)) {
        return read_counted(file, call);
    }
    return result;
}

static ssize_t read_one(struct shim_file *file, int fd, void *to, size_t bytes,
                        const off_t *offset)
{
    struct iovec buffer = {.iov_base = to, .iov_len = bytes};
    struct shim_call call = {
        .fd = fd,
        .buffers = &buffer,
        .buffer_count = 1,
        .has_offset = offset != NULL,
        .offset = offset != NULL ? (uint64_t)*offset : 0,
        .bytes = bytes < READ_BYTES_MAX ? bytes : READ_BYTES_MAX,
    };
    return read_watched(file, &call);
}

/* False: something the kernel has to say no to. */
static bool sum_up(const struct iovec *buffers, int count, size_t *bytes)
{
    size_t sum = 0;
    if (count <= 0 || count > IOV_MAX || buffers == NULL) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (buffers[i].iov_len > READ_BYTES_MAX - sum) {
            return false;
        }
        sum += buffers[i].iov_len;
    }
    *bytes = sum;
    return true;
}

static ssize_t read_many(struct shim_file *file, int fd,
                         const struct iovec *buffers, int count,
                         const off_t *offset)
{
    struct shim_call call = {
        .fd = fd,
        .buffers = buffers,
        .buffer_count = count,
        .has_offset = offset != NULL,
        .offset = offset != NULL ? (uint64_t)*offset : 0,
    };
    if (!sum_up(buffers, count, &call.bytes)) {
        return call_real(&call);
    }
    return read_watched(file, &call);
}

SHIM_EXPORT ssize_t read(int fd, void *to, size_t bytes)
{
    struct shim_file file;
    if (SHIM_LIKELY(!shim_watched(fd, &file))) {
        return shim_real()->read(fd, to, bytes);
    }
    return read_one(&file, fd, to, bytes, NULL);
}

SHIM_EXPORT ssize_t __read_chk(int fd, void *to, size_t bytes, size_t room)
{
    struct shim_file file;
    if (bytes > room || SHIM_LIKELY(!shim_watched(fd, &file))) {
        return shim_real()->__read_chk(fd, to, bytes, room);
    }
    return read_one(&file, fd, to, bytes, NULL);
}

#define DEFINE_PREAD(name)                                                     \
    SHIM_EXPORT ssize_t name(int fd, void *to, size_t bytes, off_t offset)     \
    {                                                                          \
        struct shim_file file;                                                 \
        if (SHIM_LIKELY(!shim_watched(fd, &file))) {                           \
            return shim_real()->name(fd, to, bytes, offset);                   \
        }                                                                      \
        return read_one(&file, fd, to, bytes, &offset);                        \
    }
DEFINE_PREAD(pread)
DEFINE_PREAD(pread64)

#define DEFINE_PREAD_CHK(name)                                                 \
    SHIM_EXPORT ssize_t name(int fd, void *to, size_t bytes, off_t offset,     \
                             size_t room)                                      \
    {                                                                          \
        struct shim_file file;                                                 \
        if (bytes > room || SHIM_LIKELY(!shim_watched(fd, &file))) {           \
            return shim_real()->name(fd, to, bytes, offset, room);             \
        }                                                                      \
        return read_one(&file, fd, to, bytes, &offset);                        \
    }
DEFINE_PREAD_CHK(__pread_chk)
DEFINE_PREAD_CHK(__pread64_chk)

SHIM_EXPORT ssize_t readv(int fd, const struct iovec *buffers, int count)
{
    struct shim_file file;
    if (SHIM_LIKELY(!shim_watched(fd, &file))) {
        return shim_real()->readv(fd, buffers, count);
    }
    return read_many(&file, fd, buffers, count, NULL);
}

#define DEFINE_PREADV(name)                                                    \
    SHIM_EXPORT ssize_t name(int fd, const struct iovec *buffers, int count,   \
                             off_t offset)                                     \
    {                                                                          \
        struct shim_file file;                                                 \
        if (SHIM_LIKELY(!shim_watched(fd, &file))) {                           \
            return shim_real()->name(fd, buffers, count, offset);              \
        }                                                                      \
        return read_many(&file, fd, buffers, count, &offset);                  \
    }
DEFINE_PREADV(preadv)
DEFINE_PREADV(preadv64)

/* With flags it is more than a read; without, offset -1 means read's own. */
#define DEFINE_PREADV2(name)                                                   \
    SHIM_EXPORT ssize_t name(int fd, const struct iovec *buffers, int count,   \
                             off_t offset, int flags)                          \
    {                                                                          \
        struct shim_file file;                                                 \
        if (flags != 0 || SHIM_LIKELY(!shim_watched(fd, &file))) {             \
            return shim_real()->name(fd, buffers, count, offset, flags);       \
        }                                                                      \
        return read_many(&file, fd, buffers, count,                            \
                         offset == -1 ? NULL : &offset);                       \
    }
DEFINE_PREADV2(preadv2)
DEFINE_PREADV2(preadv64v2)
