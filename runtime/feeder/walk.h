/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that programs will open next, read ahead. Folders whose files are
 * opened are listed by the pool; predict.c says what follows in them. Where
 * no order is followed, what the same process opened next in an earlier epoch
 * is expected to be opened next again.
 *
 * Threads: fg-feed alone, under the feeder's mutex.
 */
#ifndef FGI_FEEDER_WALK_H
#define FGI_FEEDER_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

#include "runtime/feeder/board.h"
#include "runtime/feeder/files.h"
#include "runtime/feeder/guess.h"
#include "runtime/feeder/predict.h"
#include "runtime/feeder/vain.h"
#include "runtime/feeder/ways.h"

#define FGI_WALK_FOLDERS 2048u    /* at most */
#define FGI_WALK_NAMES (2u << 20) /* of all folders */
#define FGI_WALK_READERS 64u

/* A folder. */
struct fgi_walk_folder {
    char *path;                 /* owned; NULL: free */
    uint64_t hash;              /* of path */
    struct fgi_listing listing; /* empty until it was listed */
    struct fgi_ways ways;       /* how its files are read */
    uint64_t used_ns;           /* last open in it */
    uint64_t listed_ns;         /* when; 0: never */
    uint32_t serial; /* in references: number % FOLDERS is its place */
    uint32_t opens;  /* seen */
    uint32_t misses; /* of names that the listing does not have */
    bool is_waiting; /* being listed */
};

/* What a process opened last. */
struct fgi_walk_reader {
    int32_t pid;
    uint64_t last; /* reference */
};

struct fgi_walk {
    struct fgi_walk_folder *folders; /* owned */
    struct fgi_guesses guesses;
    struct fgi_walk_reader readers[FGI_WALK_READERS];
    uint64_t name_count;   /* in all listings */
    uint32_t asking_count; /* in the pool */
    struct fgi_vain vain;  /* looks at cached or unwanted files */
    int32_t chain_score;   /* of what came next in an earlier epoch */
    bool was_folder;       /* predicted by a folder's order, ever */
    bool was_chain;        /* by an earlier epoch, ever */
};

struct fg_feeder;
struct fgi_look_answer;
struct fgi_record;

enum fg_status fgi_walk_init(struct fgi_walk *walk, struct fg_error *err);
void fgi_walk_fini(struct fgi_walk *walk);

/* A program has opened a file whose path is known: expect what follows. */
void fgi_walk_open(struct fg_feeder *feeder, struct fgi_record *record,
                   uint64_t now_ns);

/* A reader is so near to the end of a file that `bytes` of what comes after it
 * should be there. */
void fgi_walk_run_over(struct fg_feeder *feeder,
                       const struct fgi_record *record, uint64_t bytes,
                       uint64_t now_ns);

/* Tell programs whether all looks are in vain. */
void fgi_walk_tell_calm(const struct fgi_walk *walk, struct fgi_board *board);

/* How late events may be taken: nothing is to be gained from them while all
 * looks are in vain, and little while many are read ahead.
 * `inflight_bytes` are being read. */
uint64_t fgi_walk_calm_ns(const struct fgi_walk *walk, uint64_t inflight_bytes);

/* What a look found. */
void fgi_walk_note_look(struct fgi_walk *walk,
                        const struct fgi_look_answer *answer);

/* How the files of that absolute path's folder are read. */
struct fgi_ways *fgi_walk_ways(struct fgi_walk *walk, const char *path);

#endif /* FGI_FEEDER_WALK_H */
