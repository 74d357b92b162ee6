/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc/PID has that other folders have not: texts of any length, which
 * are read line by line; arguments with NUL bytes between them; links that
 * are only a text.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/sysroot.h"

/* A file being cut into lines. */
struct lines {
    const char *path;
    char *room;  /* owned, FGI_LINE_BYTES */
    size_t used; /* bytes in room, the start of a line first */
    fgi_line_fn take;
    void *context;
};

static ssize_t read_some(int fd, char *bytes, size_t count)
{
    ssize_t got;

    do {
        got = read(fd, bytes, count);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Give the whole lines in the room away; false: no more are wanted. */
static bool take_lines(struct lines *lines)
{
    char *at = lines->room;
    char *end;

    while ((end = memchr(at, '\n', lines->used - (size_t)(at - lines->room))) !=
           NULL) {
        *end = '\0';
        if (!lines->take(at, lines->context)) {
            return false;
        }
        at = end + 1;
    }
    lines->used -= (size_t)(at - lines->room);
    memmove(lines->room, at, lines->used);
    return true;
}

static enum fg_status read_lines(struct lines *lines, int fd,
                                 struct fg_error *err)
{
    for (;;) {
        char *end = lines->room + lines->used;
        ssize_t got = read_some(fd, end, FGI_LINE_BYTES - 1 - lines->used);

        if (got < 0) {
            return fgi_fail_errno(err, errno, "%s: read", lines->path);
        }
        if (got == 0) {
            break;
        }
        if (memchr(end, '\0', (size_t)got) != NULL) {
            return fgi_fail(err, FG_ERR_DAMAGED, "%s: read: got binary data",
                            lines->path);
        }
        lines->used += (size_t)got;
        if (!take_lines(lines)) {
            return FG_OK;
        }
        if (lines->used == FGI_LINE_BYTES - 1) {
            return fgi_fail(err, FG_ERR_DAMAGED,
                            "%s: read: a line is longer than %u bytes",
                            lines->path, FGI_LINE_BYTES - 1);
        }
    }
    if (lines->used > 0) {
        lines->room[lines->used] = '\0';
        (void)lines->take(lines->room, lines->context);
    }
    return FG_OK;
}

enum fg_status fgi_sysroot_read_lines(const struct fg_sysroot *root,
                                      const char *path, fgi_line_fn take,
                                      void *context, struct fg_error *err)
{
    struct lines lines = {.path = path, .take = take, .context = context};
    enum fg_status status;
    int fd;

    status = fgi_sysroot_open_file(root, path, &fd, err);
    if (status != FG_OK) {
        return status;
    }
    lines.room = fgi_alloc(FGI_LINE_BYTES, 1);
    if (lines.room == NULL) {
        status = fgi_fail(err, FG_ERR_MEMORY, "%s: read: %u bytes", path,
                          FGI_LINE_BYTES);
    } else {
        status = read_lines(&lines, fd, err);
    }
    fgi_free(lines.room);
    close(fd);
    return status;
}

enum fg_status fgi_sysroot_read_link(const struct fg_sysroot *root,
                                     const char *path, char *target,
                                     struct fg_error *err)
{
    char folder[FG_SYSROOT_PATH_BYTES];
    char resolved[FG_SYSROOT_PATH_BYTES];
    char link[2 * FG_SYSROOT_PATH_BYTES];
    char full[FGI_SYSROOT_FULL_BYTES];
    const char *slash = strrchr(path, '/');
    enum fg_status status;
    ssize_t length;

    if (slash == NULL || (size_t)(slash - path) >= sizeof(folder)) {
        return fgi_fail(err, FG_ERR_ARGUMENT, "%.100s: read link: bad path",
                        path);
    }
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    status = fg_sysroot_resolve(root, folder, resolved, err);
    if (status != FG_OK) {
        return status;
    }
    snprintf(link, sizeof(link), "%s%s", resolved, slash);
    if (!fgi_sysroot_full_path(root, link, full)) {
        return fgi_fail(err, FG_ERR_DAMAGED, "%.100s: path: too long", path);
    }
    length = readlink(full, target, FG_SYSROOT_PATH_BYTES);
    if (length < 0) {
        return fgi_fail_errno(err, errno, "%s: read link", path);
    }
    if (length == FG_SYSROOT_PATH_BYTES) {
        return fgi_fail(err, FG_ERR_DAMAGED,
                        "%s: read link: longer than %u bytes", path,
                        FG_SYSROOT_PATH_BYTES - 1);
    }
    target[length] = '\0';
    return FG_OK;
}
