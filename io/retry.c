/* SPDX-License-Identifier: Apache-2.0 */
#include "io/retry.h"

#include <assert.h>
#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"

#define DELAY_MIN_NS (20 * FGI_NS_PER_US)
#define DELAY_DOUBLINGS_MAX 9 /* 20 us .. 10 ms */

void fgi_retry_begin(struct fgi_read *read)
{
    assert(read->length_bytes >= 1 && read->wanted_bytes >= 1);
    assert(read->wanted_bytes <= read->length_bytes);
    assert(read->align_bytes >= 1);
    read->error = 0;
    read->done_bytes = 0;
    read->submit_ns = fgi_now_ns();
    read->complete_ns = 0;
    read->attempts = 0;
    read->buffer_index = UINT32_MAX;
    read->next = NULL;
}

struct fgi_retry_rest fgi_retry_rest(const struct fgi_read *read)
{
    return (struct fgi_retry_rest){
        .buffer = (uint8_t *)read->buffer + read->done_bytes,
        .bytes = read->length_bytes - read->done_bytes,
        .offset = read->offset + read->done_bytes,
    };
}

static enum fgi_retry fail(struct fgi_read *read, int error)
{
    read->error = error;
    return FGI_RETRY_DONE;
}

/* How often in vain an error is worth another attempt; 0: never. */
static uint32_t attempts_max(int sys_errno)
{
    switch (sys_errno) {
    case EAGAIN:
    case EINTR:
        return FGI_RETRY_BUSY_MAX;
    case EIO:
    case ENODATA:
    case ESTALE:
    case EREMOTEIO:
    case ETIMEDOUT:
        return FGI_RETRY_TRANSIENT_MAX;
    default:
        return 0;
    }
}

static enum fgi_retry decide_progress(struct fgi_read *read, uint32_t bytes)
{
    assert(bytes <= read->length_bytes - read->done_bytes);
    read->done_bytes += bytes;
    read->attempts = 0;
    if (read->done_bytes >= read->wanted_bytes) {
        return fail(read, 0);
    }
    if (bytes == 0 ||
        (read->offset + read->done_bytes) % read->align_bytes != 0) {
        return fail(read, FGI_READ_EOF);
    }
    return FGI_RETRY_NOW;
}

enum fgi_retry fgi_retry_decide(struct fgi_read *read, int64_t result)
{
    if (result >= 0) {
        return decide_progress(read, (uint32_t)result);
    }
    if (read->attempts >= attempts_max((int)-result)) {
        return fail(read, (int)-result);
    }
    read->attempts++;
    return FGI_RETRY_LATER;
}

uint64_t fgi_retry_delay_ns(const struct fgi_read *read)
{
    if (read->attempts == 0) {
        return 0;
    }
    return DELAY_MIN_NS << fgi_min(read->attempts - 1, DELAY_DOUBLINGS_MAX);
}
