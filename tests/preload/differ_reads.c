/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "differ.h"

/* Mostly what programs ask for, now and then what they should not. */
static size_t read_size(struct differ *differ)
{
    switch (pick(differ, 12)) {
    case 0:
        return 0;
    case 1:
        return (size_t)pick(differ, 64);
    case 2:
        return (size_t)pick(differ, BUFFER_BYTES);
    case 3:
        return 1u << 20;
    case 4:
        return 262144;
    case 5:
        return 8192;
    default:
        return (size_t)pick(differ, 70000);
    }
}

static off_t read_offset(struct differ *differ)
{
    switch (pick(differ, 16)) {
    case 0:
        return -(off_t)pick(differ, 10);
    case 1:
        return (off_t)pick(differ, INT64_MAX);
    case 2:
        return (off_t)(pick(differ, 6) << 20);
    default:
        return (off_t)pick(differ, 9500000);
    }
}

/* Where to: plain memory, its end, none, or memory that may not be written. */
static uint8_t *read_place(struct differ *differ, size_t bytes)
{
    uint8_t *end = differ->buffer + BUFFER_BYTES;
    switch (pick(differ, 40)) {
    case 0:
        return end - pick(differ, bytes + 1) / 2; /* reaches beyond */
    case 1:
        return NULL;
    case 2:
        return end + 4096; /* read-only */
    case 3:
        return end - bytes; /* just fits */
    default:
        return differ->buffer + pick(differ, BUFFER_BYTES - bytes + 1);
    }
}

static void read_one(struct differ *differ, int fd)
{
    size_t bytes = read_size(differ);
    uint8_t *to = read_place(differ, bytes);
    int64_t got;
    switch (pick(differ, 8)) {
    case 0:
    case 1:
        got = pread(fd, to, bytes, read_offset(differ));
        note(differ, "pread", got);
        break;
    case 2: /* the shim does not see it */
        got = syscall(SYS_read, fd, to, bytes);
        note(differ, "SYS_read", got);
        break;
    default:
        got = read(fd, to, bytes);
        note(differ, "read", got);
    }
    note_bytes(differ, to, got);
}

static void read_vector(struct differ *differ, int fd)
{
    struct iovec parts[5];
    int count = (int)pick(differ, 6);
    uint8_t *at = differ->buffer;
    for (int i = 0; i < count; i++) {
        size_t bytes = read_size(differ) / 8;
        parts[i] = (struct iovec){.iov_base = at, .iov_len = bytes};
        at += bytes + pick(differ, 3);
    }
    memset(differ->buffer, 0, (size_t)(at - differ->buffer));
    count = pick(differ, 50) == 0 ? -1 : count;
    int64_t got;
    switch (pick(differ, 4)) {
    case 0:
        got = preadv(fd, parts, count, read_offset(differ));
        break;
    case 1:
        got = preadv2(fd, parts, count, pick(differ, 2) ? -1 : 5000,
                      pick(differ, 8) == 0 ? RWF_HIPRI : 0);
        break;
    default:
        got = readv(fd, parts, count);
    }
    note(differ, "readv", got);
    note_bytes(differ, differ->buffer, at - differ->buffer);
}

/* Through stdio: its reads are hidden, its offset is not. */
static void read_stdio(struct differ *differ)
{
    FILE *file = fopen(name_of((unsigned)pick(differ, FILES)), "r");
    note(differ, "fopen", file != NULL ? fileno(file) : -1);
    if (file == NULL) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        size_t got = fread(differ->buffer, 1, read_size(differ) / 4, file);
        note(differ, "fread", (int64_t)got);
        note_bytes(differ, differ->buffer, (int64_t)got);
        note(differ, "fseek", fseek(file, (long)pick(differ, 900000), 0));
    }
    note(differ, "ftell", ftell(file));
    note(differ, "fclose", fclose(file));
}

static void read_mapped(struct differ *differ, int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
        return;
    }
    size_t bytes = (size_t)info.st_size;
    void *at = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    note(differ, "mmap", at != MAP_FAILED ? 0 : -1);
    if (at != MAP_FAILED) {
        note_bytes(differ, at, (int64_t)bytes);
        munmap(at, bytes);
    }
}

static void read_sent(struct differ *differ, int fd)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return;
    }
    int64_t got = sendfile(ends[1], fd, NULL, pick(differ, 60000));
    note(differ, "sendfile", got);
    if (got > 0) {
        note_bytes(differ, differ->buffer,
                   read(ends[0], differ->buffer, (size_t)got));
    }
    close(ends[0]);
    close(ends[1]);
}

void run_read(struct differ *differ)
{
    int fd = *any_slot(differ);
    uint64_t kind = pick(differ, 100);
    if (kind < 70) {
        read_one(differ, fd);
    } else if (kind < 80) {
        read_vector(differ, fd);
    } else if (kind < 90) {
        off_t to = read_offset(differ);
        note(differ, "lseek", lseek(fd, to, (int)pick(differ, 4)));
    } else if (kind < 94) {
        read_stdio(differ);
    } else if (kind < 96) {
        read_mapped(differ, fd);
    } else if (kind < 98) {
        read_sent(differ, fd);
    } else { /* a row of reads, as programs do */
        for (int i = 0; i < 20; i++) {
            int64_t got = read(fd, differ->buffer, 131072);
            note(differ, "read", got);
            note_bytes(differ, differ->buffer, got);
        }
    }
    note(differ, "at", lseek(fd, 0, SEEK_CUR));
}
