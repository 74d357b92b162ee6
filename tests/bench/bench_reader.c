/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that knows nothing of feedgpu, for run_speed.py to time:
 *
 *     bench_reader WAY BLOCK_BYTES US_PER_MIB PASSES FILE...
 *     bench_reader calls COUNT
 *
 * files: reads the files in order, computing so long for each MiB, and prints
 * the seconds of each pass; malloced: the same into memory that begins 16 bytes
 * after a page does, as malloc's large blocks do; fread and mmap: in these
 * ways; random: maps, and touches one of 16 pages, here and there. calls:
 * prints the nanoseconds of a read of no bytes from /dev/zero, a descriptor
 * that a shim has no business with.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void compute(double seconds)
{
    double end = now_s() + seconds;
    while (seconds > 0 && now_s() < end) {
    }
}

/* Read a file in a way; bytes of it, or -1. */
typedef int64_t (*read_fn)(const char *path, uint8_t *buffer,
                           size_t block_bytes, double s_per_mib);

static int64_t read_file(const char *path, uint8_t *buffer, size_t block_bytes,
                         double s_per_mib)
{
    int fd = open(path, O_RDONLY);
    int64_t bytes = 0;
    ssize_t got;
    if (fd < 0) {
        return -1;
    }
    while ((got = read(fd, buffer, block_bytes)) > 0) {
        bytes += got;
        compute(s_per_mib * (double)got / (1 << 20));
    }
    close(fd);
    return got < 0 ? -1 : bytes;
}

static int64_t read_malloced(const char *path, uint8_t *buffer,
                             size_t block_bytes, double s_per_mib)
{
    return read_file(path, buffer + 16, block_bytes, s_per_mib);
}

static int64_t fread_file(const char *path, uint8_t *buffer, size_t block_bytes,
                          double s_per_mib)
{
    FILE *file = fopen(path, "rb");
    int64_t bytes = 0;
    size_t got;
    if (file == NULL) {
        return -1;
    }
    while ((got = fread(buffer, 1, block_bytes, file)) > 0) {
        bytes += (int64_t)got;
        compute(s_per_mib * (double)got / (1 << 20));
    }
    fclose(file);
    return bytes;
}

/* One byte of each page, or of some, then the file's time of computing. */
static int64_t touch_file(const char *path, uint8_t *buffer, size_t block_bytes,
                          double s_per_mib, bool is_random)
{
    int fd = open(path, O_RDONLY);
    uint32_t random = 1;
    struct stat info;
    uint8_t *mapped;
    if (fd < 0 || fstat(fd, &info) != 0) {
        return -1;
    }
    mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) {
        return -1;
    }
    size_t pages = (size_t)info.st_size / 4096;
    for (size_t i = 0; i < (is_random ? pages / 16 : pages); i++) {
        random = random * 1664525 + 1013904223; /* Numerical Recipes */
        size_t at = (is_random ? (random >> 8) % pages : i) * 4096;
        buffer[at % block_bytes] ^= mapped[at];
    }
    compute(s_per_mib * (double)info.st_size / (1 << 20));
    munmap(mapped, (size_t)info.st_size);
    return info.st_size;
}

static int64_t map_file(const char *path, uint8_t *buffer, size_t block_bytes,
                        double s_per_mib)
{
    return touch_file(path, buffer, block_bytes, s_per_mib, false);
}

static int64_t random_file(const char *path, uint8_t *buffer,
                           size_t block_bytes, double s_per_mib)
{
    return touch_file(path, buffer, block_bytes, s_per_mib, true);
}

static int run_files(read_fn read_one, int count, char **arguments)
{
    size_t block_bytes = strtoull(arguments[0], NULL, 10);
    double s_per_mib = strtod(arguments[1], NULL) * 1e-6;
    int passes = atoi(arguments[2]);
    uint8_t *buffer = aligned_alloc(4096, (block_bytes + 8191) & ~4095ul);
    if (buffer == NULL) {
        return 1;
    }
    memset(buffer, 1, block_bytes);
    for (int pass = 0; pass < passes; pass++) {
        double start_s = now_s();
        int64_t bytes = 0;
        for (int i = 3; i < count; i++) {
            int64_t got =
                read_one(arguments[i], buffer, block_bytes, s_per_mib);
            if (got < 0) {
                perror(arguments[i]);
                return 1;
            }
            bytes += got;
        }
        printf("%.6f %" PRId64 "\n", now_s() - start_s, bytes);
        fflush(stdout);
    }
    free(buffer);
    return 0;
}

static int run_calls(uint64_t count)
{
    int fd = open("/dev/zero", O_RDONLY);
    uint8_t byte = 0;
    double start_s = now_s();
    int64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += read(fd, &byte, 0);
    }
    printf("%.3f\n", (now_s() - start_s) * 1e9 / (double)count);
    return sum != 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        read_fn read;
    } ways[] = {
        {"files", read_file},    {"malloced", read_malloced},
        {"fread", fread_file},   {"mmap", map_file},
        {"random", random_file},
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (argc >= 6 && strcmp(argv[1], ways[i].name) == 0) {
            return run_files(ways[i].read, argc - 2, argv + 2);
        }
    }
    if (argc == 3 && strcmp(argv[1], "calls") == 0) {
        return run_calls(strtoull(argv[2], NULL, 10));
    }
    fprintf(stderr, "usage: bench_reader files|malloced|fread|mmap|random "
                    "BLOCK_BYTES US_PER_MIB PASSES FILE...\n"
                    "       bench_reader calls COUNT\n");
    return 2;
}
