/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that appears under its name only when it is whole and on disk.
 *
 *     create ─▶ .NAME.PID-N.tmp ─▶ write ... ─▶ publish: fsync, rename, fsync
 *                                          └──▶ discard: unlink
 *
 * An existing file is never replaced unless asked: rename is told not to
 * (RENAME_NOREPLACE), and where a file system cannot do that, link() refuses
 * an existing name by its nature. There is no moment between looking and doing
 * in which another process could lose its file.
 */
#include "io/formats/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/formats/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* Of a name of up to 255 bytes; the rest is for what we add to it. */
#define TEMP_NAME_BYTES 200
#define TEMP_ADDED_BYTES 48

/* A killed process may have left files of our process number. */
#define CREATE_ATTEMPTS 100

/* One call moves at most this much; the kernel's own limit is 2 GiB. */
#define WRITE_BYTES_MAX FGI_MIB(64)

static _Atomic unsigned temp_counter;

static size_t folder_bytes_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static void name_temp(char *to, const char *path)
{
    size_t folder_bytes = folder_bytes_of(path);

    memcpy(to, path, folder_bytes);
    snprintf(to + folder_bytes, TEMP_NAME_BYTES + TEMP_ADDED_BYTES,
             ".%.*s.%d-%u.tmp", TEMP_NAME_BYTES, path + folder_bytes,
             (int)getpid(), atomic_fetch_add(&temp_counter, 1));
}

static enum fg_status already_there(const char *path, struct fg_error *err)
{
    return fgi_fail(err, FG_ERR_EXISTS,
                    "%s: create: got an existing file wanted none",
                    fgi_path_label(path));
}

/* Refuse early what publish could only refuse after all the work. */
static enum fg_status check_target(const char *path, bool is_replacing,
                                   struct fg_error *err)
{
    struct stat status;

    if (path[0] == '\0' || path[strlen(path) - 1] == '/') {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "\"%s\": create: got no file name",
                        fgi_path_label(path));
    }
    if (lstat(path, &status) != 0) {
        return FG_OK;
    }
    if (S_ISDIR(status.st_mode)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: create: got a directory wanted a file name",
                        fgi_path_label(path));
    }
    return is_replacing ? FG_OK : already_there(path, err);
}

static int open_temp(struct fgi_new_file *file)
{
    for (int i = 0; i < CREATE_ATTEMPTS; i++) {
        int fd;

        name_temp(file->temp_path, file->path);
        fd = open(file->temp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                  0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

static void release(struct fgi_new_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    fgi_free(file->path);
    fgi_free(file->temp_path);
    *file = (struct fgi_new_file){.fd = -1};
}

enum fg_status fgi_new_file_create(struct fgi_new_file *file, const char *path,
                                   bool is_replacing, struct fg_error *err)
{
    enum fg_status status = check_target(path, is_replacing, err);

    *file = (struct fgi_new_file){.fd = -1, .is_replacing = is_replacing};
    if (status != FG_OK) {
        return status;
    }
    file->path = fgi_strdup(path);
    file->temp_path = fgi_alloc(
        folder_bytes_of(path) + TEMP_NAME_BYTES + TEMP_ADDED_BYTES, 1);
    if (file->path == NULL || file->temp_path == NULL) {
        status = fgi_fail(err, FG_ERR_MEMORY, "%s: create: out of memory",
                          fgi_path_label(path));
        release(file);
        return status;
    }
    file->fd = open_temp(file);
    if (file->fd < 0) {
        status = fgi_fail_errno(err, errno, "%s: create", fgi_path_label(path));
        release(file);
    }
    return status;
}

enum fg_status fgi_new_file_write(struct fgi_new_file *file, uint64_t offset,
                                  const void *data, uint64_t bytes,
                                  struct fg_error *err)
{
    uint64_t done = 0;

    while (done < bytes) {
        ssize_t result = pwrite(file->fd, (const uint8_t *)data + done,
                                fgi_min(bytes - done, WRITE_BYTES_MAX),
                                (off_t)(offset + done));

        if (result < 0 && errno == EINTR) {
            continue;
        }
        if (result <= 0) {
            int sys_errno = result == 0 ? EIO : errno;
            enum fg_status status = fgi_fail_errno(
                err, sys_errno,
                "%s: offset %" PRIu64 ": write: got %" PRIu64 " of %" PRIu64
                " bytes",
                fgi_path_label(file->path), offset + done, done, bytes);

            if (err != NULL) {
                err->offset = offset + done;
            }
            return status;
        }
        done += (uint64_t)result;
    }
    return FG_OK;
}

static int sync_folder(const char *path)
{
    size_t bytes = folder_bytes_of(path);
    char *folder = bytes == 0 ? fgi_strdup(".") : fgi_strdup(path);
    int result = 0;
    int fd;

    if (folder == NULL) {
        return ENOMEM;
    }
    if (bytes > 0) {
        folder[bytes] = '\0';
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fgi_free(folder);
    if (fd < 0) {
        return errno;
    }
    /* EINVAL: this file system has nothing to sync in a folder. */
    if (fsync(fd) != 0 && errno != EINVAL) {
        result = errno;
    }
    close(fd);
    return result;
}

/* Give the file its name, but no other file's. Returns 0 or an errno. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return errno;
    }
    if (link(from, to) != 0) {
        return errno;
    }
    unlink(from);
    return 0;
}

static int rename_over(const char *from, const char *to)
{
    return rename(from, to) == 0 ? 0 : errno;
}

enum fg_status fgi_new_file_publish(struct fgi_new_file *file,
                                    struct fg_error *err)
{
    const char *label = fgi_path_label(file->path);
    enum fg_status status = FG_OK;
    int result;

    if (fsync(file->fd) != 0) {
        status = fgi_fail_errno(err, errno, "%s: sync", label);
        fgi_new_file_discard(file);
        return status;
    }
    result = file->is_replacing ? rename_over(file->temp_path, file->path)
                                : rename_new(file->temp_path, file->path);
    if (result != 0) {
        status = result == EEXIST
                     ? already_there(file->path, err)
                     : fgi_fail_errno(err, result, "%s: rename", label);
        fgi_new_file_discard(file);
        return status;
    }
    result = sync_folder(file->path);
    if (result != 0) {
        status = fgi_fail_errno(err, result, "%s: sync its folder", label);
        unlink(file->path);
    }
    release(file);
    return status;
}

void fgi_new_file_discard(struct fgi_new_file *file)
{
    if (file->fd >= 0) {
        unlink(file->temp_path);
    }
    release(file);
}
