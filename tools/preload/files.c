/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which descriptors are worth a look.
 *
 *     UNKNOWN ──▶ LOOKING ──▶ an index into the board's files
 *      ▲ │  ▲        │  the feeder has looked the file over
 *      │ ▼  │ close  ▼  it does not answer
 *      │ IGNORED ◀───┘
 *      │     ▲ read at one go
 *      └── LATER ◀── opened while all is in the page cache
 *
 * One atomic word per descriptor holds all of it, so there is nothing that
 * could be half written. The word is a hint: see shim.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

#define FD_MAX 65536 /* descriptors above are the kernel's business */

#define STATE_UNKNOWN 0u
#define STATE_IGNORED 1u
#define STATE_LOOKING 2u /* and how often it was asked */
#define LOOKS_MAX 17u    /* 2.6 s in all */
#define LOOK_NS 20000u   /* until the second look; twice that to the third */
#define STATE_LATER 32u  /* its first read tells whether to look */
#define STATE_FILE 256u  /* and the file's index */

/* While the feeder is calm, so many opens in a row are looked at of so many:
 * a row shows the order. Of what stdio opens more: its reads are not seen. */
#define LOOK_ROW 8u
#define LOOK_EVERY 256u
#define LOOK_STDIO_EVERY 64u
/* After so many reads in a row that a disk may have had to bring, so many opens
 * are: the feeder should learn the order of these files. */
#define COLD_NS 40000u
#define COLD_ROW 3u
#define COLD_LOOKS 64u
/* A read that takes so long may be of something that is no file. */
#define SLOW_NS 1000000u

static __thread struct {
    uint32_t opens;      /* so far */
    uint32_t looks;      /* at so many more */
    uint32_t cold_reads; /* in a row */
} calm __attribute__((tls_model("initial-exec")));

/* In next_offset: nothing was read; the first read has begun. */
#define OFFSET_NEVER UINT64_MAX
#define OFFSET_FIRST (UINT64_MAX - 1)

/* First words of a descriptor; lazily backed by memory. */
static struct {
    _Atomic uint32_t state;
    _Atomic uint32_t id;           /* of the file, with STATE_FILE */
    _Atomic uint64_t next_offset;  /* where the last read ended */
    _Atomic uint64_t told_offset;  /* where the last read ended that was told */
    _Atomic uint64_t untold_bytes; /* of small reads since then */
    _Atomic uint64_t look_ns;      /* LOOKING: not before that */
} fds[FD_MAX];

static uint64_t nanoseconds(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * UINT64_C(1000000000) +
           (uint64_t)time->tv_nsec;
}

void shim_key(const struct stat *info, struct fgi_feed_key *key)
{
    key->device = (uint64_t)info->st_dev;
    key->inode = (uint64_t)info->st_ino;
    key->size_bytes = (uint64_t)info->st_size;
    key->mtime_ns = nanoseconds(&info->st_mtim);
    key->ctime_ns = nanoseconds(&info->st_ctim);
}

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void shim_entry_key(const struct fgi_feed_file *entry, struct fgi_feed_key *key)
{
    key->device = load(&entry->device);
    key->inode = load(&entry->inode);
    key->size_bytes = load(&entry->size_bytes);
    key->mtime_ns = load(&entry->mtime_ns);
    key->ctime_ns = load(&entry->ctime_ns);
}

static bool is_key(const struct fgi_feed_file *entry,
                   const struct fgi_feed_key *key)
{
    return load(&entry->inode) == key->inode &&
           load(&entry->ctime_ns) == key->ctime_ns &&
           load(&entry->size_bytes) == key->size_bytes &&
           load(&entry->mtime_ns) == key->mtime_ns &&
           load(&entry->device) == key->device;
}

/* The id, if the entry stands for the key and did all the while; else 0. */
static uint32_t id_of(const struct fgi_feed_file *entry,
                      const struct fgi_feed_key *key)
{
    uint32_t id = atomic_load_explicit(&entry->id, memory_order_acquire);
    if (id == 0 || !is_key(entry, key)) {
        return 0;
    }
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&entry->id, memory_order_relaxed) == id ? id
                                                                        : 0;
}

