/* SPDX-License-Identifier: Apache-2.0 */
/* The names in a folder, sorted so that node2 comes before node10. */
#ifndef FGI_TOPOLOGY_NAMES_H
#define FGI_TOPOLOGY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <feedgpu/error.h>

#define FGI_NAMES_MAX 65536u

struct fgi_names {
    char **list; /* owned, and each of them */
    size_t count;
};

/*
 * Read the names of an open folder, without "." and ".."; fd is consumed.
 * `path` is for messages. Errors: DAMAGED (too many), MEMORY, SYSTEM.
 */
enum fg_status fgi_names_read(struct fgi_names *names, int fd, const char *path,
                              struct fg_error *err);

/* Give the names back. A zeroed struct is allowed. */
void fgi_names_fini(struct fgi_names *names);

/* Order of two names: runs of digits count as numbers. */
int fgi_names_compare(const char *a, const char *b);

#endif /* FGI_TOPOLOGY_NAMES_H */
