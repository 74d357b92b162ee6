/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading /sys and /proc, of this machine or of a copy of another one's.
 *
 * Every path is taken below the root, symbolic links too: an absolute link in
 * a copy means the copy, and ".." does not lead out of it. What is found is
 * not trusted: only regular files are read, up to the size that the caller
 * has room for; loops of links, pipes, directories in a file's place, binary
 * data and huge files are errors and never block.
 */
#ifndef FEEDGPU_SYSROOT_H
#define FEEDGPU_SYSROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_sysroot;

/* Bytes that a resolved path takes at most, with its end. */
#define FG_SYSROOT_PATH_BYTES 1024u

/*
 * Open a root. `path` (copied): a folder that holds "sys" or "proc" or both;
 * NULL or "/": this machine. On success *root is the caller's.
 * Threads: any. Blocks: briefly.
 * Errors: NOT_FOUND, ARGUMENT (not a folder, or holds neither), PERMISSION.
 */
FG_EXPORT enum fg_status fg_sysroot_open(const char *path,
                                         struct fg_sysroot **root,
                                         struct fg_error *err);

/* Release a root. NULL is allowed. */
FG_EXPORT void fg_sysroot_close(struct fg_sysroot *root);

/* True when the root is a copy, not this machine. Threads: any. */
FG_EXPORT bool fg_sysroot_is_copy(const struct fg_sysroot *root);

/*
 * Read a whole text file: "/sys/devices/system/node/online". `text` gets it
 * without the newlines at its end, NUL-terminated.
 * Threads: any. Blocks: as the file does (sysfs: briefly).
 * Errors: NOT_FOUND, PERMISSION, UNSUPPORTED (no regular file), DAMAGED (a
 * loop of links, a NUL byte, or longer than text_bytes - 1), SYSTEM.
 */
FG_EXPORT enum fg_status fg_sysroot_read(const struct fg_sysroot *root,
                                         const char *path, char *text,
                                         size_t text_bytes,
                                         struct fg_error *err);

/*
 * Read the first bytes of a file, which may be binary and longer:
 * "/sys/bus/pci/devices/0000:05:00.0/config". `bytes` has room_bytes;
 * *got_bytes tells how many came, fewer only where the file ends.
 * Threads: any. Blocks: as the file does (sysfs: briefly).
 * Errors: NOT_FOUND, PERMISSION, UNSUPPORTED (no regular file), DAMAGED (a
 * loop of links), ARGUMENT (no room), MEMORY, SYSTEM.
 */
FG_EXPORT enum fg_status fg_sysroot_read_bytes(const struct fg_sysroot *root,
                                               const char *path, void *bytes,
                                               size_t room_bytes,
                                               size_t *got_bytes,
                                               struct fg_error *err);

/*
 * Follow all links of a path: "/sys/bus/pci/devices/0000:05:00.0" gives
 * "/sys/devices/pci0000:00/0000:00:01.0/0000:05:00.0". `resolved` has
 * FG_SYSROOT_PATH_BYTES. Errors: as fg_sysroot_read.
 */
FG_EXPORT enum fg_status fg_sysroot_resolve(const struct fg_sysroot *root,
                                            const char *path, char *resolved,
                                            struct fg_error *err);

/* Takes one name of a folder; returns false to stop. Name is borrowed. */
typedef bool (*fg_sysroot_name_fn)(const char *name, void *context);

/*
 * Call `take` for each name in a folder, sorted so that node2 comes before
 * node10; without "." and "..". Errors: as fg_sysroot_read (UNSUPPORTED: no
 * folder; DAMAGED: more than 65536 names), MEMORY.
 */
FG_EXPORT enum fg_status fg_sysroot_list(const struct fg_sysroot *root,
                                         const char *path,
                                         fg_sysroot_name_fn take, void *context,
                                         struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_SYSROOT_H */