bool shim_is_same(const struct shim_file *file, const struct stat *info)
{
    struct fgi_feed_key key;
    shim_key(info, &key);
    return id_of(file->entry, &key) == file->id;
}

/* Find the key's entry; its index through *index, its id returned; 0: none. */
static uint32_t find(const struct fgi_board_view *view,
                     const struct fgi_feed_key *key, uint32_t *index)
{
    uint32_t home = fgi_board_file_home(view, key->device, key->inode);
    for (uint32_t i = 0; i < FGI_FILE_PROBES; i++) {
        uint32_t at = (home + i) & view->file_mask;
        uint32_t id = id_of(&view->files[at], key);
        if (id != 0) {
            *index = at;
            return id;
        }
    }
    return 0;
}

/* Only what is open for nothing but plain reading. */
static bool is_plain_reading(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY &&
           (flags & (O_DIRECT | O_PATH | O_APPEND | O_NONBLOCK)) == 0;
}

static void set(int fd, uint32_t state)
{
    atomic_store_explicit(&fds[fd].state, state, memory_order_release);
}

/* Look for the file; remembers what came of it. Returns the state. */
static uint32_t look(const struct fgi_board_view *view, int fd,
                     const struct fgi_feed_key *key, uint32_t looks)
{
    uint32_t index;
    uint32_t id = find(view, key, &index);
    uint32_t state = STATE_IGNORED;
    if (id != 0) {
        state = STATE_FILE + index;
        atomic_store_explicit(&fds[fd].id, id, memory_order_relaxed);
    } else if (looks < LOOKS_MAX) {
        state = STATE_LOOKING + looks;
        atomic_store_explicit(&fds[fd].look_ns,
                              shim_now_ns() + ((uint64_t)LOOK_NS << looks),
                              memory_order_relaxed);
    }
    set(fd, state);
    return state;
}

/*
 * A program that opens some small files and ends is not worth mapping the
 * board for: that takes longer than they do. Four of those that are usually
 * fed are, or many tiny ones.
 */
#define REASONS_MIN 64u
#define REASONS_OF_SMALL 16u

static bool is_worth_attaching(uint64_t size_bytes)
{
    static _Atomic uint32_t reasons;
    uint32_t more =
        size_bytes >= FGI_FEED_FILE_BYTES_MIN ? REASONS_OF_SMALL : 1;
    return shim_view() != NULL || size_bytes >= FGI_FEED_BLOCK_BYTES ||
           atomic_fetch_add_explicit(&reasons, more, memory_order_relaxed) >=
               REASONS_MIN;
}

/* First sight of a descriptor; says whether it is worth watching. */
static bool classify(int fd, const char *path, struct fgi_feed_key *key)
{
    struct stat info;
    set(fd, STATE_IGNORED);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0 ||
        !is_worth_attaching((uint64_t)info.st_size) || !is_plain_reading(fd)) {
        return false;
    }
    const struct fgi_board_view *view =
        shim_attach(path, (uint64_t)info.st_size);
    if (view == NULL || (uint64_t)info.st_size < view->board->file_bytes_min ||
        !shim_path_allowed(view, path)) {
        return false;
    }
    shim_key(&info, key);
    atomic_store_explicit(&fds[fd].told_offset, OFFSET_NEVER,
                          memory_order_relaxed);
    atomic_store_explicit(&fds[fd].next_offset, OFFSET_NEVER,
                          memory_order_relaxed);
    atomic_store_explicit(&fds[fd].untold_bytes, 0, memory_order_relaxed);
    return true;
}

/* fdopen is told as STDIO of a file whose OPEN was told before. */
static void tell_open(const struct fgi_board_view *view, int fd,
                      const struct fgi_feed_key *key, const char *path,
                      uint32_t kind, uint64_t open_ns)
{
    struct fgi_event event = {
        .kind = kind,
        .fd = fd,
        .bytes = open_ns,
        .key = *key,
    };
    shim_tell(view, &event, path);
}

