/* SPDX-License-Identifier: Apache-2.0 */
/*
 * racer FOLDER SECONDS: a writer changes a file while readers read it. No
 * reader may see a byte that is older than the last write that had ended when
 * its read began.
 *
 * Each unit of the file holds its number and the generation that wrote it,
 * all over. Before the writer writes generation g into a unit it notes g as
 * begun, and when the write has returned, as ended. A reader notes `ended`,
 * reads, notes `begun`: what it sees must lie between the two. The writer
 * writes by pwrite and through a shared mapping, truncates, and puts new files
 * in the old one's place; in between it rests, so that the file is read ahead.
 *
 * Run it under the shim: the writer's process is not watched more or less than
 * the readers'. Exit status 1: a stale or torn unit, which is printed.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNIT_BYTES 4096u
#define UNITS 2048u /* 8 MiB */
#define FILE_BYTES ((size_t)UNITS * UNIT_BYTES)
#define READERS 4
#define NAME "raced"

struct shared {
    _Atomic uint64_t begun[UNITS];
    _Atomic uint64_t ended[UNITS];
    _Atomic uint64_t replaced; /* twice the files put in place; odd meanwhile */
    _Atomic uint64_t reads;
    _Atomic bool is_over;
    _Atomic bool is_wrong;
};

static struct shared *shared;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void rest(long milliseconds)
{
    const struct timespec time = {.tv_nsec = milliseconds * 1000000};
    nanosleep(&time, NULL);
}

static void fill(void *unit, uint64_t number, uint64_t generation)
{
    uint64_t *words = unit;
    for (size_t i = 0; i < UNIT_BYTES / 16; i++) {
        words[2 * i] = number;
        words[2 * i + 1] = generation;
    }
}

/* The generation of a unit, or UINT64_MAX when it is torn. */
static uint64_t generation_of(const void *unit, uint64_t number)
{
    const uint64_t *words = unit;
    for (size_t i = 0; i < UNIT_BYTES / 16; i++) {
        if (words[2 * i] != number || words[2 * i + 1] != words[1]) {
            return UINT64_MAX;
        }
    }
    return words[1];
}

static void write_unit(int fd, uint8_t *mapping, uint64_t number,
                       uint64_t generation)
{
    uint8_t unit[UNIT_BYTES];
    atomic_store(&shared->begun[number], generation);
    fill(unit, number, generation);
    if (mapping != NULL) {
        memcpy(mapping + number * UNIT_BYTES, unit, UNIT_BYTES);
    } else if (pwrite(fd, unit, UNIT_BYTES, (off_t)(number * UNIT_BYTES)) !=
               UNIT_BYTES) {
        perror("pwrite");
    }
    atomic_store(&shared->ended[number], generation);
}

/* A whole file of this generation, ready to take the name. */
static int write_file(const char *name, uint64_t generation)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    uint8_t unit[UNIT_BYTES];
    for (uint64_t i = 0; fd >= 0 && i < UNITS; i++) {
        fill(unit, i, generation);
        if (write(fd, unit, UNIT_BYTES) != UNIT_BYTES) {
            perror(name);
        }
    }
    return fd;
}

static void drop_cache(int fd)
{
    (void)fdatasync(fd);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void run_writer(uint64_t until_ns)
{
    uint64_t generation = 1;
    unsigned seed = 1;
    int fd = open(NAME, O_RDWR);
    while (fd >= 0 && now_ns() < until_ns) {
        uint8_t *mapping = NULL;
        drop_cache(fd);
        if (rand_r(&seed) % 8 != 0) {
            close(fd); /* mostly nobody may write while it is read ahead */
            rest(250 + rand_r(&seed) % 200);
            fd = open(NAME, O_RDWR);
        }
        if (rand_r(&seed) % 3 == 0) {
            mapping = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                           fd, 0);
        }
        uint32_t count = 1 + (uint32_t)rand_r(&seed) % 40;
        for (uint32_t i = 0; i < count; i++) {
            uint64_t unit = (uint64_t)rand_r(&seed) % UNITS;
            write_unit(fd, mapping, unit, ++generation);
        }
        if (mapping != NULL) {
            munmap(mapping, FILE_BYTES);
        }
        if (rand_r(&seed) % 5 == 0) {
            close(fd);
            fd = write_file(NAME ".new", ++generation);
            for (uint64_t i = 0; i < UNITS; i++) {
                atomic_store(&shared->begun[i], generation);
            }
            atomic_fetch_add(&shared->replaced, 1);
            rename(NAME ".new", NAME);
            for (uint64_t i = 0; i < UNITS; i++) {
                atomic_store(&shared->ended[i], generation);
            }
            atomic_fetch_add(&shared->replaced, 1);
        }
    }
    atomic_store(&shared->is_over, true);
}

