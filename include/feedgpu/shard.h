/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing feedgpu's own shard format (docs/format.md).
 *
 * A writer makes one shard. The file appears under its name only when it is
 * complete and on disk: everything is written to a temporary name in the same
 * folder, fsynced and renamed.
 */
#ifndef FEEDGPU_SHARD_H
#define FEEDGPU_SHARD_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>
#include <feedgpu/field.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_shard_writer;

#define FG_SHARD_OVERWRITE 1u /* replace an existing file of that name */

struct fg_shard_config {
    uint32_t struct_size;          /* sizeof(struct fg_shard_config) */
    uint32_t flags;                /* FG_SHARD_... bits */
    uint32_t field_count;          /* 1..FG_FIELDS_MAX */
    int32_t zstd_level;            /* 0: stored raw; 1..19: zstd frames */
    const struct fg_field *fields; /* borrowed during the call */
    uint64_t block_samples;        /* samples per block; 0: about 1 MiB */
};

/* Fill a config with defaults: raw blocks of about 1 MiB. Threads: any. */
FG_EXPORT void fg_shard_config_init(struct fg_shard_config *config);

/*
 * Begin the shard `path` (copied). On success *writer is the caller's, to be
 * given to fg_shard_writer_finish or fg_shard_writer_abort.
 * Threads: one at a time per writer; writers are independent.
 * Errors: EXISTS, ARGUMENT (fields), NOT_FOUND, PERMISSION, NO_SPACE, SYSTEM.
 */
FG_EXPORT enum fg_status
fg_shard_writer_open(const char *path, const struct fg_shard_config *config,
                     struct fg_shard_writer **writer, struct fg_error *err);

/*
 * Append one sample: field_count pointers and byte lengths (fixed fields must
 * have exactly their size, variable ones at most max_bytes). Copies the bytes.
 * Blocks: on writes, and on compression. After an error only abort is allowed.
 */
FG_EXPORT enum fg_status fg_shard_writer_add(struct fg_shard_writer *writer,
                                             const void *const *fields,
                                             const uint64_t *lengths_bytes,
                                             struct fg_error *err);

/* Samples added and bytes written so far (either pointer may be NULL). */
FG_EXPORT void fg_shard_writer_progress(const struct fg_shard_writer *writer,
                                        uint64_t *samples, uint64_t *bytes);

/*
 * Write the index, fsync, rename, and release the writer, which is gone also
 * on failure (then nothing is left behind). A shard of no samples is an error.
 */
FG_EXPORT enum fg_status fg_shard_writer_finish(struct fg_shard_writer *writer,
                                                struct fg_error *err);

/* Drop everything written and release the writer. NULL is allowed. */
FG_EXPORT void fg_shard_writer_abort(struct fg_shard_writer *writer);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_SHARD_H */