static bool is_special(const char *path)
{
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/", 5) == 0 ||
           strncmp(path, "/sys/", 5) == 0;
}

/* Large, as far as one can see without reading. What stdio reads is not seen:
 * that is found out now or never. */
static bool may_be_large(int fd, bool is_stdio)
{
    struct stat info;
    return is_stdio && fstat(fd, &info) == 0 &&
           info.st_size >= (off_t)FGI_FEED_BLOCK_BYTES;
}

static bool is_look_due(bool is_stdio)
{
    if (calm.looks > 0) {
        calm.looks--;
        return true;
    }
    return ++calm.opens % (is_stdio ? LOOK_STDIO_EVERY : LOOK_EVERY) < LOOK_ROW;
}

/* Opens that are not looked at, while the feeder is calm. */
static bool is_left(int fd, const char *path, uint64_t open_ns, bool is_stdio)
{
    const struct fgi_board_view *view = shim_view();
    if (view == NULL || path == NULL ||
        atomic_load_explicit(&view->board->is_calm, memory_order_relaxed) ==
            0 ||
        is_look_due(is_stdio) || is_special(path) ||
        may_be_large(fd, is_stdio)) {
        return false;
    }
    if (shim_path_allowed(view, path)) {
        struct fgi_actor *actor = shim_actor(view);
        shim_add(&actor->opens, 1);
        shim_add(&actor->open_ns, open_ns);
        set(fd, is_stdio ? STATE_IGNORED : STATE_LATER);
    } else {
        set(fd, STATE_IGNORED);
    }
    return true;
}

void shim_opened(int fd, const char *path, uint64_t open_ns, bool is_stdio)
{
    struct fgi_feed_key key;
    int saved = errno;
    if (fd < 0 || fd >= FD_MAX) {
        return;
    }
    if (!is_left(fd, path, open_ns, is_stdio) && classify(fd, path, &key)) {
        const struct fgi_board_view *view = shim_view();
        struct fgi_actor *actor = shim_actor(view);
        (void)look(view, fd, &key, 0);
        shim_add(&actor->opens, open_ns > 0);
        shim_add(&actor->open_ns, open_ns);
        tell_open(view, fd, &key, path,
                  is_stdio ? FGI_EVENT_STDIO : FGI_EVENT_OPEN, open_ns);
    }
    errno = saved;
}

void shim_forget(int fd)
{
    if (fd < 0 || fd >= FD_MAX) {
        return;
    }
    uint32_t state = atomic_load_explicit(&fds[fd].state, memory_order_relaxed);
    if (state != STATE_UNKNOWN) {
        set(fd, STATE_UNKNOWN);
    }
    if (state >= STATE_FILE) {
        shim_flush();
    }
}

/* The slow ways to a file: a descriptor not seen before, or not known yet. */
static uint32_t find_out(int fd, uint32_t state)
{
    const struct fgi_board_view *view = shim_view();
    struct fgi_feed_key key;
    struct stat info;
    if (state == STATE_UNKNOWN) {
        if (!classify(fd, NULL, &key)) {
            return STATE_IGNORED;
        }
        view = shim_view();
        state = look(view, fd, &key, 0);
        tell_open(view, fd, &key, NULL, FGI_EVENT_OPEN, 0);
        return state;
    }
    if (shim_now_ns() < load(&fds[fd].look_ns)) {
        return state;
    }
    if (view == NULL || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        set(fd, STATE_UNKNOWN);
        return STATE_IGNORED;
    }
    shim_key(&info, &key);
    return look(view, fd, &key, state - STATE_LOOKING + 1);
}

