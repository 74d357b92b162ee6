/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a shard for reading: alignment, O_DIRECT by trial, identity. */
#ifndef FGI_IO_FILE_H
#define FGI_IO_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

enum fgi_direct {
    FGI_DIRECT_AUTO, /* O_DIRECT unless mostly in the page cache, or refused */
    FGI_DIRECT_ON,   /* O_DIRECT, an error when refused */
    FGI_DIRECT_OFF,  /* through the page cache */
};

/* An open file. Storage is the owner's; fd -1 when closed. */
struct fgi_file {
    int fd;                /* read-only, close-on-exec */
    bool is_direct;        /* opened with O_DIRECT */
    bool is_tmpfs;         /* memory, in small pages: one thread's copies are
                              slow, see fgi_read.is_spread */
    uint32_t offset_align; /* of offsets and lengths; 1 when buffered */
    uint32_t memory_align; /* of buffers; 1 when buffered */
    uint64_t size_bytes;   /* when it was opened */
    uint64_t device;       /* st_dev */
    uint64_t inode;        /* st_ino */
    int64_t mtime_ns;      /* when it was opened */
};

/*
 * Open `path` for reading. O_DIRECT is decided by STATX_DIOALIGN and proven by
 * a trial read. Errors: NOT_FOUND, PERMISSION, ARGUMENT (a folder, a pipe),
 * UNSUPPORTED (FGI_DIRECT_ON and refused), SYSTEM; the message begins with
 * the path.
 */
enum fg_status fgi_file_open(const char *path, enum fgi_direct direct,
                             struct fgi_file *file, struct fg_error *err);

/* Close. Does nothing on a closed one. */
void fgi_file_close(struct fgi_file *file);

/*
 * Has the file under the descriptor kept its size and mtime? Errors: CHANGED
 * with what changed. `path` is for the message.
 */
enum fg_status fgi_file_check(const struct fgi_file *file, const char *path,
                              struct fg_error *err);

/*
 * Share of [offset, offset + bytes) that is in the page cache, 0 to 1, or -1
 * when the kernel cannot say (cachestat, before Linux 6.5: mincore).
 */
double fgi_file_cached_share(int fd, uint64_t offset, uint64_t bytes);

/*
 * Have [offset, offset + bytes) read into the page cache. Returns when the
 * reads are under way, or done, as the file system has it; false: refused.
 */
bool fgi_file_will_need(int fd, uint64_t offset, uint64_t bytes);

/*
 * Read exactly `bytes` at `offset` with plain preads (for headers and
 * indexes; the descriptor must be buffered). Errors: READ with the offset;
 * DAMAGED on an early end. `path` is for the message.
 */
enum fg_status fgi_file_read(int fd, const char *path, uint64_t offset,
                             void *buffer, uint64_t bytes,
                             struct fg_error *err);

#endif /* FGI_IO_FILE_H */
