/* SPDX-License-Identifier: Apache-2.0 */
/* What the shared library exports. Everything else is hidden. */
#ifndef FEEDGPU_EXPORT_H
#define FEEDGPU_EXPORT_H

#if defined(__GNUC__)
#define FG_EXPORT __attribute__((visibility("default")))
#else
#define FG_EXPORT
#endif

#endif /* FEEDGPU_EXPORT_H */
