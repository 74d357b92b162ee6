/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "differ.h"

static uint8_t pattern[65536];

/* Bytes that tell their file and place. */
static void write_file(const char *name, uint64_t bytes, uint64_t seed)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    for (uint64_t at = 0; fd >= 0 && at < bytes;) {
        size_t piece = bytes - at < sizeof(pattern) ? (size_t)(bytes - at)
                                                    : sizeof(pattern);
        for (size_t i = 0; i + 8 <= sizeof(pattern); i += 8) {
            uint64_t word = (at + i) * UINT64_C(0x9e3779b97f4a7c15) + seed;
            memcpy(pattern + i, &word, 8);
        }
        if (write(fd, pattern, piece) != (ssize_t)piece) {
            perror(name);
            exit(2);
        }
        at += piece;
    }
    if (fd < 0 || close(fd) != 0) {
        perror(name);
        exit(2);
    }
}

void make_files(struct differ *differ)
{
    static const uint64_t sizes[FILES] = {300000,  1048576, 1048577, 5000000,
                                          9437184, 20000,   2097151, 40000,
                                          2500000, 1048576, 4096,    700000};
    for (unsigned i = 0; i < FILES; i++) {
        (void)unlink(name_of(i));
        write_file(name_of(i), sizes[i], pick(differ, 1000));
    }
}

void settle(void)
{
    const struct timespec time = {.tv_nsec = 130000000};
    for (unsigned i = 0; i < FILES; i++) {
        int fd = open(name_of(i), O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)fsync(fd);
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            close(fd);
        }
    }
    nanosleep(&time, NULL);
}

static unsigned mutable_file(struct differ *differ)
{
    return FIRST_MUTABLE + (unsigned)pick(differ, FILES - FIRST_MUTABLE);
}

/* Through a descriptor of the program's, which may be any file's. */
static void write_open(struct differ *differ)
{
    int fd = open(name_of(mutable_file(differ)), O_RDWR);
    off_t at = (off_t)pick(differ, 2000000);
    size_t bytes = (size_t)pick(differ, 9000);
    memset(differ->buffer, (int)pick(differ, 256), bytes);
    note(differ, "open rw", fd);
    if (pick(differ, 2) == 0) {
        note(differ, "pwrite", pwrite(fd, differ->buffer, bytes, at));
    } else {
        note(differ, "lseek", lseek(fd, at, SEEK_SET));
        note(differ, "write", write(fd, differ->buffer, bytes));
    }
    note(differ, "close", close(fd));
}

void run_change(struct differ *differ)
{
    const char *name = name_of(mutable_file(differ));
    int *slot = any_slot(differ);
    switch (pick(differ, 7)) {
    case 0:
        note(differ, "truncate", truncate(name, (off_t)pick(differ, 3000000)));
        break;
    case 1:
        note(differ, "rename", rename(name, name_of(mutable_file(differ))));
        break;
    case 2:
        note(differ, "unlink", unlink(name));
        break;
    case 3:
        write_file(name, pick(differ, 3000000), pick(differ, 1000));
        break;
    case 4: /* a descriptor that may be read-only, static, or none */
        note(differ, "write", write(*slot, differ->buffer, 0));
        break;
    default:
        write_open(differ);
    }
}
