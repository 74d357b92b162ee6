/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads from the arena.
 *
 *     claim    lseek moves the offset on by what will be read, at once for all
 *              who share the descriptor: they get what the kernel would give
 *     take     block by block: ask fstat, copy from the arena, look again
 *              whether the slot has stayed; else pread this piece
 *     settle   fewer bytes than claimed: the offset goes back by the rest
 *
 * pread has no offset to claim. A read ends early only where the kernel's
 * pread does, and fails only with its errno.
 *
 * A copy into memory that is not there would be a SIGSEGV where read says
 * EFAULT. So each piece's memory is asked for first (memory.c); if the kernel
 * does not grant it, the kernel reads, and says what it says.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/copy.h"
#include "shim.h"

/* How long a read waits for a block that is under way. The disk may be slow,
 * but the kernel's own read would then wait no less. */
#define WAIT_NS UINT64_C(5000000000)
/* And for one that the feeder should have begun by now. */
#define HOPE_NS UINT64_C(1000000)
#define HOPE_STEP_NS 20000

/* After so many times in vain, a thread hopes only now and then. */
#define HOPES_MAX 3u
#define HOPE_EVERY 64u

static __thread uint32_t vain_hopes __attribute__((tls_model("initial-exec")));

/* Reads that large bypass the cache on the way out; after smaller ones the
 * program finds its data there. */
#define STREAM_BYTES_MIN ((size_t)4 << 20)

/* So far ahead everything is looked for before a read is not told. */
#define QUIET_BYTES (UINT64_C(8) << 20)

/* What a call needs while it is under way. */
struct take {
    struct shim_file *file;
    struct fgi_actor *actor;
    bool is_expected;   /* goes on where the last read ended, or begins at 0 */
    bool is_asked;      /* the kernel said just now that all is as it was */
    bool is_off;        /* the file has changed, or memory is not plain */
    bool is_large;      /* more than the program's caches hold */
    uint64_t wait_ns;   /* of this call: asleep for blocks */
    uint64_t kernel_ns; /* of this call: in the kernel's reads */
};

static struct fgi_slot *find_slot(const struct shim_file *file, uint64_t offset)
{
    uint64_t block = offset / FGI_FEED_BLOCK_BYTES;
    if (block > UINT32_MAX) {
        return NULL;
    }
    uint64_t tag = fgi_slot_tag(file->id, (uint32_t)block);
    struct fgi_slot *slot = fgi_board_bucket(file->view, tag);
    for (uint32_t i = 0; i < FGI_BUCKET_SLOTS; i++) {
        if (atomic_load_explicit(&slot[i].tag, memory_order_relaxed) == tag) {
            return &slot[i];
        }
    }
    return NULL;
}

static uint32_t state_of(const struct fgi_slot *slot)
{
    return atomic_load_explicit(&slot->word, memory_order_acquire) &
           FGI_SLOT_STATE;
}

/* Sleep until the slot's word moves, or for a while. */
static void sleep_for(struct fgi_slot *slot, uint32_t word)
{
    struct timespec while_ns = {.tv_nsec = 100000000};
    uint32_t waited = word | FGI_SLOT_WAITED;
    if (word != waited &&
        !atomic_compare_exchange_strong(&slot->word, &word, waited)) {
        return;
    }
    syscall(SYS_futex, &slot->word, FUTEX_WAIT, waited, &while_ns, NULL, 0);
}

/* Wait while the slot is being read. False: it takes too long. */
static bool await(struct take *take, struct fgi_slot *slot)
{
    if (state_of(slot) != FGI_SLOT_READING) {
        return true;
    }
    uint64_t start_ns = shim_now_ns();
    uint64_t now_ns = start_ns;
    take->is_asked = false;
    for (;;) {
        uint32_t word = atomic_load(&slot->word);
        if ((word & FGI_SLOT_STATE) != FGI_SLOT_READING) {
            break;
        }
        if (now_ns - start_ns > WAIT_NS ||
            !shim_feeder_lives(take->file->view)) {
            shim_detach();
            return false;
        }
        sleep_for(slot, word);
        now_ns = shim_now_ns();
    }
    take->wait_ns += shim_now_ns() - start_ns;
    return true;
}

