/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes and ends descriptors. The real function always runs first, with
 * the program's arguments; afterwards the feeder hears of files that were
 * opened for reading.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "shim.h"

static bool is_for_reading(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY &&
           (flags & (O_PATH | O_DIRECTORY | O_CREAT | O_TRUNC | O_DIRECT |
                     O_APPEND | O_NONBLOCK)) == 0;
}

/* A descriptor that came from open. */
static int opened(int fd, const char *path, int flags, uint64_t start_ns)
{
    if (fd >= 0) {
        shim_forget(fd);
        if (is_for_reading(flags)) {
            shim_opened(fd, path, shim_now_ns() - start_ns, false);
        }
    }
    return fd;
}

/* The third argument of open, where there is one; the mode is declared. */
#define TAKE_MODE(flags)                                                       \
    mode_t mode = 0;                                                           \
    if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) {          \
        va_list rest;                                                          \
        va_start(rest, flags);                                                 \
        mode = va_arg(rest, mode_t);                                           \
        va_end(rest);                                                          \
    }

#define DEFINE_OPEN(name)                                                      \
    SHIM_EXPORT int name(const char *path, int flags, ...)                     \
    {                                                                          \
        TAKE_MODE(flags)                                                       \
        uint64_t start_ns = shim_now_ns();                                     \
        int fd = shim_real()->name(path, flags, mode);                         \
        return opened(fd, path, flags, start_ns);                              \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

/* A path relative to a folder's descriptor is not told: /proc has it. */
#define DEFINE_OPENAT(name)                                                    \
    SHIM_EXPORT int name(int folder, const char *path, int flags, ...)         \
    {                                                                          \
        TAKE_MODE(flags)                                                       \
        uint64_t start_ns = shim_now_ns();                                     \
        int fd = shim_real()->name(folder, path, flags, mode);                 \
        bool is_whole = fd >= 0 && (folder == AT_FDCWD || path[0] == '/');     \
        return opened(fd, is_whole ? path : NULL, flags, start_ns);            \
    }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

#define DEFINE_OPEN_2(name)                                                    \
    SHIM_EXPORT int name(const char *path, int flags)                          \
    {                                                                          \
        uint64_t start_ns = shim_now_ns();                                     \
        return opened(shim_real()->name(path, flags), path, flags, start_ns);  \
    }
DEFINE_OPEN_2(__open_2)
DEFINE_OPEN_2(__open64_2)

#define DEFINE_OPENAT_2(name)                                                  \
    SHIM_EXPORT int name(int folder, const char *path, int flags)              \
    {                                                                          \
        uint64_t start_ns = shim_now_ns();                                     \
        int fd = shim_real()->name(folder, path, flags);                       \
        bool is_whole = fd >= 0 && (folder == AT_FDCWD || path[0] == '/');     \
        return opened(fd, is_whole ? path : NULL, flags, start_ns);            \
    }
DEFINE_OPENAT_2(__openat_2)
DEFINE_OPENAT_2(__openat64_2)

/* "r", "rb", "rbe", but not "r+". */
static bool is_reading_mode(const char *mode)
{
    if (mode == NULL || mode[0] != 'r') {
        return false;
    }
    for (const char *c = mode; *c != '\0' && *c != ','; c++) {
        if (*c == '+') {
            return false;
        }
    }
    return true;
}

#define DEFINE_FOPEN(name)                                                     \
    SHIM_EXPORT FILE *name(const char *path, const char *mode)                 \
    {                                                                          \
        uint64_t start_ns = shim_now_ns();                                     \
        FILE *file = shim_real()->name(path, mode);                            \
        if (file != NULL) {                                                    \
            shim_forget(fileno(file));                                         \
            if (is_reading_mode(mode)) {                                       \
                shim_opened(fileno(file), path, shim_now_ns() - start_ns,      \
                            true);                                             \
            }                                                                  \
        }                                                                      \
        return file;                                                           \
    }
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

/* numpy reads a file so that it has opened itself. */
SHIM_EXPORT FILE *fdopen(int fd, const char *mode)
{
    FILE *file = shim_real()->fdopen(fd, mode);
    if (file != NULL && is_reading_mode(mode)) {
        shim_opened(fd, NULL, 0, true);
    }
    return file;
}

SHIM_EXPORT int close(int fd)
{
    shim_forget(fd);
    return shim_real()->close(fd);
}

SHIM_EXPORT int dup2(int from, int to)
{
    if (from != to) {
        shim_forget(to);
    }
    return shim_real()->dup2(from, to);
}

SHIM_EXPORT int dup3(int from, int to, int flags)
{
    shim_forget(to);
    return shim_real()->dup3(from, to, flags);
}
