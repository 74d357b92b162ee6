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
#include <sys/stat.h>
#include <sys/types.h>

/* "$XDG_RUNTIME_DIR/feedgpu.board"; else "/dev/shm/feedgpu-UID.board". */
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

#endif /* PRELOAD_PLACE_H */
