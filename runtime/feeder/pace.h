/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the disk is, from the reads that go to it: bytes by the time in
 * which any were under way. Less than it can do when little is asked of it.
 *
 * Threads: fg-feed alone, under the feeder's mutex. Pure: no clock.
 */
#ifndef FGI_FEEDER_PACE_H
#define FGI_FEEDER_PACE_H

#include <stdint.h>

struct fgi_pace {
    uint64_t since_ns; /* counted up to there; 0: nothing is under way */
    uint64_t busy_ns;
    uint64_t bytes; /* in busy_ns; the older count less */
};

/* A read begins. */
void fgi_pace_begin(struct fgi_pace *pace, uint64_t now_ns);

/* A read of so many bytes has ended; `left`: others are under way. */
void fgi_pace_end(struct fgi_pace *pace, uint64_t bytes, uint32_t left,
                  uint64_t now_ns);

/* In bytes/s; 0: not known yet. */
double fgi_pace_rate(const struct fgi_pace *pace);

#endif /* FGI_FEEDER_PACE_H */