/* The feeder is just about to begin with this file, or has fallen behind. */
static struct fgi_slot *hope(struct take *take, uint64_t offset)
{
    const struct timespec step = {.tv_nsec = HOPE_STEP_NS};
    uint64_t start_ns = shim_now_ns();
    struct fgi_slot *slot = NULL;
    if (vain_hopes >= HOPES_MAX && ++vain_hopes % HOPE_EVERY != 0) {
        return NULL;
    }
    while (slot == NULL && shim_now_ns() - start_ns < HOPE_NS) {
        nanosleep(&step, NULL);
        slot = find_slot(take->file, offset);
        if (slot != NULL && state_of(slot) == FGI_SLOT_EMPTY) {
            slot = NULL;
        }
    }
    take->is_asked = false;
    vain_hopes = slot != NULL ? 0 : vain_hopes + 1;
    take->wait_ns += shim_now_ns() - start_ns;
    return slot;
}

/* In mode COPY: known to the feeder, and worth its memory. */
static bool is_served(const struct shim_file *file)
{
    return file->entry != NULL &&
           atomic_load_explicit(&file->entry->mode, memory_order_relaxed) ==
               FGI_FEED_COPY;
}

static bool is_unchanged(const struct shim_file *file)
{
    struct stat info;
    return fstat(file->fd, &info) == 0 && shim_is_same(file, &info);
}

/* Copy up to `bytes` that lie in one block; 0: it is not to be had here. */
static size_t copy_piece(struct take *take, void *to, size_t bytes,
                         uint64_t offset)
{
    const struct fgi_board_view *view = take->file->view;
    if (!is_served(take->file)) {
        struct stat info;
        (void)(take->file->entry == NULL && fstat(take->file->fd, &info) == 0 &&
               shim_find(take->file, &info));
        return 0; /* from the next piece on */
    }
    struct fgi_slot *slot = find_slot(take->file, offset);
    if (slot == NULL || state_of(slot) == FGI_SLOT_EMPTY) {
        slot = take->is_expected ? hope(take, offset) : NULL;
    }
    if (slot == NULL || !await(take, slot)) {
        return 0;
    }
    uint64_t block = offset / FGI_FEED_BLOCK_BYTES;
    uint32_t in = (uint32_t)(offset % FGI_FEED_BLOCK_BYTES);
    uint32_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    uint32_t length =
        atomic_load_explicit(&slot->length_bytes, memory_order_relaxed);
    uint64_t at = atomic_load_explicit(&slot->offset, memory_order_relaxed);
    if ((word & FGI_SLOT_STATE) != FGI_SLOT_READY ||
        atomic_load_explicit(&slot->tag, memory_order_relaxed) !=
            fgi_slot_tag(take->file->id, (uint32_t)block) ||
        length > FGI_FEED_BLOCK_BYTES || in >= length ||
        at > view->arena_bytes || view->arena_bytes - at < length) {
        return 0;
    }
    bytes = bytes < length - in ? bytes : length - in;
    if ((!take->is_asked && !is_unchanged(take->file)) ||
        !shim_has_memory(to, bytes)) {
        take->is_off = true;
        return 0;
    }
    take->is_asked = false;
    if (take->is_large) {
        fgi_copy_streaming(to, view->arena + at + in, bytes);
    } else {
        fgi_copy(to, view->arena + at + in, bytes);
    }
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&slot->word, memory_order_relaxed) != word) {
        shim_add(&take->actor->fallbacks, 1);
        return 0;
    }
    return bytes;
}

