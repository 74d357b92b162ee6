/* SPDX-License-Identifier: Apache-2.0 */
/* See ways.h. */
#include "runtime/feeder/ways.h"

/* So many opens are remembered. */
#define OPENS_MAX 64u
/* So many unseen ones outweigh one that was seen. */
#define UNSEEN_SHARE 4u

/* What a served read takes in nanoseconds, and each of its bytes: from memory
 * that was read from before 4 KiB take 3.6 us and 1 MiB 110, the first time a
 * few KiB 5 to 9 (docs/measurements/2026-11-26-run-epyc.md). */
#define READ_NS 4500.0
#define BYTE_NS 0.1
/* The shim tells of larger ones one by one. */
#define PIECE_BYTES_MAX 32768.0

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

bool fgi_ways_are_pieces(uint64_t reads, uint64_t bytes, double disk_rate)
{
    double piece = reads > 0 ? (double)bytes / (double)reads : 0;

    return reads >= FGI_PIECES_MIN && piece < PIECE_BYTES_MAX &&
           piece * 1e9 < disk_rate * (READ_NS + BYTE_NS * piece);
}
