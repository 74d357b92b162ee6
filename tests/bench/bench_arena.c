/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What setting up an arena costs, beside what the kernel needs for it.
 *
 *     bench_arena [ROUNDS [MIB...]]
 *
 * For each size and kind of pages: `plain`, one MADV_POPULATE_WRITE of a fresh
 * mapping by one thread, which is all that the kernel does and nothing else;
 * `block`, fgi_block_map_at with one touching thread up to one per CPU; and
 * `prove`, asking where each page of such a block lies.
 * Each case is mapped, timed and unmapped ROUNDS times and once more before:
 * that first time is shown apart, because a virtual machine's host may have to
 * supply the pages then.
 *
 * Small pages are had by turning huge ones off for the process, the number of
 * threads by its affinity. hugetlb needs root: pages are reserved and given
 * back. A case that the machine cannot do is left out with a word on stderr.
 *
 * Prints a line of JSON per case, in seconds per GiB; `cpu` is the median of
 * the CPU seconds of all threads, which others on the machine disturb less.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/base/numa.h"
#include "runtime/base/thread.h"

#define ROUNDS_MAX 100
#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct bench_case {
    const char *how; /* "plain", "block", "prove" */
    enum fgi_pages pages;
    uint64_t bytes;
    unsigned threads;
};

static long read_hugepages(void)
{
    long count = -1;
    FILE *file = fopen(NR_HUGEPAGES, "re");

    if (file != NULL) {
        if (fscanf(file, "%ld", &count) != 1) {
            count = -1;
        }
        fclose(file);
    }
    return count;
}

/* Returns whether there are so many now. */
static bool reserve_hugepages(long count)
{
    FILE *file = fopen(NR_HUGEPAGES, "we");

    if (file == NULL) {
        return false;
    }
    fprintf(file, "%ld\n", count);
    return fclose(file) == 0 && read_hugepages() == count;
}

/* What a case took: of the clock, and of all CPUs. */
struct took {
    uint64_t wall_ns; /* 0: it cannot be had here */
    uint64_t cpu_ns;
};

static struct took now(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (struct took){fgi_now_ns(), (uint64_t)cpu.tv_sec * FGI_NS_PER_S +
                                           (uint64_t)cpu.tv_nsec};
}

static struct took since(struct took start)
{
    struct took end = now();

    return (struct took){end.wall_ns - start.wall_ns,
                         end.cpu_ns - start.cpu_ns};
}

/* Populate a fresh mapping in one call. */
static struct took time_plain(const struct bench_case *c)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    bool is_hugetlb = c->pages == FGI_PAGES_HUGETLB;
    uint64_t total = c->bytes + (is_hugetlb ? 0 : FGI_MIB(2));
    struct took start = now();
    struct took took = {0, 0};
    uint8_t *at = mmap(NULL, total, PROT_READ | PROT_WRITE,
                       flags | (is_hugetlb ? MAP_HUGETLB : 0), -1, 0);
    uint8_t *base;

    if (at == MAP_FAILED) {
        return took;
    }
    base = (uint8_t *)fgi_align_up((uintptr_t)at, FGI_MIB(2));
    if (c->pages == FGI_PAGES_THP) {
        madvise(base, c->bytes, MADV_HUGEPAGE);
    }
    if (madvise(base, c->bytes, MADV_POPULATE_WRITE) == 0) {
        took = since(start);
    }
    munmap(at, total);
    return took;
}

/* Ask where all pages are. */
static struct took time_proof(const struct fgi_block *block)
{
    struct fg_placement placement = {.home_node = 0};
    struct took start = now();
    bool is_asked;

    placement.page_bytes = fgi_page_bytes(block->pages);
    placement.page_kind = fgi_pages_name(block->pages);
    fgi_numa_verify(block->base, block->bytes, &placement);
    is_asked = strcmp(placement.verified_by, "move_pages") == 0;
    return is_asked ? since(start) : (struct took){0, 0};
}

/* Map by fgi_block_map_at; other pages than asked for are no result. */
static struct took time_block(const struct bench_case *c)
{
    struct fgi_block_place place = {.node = -1, .thread_node = -1};
    struct fgi_block block;
    struct took start = now();
    struct took took = {0, 0};