static ssize_t read_kernel(struct take *take, void *to, size_t bytes,
                           uint64_t offset)
{
    uint64_t start_ns = shim_now_ns();
    ssize_t got =
        shim_real()->pread64(take->file->fd, to, bytes, (off_t)offset);
    take->kernel_ns += shim_now_ns() - start_ns;
    if (got > 0) {
        shim_add(&take->actor->kernel_bytes, (uint64_t)got);
        if (take->file->entry != NULL) {
            shim_count(&take->file->entry->kernel_bytes, (uint64_t)got);
        }
    }
    return got;
}

/*
 * Fill one buffer from `offset` on. Returns the bytes, fewer where the kernel
 * gave fewer, or -1 with its errno when there are none.
 */
static ssize_t take_buffer(struct take *take, uint8_t *to, size_t bytes,
                           uint64_t offset)
{
    size_t done = 0;
    while (done < bytes) {
        uint64_t at = offset + done;
        size_t piece = FGI_FEED_BLOCK_BYTES - at % FGI_FEED_BLOCK_BYTES;
        piece = piece < bytes - done ? piece : bytes - done;
        size_t copied =
            take->is_off ? 0 : copy_piece(take, to + done, piece, at);
        if (copied > 0) {
            done += copied;
            shim_add(&take->actor->arena_bytes, copied);
            shim_count(&take->file->entry->arena_bytes, copied);
            continue;
        }
        piece = take->is_off ? bytes - done : piece;
        ssize_t got = read_kernel(take, to + done, piece, at);
        if (got < 0) {
            return done > 0 ? (ssize_t)done : -1;
        }
        done += (size_t)got;
        if ((size_t)got < piece) {
            break;
        }
    }
    return (ssize_t)done;
}

static ssize_t take_all(struct take *take, const struct shim_call *call,
                        uint64_t offset, size_t bytes)
{
    size_t done = 0;
    for (int i = 0; i < call->buffer_count && done < bytes; i++) {
        size_t room = call->buffers[i].iov_len;
        room = room < bytes - done ? room : bytes - done;
        if (room == 0) {
            continue;
        }
        ssize_t got =
            take_buffer(take, call->buffers[i].iov_base, room, offset + done);
        if (got < 0) {
            return done > 0 ? (ssize_t)done : -1;
        }
        done += (size_t)got;
        if ((size_t)got < room) {
            break;
        }
    }
    return (ssize_t)done;
}

/* The block is there, and stays. */
static bool is_kept(const struct shim_file *file, uint64_t offset)
{
    const struct fgi_slot *slot = find_slot(file, offset);
    uint32_t word =
        slot != NULL ? atomic_load_explicit(&slot->word, memory_order_relaxed)
                     : 0;
    return (word & FGI_SLOT_STATE) == FGI_SLOT_READY &&
           (word & FGI_SLOT_KEPT) != 0;
}

/* Nothing is to be done for this read, nor for the next ones. */
static bool is_quiet(const struct take *take, uint64_t size_bytes,
                     uint64_t offset, uint64_t bytes)
{
    uint64_t ahead = offset + bytes + QUIET_BYTES;
    return take->is_expected && bytes <= FGI_FEED_BLOCK_BYTES &&
           offset / QUIET_BYTES == (offset + bytes) / QUIET_BYTES &&
           is_kept(take->file, offset) &&
           is_kept(take->file, offset + bytes - 1) &&
           is_kept(take->file, ahead < size_bytes ? ahead : size_bytes - 1);
}

/*
 * Tell of a read, and with it of those before that were quiet: where all lies
 * in memory a word now and then will do, and waking the feeder for each block
 * costs more than copying a part of it.
 */
