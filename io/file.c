/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a shard: plain first, then, if wanted, the same descriptor is turned
 * to O_DIRECT. One open, so the file cannot be replaced in between.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"

/* More of a file in the page cache than this: read it from there. */
#define CACHED_SHARE_MAX 0.5
/* When the kernel does not tell the alignment: what every disk takes. */
#define ALIGN_DEFAULT 4096
#define ALIGN_MAX 65536

/* Linux has asked for at most 2 GiB - 4 KiB per read since for ever. */
#define READ_BYTES_MAX FGI_GIB(1)

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

/* The kernel's struct statx up to what we ask for; headers older than Linux
 * 6.1 lack the last two. */
struct statx_dio {
    uint32_t mask;
    uint32_t other[37];
    uint32_t mem_align;    /* offset 152 */
    uint32_t offset_align; /* offset 156 */
    uint32_t spare[24];
};

_Static_assert(sizeof(struct statx_dio) == 256, "the kernel writes 256 bytes");

static const char *kind_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a pipe";
    case S_IFSOCK:
        return "a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "a device";
    default:
        return "something else";
    }
}

/*
 * Look before opening: opening a device may do things, and a socket's ENXIO
 * says nothing. O_NONBLOCK, for a pipe that came in between.
 */
static enum fg_status open_regular(const char *path, int *fd,
                                   struct stat *status, struct fg_error *err)
{
    int rv = stat(path, status);

    if (rv != 0) {
        return fgi_fail_errno(err, errno, "%s: open", path);
    }
    if (S_ISREG(status->st_mode)) {
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (*fd < 0) {
            return fgi_fail_errno(err, errno, "%s: open", path);
        }
        rv = fstat(*fd, status);
        if (rv != 0) {
            rv = errno;
            close(*fd);
            return fgi_fail_errno(err, rv, "%s: stat", path);
        }
        if (S_ISREG(status->st_mode)) {
            return FG_OK;
        }
        close(*fd);
    }
    return fgi_fail(err, FG_ERR_ARGUMENT,
                    "%s: open: got %s wanted a regular file", path,
                    kind_name(status->st_mode));
}

static bool is_align(uint32_t align)
{
    return fgi_is_power_of_two(align) && align <= ALIGN_MAX;
}

/* What the kernel says; false: it says that there is no direct I/O. */
static bool ask_alignment(struct fgi_file *file)
{
    struct statx_dio answer;

    memset(&answer, 0, sizeof(answer));
    file->offset_align = ALIGN_DEFAULT;
    file->memory_align = ALIGN_DEFAULT;
    if (syscall(SYS_statx, file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN,
                &answer) != 0 ||
        (answer.mask & STATX_DIOALIGN) == 0) {
        return true; /* does not know: the trial decides */
    }
    if (!is_align(answer.mem_align) || !is_align(answer.offset_align)) {
        return false;
    }
    file->memory_align = answer.mem_align;
    /* At least the memory's, so that the rest of a short read, which starts
     * at an aligned offset, also starts at an aligned address. */
    file->offset_align =
        (uint32_t)fgi_max(answer.offset_align, answer.mem_align);
    return true;
}

/* Read one aligned piece. Returns 0 or an errno. */
static int try_direct(const struct fgi_file *file)
{
    _Alignas(ALIGN_DEFAULT) uint8_t small[ALIGN_DEFAULT];
    ssize_t got;

    if (file->offset_align > sizeof(small)) {
        return EINVAL; /* nobody has been seen to need more */
    }
    do {
        got = pread(file->fd, small, file->offset_align, 0);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? errno : 0;
}

/* Set or clear a flag of the open file. Returns 0 or an errno. */
static int set_flag(int fd, int flag, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return errno;
    }
    flags = on ? flags | flag : flags & ~flag;
    return fcntl(fd, F_SETFL, flags) == 0 ? 0 : errno;
}

static void use_page_cache(struct fgi_file *file)
{
    file->is_direct = false;
    file->offset_align = 1;
    file->memory_align = 1;
}

/* Turn the descriptor to O_DIRECT. Returns 0 or why not, an errno. */
static int turn_direct(struct fgi_file *file)
{
    int rv = EOPNOTSUPP;

    if (ask_alignment(file)) {
        rv = set_flag(file->fd, O_DIRECT, true);
    }
    if (rv == 0) {
        rv = try_direct(file);
        if (rv == EINVAL && file->offset_align < ALIGN_DEFAULT) {
            file->offset_align = ALIGN_DEFAULT;
            file->memory_align = ALIGN_DEFAULT;
            rv = try_direct(file);
        }
        if (rv != 0) {
            set_flag(file->fd, O_DIRECT, false);
        }
    }
    file->is_direct = rv == 0;
    if (rv != 0) {
        use_page_cache(file);
    }
    return rv;
}

