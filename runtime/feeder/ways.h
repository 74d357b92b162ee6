/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How programs read files: by calls that the shim sees and can serve, or by
 * ways that pass it (fread, mmap, sendfile). What comes to be read past the
 * shim belongs into the page cache; in memory of ours it would be read from
 * the disk twice. Most programs read all files of a folder in the same way,
 * so its last ones tell how the next are to be made ready.
 *
 * Reads of a few KiB in order are left to the kernel where the disk is fast: to
 * ask what a served read has to ask takes longer than the disk does.
 *
 * Threads: fg-feed alone, under the feeder's mutex.
 */
#ifndef FGI_FEEDER_WAYS_H
#define FGI_FEEDER_WAYS_H

#include <stdbool.h>
#include <stdint.h>

/* How a file was read since it was opened last. */
enum fgi_way {
    FGI_WAY_NONE = 0, /* not yet */
    FGI_WAY_SEEN,     /* by read, pread and the like */
    FGI_WAY_UNSEEN,   /* past the shim */
};

/* Opens in a folder by what came of them; the older count less. */
struct fgi_ways {
    uint32_t seen;
    uint32_t unseen;
    bool in_pieces; /* what its last large file was read in */
};

/* A file that counted as one of them counts as another. */
void fgi_ways_move(struct fgi_ways *ways, enum fgi_way from, enum fgi_way to);

/* Whether files are hardly ever read so that the shim sees it. */
bool fgi_ways_are_unseen(const struct fgi_ways *ways);

/* So many reads tell whether they are pieces. */
#define FGI_PIECES_MIN 16u

/* Whether reads of that size are better left to the kernel, with a disk of
 * that rate; 0: not known. */
bool fgi_ways_are_pieces(uint64_t reads, uint64_t bytes, double disk_rate);

#endif /* FGI_FEEDER_WAYS_H */