static void tell_read(const struct take *take, const struct stat *info,
                      uint64_t offset, uint64_t bytes)
{
    const struct shim_file *file = take->file;
    if (!shim_moves_on(file->fd, offset, bytes) ||
        (file->entry != NULL &&
         is_quiet(take, (uint64_t)info->st_size, offset, bytes))) {
        return;
    }
    uint64_t told = shim_told(file->fd, offset + bytes);
    uint64_t first = take->is_expected && told <= offset ? told : offset;
    struct fgi_event event = {
        .kind = FGI_EVENT_READ,
        .fd = file->fd,
        .file_id = file->id,
        .offset = first,
        .bytes = offset + bytes - first,
    };
    shim_key(info, &event.key);
    shim_tell(file->view, &event, NULL);
}

/* The flags of the descriptor as it is now, whoever made it so. */
static bool may_read(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY &&
           (flags & (O_DIRECT | O_PATH | O_APPEND | O_NONBLOCK)) == 0;
}

/* Where the call reads, and how much there is. False: the kernel's business. */
static bool find_range(const struct shim_call *call, uint64_t size_bytes,
                       uint64_t *offset, size_t *bytes)
{
    off_t at =
        call->has_offset ? (off_t)call->offset : lseek(call->fd, 0, SEEK_CUR);
    if (at < 0 || (uint64_t)at >= size_bytes || call->bytes == 0) {
        return false;
    }
    uint64_t left = size_bytes - (uint64_t)at;
    *offset = (uint64_t)at;
    *bytes = call->bytes < left ? call->bytes : (size_t)left;
    return true;
}

/* What is neither waiting nor the kernel's is copying, and what goes with it.
 */
static void count_call(const struct take *take, uint64_t start_ns, ssize_t got)
{
    uint64_t now_ns = shim_now_ns();
    uint64_t spent_ns = now_ns - start_ns;
    struct fgi_actor *actor = take->actor;
    shim_add(&actor->reads, 1);
    shim_add(&actor->wait_ns, take->wait_ns);
    shim_add(&actor->kernel_ns, take->kernel_ns);
    shim_add(&actor->copy_ns, spent_ns - take->wait_ns - take->kernel_ns);
    atomic_store_explicit(&actor->last_ns, now_ns, memory_order_relaxed);
    if (take->file->entry != NULL) {
        shim_count(&take->file->entry->reads, 1);
        shim_count(&take->file->entry->blocked_ns, spent_ns);
    }
    if (SHIM_UNLIKELY(spent_ns >= FGI_SPAN_READ_NS)) {
        shim_tell_blocked(take->file, start_ns, now_ns, got);
    }
}

bool shim_serve(struct shim_file *file, const struct shim_call *call,
                ssize_t *result)
{
    struct stat info;
    uint64_t start_ns = shim_now_ns();
    uint64_t offset;
    size_t bytes;
    int saved = errno;
    if (!may_read(call->fd) || fstat(call->fd, &info) != 0 ||
        (file->entry != NULL && !shim_is_same(file, &info)) ||
        !find_range(call, (uint64_t)info.st_size, &offset, &bytes)) {
        errno = saved;
        return false;
    }
    struct take take = {
        .file = file,
        .actor = shim_actor(file->view),
        .is_expected = offset == shim_expected(call->fd),
        .is_asked = file->entry != NULL,
        .is_large = bytes >= STREAM_BYTES_MIN,
    };
    tell_read(&take, &info, offset, bytes);
    if (!call->has_offset) {
        off_t end = lseek(call->fd, (off_t)bytes, SEEK_CUR);
        if (end < 0) {
            errno = saved;
            return false;
        }
        /* Somebody who shares the descriptor was faster: what we claimed lies
         * further on, perhaps beyond the end, where the kernel gives less. */
        take.is_off = (uint64_t)end - bytes != offset;
        offset = (uint64_t)end - bytes;
    }
    *result = take_all(&take, call, offset, bytes);
    int reason = *result < 0 ? errno : saved;
    if (!call->has_offset && *result < (ssize_t)bytes) {
        size_t got = *result > 0 ? (size_t)*result : 0;
        lseek(call->fd, -(off_t)(bytes - got), SEEK_CUR);
    }
    count_call(&take, start_ns, *result);
    errno = reason;
    return true;
}
