/* SPDX-License-Identifier: Apache-2.0 */
/* An open shard's own part, between its reader and its verifier. */
#ifndef FGI_IO_FORMATS_SHARD_H
#define FGI_IO_FORMATS_SHARD_H

#include "io/file.h"
#include "io/formats/layout.h"

/* struct fgi_shard.private_data of feedgpu's own format. */
struct fgi_fgs {
    struct fgi_shape shape; /* of the schema */
    enum fgi_codec codec;
    struct fgi_footer footer; /* checked */
    uint8_t *index;           /* as in the file, checked; NULL: not loaded */
};

/* Samples of block `block`: block_samples, or the rest in the last. */
uint32_t fgi_fgs_block_count(const struct fgi_shard *shard, uint64_t block);

/* Read and check the index from an open file, unless it is loaded. */
enum fg_status fgi_fgs_load_index(struct fgi_shard *shard, int fd,
                                  struct fg_error *err);

/* The extent of a block; the index must be loaded. */
void fgi_fgs_block_extent(const struct fgi_shard *shard, uint64_t block,
                          struct fgi_extent *extent);

/* Read header and footer of an open file and check all that they say. */
enum fg_status fgi_fgs_read_ends(int fd, const char *label, uint64_t file_bytes,
                                 struct fgi_header *header, struct fgi_fgs *fgs,
                                 struct fg_error *err);

/* struct fgi_format_ops.verify */
enum fg_status fgi_fgs_verify(const struct fgi_shard *shard,
                              struct fg_error *err);

#endif /* FGI_IO_FORMATS_SHARD_H */
