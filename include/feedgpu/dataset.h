/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datasets: a sequence of samples that lie in one or more shard files.
 *
 * A dataset is named by a file, a directory (its regular files, sorted by
 * name as bytes, not descending), a glob pattern, or "@LIST" (a text file of
 * one path per line, relative to the list's own folder).
 */
#ifndef FEEDGPU_DATASET_H
#define FEEDGPU_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>
#include <feedgpu/field.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_dataset;

/*
 * How to read a dataset. Fill with fg_dataset_config_init, then change.
 * Strings are copied by fg_dataset_open.
 */
struct fg_dataset_config {
    uint32_t struct_size;  /* sizeof(struct fg_dataset_config) */
    uint32_t flags;        /* none yet: zero */
    const char *format;    /* "auto", "raw" or "shard" */
    uint64_t record_bytes; /* raw: bytes of one sample; 0: not raw */
    uint64_t stride_bytes; /* raw: distance of two samples; 0: record_bytes */
    uint64_t header_bytes; /* raw: bytes to skip at the start of each file */
    enum fg_dtype dtype;   /* raw: element type, default FG_UINT8 */
};

/* What there is to know about an open dataset. */
struct fg_dataset_info {
    const char *format;            /* "raw", "shard"; static */
    uint64_t shard_count;          /* files */
    uint64_t sample_count;         /* samples over all shards */
    uint64_t stored_bytes;         /* size of the files */
    uint64_t raw_bytes;            /* bytes of all samples once decoded */
    uint64_t block_samples;        /* samples that are stored together */
    uint32_t field_count;          /* entries of fields */
    uint32_t reserved;             /* zero */
    const struct fg_field *fields; /* the dataset's; valid until close */
    const char *codec;             /* "none", "zstd"; static */
    uint64_t identity;             /* xxh3-64 over names, sizes and layout */
};

/* Where one sample is stored. */
struct fg_sample_place {
    const char *shard_path;  /* the dataset's; valid until close */
    uint64_t shard_index;    /* position among the shards */
    uint64_t index_in_shard; /* position among the shard's samples */
    uint64_t offset;         /* byte in the file of the sample, or its block */
    uint64_t length;         /* bytes of the sample once decoded */
};

/* Fill a config with defaults: format "auto". Threads: any. */
FG_EXPORT void fg_dataset_config_init(struct fg_dataset_config *config);

/*
 * Open the dataset at `path` (borrowed). `config` NULL means the defaults.
 * On success *dataset is the caller's, to be given to fg_dataset_close.
 * Threads: any; a dataset may then be used by one thread at a time.
 * Blocks: on metadata reads, one small read per shard.
 * Errors: NOT_FOUND, PERMISSION, ARGUMENT (empty, record size that does not
 * divide a file), DAMAGED (a shard's header, footer or index), SYSTEM.
 */
FG_EXPORT enum fg_status fg_dataset_open(const char *path,
                                         const struct fg_dataset_config *config,
                                         struct fg_dataset **dataset,
                                         struct fg_error *err);

/* Release a dataset and all it lent. NULL is allowed. */
FG_EXPORT void fg_dataset_close(struct fg_dataset *dataset);

/* Describe an open dataset. Threads: any. Blocks: never. */
FG_EXPORT void fg_dataset_get_info(const struct fg_dataset *dataset,
                                   struct fg_dataset_info *info);

/*
 * Say where sample `index` is stored. Threads: one at a time, but allowed on a
 * loader's dataset while the loader runs. Errors: ARGUMENT for an index that is
 * not below sample_count; DAMAGED or READ while a shard's index is loaded.
 */
FG_EXPORT enum fg_status fg_dataset_locate(struct fg_dataset *dataset,
                                           uint64_t index,
                                           struct fg_sample_place *place,
                                           struct fg_error *err);

/*
 * Read one sample, decoded and checked, into `buffer` (capacity_bytes).
 * Fields follow one another; lengths (may be NULL) receives the bytes of each
 * field, field_count entries; *length_bytes the sum.
 * For looking at data, not for speed: a loader is for that.
 * Errors: ARGUMENT (index, buffer too small), READ, DAMAGED.
 */
FG_EXPORT enum fg_status
fg_dataset_read(struct fg_dataset *dataset, uint64_t index, void *buffer,
                size_t capacity_bytes, uint64_t *lengths,
                uint64_t *length_bytes, struct fg_error *err);

/* One file's result from fg_dataset_verify; `err` is NULL when it is whole. */
typedef void (*fg_verify_fn)(const char *shard_path, uint64_t stored_bytes,
                             const struct fg_error *err, void *context);

/*
 * Read everything and check every checksum. Calls `report` (may be NULL) once
 * per shard, on the calling thread. Goes on after a damaged shard.
 * Errors: DAMAGED if any shard is damaged (the first one's text).
 */
FG_EXPORT enum fg_status fg_dataset_verify(struct fg_dataset *dataset,
                                           fg_verify_fn report, void *context,
                                           struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_DATASET_H */
