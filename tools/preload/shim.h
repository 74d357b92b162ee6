/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside libfeedgpu-preload.so, the shim under programs nobody changed.
 *
 *     real.c      the functions that ours stand in front of
 *     attach.c    the feeder's board and arena, mapped at the first need
 *     place.c     where a feeder is that nobody named
 *     spawn.c     starting one
 *     files.c     which descriptors are worth a look, and which file they are
 *     serve.c     reads from the arena, and the rules that keep them right
 *     memory.c    whether the memory to read into is there
 *     tell.c      events to the feeder, counters
 *     span.c      what took how long
 *     wrap_*.c    the wrappers themselves
 *
 * The kernel stays in charge. A descriptor is the kernel's, its offset too: a
 * served read moves it with lseek, so that dup, fork, exec, stdio, sendfile
 * and mmap, which pass by the shim, find it where they should. What the shim
 * keeps of a descriptor is a hint; each served read asks the kernel what the
 * descriptor is (fcntl, fstat). So nothing breaks when a program closes or
 * replaces descriptors behind its back (close_range, vfork, direct system
 * calls): the hint turns out wrong, and the kernel reads.
 *
 * Never here: malloc, stdio, locks, threads, descriptors that stay open,
 * anything printed. Wrappers may run in signal handlers, in vforked children
 * and before main. errno is what the kernel's call would have left.
 */
#ifndef PRELOAD_SHIM_H
#define PRELOAD_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "place.h"
#include "runtime/feeder/board.h"

/* Linux 5.14; older headers lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SHIM_EXPORT __attribute__((visibility("default")))
#define SHIM_LIKELY(x) __builtin_expect(!!(x), 1)
#define SHIM_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- real.c ----------------------------------------------------------- */

/*
 * name, returns, parameters: what the next library in line has. Resolved
 * before main, or at the first call if that comes earlier.
 */
#define SHIM_REAL_MAP(X)                                                       \
    X(open, int, (const char *, int, ...))                                     \
    X(open64, int, (const char *, int, ...))                                   \
    X(openat, int, (int, const char *, int, ...))                              \
    X(openat64, int, (int, const char *, int, ...))                            \
    X(__open_2, int, (const char *, int))                                      \
    X(__open64_2, int, (const char *, int))                                    \
    X(__openat_2, int, (int, const char *, int))                               \
    X(__openat64_2, int, (int, const char *, int))                             \
    X(fopen, FILE *, (const char *, const char *))                             \
    X(fopen64, FILE *, (const char *, const char *))                           \
    X(fdopen, FILE *, (int, const char *))                                     \
    X(close, int, (int))                                                       \
    X(dup2, int, (int, int))                                                   \
    X(dup3, int, (int, int, int))                                              \
    X(read, ssize_t, (int, void *, size_t))                                    \
    X(__read_chk, ssize_t, (int, void *, size_t, size_t))                      \
    X(pread, ssize_t, (int, void *, size_t, off_t))                            \
    X(pread64, ssize_t, (int, void *, size_t, off_t))                          \
    X(__pread_chk, ssize_t, (int, void *, size_t, off_t, size_t))              \
    X(__pread64_chk, ssize_t, (int, void *, size_t, off_t, size_t))            \
    X(readv, ssize_t, (int, const struct iovec *, int))                        \
    X(preadv, ssize_t, (int, const struct iovec *, int, off_t))                \
    X(preadv64, ssize_t, (int, const struct iovec *, int, off_t))              \
    X(preadv2, ssize_t, (int, const struct iovec *, int, off_t, int))          \
    X(preadv64v2, ssize_t, (int, const struct iovec *, int, off_t, int))       \
    X(mmap, void *, (void *, size_t, int, int, int, off_t))                    \
    X(mmap64, void *, (void *, size_t, int, int, int, off_t))                  \
    X(mprotect, int, (void *, size_t, int))                                    \
    X(pkey_mprotect, int, (void *, size_t, int, int))                          \
    X(mremap, void *, (void *, size_t, size_t, int, ...))                      \
    X(shmat, void *, (int, const void *, int))                                 \
    X(sendfile, ssize_t, (int, int, off_t *, size_t))                          \
    X(sendfile64, ssize_t, (int, int, off_t *, size_t))                        \
    X(copy_file_range, ssize_t, (int, off_t *, int, off_t *, size_t, unsigned))

/* NOLINTNEXTLINE(bugprone-macro-parentheses): they are types and names. */
#define SHIM_REAL_MEMBER(name, returns, parameters) returns(*name) parameters;
struct shim_real {
    SHIM_REAL_MAP(SHIM_REAL_MEMBER)
};
#undef SHIM_REAL_MEMBER

/* Resolves on the first call. Never NULL; members may be: an older libc. */
const struct shim_real *shim_real(void);

/* ---- attach.c ----------------------------------------------------------- */

/* The view when a board is mapped, else NULL. Cheap. */
const struct fgi_board_view *shim_view(void);

/*
 * The same, after trying to map the board that the environment names; else, for
 * a file of that path (or NULL) and size that may be data, that of the feeder
 * that serves whoever comes, which may have to be started.
 */
const struct fgi_board_view *shim_attach(const char *path, uint64_t bytes);

/* The feeder is gone: stay out from now on. */
void shim_detach(void);

/* True if the feeder has shown itself lately. */
bool shim_feeder_lives(const struct fgi_board_view *view);

/* May a file of that path be looked at? NULL or relative: yes. */
bool shim_path_allowed(const struct fgi_board_view *view, const char *path);

