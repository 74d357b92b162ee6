/* SPDX-License-Identifier: Apache-2.0 */
/* A block of samples while it is built, and as it goes to the file. */
#ifndef FGI_IO_FORMATS_SHARD_BLOCK_H
#define FGI_IO_FORMATS_SHARD_BLOCK_H

#include "io/formats/layout.h"

/* Memory that grows. */
struct fgi_buffer {
    uint8_t *base;  /* owned */
    uint64_t bytes; /* used */
    uint64_t room;  /* allocated */
};

/* A block under construction. Storage is the owner's; zeroed is empty. */
struct fgi_block_builder {
    const struct fgi_schema *schema; /* borrowed */
    struct fgi_shape shape;          /* of the schema */
    void *encoder;                   /* of zstd; owned, NULL: raw blocks */
    uint64_t sample_count;           /* in the block so far */
    struct fgi_buffer data;          /* the samples' bytes */
    struct fgi_buffer lengths;       /* u32 per sample and variable field */
    struct fgi_buffer raw;           /* table and samples */
    struct fgi_buffer frame;         /* zstd's */
};

/* A finished block, borrowed from its builder until the next append. */
struct fgi_built_block {
    const uint8_t *stored; /* stored_bytes, then zeros to padded_bytes */
    uint64_t stored_bytes;
    uint64_t padded_bytes; /* a multiple of FGI_BLOCK_ALIGN */
    uint64_t raw_bytes;
    uint64_t hash; /* of the stored bytes */
};

/* Raw bytes of the block with one more sample of that size. */
uint64_t fgi_builder_raw_bytes(const struct fgi_block_builder *builder,
                               uint64_t sample_bytes);

/*
 * Append a sample whose lengths were checked; copies its bytes.
 * Errors: MEMORY.
 */
enum fg_status fgi_builder_append(struct fgi_block_builder *builder,
                                  const void *const *fields,
                                  const uint64_t *lengths_bytes,
                                  struct fg_error *err);

/*
 * Finish the block, which has at least one sample, and begin the next.
 * Errors: MEMORY, SYSTEM (zstd).
 */
enum fg_status fgi_builder_finish(struct fgi_block_builder *builder,
                                  struct fgi_built_block *built,
                                  struct fg_error *err);

/* Release the memory. */
void fgi_builder_fini(struct fgi_block_builder *builder);

/* Make room for `more` bytes after those used; false when out of memory. */
bool fgi_buffer_reserve(struct fgi_buffer *buffer, uint64_t more);

#endif /* FGI_IO_FORMATS_SHARD_BLOCK_H */
