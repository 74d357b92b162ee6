/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks in vain: at files that are in the page cache already, or not wanted.
 * After many of them in a row most looks are left out, and programs are told
 * to leave most out too; the first that was not in vain ends that.
 *
 * Threads: fg-feed alone, under the feeder's mutex.
 */
#ifndef FGI_FEEDER_VAIN_H
#define FGI_FEEDER_VAIN_H

#include <stdbool.h>
#include <stdint.h>

/* What a look is at. They take turns as a program opens its files: counted
 * together, one kind could be left out for ever. */
enum fgi_vain_kind {
    FGI_VAIN_OPENED,   /* a file that a program has opened */
    FGI_VAIN_EXPECTED, /* one that it should open soon */
    FGI_VAIN_KINDS,
};

struct fgi_vain {
    uint32_t run;                     /* looks in vain in a row */
    uint32_t skipped[FGI_VAIN_KINDS]; /* looks left out for that */
};

/* Whether all of the last looks were in vain. */
bool fgi_vain_is_all(const struct fgi_vain *vain);

/* Whether one more look is worth it: while all are in vain, every second of
 * its kind is. */
bool fgi_vain_may_look(struct fgi_vain *vain, enum fgi_vain_kind kind);

/* What a look found. */
void fgi_vain_note(struct fgi_vain *vain, bool is_vain);

#endif /* FGI_FEEDER_VAIN_H */
