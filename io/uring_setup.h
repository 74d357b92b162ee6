/* SPDX-License-Identifier: Apache-2.0 */
/* Making a ring as good as the kernel and the limits allow. */
#ifndef FGI_IO_URING_SETUP_H
#define FGI_IO_URING_SETUP_H

#include "io/buffers.h"
#include "io/engine.h"

struct io_uring;

#define FGI_URING_NOTE_BYTES sizeof(((struct fgi_engine_report *)NULL)->note)

/*
 * Make a ring for the calling thread, keep the kernel's helpers on the node,
 * and register the regions. `buffers` holds what could be registered, `note`
 * (FGI_URING_NOTE_BYTES) how far all that went. Errors as for the maker.
 */
enum fg_status fgi_uring_set_up(struct io_uring *ring,
                                const struct fgi_engine_config *config,
                                struct fgi_buffers *buffers, char *note,
                                struct fg_error *err);

#endif /* FGI_IO_URING_SETUP_H */
