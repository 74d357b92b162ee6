/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differ: random system calls on random files, the same ones for the same
 * seed. What each call gave goes into a running hash, which is printed now and
 * then. Run once as it is and once under the shim, it must print the same.
 *
 *     differ.c        options, the loop, what is recorded
 *     differ_files.c  the files, and calls that change them
 *     differ_reads.c  calls that read
 */
#ifndef TESTS_PRELOAD_DIFFER_H
#define TESTS_PRELOAD_DIFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOTS 24 /* descriptors in use at most */
#define FILES 12 /* names; those below FIRST_MUTABLE never change */
#define FIRST_MUTABLE 7
#define BUFFER_BYTES (4u << 20)

struct differ {
    uint64_t random;      /* state of the generator */
    uint64_t hash;        /* of all results so far */
    uint64_t op_index;    /* running call */
    bool is_verbose;      /* print each call */
    int depth;            /* of fork */
    int fds[SLOTS];       /* -1: none */
    uint8_t *buffer;      /* BUFFER_BYTES, then a page that is not there */
    uint64_t pauses_left; /* waits for files to settle */
    uint64_t arena_hint;  /* bytes read in all */
};

/* A random number below n. */
uint64_t pick(struct differ *differ, uint64_t n);

/* Record a call: its name, what it gave, and the errno that it left, also when
 * it succeeded. */
void note(struct differ *differ, const char *name, int64_t result);

/* Record bytes that a call delivered. */
void note_bytes(struct differ *differ, const void *bytes, int64_t count);

/* A random slot, used or not. */
int *any_slot(struct differ *differ);

/* "f3"; static. */
const char *name_of(unsigned file);

void make_files(struct differ *differ);
void run_change(struct differ *differ);
void run_read(struct differ *differ);

/* Let changed files come to rest, out of the page cache. */
void settle(void);

#endif /* TESTS_PRELOAD_DIFFER_H */
