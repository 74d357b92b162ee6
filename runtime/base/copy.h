/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FGI_BASE_COPY_H
#define FGI_BASE_COPY_H

#include <stddef.h>

/*
 * Copy with non-temporal stores when that pays (large copies to memory that
 * the CPU will not read again), else as memcpy does.
 */
void fgi_copy_streaming(void *to, const void *from, size_t bytes);

#endif /* FGI_BASE_COPY_H */
