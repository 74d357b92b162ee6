/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FEEDGPU_VERSION_H
#define FEEDGPU_VERSION_H

#include <feedgpu/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FG_VERSION_MAJOR 0
#define FG_VERSION_MINOR 1
#define FG_VERSION_PATCH 0
#define FG_VERSION_TEXT "0.1.0"

/* Version of the library that is running. Static. Threads: any. */
FG_EXPORT const char *fg_version(void);

/* What the library was built with: "uring numa zstd cuda". Static. */
FG_EXPORT const char *fg_build_features(void);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_VERSION_H */
