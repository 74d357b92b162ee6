/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open shards. A file is opened when its first byte is needed and stays
 * open; only when more files are wanted than descriptors may be had is the
 * one that has been idle longest closed. Owner: the reader thread.
 */
#ifndef FGI_RUNTIME_FILES_H
#define FGI_RUNTIME_FILES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/file.h"
#include "runtime/dataset.h"

struct fgi_open_file {
    struct fgi_file file; /* fd -1: closed */
    uint32_t users;       /* extents in flight from it */
    uint64_t used;        /* running number of its last use */
};

struct fgi_files {
    struct fg_dataset *dataset;      /* borrowed */
    enum fgi_direct direct;          /* how to open */
    struct fgi_open_file *opened;    /* owned, one per shard */
    uint64_t open_count;             /* descriptors held */
    uint64_t idle_count;             /* of these, without a user */
    uint64_t open_max;               /* most to hold */
    uint64_t uses;                   /* running number */
    _Atomic uint64_t direct_count;   /* opened with O_DIRECT, ever */
    _Atomic uint64_t buffered_count; /* opened without, ever */
};

enum fg_status fgi_files_init(struct fgi_files *files,
                              struct fg_dataset *dataset,
                              enum fgi_direct direct, struct fg_error *err);
void fgi_files_fini(struct fgi_files *files);

/* May shard `index` be acquired now? Not while it is closed, as many files as
 * allowed are open, and reads are in flight from all of them. */
bool fgi_files_may_acquire(const struct fgi_files *files, uint64_t index);

/* Open shard `index` if it is not, and count a user. Errors: fgi_file_open's;
 * CHANGED when it is not the file that the dataset was opened with. */
enum fg_status fgi_files_acquire(struct fgi_files *files, uint64_t index,
                                 const struct fgi_file **file,
                                 struct fg_error *err);

/* Count one more user of an open shard; take one off without a check. */
void fgi_files_retain(struct fgi_files *files, uint64_t index);
void fgi_files_drop(struct fgi_files *files, uint64_t index);

/* The user of `index` is done; checks that the file is unchanged. */
enum fg_status fgi_files_release(struct fgi_files *files, uint64_t index,
                                 struct fg_error *err);

#endif /* FGI_RUNTIME_FILES_H */
