/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a feeder says that it is there, for programs that nobody gave its
 * board: a file that only its user may read. `feedgpu feed` writes it, the
 * shim reads it.
 *
 * The file holds one line, "PID:BOARD_FD:ARENA_FD\n", as FEEDGPU_BOARD does. A
 * line without its end is not written yet. As long as its feeder lives, the
 * file is locked (flock); a line without a feeder is what one has left that was
 * killed.
 */
#ifndef PRELOAD_PLACE_H
#define PRELOAD_PLACE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * "$XDG_RUNTIME_DIR/feedgpu.board" if that folder is there and the user's own,
 * else "/dev/shm/feedgpu-UID.board".
 */
#define PLACE_VARIABLE "XDG_RUNTIME_DIR"
#define PLACE_NAME "/feedgpu.board"
#define PLACE_SHARED_START "/dev/shm/feedgpu-"
#define PLACE_SHARED_END ".board"
#define PLACE_PATH_BYTES 1024 /* longer ones are not tried */
#define PLACE_LINE_BYTES 64

/* What /proc/PID/fd/BOARD_FD and ARENA_FD of a feeder point to begins so. */
#define PLACE_BOARD_LINK "/memfd:feedgpu-board"
#define PLACE_ARENA_LINK "/memfd:feedgpu-arena"

/* Only a file of the user's own, that nobody else may touch, is believed. */
static inline bool place_is_trusted(const struct stat *info, uid_t user)
{
    return S_ISREG(info->st_mode) && info->st_uid == user &&
           (info->st_mode & 07777) == 0600 && info->st_nlink == 1;
}

static inline void place_put(char path[PLACE_PATH_BYTES], const char *text)
{
    size_t length = strlen(path);
    size_t room = PLACE_PATH_BYTES - 1 - length;
    size_t added = strnlen(text, room);
    memcpy(path + length, text, added);
    path[length + added] = '\0';
}

/* The file's path. No stdio: the shim calls it inside open(). */
static inline void place_path(char path[PLACE_PATH_BYTES])
{
    struct stat info;
    const char *folder = secure_getenv(PLACE_VARIABLE);
    char number[16] = "";
    char *digit = number + sizeof(number) - 1;
    uid_t rest = geteuid();
    path[0] = '\0';
    if (folder != NULL && folder[0] == '/' &&
        strlen(folder) + sizeof(PLACE_NAME) <= PLACE_PATH_BYTES &&
        stat(folder, &info) == 0 && S_ISDIR(info.st_mode) &&
        info.st_uid == geteuid()) {
        place_put(path, folder);
        place_put(path, PLACE_NAME);
        return;
    }
    do {
        *--digit = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    place_put(path, PLACE_SHARED_START);
    place_put(path, digit);
    place_put(path, PLACE_SHARED_END);
}

#endif /* PRELOAD_PLACE_H */
