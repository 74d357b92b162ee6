/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading below a root, trusting nothing.
 *
 * A path is walked here, name by name, so that a link in a copied tree leads
 * to the copy and never to the machine that reads it, as openat2's
 * RESOLVE_IN_ROOT does; but that call is forbidden in some containers, and the
 * walk also gives the path without links, which tells a device's bridges.
 *
 * Opening never blocks (a pipe may lie where a file should), and only regular
 * files are read, up to the room that the caller has. A text must fit into it
 * and have no NUL; of bytes the first are taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/names.h"
#include "runtime/topology/sysroot.h"

#define LINKS_MAX 40
#define SMALL_BYTES 16384 /* files up to this size need no allocation */
#define FULL_BYTES FGI_SYSROOT_FULL_BYTES

struct fg_sysroot {
    char *prefix; /* owned: "" for this machine, else without a slash behind */
    bool is_copy;
};

/* A path being walked. */
struct walk {
    const struct fg_sysroot *root;
    const char *path;                     /* as asked for */
    char done[FG_SYSROOT_PATH_BYTES];     /* walked, without links; "" is / */
    char rest[2 * FG_SYSROOT_PATH_BYTES]; /* still to go */
    int links;                            /* followed */
};

static enum fg_status fail_long(const char *path, struct fg_error *err)
{
    return fgi_fail(err, FG_ERR_DAMAGED, "%.100s: path: longer than %u bytes",
                    path, FG_SYSROOT_PATH_BYTES - 1);
}

bool fgi_sysroot_full_path(const struct fg_sysroot *root, const char *path,
                           char *full)
{
    int length = snprintf(full, FULL_BYTES, "%s%s", root->prefix,
                          path[0] == '\0' ? "/" : path);

    return length > 0 && (size_t)length < FULL_BYTES;
}

static void go_up(struct walk *walk)
{
    char *slash = strrchr(walk->done, '/');

    if (slash != NULL) {
        *slash = '\0';
    }
}

/* Put a link's target in front of what is still to go. */
static enum fg_status follow(struct walk *walk, const char *full,
                             struct fg_error *err)
{
    char target[FG_SYSROOT_PATH_BYTES];
    char rest[sizeof(walk->rest)];
    ssize_t length = readlink(full, target, sizeof(target) - 1);
    int total;

    if (length < 0) {
        return fgi_fail_errno(err, errno, "%s: read link", walk->path);
    }
    if (++walk->links > LINKS_MAX) {
        return fgi_fail(err, FG_ERR_DAMAGED,
                        "%s: links: more than %d (likely cause: they lead in "
                        "a circle)",
                        walk->path, LINKS_MAX);
    }
    target[length] = '\0';
    go_up(walk);
    if (target[0] == '/') {
        walk->done[0] = '\0';
    }
    total = snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest);
    if (total < 0 || (size_t)total >= sizeof(rest)) {
        return fail_long(walk->path, err);
    }
    memcpy(walk->rest, rest, (size_t)total + 1);
    return FG_OK;
}

/* Go one name further: `length` bytes at name. */
static enum fg_status step(struct walk *walk, const char *name, size_t length,
                           struct fg_error *err)
{
    size_t used = strlen(walk->done);
    char full[FULL_BYTES];
    struct stat stat;

    if (length == 0 || (length == 1 && name[0] == '.')) {
        return FG_OK;
    }
    if (length == 2 && name[0] == '.' && name[1] == '.') {
        go_up(walk);
        return FG_OK;
    }
    if (used + length + 2 > sizeof(walk->done)) {
        return fail_long(walk->path, err);
    }
    walk->done[used] = '/';
    memcpy(walk->done + used + 1, name, length);
    walk->done[used + 1 + length] = '\0';
    if (!fgi_sysroot_full_path(walk->root, walk->done, full)) {
        return fail_long(walk->path, err);
    }
    if (lstat(full, &stat) != 0) {
        return fgi_fail_errno(err, errno, "%s: open", walk->path);
    }
    return S_ISLNK(stat.st_mode) ? follow(walk, full, err) : FG_OK;
}

enum fg_status fg_sysroot_resolve(const struct fg_sysroot *root,
                                  const char *path, char *resolved,
                                  struct fg_error *err)
{
    struct walk walk = {.root = root, .path = path};
    enum fg_status status = FG_OK;

