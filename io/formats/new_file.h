/* SPDX-License-Identifier: Apache-2.0 */
/* A file that appears under its name only when it is whole and on disk. */
#ifndef FGI_IO_FORMATS_NEW_FILE_H
#define FGI_IO_FORMATS_NEW_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

/* A file while it is written. Storage is the owner's. */
struct fgi_new_file {
    int fd;            /* open for writing, -1 when not */
    bool is_replacing; /* may take the place of an existing file */
    char *path;        /* what it will be called; owned */
    char *temp_path;   /* what it is called till then; owned */
};

/*
 * Create a hidden temporary file in the folder of `path` (copied).
 * Errors: EXISTS (path does, and is not to be replaced), ARGUMENT (path is a
 * directory or empty), NOT_FOUND, PERMISSION, NO_SPACE, SYSTEM.
 */
enum fg_status fgi_new_file_create(struct fgi_new_file *file, const char *path,
                                   bool is_replacing, struct fg_error *err);

/* Write all bytes at `offset`. Errors: NO_SPACE, SYSTEM, with the offset. */
enum fg_status fgi_new_file_write(struct fgi_new_file *file, uint64_t offset,
                                  const void *data, uint64_t bytes,
                                  struct fg_error *err);

/*
 * fsync, rename, fsync the folder, close. On failure nothing is left behind.
 * Errors: EXISTS (somebody made `path` in the meantime), NO_SPACE, SYSTEM.
 */
enum fg_status fgi_new_file_publish(struct fgi_new_file *file,
                                    struct fg_error *err);

/* Remove the temporary file. Does nothing after publish or a failed create. */
void fgi_new_file_discard(struct fgi_new_file *file);

#endif /* FGI_IO_FORMATS_NEW_FILE_H */
