/* SPDX-License-Identifier: Apache-2.0 */
/* From the name of a dataset to the paths of its shards. */
#ifndef FGI_RUNTIME_DATASET_PATHS_H
#define FGI_RUNTIME_DATASET_PATHS_H

#include <stdint.h>

#include <feedgpu/error.h>

struct fgi_paths {
    char **items;      /* owned, count strings, each owned */
    uint64_t count;    /* used entries */
    uint64_t capacity; /* entries there is room for */
};

/*
 * Collect the files that `name` stands for: a file, a directory, a glob
 * pattern or "@LIST" (dataset.h says which). On success *paths holds at least
 * one and is to be given to fgi_paths_fini.
 * Errors: NOT_FOUND, PERMISSION, ARGUMENT (no files), MEMORY, SYSTEM.
 */
enum fg_status fgi_paths_collect(const char *name, struct fgi_paths *paths,
                                 struct fg_error *err);

/* Release the strings. A zeroed struct is allowed. */
void fgi_paths_fini(struct fgi_paths *paths);

#endif /* FGI_RUNTIME_DATASET_PATHS_H */
