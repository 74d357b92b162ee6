/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The feeder that serves whoever comes: where it says that it is. See place.h.
 * System calls are made directly: none of this may be a cancellation point.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "place.h"
#include "shim.h"

/* A whole line from a file that can be trusted. */
static bool read_line(const char *path, char line[PLACE_LINE_BYTES])
{
    struct stat info;
    uid_t user = geteuid();
    /* A look first: opening a device may do something. */
    if (fstatat(AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !place_is_trusted(&info, user)) {
        return false;
    }
    int file =
        (int)syscall(SYS_openat, AT_FDCWD, path,
                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    long length = -1;
    if (fstat(file, &info) == 0 && place_is_trusted(&info, user)) {
        length = syscall(SYS_read, file, line, PLACE_LINE_BYTES);
    }
    syscall(SYS_close, file);
    if (length < 1 || line[length - 1] != '\n') {
        return false;
    }
    line[length - 1] = '\0';
    return true;
}

bool shim_place(bool is_shared, char line[PLACE_LINE_BYTES])
{
    char path[PLACE_PATH_BYTES];
    if (is_shared) {
        memcpy(path, PLACE_SHARED_START, sizeof(PLACE_SHARED_START));
        char *end = shim_put_number(path + sizeof(PLACE_SHARED_START) - 1,
                                    (long)geteuid());
        memcpy(end, PLACE_SHARED_END, sizeof(PLACE_SHARED_END));
        return read_line(path, line);
    }
    const char *folder = secure_getenv(PLACE_VARIABLE);
    size_t length = folder != NULL ? strlen(folder) : 0;
    if (length == 0 || folder[0] != '/' ||
        length + sizeof(PLACE_NAME) > sizeof(path)) {
        return false;
    }
    memcpy(path, folder, length);
    memcpy(path + length, PLACE_NAME, sizeof(PLACE_NAME));
    return read_line(path, line);
}