    if (strlen(path) >= FG_SYSROOT_PATH_BYTES) {
        return fail_long(path, err);
    }
    memcpy(walk.rest, path, strlen(path) + 1);
    while (status == FG_OK && walk.rest[0] != '\0') {
        char name[sizeof(walk.rest)];
        size_t length = strcspn(walk.rest, "/");
        size_t next = length + (walk.rest[length] == '/' ? 1 : 0);

        /* step may put a link's target in front of the rest. */
        memcpy(name, walk.rest, length);
        memmove(walk.rest, walk.rest + next, strlen(walk.rest + next) + 1);
        status = step(&walk, name, length, err);
    }
    if (status == FG_OK) {
        path = walk.done[0] == '\0' ? "/" : walk.done;
        memcpy(resolved, path, strlen(path) + 1);
    }
    return status;
}

/* Open what a path leads to, without blocking on a pipe. */
static enum fg_status open_below(const struct fg_sysroot *root,
                                 const char *path, int flags, int *fd,
                                 struct fg_error *err)
{
    char resolved[FG_SYSROOT_PATH_BYTES];
    char full[FULL_BYTES];
    enum fg_status status = fg_sysroot_resolve(root, path, resolved, err);

    if (status != FG_OK) {
        return status;
    }
    if (!fgi_sysroot_full_path(root, resolved, full)) {
        return fail_long(path, err);
    }
    *fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags);
    if (*fd < 0 && (errno == ENOTDIR || errno == ENXIO)) {
        /* A socket has no other side that could be opened. */
        return fgi_fail(err, FG_ERR_UNSUPPORTED, "%s: open: wanted %s", path,
                        flags & O_DIRECTORY ? "a folder" : "a file");
    }
    if (*fd < 0) {
        return fgi_fail_errno(err, errno, "%s: open", path);
    }
    return FG_OK;
}

/* Read to the end, or to the end of the room. */
static enum fg_status read_most(int fd, const char *path, char *bytes,
                                size_t room_bytes, size_t *used,
                                struct fg_error *err)
{
    *used = 0;
    while (*used < room_bytes) {
        ssize_t got = read(fd, bytes + *used, room_bytes - *used);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fgi_fail_errno(err, errno, "%s: read", path);
        }
        if (got == 0) {
            break;
        }
        *used += (size_t)got;
    }
    return FG_OK;
}

/* Read all of a text, for whose end there must be room. */
static enum fg_status read_text(int fd, const char *path, char *text,
                                size_t text_bytes, struct fg_error *err)
{
    size_t used;
    enum fg_status status = read_most(fd, path, text, text_bytes, &used, err);

    if (status != FG_OK) {
        return status;
    }
    if (used == text_bytes) {
        return fgi_fail(err, FG_ERR_DAMAGED, "%s: read: longer than %zu bytes",
                        path, text_bytes - 1);
    }
    if (memchr(text, '\0', used) != NULL) {
        return fgi_fail(err, FG_ERR_DAMAGED, "%s: read: got binary data", path);
    }
    while (used > 0 && text[used - 1] == '\n') {
        used--;
    }
    text[used] = '\0';
    return FG_OK;
}

enum fg_status fgi_sysroot_open_file(const struct fg_sysroot *root,
                                     const char *path, int *fd,
                                     struct fg_error *err)
{
    enum fg_status status = open_below(root, path, 0, fd, err);
    struct stat stat;

    if (status == FG_OK && (fstat(*fd, &stat) != 0 || !S_ISREG(stat.st_mode))) {
        close(*fd);
        status =
            fgi_fail(err, FG_ERR_UNSUPPORTED, "%s: open: wanted a file", path);
    }
    return status;
}

enum fg_status fg_sysroot_read(const struct fg_sysroot *root, const char *path,
                               char *text, size_t text_bytes,
                               struct fg_error *err)
{
    enum fg_status status;
    char small[SMALL_BYTES];
    char *room;
    int fd;

    if (text_bytes == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT, "%s: read: got no room", path);
    }
    status = fgi_sysroot_open_file(root, path, &fd, err);
    if (status != FG_OK) {
        return status;
    }
    /* The caller's room is written on success only. */
    room = text_bytes <= sizeof(small) ? small : fgi_alloc(text_bytes, 1);
    if (room == NULL) {
        status = fgi_fail(err, FG_ERR_MEMORY, "%s: read: %zu bytes", path,
                          text_bytes);
    } else {
        status = read_text(fd, path, room, text_bytes, err);
    }
    if (status == FG_OK) {
        memcpy(text, room, strlen(room) + 1);
    }
    if (room != small) {
        fgi_free(room);
    }
    close(fd);
    return status;
}

