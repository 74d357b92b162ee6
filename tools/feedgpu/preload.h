/* SPDX-License-Identifier: Apache-2.0 */
/* The shim's library, and the environment that puts it into a program. */
#ifndef TOOL_PRELOAD_H
#define TOOL_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Find libfeedgpu-preload.so: FEEDGPU_PRELOAD_LIB, else beside this tool.
 * False, with one line in `why`, when it is not there or cannot be used.
 */
bool preload_find(char *path, size_t path_bytes, char *why, size_t why_bytes);

/*
 * A copy of our environment with the library in front of LD_PRELOAD, the
 * feeder's "NAME=VALUE", and another one unless it is "". The caller frees it
 * with preload_free. NULL: out of memory.
 */
char **preload_environment(const char *library, const char *feeder,
                           const char *other);
void preload_free(char **environment);

#endif /* TOOL_PRELOAD_H */
