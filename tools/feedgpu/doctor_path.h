/* SPDX-License-Identifier: Apache-2.0 */
/* `feedgpu doctor PATH`: the files that PATH means, and what they lie on. */
#ifndef TOOL_DOCTOR_PATH_H
#define TOOL_DOCTOR_PATH_H

#include "doctor.h"
#include "doctor_rules.h"
#include "inputs.h"

#define PLACES_MAX 16u

/* A file system on which some of the files are. */
struct place {
    uint64_t device;       /* number that stat gives */
    bool has_mount;        /* mount is filled in */
    struct mount mount;    /* of its first file */
    struct fg_block block; /* below it; leaf_count 0: none */
    char no_block[256];    /* why there is none */
};

struct path {
    struct inputs inputs; /* its files, at least one */
    uint32_t place_count; /* at least one */
    struct place places[PLACES_MAX];
};

/*
 * Find the files of doctor->path. Returns NULL after saying on stderr what is
 * wrong with it. The result is the caller's, to be given to path_close.
 */
struct path *path_open(const struct doctor *doctor);

/* Release it. NULL is allowed. */
void path_close(struct path *path);

#define LOOKED_AT_MAX 256u /* files that are looked at one by one */

/* How many files to look at: all, but no more than max. */
size_t path_pick_count(const struct path *path, size_t max);

/* The i-th of `count` files that are spread over all. */
const struct input_file *path_pick(const struct path *path, size_t i,
                                   size_t count);

/* How the trial of a direct read ended. */
enum direct {
    DIRECT_WORKS,
    DIRECT_REFUSED,    /* the file system has none */
    DIRECT_UNREADABLE, /* the file cannot be read at all */
};

struct direct_trial {
    enum direct result;
    uint32_t align_bytes; /* WORKS: the smallest that worked */
    uint32_t told_bytes;  /* what statx says of offsets; 0: nothing */
    int reason;           /* errno of the failure */
};

/* Read the start of a file with O_DIRECT. doctor_probe.c */
void probe_direct(const char *file, struct direct_trial *trial);

/*
 * Count the bytes of a file that are in the page cache, of how many looked at.
 * False: the kernel does not tell, or not this user. doctor_probe.c
 */
bool probe_cached(const char *file, uint64_t *cached_bytes,
                  uint64_t *seen_bytes);

#endif /* TOOL_DOCTOR_PATH_H */
