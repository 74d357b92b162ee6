/* SPDX-License-Identifier: Apache-2.0 */
/* What programs tell about their GPUs and blocking reads, taken in time. */
#ifndef FGI_FEEDER_SPANS_H
#define FGI_FEEDER_SPANS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <feedgpu/error.h>

#include "runtime/feeder/timeline.h"

struct fgi_spans {
    pthread_mutex_t mutex; /* guards all but the counts */
    uint64_t opened_ns;    /* nothing began before */
    uint64_t head;         /* next position to take */
    uint64_t stuck_ns;     /* since when the one at head is not there */
    struct fgi_timeline timeline;
    uint8_t gpus[FGI_GPUS_MAX]; /* of the board's, each one's first entry
                                   plus 1; 0: not looked up yet */
    _Atomic uint64_t taken;
    _Atomic uint64_t lost;
    _Atomic uint64_t wrong;
};

/* Errors: MEMORY. On failure, fini is due too. */
enum fg_status fgi_spans_init(struct fgi_spans *spans, struct fg_error *err);
void fgi_spans_fini(struct fgi_spans *spans);

#endif /* FGI_FEEDER_SPANS_H */
