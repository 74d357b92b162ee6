/* SPDX-License-Identifier: Apache-2.0 */
/* See ways.h. */
#include "runtime/feeder/ways.h"

#include <stddef.h>

/* So many opens are remembered. */
#define OPENS_MAX 64u
/* So many unseen ones outweigh one that was seen. */
#define UNSEEN_SHARE 4u

static uint32_t *count_of(struct fgi_ways *ways, enum fgi_way way)
{
    switch (way) {
    case FGI_WAY_SEEN:
        return &ways->seen;
    case FGI_WAY_UNSEEN:
        return &ways->unseen;
    case FGI_WAY_NONE:
        break;
    }
    return NULL;
}

void fgi_ways_move(struct fgi_ways *ways, enum fgi_way from, enum fgi_way to)
{
    uint32_t *count = count_of(ways, from);

    if (count != NULL && *count > 0) {
        --*count;
    }
    count = count_of(ways, to);
    if (count != NULL) {
        ++*count;
    }
    if (ways->seen + ways->unseen > OPENS_MAX) {
        ways->seen /= 2;
        ways->unseen /= 2;
    }
}

bool fgi_ways_are_unseen(const struct fgi_ways *ways)
{
    return ways->unseen > ways->seen * UNSEEN_SHARE;
}
