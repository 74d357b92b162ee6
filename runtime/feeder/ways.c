/* SPDX-License-Identifier: Apache-2.0 */
/* See ways.h. */
#include "runtime/feeder/ways.h"

/* So many opens are remembered. */
#define OPENS_MAX 64u
/* So many unseen ones outweigh one that was seen. */
#define UNSEEN_SHARE 4u

void fgi_ways_move(struct fgi_ways *ways, enum fgi_way from, enum fgi_way to)
{
    ways->seen -= from == FGI_WAY_SEEN && ways->seen > 0;
    ways->unseen -= from == FGI_WAY_UNSEEN && ways->unseen > 0;
    ways->seen += to == FGI_WAY_SEEN;
    ways->unseen += to == FGI_WAY_UNSEEN;
    if (ways->seen + ways->unseen > OPENS_MAX) {
        ways->seen /= 2;
        ways->unseen /= 2;
    }
}

bool fgi_ways_are_unseen(const struct fgi_ways *ways)
{
    return ways->unseen > ways->seen * UNSEEN_SHARE;
}