enum fg_status fg_sysroot_read_bytes(const struct fg_sysroot *root,
                                     const char *path, void *bytes,
                                     size_t room_bytes, size_t *got_bytes,
                                     struct fg_error *err)
{
    enum fg_status status;
    size_t used;
    char *room;
    int fd;

    if (room_bytes == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT, "%s: read: got no room", path);
    }
    status = fgi_sysroot_open_file(root, path, &fd, err);
    if (status != FG_OK) {
        return status;
    }
    room = fgi_alloc(room_bytes, 1);
    if (room == NULL) {
        status = fgi_fail(err, FG_ERR_MEMORY, "%s: read: %zu bytes", path,
                          room_bytes);
    } else {
        status = read_most(fd, path, room, room_bytes, &used, err);
    }
    if (status == FG_OK) {
        memcpy(bytes, room, used);
        *got_bytes = used;
    }
    fgi_free(room);
    close(fd);
    return status;
}

enum fg_status fg_sysroot_list(const struct fg_sysroot *root, const char *path,
                               fg_sysroot_name_fn take, void *context,
                               struct fg_error *err)
{
    struct fgi_names names = {0};
    enum fg_status status;
    int fd;

    status = open_below(root, path, O_DIRECTORY, &fd, err);
    if (status != FG_OK) {
        return status;
    }
    status = fgi_names_read(&names, fd, path, err); /* closes fd */
    for (size_t i = 0; status == FG_OK && i < names.count; i++) {
        if (!take(names.list[i], context)) {
            break;
        }
    }
    fgi_names_fini(&names);
    return status;
}

static bool holds_folder(const struct fg_sysroot *root, const char *name)
{
    char full[FULL_BYTES];
    struct stat stat_of;

    return fgi_sysroot_full_path(root, name, full) &&
           stat(full, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

static enum fg_status check_root(const struct fg_sysroot *root,
                                 struct fg_error *err)
{
    const char *path = root->prefix[0] == '\0' ? "/" : root->prefix;
    struct stat stat_of;

    if (stat(path, &stat_of) != 0) {
        return fgi_fail_errno(err, errno, "sysroot: %s: open", path);
    }
    if (!S_ISDIR(stat_of.st_mode)) {
        return fgi_fail(err, FG_ERR_ARGUMENT, "sysroot: %s: wanted a folder",
                        path);
    }
    if (access(path, X_OK) != 0) {
        return fgi_fail_errno(err, errno, "sysroot: %s: open", path);
    }
    if (root->is_copy && !holds_folder(root, "/sys") &&
        !holds_folder(root, "/proc")) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "sysroot: %s: got neither sys nor proc in it, wanted "
                        "a copy of /sys and /proc",
                        path);
    }
    return FG_OK;
}

enum fg_status fg_sysroot_open(const char *path, struct fg_sysroot **root,
                               struct fg_error *err)
{
    struct fg_sysroot *made;
    enum fg_status status;
    size_t length;

    if (path != NULL && path[0] == '\0') {
        return fgi_fail(err, FG_ERR_ARGUMENT, "sysroot: got no path");
    }
    path = path == NULL ? "" : path;
    if (strlen(path) >= FG_SYSROOT_PATH_BYTES) {
        return fail_long(path, err);
    }
    made = fgi_alloc(1, sizeof(*made));
    if (made != NULL) {
        made->prefix = fgi_strdup(path);
    }
    if (made == NULL || made->prefix == NULL) {
        fgi_free(made);
        return fgi_fail(err, FG_ERR_MEMORY, "sysroot: got no memory");
    }
    for (length = strlen(made->prefix);
         length > 0 && made->prefix[length - 1] == '/'; length--) {
        made->prefix[length - 1] = '\0';
    }
    made->is_copy = made->prefix[0] != '\0';
    status = check_root(made, err);
    if (status != FG_OK) {
        fg_sysroot_close(made);
        return status;
    }
    *root = made;
    return FG_OK;
}

void fg_sysroot_close(struct fg_sysroot *root)
{
    if (root != NULL) {
        fgi_free(root->prefix);
        fgi_free(root);
    }
}

bool fg_sysroot_is_copy(const struct fg_sysroot *root)
{
    return root->is_copy;
}
