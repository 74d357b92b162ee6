/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shard format tells the rest: how many samples a file holds, which
 * stored bytes ("extent") hold a given sample and its neighbours, how to
 * decode an extent, and where in a decoded extent a sample lies.
 *
 * A format knows nothing of order, batches, engines or devices. It reads its
 * header and index with fgi_file_read and decodes memory that others read.
 */
#ifndef FGI_IO_FORMATS_FORMAT_H
#define FGI_IO_FORMATS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/dataset.h>
#include <feedgpu/error.h>
#include <feedgpu/field.h>

/*
 * Stored bytes that are read and decoded together, and the samples they hold.
 * For a format without blocks (raw) it covers exactly the samples asked for.
 */
struct fgi_extent {
    uint64_t offset;       /* in the file */
    uint64_t stored_bytes; /* to read */
    uint64_t raw_bytes;    /* once decoded; stored_bytes without a codec */
    uint64_t first;        /* its first sample, index in the shard */
    uint32_t count;        /* its samples, at least 1 */
    bool needs_decode;     /* fgi_format_ops.decode must run */
    bool has_checksum;     /* fgi_format_ops.check means something */
    uint64_t checksum;     /* the format's */
    uint64_t cookie;       /* the format's: block number */
};

/* Where one sample's fields lie in a decoded extent. */
struct fgi_sample {
    const uint8_t *fields[FG_FIELDS_MAX]; /* borrowed from the extent */
    uint64_t lengths[FG_FIELDS_MAX];      /* bytes */
    uint64_t total_bytes;                 /* sum of lengths */
};

/* The fields of a sample. Shards of one dataset share one. */
struct fgi_schema {
    uint32_t count; /* used entries of fields */
    struct fg_field fields[FG_FIELDS_MAX];
};

struct fgi_shard;

struct fgi_format_ops {
    const char *name; /* "raw", "shard" */
    /* Extent that holds sample `index` and as many of the `count` samples
     * that follow (itself included) as lie together. May load the shard's
     * index on first use. Threads: one at a time per shard. */
    enum fg_status (*extent)(struct fgi_shard *shard, uint64_t index,
                             uint64_t count, struct fgi_extent *extent,
                             struct fg_error *err);
    /* Check stored bytes against the extent's checksum. Threads: any. */
    enum fg_status (*check)(const struct fgi_shard *shard,
                            const struct fgi_extent *extent, const void *stored,
                            struct fg_error *err);
    /* Decode stored bytes to raw_bytes at `out`. Threads: any, given each its
     * own scratch (fgi_codec). Only for extents with needs_decode. */
    enum fg_status (*decode)(const struct fgi_shard *shard,
                             const struct fgi_extent *extent,
                             const void *stored, void *out, void *scratch,
                             struct fg_error *err);
    /* Find sample extent->first + i in the decoded bytes. Threads: any. */
    enum fg_status (*locate)(const struct fgi_shard *shard,
                             const struct fgi_extent *extent, const void *raw,
                             uint32_t i, struct fgi_sample *sample,
                             struct fg_error *err);
    /* Read the whole file and check all there is to check in it. Threads: any.
     * Errors: DAMAGED, CHANGED, READ. */
    enum fg_status (*verify)(const struct fgi_shard *shard,
                             struct fg_error *err);
    /* Give back what `extent` loaded; it will load it again when asked.
     * Extents that were handed out stay good. Threads: as extent. */
    void (*forget)(struct fgi_shard *shard);
    void (*close)(struct fgi_shard *shard);
};

/* An open shard. The format may put its own struct behind `private_data`. */
struct fgi_shard {
    const struct fgi_format_ops *ops;
    char *path;                /* owned */
    uint64_t size_bytes;       /* of the file when it was opened */
    int64_t mtime_ns;          /* of the file when it was opened */
    uint64_t sample_count;     /* samples in it */
    uint64_t raw_bytes;        /* of all samples once decoded */
    uint64_t block_samples;    /* samples per block; the last may have fewer */
    uint64_t extent_bytes_max; /* largest stored extent (a block); for raw:
                                  record_bytes */
    uint64_t raw_bytes_max;    /* largest decoded extent; for raw: the same */
    const char *codec;         /* "none" or "zstd"; static */
    uint64_t linear_stride;    /* stored one after another at this distance,
                                  single fixed field, no decoding; else 0 */
    struct fgi_schema *schema; /* owned, unless shared */
    bool is_schema_shared; /* the dataset owns it; all its shards share one */
    uint64_t loaded_bytes; /* memory that `extent` took and forget gives */
    void *private_data;    /* the format's; small, O(1) until `extent` */
};

/*
 * Open a file as a shard of the format the config names ("auto" looks at the
 * file's first bytes; raw when record_bytes is set). Reads header and footer;
 * a shard's index may be read later, by `extent`. *shard is written whole on
 * success, and is to be given to fgi_shard_close.
 */
enum fg_status fgi_shard_open(const char *path,
                              const struct fg_dataset_config *config,
                              struct fgi_shard *shard, struct fg_error *err);

void fgi_shard_close(struct fgi_shard *shard);

/* One decoding thread's scratch (a ZSTD_DCtx), made before it is needed. */
void *fgi_codec_create(void);
void fgi_codec_destroy(void *scratch);

#endif /* FGI_IO_FORMATS_FORMAT_H */
