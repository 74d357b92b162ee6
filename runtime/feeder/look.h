/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking a file over: open it, see whether it is the file that was told of,
 * and whether its bytes may be served from memory. May block for long (a
 * file system far away), so it is done by the pool's threads.
 */
#ifndef FGI_FEEDER_LOOK_H
#define FGI_FEEDER_LOOK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sys/stat.h>

#include <feedgpu/feeder.h>

#include "runtime/feeder/board.h"
#include "runtime/feeder/files.h"

#define FGI_LOOK_PATH_BYTES 4096

/* What is done about the files of a device. */
enum fgi_device_rule {
    FGI_DEVICE_UNKNOWN = 0,
    FGI_DEVICE_FED,    /* served from memory */
    FGI_DEVICE_WARMED, /* unfit for that; the page cache can be filled ahead */
    FGI_DEVICE_LEFT,   /* nor that: an open drops the file's pages, or there
                        * are none. We do not open its files then. */
};

/* So much of a file is made ready that is to be read past the shim: nobody
 * tells how far its reader is. */
#define FGI_LOOK_UNSEEN_BYTES (UINT64_C(16) << 20)

/* A device that was seen before. */
#define FGI_LOOK_DEVICES 32u
struct fgi_look_device {
    uint64_t device; /* st_dev */
    enum fgi_device_rule rule;
    uint32_t align_bytes; /* FED: what direct I/O asks for */
    uint64_t ahead_bytes; /* the kernel's own read-ahead; 0: not known */
};

/* What looks share. Threads: any. */
struct fgi_looker {
    pthread_mutex_t mutex; /* of devices */
    struct fgi_look_device devices[FGI_LOOK_DEVICES];
    uint32_t device_next;                  /* taken next when all are used */
    const struct fg_feeder_config *config; /* borrowed; data, flags */
};

/* Asked: which file. */
struct fgi_look_ask {
    int32_t pid; /* open there as fd; 0: by path alone */
    int32_t fd;
    bool has_key;                   /* it must be in this state */
    bool must_be_uncached;          /* CACHED if most is in the page cache */
    bool by_cache;                  /* to be read through the page cache */
    bool is_expected;               /* to be opened by a program: warm it */
    bool is_unseen;                 /* to be read past the shim: warm it */
    struct fgi_feed_key key;        /* wanted */
    char path[FGI_LOOK_PATH_BYTES]; /* relative: to the cwd of pid; may be "" */
};

/* Answered. fd and path are the caller's to close and free. */
struct fgi_look_answer {
    enum fgi_look look;
    int fd;                  /* O_DIRECT unless by_cache; only when FED */
    uint32_t align_bytes;    /* only when FED */
    uint64_t warmed_bytes;   /* asked into the page cache; 0 when FED */
    char *path;              /* absolute; NULL: unknown */
    struct fgi_feed_key key; /* found; inode 0: could not be opened */
};

void fgi_looker_init(struct fgi_looker *looker,
                     const struct fg_feeder_config *config);
void fgi_looker_fini(struct fgi_looker *looker);

/* Look. Blocks: as long as the file system does. */
void fgi_look(struct fgi_looker *looker, const struct fgi_look_ask *ask,
              struct fgi_look_answer *answer);

/* What is done about the files of a device, as far as it is known. */
enum fgi_device_rule fgi_looker_rule(struct fgi_looker *looker,
                                     uint64_t device);

/* How far the kernel itself reads ahead there; 0: not known (yet). */
uint64_t fgi_looker_ahead(struct fgi_looker *looker, uint64_t device);

/* Open a regular file for reading without side effects, and tell which one it
 * is. Returns a descriptor with O_NONBLOCK set, or -1. */
int fgi_look_open(const char *path, struct fgi_feed_key *key);

/* What tells the state of a file, from its stat. */
void fgi_key_of(const struct stat *info, struct fgi_feed_key *key);

/* Have a descriptor's reads go by the page cache, or past it. False: it
 * cannot be. */
bool fgi_look_set_direct(int fd, bool is_direct);

/* fstat; false when it fails. */
bool fgi_key_read(int fd, struct fgi_feed_key *key);

/* Whether the file has not changed for long enough: its ctime and mtime are
 * older than FGI_FEED_SETTLED_NS, and not in the future. */
bool fgi_key_is_settled(const struct fgi_feed_key *key, uint64_t real_ns);

/* Whether files of that path are to be read ahead at all. */
bool fgi_look_is_named(const struct fg_feeder_config *config, const char *path);

/* Whether fstat tells every change of a file at once on file systems of that
 * statfs magic, and direct I/O reads what was written. */
bool fgi_look_is_fit(uint64_t magic);

/* CLOCK_REALTIME. */
uint64_t fgi_real_ns(void);

#endif /* FGI_FEEDER_LOOK_H */
