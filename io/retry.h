/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one attempt's result means for a read: the pure part that all engines
 * share. An engine asks for what fgi_retry_rest() says is missing, feeds the
 * result to fgi_retry_decide() and does as told, until the verdict is DONE.
 *
 * It ends: an attempt either makes progress, of which there is only so much,
 * or counts towards a limit.
 */
#ifndef FGI_IO_RETRY_H
#define FGI_IO_RETRY_H

#include <stdatomic.h>
#include <stdint.h>

#include "io/engine.h"

/* Attempts without progress that EAGAIN and EINTR may cost: about a second. */
#define FGI_RETRY_BUSY_MAX 100
/* The same for errors that a network file system gets over (EIO, ESTALE). */
#define FGI_RETRY_TRANSIENT_MAX 3

enum fgi_retry {
    FGI_RETRY_DONE,  /* hand the read back; error is set */
    FGI_RETRY_NOW,   /* ask for the rest */
    FGI_RETRY_LATER, /* ask for the rest after fgi_retry_delay_ns() */
};

/* What is still missing of a read, as arguments for pread. */
struct fgi_retry_rest {
    uint8_t *buffer;
    uint32_t bytes;
    uint64_t offset;
};

/* Reset what the engine fills; the read counts as submitted now. */
void fgi_retry_begin(struct fgi_read *read);

struct fgi_retry_rest fgi_retry_rest(const struct fgi_read *read);

/*
 * Take in the result of an attempt at fgi_retry_rest(): bytes, or a negative
 * errno. Updates done_bytes, error and attempts.
 *
 * - Enough arrived: done. Nothing arrived: the end of the file.
 * - Part arrived: the rest, now. But an O_DIRECT read that stops off its
 *   alignment has met the end of the file; asking on would be EINVAL.
 * - EAGAIN, EINTR and what a network file system gets over: the rest, later,
 *   a limited number of times. Other errors: done.
 */
enum fgi_retry fgi_retry_decide(struct fgi_read *read, int64_t result);

/* How long to wait before the next attempt, by the attempts in vain. */
uint64_t fgi_retry_delay_ns(const struct fgi_read *read);

/* Count in a variable that one thread writes and any may read. */
static inline void fgi_count_up(_Atomic uint64_t *counter)
{
    atomic_store_explicit(
        counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
        memory_order_relaxed);
}

#endif /* FGI_IO_RETRY_H */
