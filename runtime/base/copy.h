/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FGI_BASE_COPY_H
#define FGI_BASE_COPY_H

#include <stddef.h>

/*
 * As memcpy, without its slow cases: on AMD Zen 3 "rep movsb", by which both
 * the C library and the kernel copy, takes five times as long when the target
 * lies 1 to 31 bytes further in its page than the source, as what malloc gives
 * for large buffers does beside a page of a file.
 */
void fgi_copy(void *to, const void *from, size_t bytes);

/*
 * Copy with non-temporal stores when that pays (large copies to memory that
 * the CPU will not read again), else as memcpy does.
 */
void fgi_copy_streaming(void *to, const void *from, size_t bytes);

#endif /* FGI_BASE_COPY_H */
