/* SPDX-License-Identifier: Apache-2.0 */
/* The shim's part of the feeder's contract, for tests: open, pread, count. */
#ifndef TESTS_FEEDER_CLIENT_H
#define TESTS_FEEDER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/feeder/board.h"

/* A program's view of a feeder. */
struct client {
    struct fgi_board_view view;
    int board_fd;
    int arena_fd;
    uint64_t arena_bytes;   /* copied so far */
    uint64_t kernel_bytes;  /* read by the kernel so far */
    _Atomic uint64_t waits; /* sleeps for a block under way */
    uint64_t hung;          /* of these, not ended within the limit */
};

/* A file that the client has open. */
struct client_file {
    int fd;
    char path[256];
    uint64_t expected; /* where the next read is expected */
};

/* Attach by "NAME=PID:FD:FD". False: it is no board. */
bool client_attach(struct client *client, const char *environment);
void client_detach(struct client *client);

/* Open, and tell. fd -1: could not be opened. */
void client_open(struct client *client, struct client_file *file,
                 const char *path);
void client_close(struct client_file *file);

/* As pread, from the arena where possible. */
ssize_t client_pread(struct client *client, struct client_file *file,
                     void *buffer, size_t bytes, uint64_t offset);

/* Post any event. */
void client_post(struct client *client, const struct fgi_event *event);

/* The file's entry by key; NULL: none. */
struct fgi_feed_file *client_entry(struct client *client,
                                   const struct fgi_feed_key *key);

/* fstat as a key. */
bool client_key(int fd, struct fgi_feed_key *key);

#endif /* TESTS_FEEDER_CLIENT_H */
