/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory regions cut into the few large buffers that a ring can register.
 * No system call here; uring.c registers.
 *
 * Few and large, because the kernel's accounting of memory that shares huge
 * pages is quadratic in their number; a read finds its buffer by address.
 */
#ifndef FGI_IO_BUFFERS_H
#define FGI_IO_BUFFERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "io/engine.h"

/* The kernel takes no larger buffer, and no more of them. */
#define FGI_BUFFER_BYTES_MAX ((size_t)1 << 30)
#define FGI_BUFFERS_MAX 16384

/* Storage is the owner's; a zeroed one holds no buffers. */
struct fgi_buffers {
    struct iovec *entries; /* owned */
    uint32_t count;        /* of entries */
    uint64_t bytes;        /* of all */
};

/* Cut the regions. Errors: MEMORY; ARGUMENT (too many). */
enum fg_status fgi_buffers_init(struct fgi_buffers *buffers,
                                const struct fgi_region *regions,
                                uint32_t region_count, struct fg_error *err);
void fgi_buffers_fini(struct fgi_buffers *buffers);

/* Index of the buffer that holds all of [address, address + bytes), or
 * UINT32_MAX. */
uint32_t fgi_buffers_find(const struct fgi_buffers *buffers,
                          const void *address, size_t bytes);

#endif /* FGI_IO_BUFFERS_H */
