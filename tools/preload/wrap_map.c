/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to a file's bytes that pass by the shim: mmap, sendfile,
 * copy_file_range. The kernel does them as ever; the feeder is told, so that
 * it can bring the page cache up before them.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim.h"

/* Programs map a file as soon as they have opened it: as a rule the feeder
 * does not know it then. */
static void tell_range(int fd, enum fgi_event_kind kind, uint64_t offset,
                       uint64_t bytes)
{
    struct shim_file file;
    struct stat info;
    if (fd < 0 || !shim_watched(fd, &file)) {
        return;
    }
    if (file.is_later && bytes < FGI_FEED_BLOCK_BYTES) {
        shim_add(&shim_actor(file.view)->mapped_bytes,
                 kind == FGI_EVENT_MAP ? bytes : 0);
        return;
    }
    if (file.is_later && !shim_watched_now(&file)) {
        return;
    }
    struct fgi_event event = {
        .kind = kind,
        .fd = fd,
        .file_id = file.id,
        .offset = offset,
        .bytes = bytes,
    };
    if (file.entry != NULL) {
        shim_entry_key(file.entry, &event.key);
        if (kind == FGI_EVENT_MAP) {
            shim_count(&file.entry->mapped_bytes, bytes);
        }
    } else if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        shim_key(&info, &event.key);
    } else {
        return;
    }
    shim_tell(file.view, &event, NULL);
}

#define DEFINE_MMAP(name)                                                      \
    SHIM_EXPORT void *name(void *at, size_t bytes, int allowed, int flags,     \
                           int fd, off_t offset)                               \
    {                                                                          \
        void *got = shim_real()->name(at, bytes, allowed, flags, fd, offset);  \
        if ((allowed & PROT_WRITE) == 0) {                                     \
            shim_memory_changes();                                             \
        }                                                                      \
        if ((flags & MAP_ANONYMOUS) == 0 && got != MAP_FAILED &&               \
            (allowed & (PROT_READ | PROT_EXEC)) == PROT_READ) {                \
            int saved = errno;                                                 \
            tell_range(fd, FGI_EVENT_MAP, (uint64_t)offset, bytes);            \
            errno = saved;                                                     \
        }                                                                      \
        return got;                                                            \
    }
DEFINE_MMAP(mmap)
DEFINE_MMAP(mmap64)

/* Where a copy between descriptors will read, if it goes by the offset of the
 * descriptor; one of its own may lie in memory that is not there. */
static void tell_copy(int from, size_t bytes)
{
    int saved = errno;
    off_t at = lseek(from, 0, SEEK_CUR);
    if (at >= 0) {
        tell_range(from, FGI_EVENT_COPY, (uint64_t)at, bytes);
    }
    errno = saved;
}

#define DEFINE_SENDFILE(name)                                                  \
    SHIM_EXPORT ssize_t name(int to, int from, off_t *offset, size_t bytes)    \
    {                                                                          \
        struct shim_file file;                                                 \
        if (shim_watched(from, &file)) {                                       \
            tell_copy(from, bytes);                                            \
        }                                                                      \
        return shim_real()->name(to, from, offset, bytes);                     \
    }
DEFINE_SENDFILE(sendfile)
DEFINE_SENDFILE(sendfile64)

SHIM_EXPORT ssize_t copy_file_range(int from, off_t *from_offset, int to,
                                    off_t *to_offset, size_t bytes,
                                    unsigned flags)
{
    struct shim_file file;
    if (shim_watched(from, &file)) {
        tell_copy(from, bytes);
    }
    return shim_real()->copy_file_range(from, from_offset, to, to_offset, bytes,
                                        flags);
}