static void complain(uint64_t unit, uint64_t seen, uint64_t least,
                     uint64_t most)
{
    if (atomic_exchange(&shared->is_wrong, true)) {
        return;
    }
    printf("unit %" PRIu64 ": generation %" PRIu64 ", wanted %" PRIu64
           " to %" PRIu64 "\n",
           unit, seen, least, most);
    fflush(stdout);
}

/* One piece of up to 64 units, by read or pread. The old file keeps what it
 * had: once another has taken its place nothing is asked of it. */
static void check_piece(int fd, uint64_t replaced, uint8_t *buffer,
                        unsigned *seed)
{
    uint64_t count = 1 + (uint64_t)rand_r(seed) % 64;
    uint64_t first = (uint64_t)rand_r(seed) % (UNITS - count);
    uint64_t least[64];
    off_t offset = (off_t)(first * UNIT_BYTES);
    ssize_t got;
    for (uint64_t i = 0; i < count; i++) {
        least[i] = atomic_load(&shared->ended[first + i]);
    }
    if (rand_r(seed) % 2 == 0) {
        got = pread(fd, buffer, count * UNIT_BYTES, offset);
    } else {
        lseek(fd, offset, SEEK_SET);
        got = read(fd, buffer, count * UNIT_BYTES);
    }
    atomic_fetch_add(&shared->reads, 1);
    for (uint64_t i = 0; (ssize_t)((i + 1) * UNIT_BYTES) <= got; i++) {
        uint64_t most = atomic_load(&shared->begun[first + i]);
        if (atomic_load(&shared->replaced) != replaced) {
            break;
        }
        uint64_t seen = generation_of(buffer + i * UNIT_BYTES, first + i);
        /* A write that ran meanwhile may show in part. */
        bool is_racing = most != least[i];
        if (seen == UINT64_MAX ? !is_racing : seen < least[i] || seen > most) {
            complain(first + i, seen, least[i], most);
        }
    }
}

/* The file as it is named now, for a while; in order first, so that it is
 * read ahead. */
static void run_reader(unsigned seed)
{
    uint8_t *buffer = malloc(64 * UNIT_BYTES);
    while (buffer != NULL && !atomic_load(&shared->is_over)) {
        uint64_t replaced = atomic_load(&shared->replaced);
        int fd = open(NAME, O_RDONLY);
        while (read(fd, buffer, 64 * UNIT_BYTES) > 0) {
        }
        for (int i = 0; i < 200 && replaced % 2 == 0 &&
                        atomic_load(&shared->replaced) == replaced;
             i++) {
            check_piece(fd, replaced, buffer, &seed);
            if (i % 10 == 0) {
                /* What is in the page cache is not read ahead. */
                (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
                rest(2);
            }
        }
        close(fd);
    }
    free(buffer);
}

int main(int argc, char **argv)
{
    if (argc != 3 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: racer FOLDER SECONDS\n");
        return 2;
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return 2;
    }
    close(write_file(NAME, 0));
    for (unsigned i = 0; i < READERS; i++) {
        if (fork() == 0) {
            run_reader(i + 7);
            return 0;
        }
    }
    run_writer(now_ns() + strtoull(argv[2], NULL, 10) * UINT64_C(1000000000));
    while (wait(NULL) > 0) {
    }
    printf("%" PRIu64 " reads, %" PRIu64 " files put in place: %s\n",
           atomic_load(&shared->reads), atomic_load(&shared->replaced) / 2,
           atomic_load(&shared->is_wrong) ? "stale" : "none stale");
    return atomic_load(&shared->is_wrong) ? 1 : 0;
}
