/* SPDX-License-Identifier: Apache-2.0 */
/* Saying where a feeder is: one for a user, found by programs of theirs. */
#ifndef TOOL_PUBLISH_H
#define TOOL_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "tools/preload/place.h"

struct publish {
    int fd; /* locked as long as it is open; -1: none */
    char path[PLACE_PATH_BYTES];
};

enum publish_claim {
    PUBLISH_OURS,   /* nobody else is, or will be, there */
    PUBLISH_TAKEN,  /* another feeder is there, or about to be */
    PUBLISH_FAILED, /* there is no place to be had; `why` says it */
};

/* Claim the place, so that only one of many feeders opens its memory. */
enum publish_claim publish_claim(struct publish *publish, char *why,
                                 size_t why_bytes);

/* Write the feeder's "FEEDGPU_BOARD=..." there. False with errno. */
bool publish_write(const struct publish *publish, const char *environment);

/* Take the file away and the lock off. */
void publish_remove(struct publish *publish);

#endif /* TOOL_PUBLISH_H */
