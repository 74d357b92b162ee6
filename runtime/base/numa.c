/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes and CPUs there are comes from /sys, because containers forbid
 * get_mempolicy but show /sys; memory policy and page locations come from the
 * system calls that libnuma wraps. Its higher calls are not used: they print
 * on stderr, and they forget the affinity that the program was started with.
 *
 * Where the pages lie is asked of move_pages, then, where a seccomp filter
 * forbids that, of /proc/self/numa_maps; failing both it is not claimed.
 */
#include "runtime/base/numa.h"

#include <errno.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/math.h"

/* Pages asked about in one move_pages call. */
#define VERIFY_PAGES 512

#define NODES_MAX 1024
#define CPUS_MAX 8192
#define WORD_BITS (8 * sizeof(unsigned long))

/* Sets of nodes and of CPUs, as the kernel wants them. */
struct node_set {
    unsigned long words[NODES_MAX / (8 * sizeof(unsigned long))];
};
struct cpu_set {
    unsigned long words[CPUS_MAX / (8 * sizeof(unsigned long))];
};

static void set_bit(unsigned long *words, unsigned long bit)
{
    words[bit / WORD_BITS] |= 1ul << (bit % WORD_BITS);
}

static bool bit_is_set(const unsigned long *words, unsigned long bit)
{
    return (words[bit / WORD_BITS] >> (bit % WORD_BITS) & 1) != 0;
}

/* Set the bits named by a list like "0-3,8"; bits from limit on are left. */
static void parse_list(const char *text, unsigned long *words,
                       unsigned long limit)
{
    while (*text >= '0' && *text <= '9') {
        char *end;
        unsigned long first = strtoul(text, &end, 10);
        unsigned long last = first;

        if (*end == '-') {
            last = strtoul(end + 1, &end, 10);
        }
        for (unsigned long i = first; i <= last && i < limit; i++) {
            set_bit(words, i);
        }
        text = *end == ',' ? end + 1 : end;
    }
}

/* Read a list file of /sys into words; false when there is none. */
static bool read_list(const char *path, unsigned long *words,
                      unsigned long limit)
{
    char text[4096];
    FILE *file = fopen(path, "re");
    bool got;

    if (file == NULL) {
        return false;
    }
    got = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    if (got) {
        parse_list(text, words, limit);
    }
    return got;
}

/* Nodes that are online; node 0 where the kernel knows of none. */
static void online_nodes(struct node_set *set)
{
    memset(set, 0, sizeof(*set));
    if (!read_list("/sys/devices/system/node/online", set->words, NODES_MAX)) {
        set_bit(set->words, 0);
    }
}

unsigned fgi_numa_node_count(void)
{
    struct node_set set;
    unsigned count = 0;

    online_nodes(&set);
    for (size_t i = 0; i < NODES_MAX / WORD_BITS; i++) {
        count += (unsigned)__builtin_popcountl(set.words[i]);
    }
    return count > 0 ? count : 1;
}

bool fgi_numa_node_exists(int node)
{
    struct node_set set;

    if (node < 0 || node >= NODES_MAX) {
        return false;
    }
    online_nodes(&set);
    return bit_is_set(set.words, (unsigned long)node);
}

int fgi_numa_prefer(void *address, size_t bytes, int node)
{
    struct node_set set = {{0}};

    if (!fgi_numa_node_exists(node)) {
        return EINVAL; /* an empty set would quietly mean "local" */
    }
    set_bit(set.words, (unsigned long)node);
    if (mbind(address, bytes, MPOL_PREFERRED, set.words, NODES_MAX, 0) != 0) {
        return errno;
    }
    return 0;
}

int fgi_numa_run_on(int node)
{
    struct cpu_set allowed = {{0}};
    struct cpu_set wanted = {{0}};
    unsigned long any = 0;
    char path[64];

    if (!fgi_numa_node_exists(node)) {
        return EINVAL;
    }
    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist",
             node);
    if (!read_list(path, wanted.words, CPUS_MAX)) {
        return ENOSYS;
    }
    if (sched_getaffinity(0, sizeof(allowed), (cpu_set_t *)&allowed) != 0) {
        return errno;
    }
    /* What taskset or the job scheduler took away stays away. */
    for (size_t i = 0; i < CPUS_MAX / WORD_BITS; i++) {
        wanted.words[i] &= allowed.words[i];
        any |= wanted.words[i];
    }
    if (any == 0) {
        return EINVAL;
    }
    if (sched_setaffinity(0, sizeof(wanted), (cpu_set_t *)&wanted) != 0) {
        return errno;
    }
    return 0;
}

