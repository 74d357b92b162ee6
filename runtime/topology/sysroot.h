/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the root: what sysroot.c shares with sysroot_lines.c, and what only
 * /proc/PID needs: files of any length, links that lead nowhere.
 */
#ifndef FGI_TOPOLOGY_SYSROOT_H
#define FGI_TOPOLOGY_SYSROOT_H

#include <stdbool.h>

#include <feedgpu/sysroot.h>

/* Bytes that a path takes with the root in front of it. */
#define FGI_SYSROOT_FULL_BYTES (2 * FG_SYSROOT_PATH_BYTES)

/* A line of a file takes at most so many bytes, with its end. */
#define FGI_LINE_BYTES 65536u

/* The real path of a path below the root; false: too long. sysroot.c */
bool fgi_sysroot_full_path(const struct fg_sysroot *root, const char *path,
                           char *full);

/*
 * Open a regular file to read it; *fd is the caller's. Never blocks.
 * Errors: as fg_sysroot_read. sysroot.c
 */
enum fg_status fgi_sysroot_open_file(const struct fg_sysroot *root,
                                     const char *path, int *fd,
                                     struct fg_error *err);

/* Takes a line without its end, borrowed; returns false to stop. */
typedef bool (*fgi_line_fn)(const char *line, void *context);

/*
 * Call `take` for each line of a text file of any length.
 * Errors: as fg_sysroot_read (DAMAGED: a NUL byte, a line longer than
 * FGI_LINE_BYTES - 1), MEMORY. sysroot_lines.c
 */
enum fg_status fgi_sysroot_read_lines(const struct fg_sysroot *root,
                                      const char *path, fgi_line_fn take,
                                      void *context, struct fg_error *err);

/*
 * Read where a link says it leads, "socket:[7]" too; links on the way to it
 * are followed, it is not. `target` has FG_SYSROOT_PATH_BYTES.
 * Errors: as fg_sysroot_resolve; DAMAGED (the target is too long).
 * sysroot_lines.c
 */
enum fg_status fgi_sysroot_read_link(const struct fg_sysroot *root,
                                     const char *path, char *target,
                                     struct fg_error *err);

#endif /* FGI_TOPOLOGY_SYSROOT_H */
