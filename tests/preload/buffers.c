/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffers FILE BYTES FOLDER: reads into memory of which the program takes a
 * part away, and gives it back, again and again. Prints what each read gave,
 * which must be what it gives without the shim: a shim that copies where the
 * kernel would have said EFAULT dies of it.
 *
 * Before each of them the same memory was read into with success, twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define READ_BYTES ((size_t)1 << 20)
#define HOLE_AT (READ_BYTES / 2) /* the page that is taken away */
#define ROUNDS 20
#define MADV_GUARD_INSTALL_ 102 /* Linux 6.13; else it fails in both runs */

static int fd;
static uint64_t file_bytes;
static uint8_t *buffer;
static uint64_t place;
static void *spare; /* a page that was written, and may not be any more */

static void make_spare(void)
{
    spare = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(spare, 1, PAGE);
    mprotect(spare, PAGE, PROT_READ);
}

/* ---- taking away: what is left of the page in the middle, or of others ----
 */

static void protect(void)
{
    mprotect(buffer + HOLE_AT, PAGE, PROT_READ);
}

static void protect_all(void)
{
    mprotect(buffer, READ_BYTES, PROT_NONE);
}

static void protect_first(void)
{
    mprotect(buffer, PAGE, PROT_READ);
}

static void unmap(void)
{
    munmap(buffer + HOLE_AT, PAGE);
}

/* Something else, that was read: it is there. */
static void map_over(void)
{
    volatile uint8_t *at = buffer + HOLE_AT;
    (void)mmap(buffer + HOLE_AT, PAGE, PROT_READ,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    (void)*at;
}

static void move_over(void)
{
    mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, buffer + HOLE_AT);
}

static void share_over(void)
{
    int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
    volatile uint8_t *at = buffer + HOLE_AT;
    void *got = shmat(id, buffer + HOLE_AT, SHM_REMAP | SHM_RDONLY);
    if (got != (void *)-1) {
        (void)*at;
    }
    shmctl(id, IPC_RMID, NULL);
}

/* Unwritable by a register of the processor, where it has that. */
static void lock_away(void)
{
    int key = pkey_alloc(0, 0);
    if (key >= 0) {
        pkey_mprotect(buffer + HOLE_AT, PAGE, PROT_READ | PROT_WRITE, key);
        pkey_set(key, PKEY_DISABLE_WRITE);
    }
}

static void guard(void)
{
    madvise(buffer + HOLE_AT, PAGE, MADV_GUARD_INSTALL_);
}

/* Not there any more, but to be had again. */
static void empty(void)
{
    madvise(buffer + HOLE_AT, READ_BYTES / 4, MADV_DONTNEED);
}

/* Beyond the end of its file. */
static void cut_off(void)
{
    int shared = open("mapped", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (shared < 0 || ftruncate(shared, (off_t)READ_BYTES) != 0) {
        exit(2);
    }
    (void)mmap(buffer, READ_BYTES, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED, shared, 0);
    for (int i = 0; i < 2; i++) {
        if (pread(fd, buffer, READ_BYTES, 0) != (ssize_t)READ_BYTES) {
            exit(2);
        }
    }
    if (ftruncate(shared, (off_t)HOLE_AT) != 0) {
        exit(2);
    }
    close(shared);
}

/* ---- reading --------------------------------------------------------------
 */

static void give_back(void)
{
    if (mmap(buffer, READ_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        exit(2);
    }
    mprotect(buffer, READ_BYTES, PROT_READ | PROT_WRITE);
}

/* The bytes that were read, or none. */
static uint64_t sum(ssize_t got)
{
    uint64_t all = 0;
    for (ssize_t i = 0; i < got; i++) {
        all = (all ^ buffer[i]) * UINT64_C(0x100000001b3);
    }
    return all;
}

static void show(const char *what, ssize_t got)
{
    int reason = got < 0 ? errno : 0;
    printf("%s: %zd, %s", what, got, got < 0 ? strerror(reason) : "");
    if (got == (ssize_t)READ_BYTES) {
        printf("%" PRIx64, sum(got));
    }
    printf("\n");
    fflush(stdout);
}

static ssize_t read_next(void)
{
    place = (place + READ_BYTES) % (file_bytes - READ_BYTES);
    return pread(fd, buffer, READ_BYTES, (off_t)place);
}

static void try_without(const char *what, void (*take)(void))
{
    make_spare();
    show("before", read_next());
    show("again", read_next());
    take();
    show(what, read_next());
    give_back();
    munmap(spare, PAGE);
}

/* A child has all of its parent's memory, or all but that page. */
static void try_in_child(const char *what, int advice)
{
    show("before", read_next());
    show("again", read_next());
    madvise(buffer + HOLE_AT, PAGE, advice);
    pid_t child = fork();
    if (child == 0) {
        show(what, read_next());
        _exit(0);
    }
    waitpid(child, NULL, 0);
    show("after", read_next());
    give_back();
}

/* As malloc gives it: a little further in its page than the file's bytes. */
static void try_unaligned(void)
{
    static const size_t at[] = {1, 16, 31, 32, 48, PAGE - 16};
    uint8_t *aligned = buffer;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        buffer = aligned + at[i];
        place = (place + READ_BYTES) % (file_bytes - READ_BYTES);
        ssize_t got = pread(fd, buffer, READ_BYTES / 2, (off_t)place);
        printf("at %zu: %zd, %" PRIx64 "\n", at[i], got, sum(got));
    }
    buffer = aligned;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*take)(void);
    } ways[] = {
        {"protect", protect},       {"protect_all", protect_all},
        {"unmap", unmap},           {"protect_first", protect_first},
        {"map_over", map_over},     {"move_over", move_over},
        {"share_over", share_over}, {"guard", guard},
        {"empty", empty},           {"cut_off", cut_off},
    };
    if (argc != 4 || chdir(argv[3]) != 0) {
        fprintf(stderr, "usage: buffers FILE BYTES FOLDER\n");
        return 2;
    }
    fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    file_bytes = strtoull(argv[2], NULL, 10);
    buffer = mmap(NULL, 2 * READ_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fd < 0 || buffer == MAP_FAILED) {
        return 2;
    }
    /* Served from memory from now on. */
    while (place + 2 * READ_BYTES < file_bytes) {
        show("first", read_next());
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
            try_without(ways[i].name, ways[i].take);
        }
        try_in_child("child", MADV_NORMAL);
        try_in_child("dontfork", MADV_DONTFORK);
        try_in_child("wipeonfork", MADV_WIPEONFORK);
        try_unaligned();
    }
    /* Last: with keys nothing is believed any more. */
    for (int round = 0; round < ROUNDS; round++) {
        try_without("lock_away", lock_away);
    }
    return 0;
}
