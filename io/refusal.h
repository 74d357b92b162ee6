/* SPDX-License-Identifier: Apache-2.0 */
/* What io_uring was refused, and the likely cause, in words. */
#ifndef FGI_IO_REFUSAL_H
#define FGI_IO_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>

/* Fill *err for a ring that could not be made. Returns UNSUPPORTED (forbidden
 * or missing), MEMORY or SYSTEM. */
enum fg_status fgi_refuse_ring(struct fg_error *err, int sys_errno);

/* Word why the kernel would not register `bytes` of buffers. */
void fgi_refusal_of_buffers(char *text, size_t text_bytes, int sys_errno,
                            uint64_t bytes);

#endif /* FGI_IO_REFUSAL_H */
