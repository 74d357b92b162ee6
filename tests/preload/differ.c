/* SPDX-License-Identifier: Apache-2.0 */
#include "differ.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#define PRINT_EVERY 500

uint64_t pick(struct differ *differ, uint64_t n)
{
    /* xorshift64* (Vigna, 2016) */
    differ->random ^= differ->random >> 12;
    differ->random ^= differ->random << 25;
    differ->random ^= differ->random >> 27;
    return differ->random * UINT64_C(2685821657736338717) % n;
}

void note(struct differ *differ, const char *name, int64_t result)
{
    int64_t values[2] = {result, errno};
    differ->hash = XXH3_64bits_withSeed(values, sizeof(values), differ->hash);
    if (differ->is_verbose) {
        printf("%*s%" PRIu64 " %s = %" PRId64 " %s\n", differ->depth * 2, "",
               differ->op_index, name, result,
               errno != 0 ? strerror(errno) : "");
    }
    errno = 0; /* what the next call leaves is its own */
}

void note_bytes(struct differ *differ, const void *bytes, int64_t count)
{
    if (count > 0) {
        differ->hash = XXH3_64bits_withSeed(bytes, (size_t)count, differ->hash);
        if (differ->is_verbose) {
            printf("    %016" PRIx64 "\n", XXH3_64bits(bytes, (size_t)count));
        }
    }
}

int *any_slot(struct differ *differ)
{
    return &differ->fds[pick(differ, SLOTS)];
}

const char *name_of(unsigned file)
{
    static const char *const names[FILES] = {"f0", "f1", "f2",  "f3",
                                             "f4", "f5", "f6",  "f7",
                                             "f8", "f9", "f10", "f11"};
    return names[file % FILES];
}

static void open_one(struct differ *differ)
{
    static const int flags[] = {O_RDONLY,
                                O_RDONLY,
                                O_RDONLY,
                                O_RDONLY,
                                O_RDONLY,
                                O_RDONLY | O_CLOEXEC,
                                O_RDWR,
                                O_WRONLY,
                                O_RDONLY | O_NONBLOCK,
                                O_RDONLY | O_PATH,
                                O_RDONLY,
                                O_RDONLY | O_APPEND,
                                O_RDONLY,
                                O_DIRECTORY};
    int *slot = any_slot(differ);
    int how = flags[pick(differ, sizeof(flags) / sizeof(flags[0]))];
    const char *name = name_of((unsigned)pick(differ, FILES));
    if (*slot >= 0) {
        note(differ, "close", close(*slot));
    }
    *slot =
        pick(differ, 4) == 0 ? openat(AT_FDCWD, name, how) : open(name, how);
    note(differ, name, *slot);
}

static void duplicate_one(struct differ *differ)
{
    int *from = any_slot(differ);
    int *to = any_slot(differ);
    if (*from < 0 || from == to) {
        return;
    }
    switch (pick(differ, 3)) {
    case 0:
        if (*to >= 0) {
            note(differ, "dup2", dup2(*from, *to));
        }
        break;
    case 1:
        if (*to >= 0) {
            note(differ, "dup3", dup3(*from, *to, O_CLOEXEC));
        }
        break;
    default:
        if (*to < 0) {
            *to = pick(differ, 2) == 0 ? dup(*from)
                                       : fcntl(*from, F_DUPFD_CLOEXEC, 40);
            note(differ, "dup", *to);
        }
    }
}

static void close_some(struct differ *differ)
{
    int *slot = any_slot(differ);
    switch (pick(differ, 6)) {
    case 0: /* behind the shim's back */
        if (*slot >= 0) {
            note(differ, "close_range",
                 syscall(SYS_close_range, *slot, *slot, 0));
            *slot = -1;
        }
        break;
    case 1:
        note(differ, "close", close(*slot)); /* -1 too */
        *slot = -1;
        break;
    case 2: /* vfork's child shares our memory, not our descriptors */
        if (*slot >= 0) {
            pid_t child = vfork();
            if (child == 0) {
                close(*slot);
                _exit(0);
            }
            note(differ, "vfork", waitpid(child, NULL, 0) == child);
        }
        break;
    default:
        break;
    }
}

static void step(struct differ *differ);

/* A child reads and writes on, with our descriptors. Its hash is ours then. */
static void fork_one(struct differ *differ)
{
    int ends[2];
    uint64_t hash = 0;
    if (differ->depth > 1 || pipe(ends) != 0) {
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        differ->depth++;
        for (uint64_t i = 0; i < 30; i++) {
            step(differ);
        }
        fflush(stdout);
        _exit(write(ends[1], &differ->hash, 8) == 8 ? 0 : 1);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], &hash, 8);
    close(ends[0]);
    waitpid(child, NULL, 0);
    note(differ, "fork", got);
    note_bytes(differ, &hash, 8);
}

static void step(struct differ *differ)
{
    uint64_t kind = pick(differ, 1000);
    if (kind < 160) {
        open_one(differ);
    } else if (kind < 190) {
        duplicate_one(differ);
    } else if (kind < 230) {
        close_some(differ);
    } else if (kind < 235) {
        fork_one(differ);
    } else if (kind < 260) {
        run_change(differ);
    } else {
        run_read(differ);
    }
    if (differ->depth == 0 && differ->pauses_left > 0 &&
        pick(differ, 1500) == 0) {
        differ->pauses_left--;
        settle();
    }
}

static void make_buffer(struct differ *differ)
{
    differ->buffer = mmap(NULL, BUFFER_BYTES + 8192, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (differ->buffer == MAP_FAILED ||
        munmap(differ->buffer + BUFFER_BYTES, 4096) != 0 ||
        mprotect(differ->buffer + BUFFER_BYTES + 4096, 4096, PROT_READ) != 0) {
        perror("mmap");
        exit(2);
    }
}

/* differ SEED CALLS FOLDER [FROM TO]: verbose between these calls. */
int main(int argc, char **argv)
{
    struct differ differ = {.hash = 1, .pauses_left = 1000};
    uint64_t from = UINT64_MAX;
    uint64_t to = 0;
    if (argc != 4 && argc != 6) {
        fprintf(stderr, "usage: differ SEED CALLS FOLDER [FROM TO]\n");
        return 2;
    }
    if (argc == 6) {
        from = strtoull(argv[4], NULL, 10);
        to = strtoull(argv[5], NULL, 10);
    }
    uint64_t calls = strtoull(argv[2], NULL, 10);
    differ.random = strtoull(argv[1], NULL, 10) * 2 + 1;
    if (chdir(argv[3]) != 0) {
        perror(argv[3]);
        return 2;
    }
    for (int i = 0; i < SLOTS; i++) {
        differ.fds[i] = -1;
    }
    make_buffer(&differ);
    make_files(&differ);
    settle();
    for (uint64_t i = 0; i < calls; i++) {
        differ.op_index = i;
        differ.is_verbose = i >= from && i < to;
        step(&differ);
        if (i % PRINT_EVERY == PRINT_EVERY - 1 || i + 1 == calls) {
            printf("%" PRIu64 " %016" PRIx64 "\n", i + 1, differ.hash);
        }
    }
    return 0;
}
