/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of the files that programs opened, with the counters of files whose
 * entries are gone already.
 */
#ifndef FGI_FEEDER_FOLDERS_H
#define FGI_FEEDER_FOLDERS_H

#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/feeder.h>

#include "runtime/feeder/board.h"
#include "runtime/feeder/files.h"

#define FGI_FOLDERS_MAX 512u

struct fgi_folder {
    struct fg_feeder_group group; /* of files that are gone; name, too */
    uint64_t patterns[5];         /* files of each enum fgi_pattern_kind */
    uint64_t hash;                /* of the whole path */
};

struct fgi_folders {
    struct fgi_folder *folders; /* owned; the last is for all that came late */
    uint32_t count;
};

enum fg_status fgi_folders_init(struct fgi_folders *folders,
                                struct fg_error *err);
void fgi_folders_fini(struct fgi_folders *folders);

/* The folder of that file's path. */
uint32_t fgi_folders_of(struct fgi_folders *folders, const char *path);

/* Add an entry's counters to a group. */
void fgi_group_add(struct fg_feeder_group *group,
                   const struct fgi_feed_file *entry);

/* Keep the counters of an entry that is about to go. */
void fgi_folders_fold(struct fgi_folders *folders,
                      const struct fgi_record *record,
                      const struct fgi_feed_file *entry);

#endif /* FGI_FEEDER_FOLDERS_H */
