/* SPDX-License-Identifier: Apache-2.0 */
/* Listing a folder in the pool. */
#ifndef FGI_FEEDER_LISTING_H
#define FGI_FEEDER_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/feeder/pool.h"
#include "runtime/feeder/predict.h"

/* What came of it. */
struct fgi_listing_job {
    uint32_t serial;             /* the asker's */
    struct fgi_listing *listing; /* may be moved away; empty: could not */
};

typedef void (*fgi_listing_fn)(void *context, const struct fgi_listing_job *job,
                               uint64_t now_ns);

/* Ask for the names of a folder (copied); `finish` is called with the pool's
 * context where answers are taken. False: out of memory. */
bool fgi_listing_ask(struct fgi_pool *pool, const char *path, uint32_t serial,
                     fgi_listing_fn finish);

#endif /* FGI_FEEDER_LISTING_H */