static enum fg_status choose_path(const char *path, enum fgi_direct direct,
                                  struct fgi_file *file, struct fg_error *err)
{
    int rv;

    use_page_cache(file);
    if (direct == FGI_DIRECT_OFF ||
        (direct == FGI_DIRECT_AUTO &&
         fgi_file_cached_share(file->fd, 0, file->size_bytes) >
             CACHED_SHARE_MAX)) {
        return FG_OK;
    }
    rv = turn_direct(file);
    if (rv == 0 || direct == FGI_DIRECT_AUTO) {
        return FG_OK;
    }
    fgi_fail_errno(err, rv, "%s: open for direct I/O", path);
    fgi_likely(err, "its file system has none, as tmpfs before Linux 6.6");
    if (err != NULL) {
        err->status = FG_ERR_UNSUPPORTED;
    }
    return FG_ERR_UNSUPPORTED;
}

static int64_t mtime_ns(const struct stat *status)
{
    return (int64_t)status->st_mtim.tv_sec * (int64_t)FGI_NS_PER_S +
           status->st_mtim.tv_nsec;
}

static bool is_on_tmpfs(int fd)
{
    struct statfs info;

    return fstatfs(fd, &info) == 0 && info.f_type == TMPFS_MAGIC;
}

enum fg_status fgi_file_open(const char *path, enum fgi_direct direct,
                             struct fgi_file *file, struct fg_error *err)
{
    struct fgi_file opened = {.fd = -1};
    struct stat info;
    enum fg_status status = open_regular(path, &opened.fd, &info, err);

    if (status != FG_OK) {
        return status;
    }
    /* io_uring takes O_NONBLOCK as "never wait", also for regular files. */
    set_flag(opened.fd, O_NONBLOCK, false);
    opened.size_bytes = (uint64_t)info.st_size;
    opened.device = info.st_dev;
    opened.inode = info.st_ino;
    opened.mtime_ns = mtime_ns(&info);
    opened.is_tmpfs = is_on_tmpfs(opened.fd);
    status = choose_path(path, direct, &opened, err);
    if (status != FG_OK) {
        close(opened.fd);
        return status;
    }
    *file = opened;
    return FG_OK;
}

void fgi_file_close(struct fgi_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

enum fg_status fgi_file_check(const struct fgi_file *file, const char *path,
                              struct fg_error *err)
{
    struct stat info;

    if (fstat(file->fd, &info) != 0) {
        return fgi_fail_errno(err, errno, "%s: stat", path);
    }
    if ((uint64_t)info.st_size != file->size_bytes) {
        return fgi_fail(err, FG_ERR_CHANGED,
                        "%s: size: got %llu wanted %llu bytes, as when opened",
                        path, (unsigned long long)info.st_size,
                        (unsigned long long)file->size_bytes);
    }
    if (mtime_ns(&info) != file->mtime_ns) {
        return fgi_fail(err, FG_ERR_CHANGED, "%s: written to since opened",
                        path);
    }
    return FG_OK;
}

enum fg_status fgi_file_read(int fd, const char *path, uint64_t offset,
                             void *buffer, uint64_t bytes, struct fg_error *err)
{
    uint64_t done = 0;

    while (done < bytes) {
        ssize_t got = pread(fd, (uint8_t *)buffer + done,
                            fgi_min(bytes - done, READ_BYTES_MAX),
                            (off_t)(offset + done));

        if (got > 0) {
            done += (uint64_t)got;
        } else if (got == 0) {
            return fgi_fail_at(
                err, FG_ERR_DAMAGED, offset,
                "%s: offset %llu: read: got %llu wanted %llu bytes: unexpected "
                "end of file",
                path, (unsigned long long)offset, (unsigned long long)done,
                (unsigned long long)bytes);
        } else if (errno != EINTR) {
            int sys_errno = errno;
            char text[64];

            fgi_fail_at(err, FG_ERR_READ, offset + done,
                        "%s: offset %llu: read: %s", path,
                        (unsigned long long)(offset + done),
                        strerror_r(sys_errno, text, sizeof(text)));
            if (err != NULL) {
                err->sys_errno = sys_errno;
            }
            return FG_ERR_READ;
        }
    }
    return FG_OK;
}
