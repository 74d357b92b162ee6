/* SPDX-License-Identifier: Apache-2.0 */
/* Is anybody using a feeder that stands alone? */
#ifndef TOOL_USERS_H
#define TOOL_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feeder.h>

struct users {
    uint64_t events;  /* heard when it was looked last */
    uint64_t last_ns; /* CLOCK_MONOTONIC: when it was last in use */
};

/*
 * For how long nobody has used it: no program told it anything, and none that
 * ever did has its board mapped. 0 where that cannot be told.
 */
uint64_t users_idle_ns(struct users *users, struct fg_feeder *feeder);

#endif /* TOOL_USERS_H */
