/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Having the arena's pages ready before reads go there: taken by a thread on
 * the node's CPUs, so that they lie there even where no memory policy may be
 * set, and made huge, which direct I/O is much cheaper into. Only as far as
 * they are needed soon: memory that nobody fills is never taken.
 */
#ifndef FGI_FEEDER_TOUCH_H
#define FGI_FEEDER_TOUCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/stats.h>

#include "runtime/base/thread.h"

struct fgi_touch {
    uint8_t *base;                 /* borrowed */
    uint64_t keep_bytes;           /* in use from the front on */
    uint64_t bytes;                /* all; the ring is behind keep_bytes */
    _Atomic uint64_t wanted_bytes; /* have so many ready */
    _Atomic uint64_t used_bytes;   /* reads go to there already: too late */
    _Atomic uint64_t ready_bytes;
    _Atomic uint64_t huge_bytes; /* of these, in huge pages */
    _Atomic uint32_t is_stopping;
    struct fgi_gate gate; /* of wanted_bytes and is_stopping */
    struct fgi_thread thread;
    int node;
    int policy_errno; /* why the memory policy was refused, or 0 */
};

/* Start; base NULL: nothing to do. */
enum fg_status fgi_touch_start(struct fgi_touch *touch, uint8_t *base,
                               uint64_t keep_bytes, uint64_t bytes, int node,
                               struct fg_error *err);

/* Pages are in use up to there: have more ready. */
void fgi_touch_want(struct fgi_touch *touch, uint64_t used_bytes);

/* Where the pages are, by a sample. */
void fgi_touch_report(const struct fgi_touch *touch,
                      struct fg_placement *report);

/* Zeroed is allowed. */
void fgi_touch_stop(struct fgi_touch *touch);

#endif /* FGI_FEEDER_TOUCH_H */
