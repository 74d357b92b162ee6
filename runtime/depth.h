/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many bytes of reads to keep in flight. In-flight bytes decide the rate,
 * not the product's shape (16 x 1 MiB reads as fast as 128 x 128 KiB), and no
 * number is right for one NVMe drive and for a network file system. So: start
 * at 16 MiB and double while that brings more than 5 %.
 */
#ifndef FGI_RUNTIME_DEPTH_H
#define FGI_RUNTIME_DEPTH_H

#include <stdbool.h>
#include <stdint.h>

#define FGI_DEPTH_START_BYTES (UINT64_C(16) << 20)
#define FGI_DEPTH_MAX_BYTES (UINT64_C(64) << 20)

struct fgi_depth {
    uint64_t budget_bytes; /* keep at most this in flight */
    uint64_t max_bytes;    /* never more */
    bool is_fixed;         /* the user said how much, or it has settled */
    uint64_t since_ns;     /* start of the interval; 0: none */
    uint64_t bytes;        /* completed in it */
    double last_rate;      /* bytes/s with half the budget; 0: none yet */
};

/* `fixed_bytes` 0: adapt. */
void fgi_depth_init(struct fgi_depth *depth, uint64_t fixed_bytes);

/*
 * `bytes` more are complete. `was_limited`: more reads were wanted than the
 * budget allowed; an interval in which they were not says nothing.
 */
void fgi_depth_add(struct fgi_depth *depth, uint64_t bytes, bool was_limited,
                   uint64_t now_ns);

#endif /* FGI_RUNTIME_DEPTH_H */