bool shim_watched(int fd, struct shim_file *file)
{
    if (SHIM_UNLIKELY(fd < 0 || fd >= FD_MAX)) {
        return false;
    }
    uint32_t state = atomic_load_explicit(&fds[fd].state, memory_order_acquire);
    if (state == STATE_IGNORED) {
        return false;
    }
    file->is_later = state == STATE_LATER;
    if (state < STATE_FILE && !file->is_later) {
        int saved = errno;
        state = find_out(fd, state);
        errno = saved;
        if (state == STATE_IGNORED) {
            return false;
        }
    }
    file->view = shim_view();
    file->fd = fd;
    file->entry = NULL;
    file->id = 0;
    if (file->view == NULL) {
        return false;
    }
    if (state < STATE_FILE || state - STATE_FILE > file->view->file_mask) {
        return true;
    }
    file->entry = &file->view->files[state - STATE_FILE];
    file->id = atomic_load_explicit(&fds[fd].id, memory_order_relaxed);
    if (atomic_load_explicit(&file->entry->id, memory_order_acquire) !=
        file->id) {
        file->entry = NULL; /* retired: the file has changed, perhaps */
        set(fd, STATE_LOOKING);
    }
    return true;
}

bool shim_watched_now(struct shim_file *file)
{
    set(file->fd, STATE_UNKNOWN);
    return shim_watched(file->fd, file);
}

static bool is_regular(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

/* It ended with that read, and not far from its start. Where it begins is asked
 * of the kernel only when so little was read that it may be the end of a large
 * one: an archive's directory. */
static bool is_small(const struct shim_file *file, const struct shim_call *call,
                     ssize_t got)
{
    off_t end = got;
    if (call->has_offset) {
        end += (off_t)call->offset;
    } else if ((uint64_t)got < file->view->board->file_bytes_min) {
        end = lseek(call->fd, 0, SEEK_CUR);
    }
    return (size_t)got < call->bytes && end < (off_t)FGI_FEED_BLOCK_BYTES;
}

bool shim_settle(const struct shim_file *file, const struct shim_call *call,
                 ssize_t got, uint64_t spent_ns)
{
    int saved = errno;
    if (got <= 0) {
        return false;
    }
    calm.cold_reads = spent_ns < COLD_NS ? 0 : calm.cold_reads + 1;
    if (calm.cold_reads >= COLD_ROW) {
        calm.looks = COLD_LOOKS;
    }
    set(file->fd, is_small(file, call, got) ? STATE_IGNORED : STATE_UNKNOWN);
    bool is_counted = (uint64_t)got >= file->view->board->file_bytes_min &&
                      (spent_ns < SLOW_NS || is_regular(file->fd));
    errno = saved;
    return is_counted;
}

bool shim_find(struct shim_file *file, const struct stat *info)
{
    struct fgi_feed_key key;
    uint32_t index;
    shim_key(info, &key);
    uint32_t id = find(file->view, &key, &index);
    if (id == 0) {
        return false;
    }
    file->entry = &file->view->files[index];
    file->id = id;
    return true;
}

bool shim_moves_on(int fd, uint64_t offset, uint64_t bytes)
{
    uint64_t last = atomic_exchange_explicit(
        &fds[fd].next_offset, offset + bytes, memory_order_relaxed);
    return offset != last || (offset + bytes) / FGI_FEED_BLOCK_BYTES !=
                                 offset / FGI_FEED_BLOCK_BYTES;
}

uint64_t shim_told(int fd, uint64_t offset)
{
    return atomic_exchange_explicit(&fds[fd].told_offset, offset,
                                    memory_order_relaxed);
}

uint64_t shim_untold(int fd, uint64_t bytes)
{
    uint64_t all = load(&fds[fd].untold_bytes) + bytes;
    atomic_store_explicit(&fds[fd].untold_bytes,
                          all < SHIM_UNTOLD_BYTES ? all : 0,
                          memory_order_relaxed);
    return all < SHIM_UNTOLD_BYTES ? 0 : all;
}

bool shim_is_first(int fd)
{
    uint64_t never = OFFSET_NEVER;
    return atomic_compare_exchange_strong(&fds[fd].next_offset, &never,
                                          OFFSET_FIRST);
}

uint64_t shim_expected(int fd)
{
    uint64_t next = load(&fds[fd].next_offset);
    return next == OFFSET_NEVER || next == OFFSET_FIRST ? 0 : next;
}