/* ---- place.c ------------------------------------------------------------ */

/* The line that a feeder has left, without its end. False: none that can be
 * trusted. */
bool shim_place(char line[PLACE_LINE_BYTES]);

/* ---- spawn.c ------------------------------------------------------------ */

/* While the program is young: note where the tool should be. */
void shim_spawn_begin(void);

/* Start a feeder. Its process, which ends when the feeder is there or will not
 * be; 0: it is not to be had here. */
pid_t shim_spawn(void);

/* ---- files.c ------------------------------------------------------------ */

/* A watched file under a descriptor. */
struct shim_file {
    const struct fgi_board_view *view;
    struct fgi_feed_file *entry; /* NULL: the feeder does not know it yet */
    uint32_t id;                 /* of the entry when it was found */
    int fd;
    bool is_later; /* not looked at yet: it may not be worth it */
};

/*
 * Is a read of this descriptor worth a look? False at once for all others. On
 * true *file is filled.
 */
bool shim_watched(int fd, struct shim_file *file);

/* A descriptor was opened, for reading as it seems. path may be NULL. open_ns
 * 0: it was opened before, by us or by whoever started us. */
void shim_opened(int fd, const char *path, uint64_t open_ns, bool is_stdio);

/* Look at a descriptor that was left for later. False: not worth it. */
bool shim_watched_now(struct shim_file *file);

/* It was closed, or is about to be something else. */
void shim_forget(int fd);

/* What fstat says, as a key. */
void shim_key(const struct stat *info, struct fgi_feed_key *key);

/* Has the feeder come to know the file that fstat describes? Then the entry
 * is filled in. */
bool shim_find(struct shim_file *file, const struct stat *info);

/* What the entry stands for; it may be another file's by now. */
void shim_entry_key(const struct fgi_feed_file *entry,
                    struct fgi_feed_key *key);

/* Does the entry still stand for that file, unchanged? */
bool shim_is_same(const struct shim_file *file, const struct stat *info);

/* Note where a read ends; true when the feeder should hear of this read. */
bool shim_moves_on(int fd, uint64_t offset, uint64_t bytes);

/* Note where the read ends that is being told; gives where the one before
 * ended, UINT64_MAX if there was none. */
uint64_t shim_told(int fd, uint64_t offset);

/* Note a read that is too small to be told. Gives 0, or the bytes of all of
 * them since the last time, once these are many. */
#define SHIM_UNTOLD_BYTES (UINT64_C(128) << 10)
uint64_t shim_untold(int fd, uint64_t bytes);

/* True once: for the first read since the descriptor was opened. */
bool shim_is_first(int fd);

/* Where the next read begins, if it goes on as before; at first 0. */
uint64_t shim_expected(int fd);

/* ---- serve.c ------------------------------------------------------------ */

/* A read call, whichever it was. */
struct shim_call {
    int fd;
    const struct iovec *buffers;
    int buffer_count;
    bool has_offset; /* pread and its like */
    uint64_t offset; /* with has_offset */
    size_t bytes;    /* of all buffers */
};

/*
 * A call on a descriptor that was left for later gave `got` after spent_ns.
 * What is at its end after one read, and not far from its start, is small and
 * let be from then on; else it is looked at next time. True: the read counts,
 * it was of a file. Leaves errno alone.
 */
bool shim_settle(const struct shim_file *file, const struct shim_call *call,
                 ssize_t got, uint64_t spent_ns);

/*
 * Serve a read of a file that is in mode COPY, or not known yet (entry NULL)
 * but large enough that it may be known before the read has ended; *file is
 * filled in then. False: the kernel has to read, and nothing has happened.
 * True: *result and errno are the call's.
 */
bool shim_serve(struct shim_file *file, const struct shim_call *call,
                ssize_t *result);

/* ---- memory.c ----------------------------------------------------------- */

/* Is there memory that may be written, at most a block of it? Then it is there
 * afterwards, unless the program takes it away in this moment. May set errno.
 */
bool shim_has_memory(void *to, size_t bytes);

/* Something was mapped or protected so that it may not be written. */
void shim_memory_changes(void);

/* ---- wrap_read.c ----------------------------------------------------------
 */

/* Write what this thread has counted, but not written yet, to the board. */
void shim_flush(void);

/* ---- span.c ------------------------------------------------------------- */

uint64_t shim_now_ns(void);

/* Wake the feeder, if it sleeps. */
void shim_wake(struct fgi_board *board);

/* Write a span; its sequence is not looked at. Does not wake the feeder, which
 * looks for spans now and then. */
void shim_span(const struct fgi_board_view *view, const struct fgi_span *span);

/* ---- tell.c ------------------------------------------------------------- */

/* This thread's counters; NULL when there is no board. */
struct fgi_actor *shim_actor(const struct fgi_board_view *view);

/* To a counter of this thread's own actor: nobody else writes it, but for the
 * last actor, which all latecomers share and which may lose some. */
static inline void shim_add(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + value, memory_order_relaxed);
}

/* To a counter that all programs share. */
static inline void shim_count(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

/* Tell the feeder. `path` NULL: not known. */
void shim_tell(const struct fgi_board_view *view, const struct fgi_event *event,
               const char *path);

/* A read call took so long that it is worth a span. */
void shim_tell_blocked(const struct shim_file *file, uint64_t start_ns,
                       uint64_t end_ns, ssize_t got);

#endif /* PRELOAD_SHIM_H */