    if (fgi_block_map_at(&block, c->bytes, &place, NULL) != FG_OK) {
        return took;
    }
    took = since(start);
    if (block.pages != c->pages || block.small_bytes != 0) {
        took.wall_ns = 0;
    } else if (strcmp(c->how, "prove") == 0) {
        took = time_proof(&block);
    }
    fgi_block_unmap(&block);
    return took;
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

static void run_case(const struct bench_case *c, int rounds)
{
    uint64_t ns[ROUNDS_MAX + 1];
    uint64_t cpu_ns[ROUNDS_MAX + 1];
    double scale = 1e-9 * (double)FGI_GIB(1) / (double)c->bytes;

    for (int i = 0; i <= rounds; i++) {
        struct took took =
            strcmp(c->how, "plain") == 0 ? time_plain(c) : time_block(c);

        ns[i] = took.wall_ns;
        cpu_ns[i] = took.cpu_ns;
        if (ns[i] == 0) {
            fprintf(stderr, "bench_arena: %s: %s: %llu MiB: left out\n", c->how,
                    fgi_pages_name(c->pages),
                    (unsigned long long)(c->bytes >> 20));
            return;
        }
    }
    printf(
        "{\"pages\": \"%s\", \"mib\": %llu, \"how\": \"%s\", \"threads\": %u, "
        "\"first\": %.4f, \"samples\": [",
        fgi_pages_name(c->pages), (unsigned long long)(c->bytes >> 20), c->how,
        c->threads, (double)ns[0] * scale);
    for (int i = 1; i <= rounds; i++) {
        printf("%s%.4f", i > 1 ? ", " : "", (double)ns[i] * scale);
    }
    qsort(ns + 1, (size_t)rounds, sizeof(ns[0]), compare);
    qsort(cpu_ns + 1, (size_t)rounds, sizeof(cpu_ns[0]), compare);
    printf("], \"median\": %.4f, \"min\": %.4f, \"max\": %.4f, "
           "\"cpu\": %.4f}\n",
           (double)ns[1 + rounds / 2] * scale, (double)ns[1] * scale,
           (double)ns[rounds] * scale, (double)cpu_ns[1 + rounds / 2] * scale);
    fflush(stdout);
}

/* Let this process run on the first `count` of the CPUs. */
static void use_cpus(const cpu_set_t *all, unsigned count)
{
    cpu_set_t some;

    CPU_ZERO(&some);
    for (int cpu = 0; cpu < CPU_SETSIZE && count > 0; cpu++) {
        if (CPU_ISSET(cpu, all)) {
            CPU_SET(cpu, &some);
            count--;
        }
    }
    sched_setaffinity(0, sizeof(some), &some);
}

static void run_kind(enum fgi_pages pages, uint64_t bytes, int rounds)
{
    struct bench_case c = {"plain", pages, bytes, 1};
    unsigned cpus = fgi_cpu_count();
    cpu_set_t all;
    long reserved = read_hugepages();

    if (pages == FGI_PAGES_HUGETLB &&
        !reserve_hugepages((long)(bytes / FGI_MIB(2)))) {
        fprintf(stderr, "bench_arena: %s: cannot be set\n", NR_HUGEPAGES);
        reserve_hugepages(reserved);
        return;
    }
    sched_getaffinity(0, sizeof(all), &all);
    prctl(PR_SET_THP_DISABLE, pages == FGI_PAGES_SMALL, 0, 0, 0);
    run_case(&c, rounds);
    c.how = "block";
    for (c.threads = 1; c.threads <= cpus; c.threads++) {
        use_cpus(&all, c.threads);
        run_case(&c, rounds);
        sched_setaffinity(0, sizeof(all), &all);
    }
    c.how = "prove";
    c.threads = 1;
    run_case(&c, rounds);
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    if (pages == FGI_PAGES_HUGETLB) {
        reserve_hugepages(reserved);
    }
}

int main(int argc, char **argv)
{
    static char *sizes[] = {"256", "1024", "2048"};
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    char **mib = argc > 2 ? argv + 2 : sizes;
    int count = argc > 2 ? argc - 2 : 3;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_arena [ROUNDS [MIB...]], at most %d\n",
                ROUNDS_MAX);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        uint64_t bytes = FGI_MIB(strtoull(mib[i], NULL, 10));

        run_kind(FGI_PAGES_SMALL, bytes, rounds);
        run_kind(FGI_PAGES_THP, bytes, rounds);
        run_kind(FGI_PAGES_HUGETLB, bytes, rounds);
    }
    return 0;
}
