/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that programs have open, or are expected to open: entry i of the
 * board's table and record i here belong together. The entry is what programs
 * see; the record is what the feeder knows and believes.
 *
 * Threads: the reader's ("fg-feed") alone, under the feeder's mutex.
 */
#ifndef FGI_FEEDER_FILES_H
#define FGI_FEEDER_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/error.h>

#include "runtime/feeder/board.h"
#include "runtime/feeder/pattern.h"
#include "runtime/feeder/ways.h"

#define FGI_NO_INDEX UINT32_MAX

/* Descriptors that the feeder has open at most. */
#define FGI_RECORDS_OPEN_MAX 256u

/* What came of looking a file over: why it is served, or not. */
enum fgi_look {
    FGI_LOOK_NONE = 0,  /* not yet */
    FGI_LOOK_WAITING,   /* a look is under way */
    FGI_LOOK_FED,       /* it is served from memory */
    FGI_LOOK_CACHED,    /* most of it is in the page cache: fast as it is */
    FGI_LOOK_UNSETTLED, /* written to just now */
    FGI_LOOK_WRITER,    /* open for writing somewhere */
    FGI_LOOK_UNFIT,     /* its file system, or no direct I/O: warm at most */
    FGI_LOOK_UNWANTED,  /* no glob names it */
    FGI_LOOK_GONE,      /* could not be opened, or was not that file */
};

struct fgi_record {
    uint32_t id;     /* of the entry; 0: free */
    uint32_t folder; /* its group; FGI_NO_INDEX: none yet */
    struct fgi_feed_key key;
    struct fgi_pattern *pattern; /* owned; NULL: of one block, or unused */
    char *path;           /* absolute, as we see it; owned; NULL: not known */
    uint64_t used_ns;     /* a program's last event */
    uint64_t retry_ns;    /* look again from then on; 0: when opened */
    uint64_t reference;   /* its name in walk's listings; 0: none known */
    int fd;               /* ours, O_DIRECT; -1: closed */
    uint32_t align_bytes; /* of its direct reads */
    int32_t pid;          /* where to find it open: /proc/PID/fd/FD */
    int32_t pid_fd;
    uint64_t reads_before; /* of its entry's counts, when it was opened */
    uint64_t bytes_before;
    uint32_t reading;     /* reads in flight */
    uint32_t blocks;      /* of it in the arena, READING included */
    uint32_t used_index;  /* in files.used */
    uint32_t open_index;  /* in files.open, when fd is */
    uint32_t active_next; /* list of files to read ahead in */
    uint32_t guess;       /* expected: its place among guesses, from 1 on */
    uint8_t look;         /* enum fgi_look */
    uint8_t way;          /* enum fgi_way: since it was opened last */
    uint8_t told_way;     /* what of that its folder knows */
    bool is_active;       /* in that list */
    bool is_opened;       /* by a program */
    bool is_missed;       /* of one block: read by the kernel meanwhile */
    bool is_doubted;      /* in the feeder's list of doubts */
    bool is_open_due;     /* its open is to be told once its path is known */
    bool is_stdio;        /* opened by fopen */
    bool is_unseen;       /* read past the shim: nothing goes into memory */
    bool is_map_due;      /* to be warmed once its path is known */
    bool is_in_pieces;    /* read in such that the kernel serves better */
    bool is_retired;      /* hidden; goes with its last read */
};

struct fgi_records {
    const struct fgi_board_view *view; /* borrowed */
    struct fgi_record *records;        /* one for each entry; owned */
    uint32_t count;
    uint32_t next_id;
    uint32_t used_count;                 /* records; entries of used */
    uint32_t *used;                      /* in no order; owned */
    uint32_t open_count;                 /* descriptors; entries of open */
    uint32_t open[FGI_RECORDS_OPEN_MAX]; /* records with one, in no order */
};

enum fg_status fgi_records_init(struct fgi_records *files,
                                const struct fgi_board_view *view,
                                struct fg_error *err);
void fgi_records_fini(struct fgi_records *files);

/* Whether these are the same file in the same state. */
bool fgi_key_is_same(const struct fgi_feed_key *a,
                     const struct fgi_feed_key *b);

/* The record of that device and inode, or NULL. */
struct fgi_record *fgi_records_find(struct fgi_records *files,
                                    const struct fgi_feed_key *key);

/* A free record near the key's home, or NULL. */
struct fgi_record *fgi_records_pick(struct fgi_records *files,
                                    const struct fgi_feed_key *key);

/* The i-th record that the key may have, i < FGI_FILE_PROBES. */
struct fgi_record *fgi_records_at(struct fgi_records *files,
                                  const struct fgi_feed_key *key, uint32_t i);

/* Fill a free record and show it to programs, mode LOOK. False: no more
 * ids. */
bool fgi_records_add(struct fgi_records *files, struct fgi_record *record,
                     const struct fgi_feed_key *key);

/* Let programs look for its blocks, or not. */
void fgi_records_set_mode(struct fgi_records *files,
                          const struct fgi_record *record,
                          enum fgi_feed_mode mode);

/* Its entry. */
struct fgi_feed_file *fgi_records_entry(struct fgi_records *files,
                                        const struct fgi_record *record);

/* Hide it from programs; the record is free then, and the last of files.used
 * takes its place there. Its blocks and reads are gone already. */
void fgi_records_remove(struct fgi_records *files, struct fgi_record *record);

/* Hide it from programs at once; everything else stays. */
void fgi_records_hide(struct fgi_records *files,
                      const struct fgi_record *record);

/* Give a record a descriptor; consumed. It has none. False, and closed: too
 * many are open and have reads under way. */
bool fgi_records_keep(struct fgi_records *files, struct fgi_record *record,
                      int fd);

/* Close descriptors of files that no read needs and no program has used
 * since then. */
void fgi_records_shut_idle(struct fgi_records *files, uint64_t since_ns);

/* Close our descriptor, if it is open. */
void fgi_records_shut(struct fgi_records *files, struct fgi_record *record);

#endif /* FGI_FEEDER_FILES_H */