int fgi_numa_current_node(void)
{
    unsigned cpu;
    unsigned node;

    if (syscall(SYS_getcpu, &cpu, &node, NULL) != 0) {
        return -1;
    }
    return (int)node;
}

/* Count the pages of one chunk; false when the kernel refuses to tell. */
static bool verify_chunk(uint8_t *base, size_t pages, size_t page_bytes,
                         int home, uint64_t *on_home)
{
    void *addresses[VERIFY_PAGES];
    int status[VERIFY_PAGES];

    for (size_t i = 0; i < pages; i++) {
        addresses[i] = base + i * page_bytes;
    }
    if (move_pages(0, pages, addresses, NULL, status, 0) != 0) {
        return false;
    }
    for (size_t i = 0; i < pages; i++) {
        *on_home += status[i] == home;
    }
    return true;
}

/* Ask move_pages about every page. */
static bool verify_by_asking(const void *address, uint64_t pages,
                             struct fg_placement *placement)
{
    uint8_t *base = (uint8_t *)(uintptr_t)address;
    uint64_t on_home = 0;

    for (uint64_t at = 0; at < pages; at += VERIFY_PAGES) {
        size_t count = (size_t)fgi_min(VERIFY_PAGES, pages - at);

        if (!verify_chunk(base + at * placement->page_bytes, count,
                          placement->page_bytes, placement->home_node,
                          &on_home)) {
            return false;
        }
    }
    placement->pages_on_home_node = on_home;
    placement->verified_by = "move_pages";
    return true;
}

/* Add up the "N<node>=<pages>" words of one line. */
static void add_node_words(const char *line, int home, uint64_t *total,
                           uint64_t *on_home)
{
    for (const char *at = strstr(line, " N"); at != NULL;
         at = strstr(at + 1, " N")) {
        char *end;
        long node = strtol(at + 2, &end, 10);

        if (end != at + 2 && *end == '=') {
            uint64_t pages = strtoull(end + 1, NULL, 10);

            *total += pages;
            *on_home += node == home ? pages : 0;
        }
    }
}

/*
 * Take the node counts of the mappings that start in the range, and of the
 * one that holds its first byte. They are in the kernel's own page unit, so
 * only their proportion is used.
 */
static bool verify_by_maps(const void *address, size_t bytes,
                           struct fg_placement *placement)
{
    uint64_t from = (uintptr_t)address;
    uint64_t holder[2] = {0, 0}; /* total and on_home of the last one before */
    uint64_t total = 0;
    uint64_t on_home = 0;
    char line[1024];
    FILE *file = fopen("/proc/self/numa_maps", "re");

    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        uint64_t start = strtoull(line, NULL, 16);

        if (start <= from) {
            holder[0] = holder[1] = 0;
            add_node_words(line, placement->home_node, &holder[0], &holder[1]);
        } else if (start < from + bytes) {
            add_node_words(line, placement->home_node, &total, &on_home);
        }
    }
    fclose(file);
    total += holder[0];
    on_home += holder[1];
    if (total == 0) {
        return false;
    }
    placement->pages_on_home_node =
        (uint64_t)((double)placement->pages * (double)on_home / (double)total);
    placement->verified_by = "numa_maps";
    return true;
}

void fgi_numa_verify(const void *address, size_t bytes,
                     struct fg_placement *placement)
{
    uint64_t pages = bytes / placement->page_bytes;

    placement->pages = pages;
    placement->pages_on_home_node = pages;
    placement->verified_by = "nothing";
    if (placement->home_node < 0 || pages == 0) {
        return;
    }
    if (!verify_by_asking(address, pages, placement)) {
        (void)verify_by_maps(address, bytes, placement);
    }
}
