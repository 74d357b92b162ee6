/* SPDX-License-Identifier: Apache-2.0 */
/* What the formats share among themselves: how one is opened. */
#ifndef FGI_IO_FORMATS_REGISTRY_H
#define FGI_IO_FORMATS_REGISTRY_H

#include <stdint.h>

#include "io/file.h"
#include "io/formats/format.h"

/* A file while it becomes a shard. */
struct fgi_candidate {
    const char *path;                       /* borrowed */
    const char *label;                      /* its end, for messages */
    const struct fgi_file *file;            /* open, buffered; borrowed */
    const struct fg_dataset_config *config; /* borrowed */
};

/*
 * Open the candidate as this format. Fills *shard but for path, size_bytes and
 * mtime_ns; writes nothing that has to be released on failure.
 */
enum fg_status fgi_raw_open(const struct fgi_candidate *from,
                            struct fgi_shard *shard, struct fg_error *err);
enum fg_status fgi_fgs_open(const struct fgi_candidate *from,
                            struct fgi_shard *shard, struct fg_error *err);

/*
 * The part of a path that fits in a message: all of it, or its last
 * components.
 */
const char *fgi_path_label(const char *path);

/*
 * Open a shard's file again, buffered, and see that it is the one that was
 * opened. Errors: those of fgi_file_open, CHANGED.
 */
enum fg_status fgi_shard_reopen(const struct fgi_shard *shard,
                                struct fgi_file *file, struct fg_error *err);

#endif /* FGI_IO_FORMATS_REGISTRY_H */
