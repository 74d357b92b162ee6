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

/* Places asked about in one move_pages call: a huge page's small ones. */
#define SMALL_BYTES 4096
#define SMALL_PAGES_MAX 512

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

static int set_policy(void *address, size_t bytes, int node, int policy)
{
    struct node_set set = {{0}};

    if (!fgi_numa_node_exists(node)) {
        return EINVAL; /* an empty set would quietly mean "local" */
    }
    set_bit(set.words, (unsigned long)node);
    if (mbind(address, bytes, policy, set.words, NODES_MAX, 0) != 0) {
        return errno;
    }
    return 0;
}

int fgi_numa_prefer(void *address, size_t bytes, int node)
{
    return set_policy(address, bytes, node, MPOL_PREFERRED);
}

int fgi_numa_bind(void *address, size_t bytes, int node)
{
    return set_policy(address, bytes, node, MPOL_BIND);
}

uint64_t fgi_numa_free_hugepages(int node)
{
    uint64_t pages = 0;
    char path[112];
    char text[32];
    FILE *file;

    snprintf(path, sizeof(path),
             "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/"
             "free_hugepages",
             node);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fgets(text, sizeof(text), file) != NULL) {
        pages = strtoull(text, NULL, 10);
    }
    fclose(file);
    return pages;
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

int fgi_numa_migrate(int pid, int node, uint64_t *pages_left)
{
    struct node_set from;
    struct node_set to = {{0}};
    long left;

    if (!fgi_numa_node_exists(node)) {
        return EINVAL;
    }
    online_nodes(&from);
    from.words[(unsigned)node / WORD_BITS] &=
        ~(1ul << ((unsigned)node % WORD_BITS));
    set_bit(to.words, (unsigned long)node);
    left = migrate_pages(pid, NODES_MAX, from.words, to.words);
    if (left < 0) {
        return errno;
    }
    *pages_left = (uint64_t)left;
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

/* Pages by node; those that are nowhere are not counted. */
struct tally {
    uint64_t pages[NODES_MAX];
};

/* The nodes of `count` places, `stride` apart; false: the kernel refuses. */
static bool ask(uint8_t *base, size_t stride, size_t count, int *nodes)
{
    void *addresses[SMALL_PAGES_MAX];

    for (size_t i = 0; i < count; i++) {
        addresses[i] = base + i * stride;
    }
    return move_pages(0, count, addresses, NULL, nodes, 0) == 0;
}

/* A page is at home if all of its parts are; else where the first is not. */
static int node_of_page(const int *nodes, size_t parts, int home)
{
    int node = home;

    for (size_t i = 0; i < parts && node == home; i++) {
        node = nodes[i];
    }
    return node;
}

/*
 * Ask move_pages about every page, as many at once as the addresses have room
 * for: a call for each costs more than touching them.
 */
static bool tally_by_asking(const void *address,
                            const struct fg_placement *placement,
                            struct tally *tally)
{
    bool is_one = strcmp(placement->page_kind, "hugetlb") == 0;
    size_t stride = is_one ? placement->page_bytes : SMALL_BYTES;
    size_t parts = placement->page_bytes / stride;
    size_t batch = SMALL_PAGES_MAX / parts;
    uint8_t *base = (uint8_t *)(uintptr_t)address;
    int nodes[SMALL_PAGES_MAX];

    for (uint64_t i = 0; i < placement->pages; i += batch) {
        size_t pages = fgi_min(batch, placement->pages - i);

        if (!ask(base + i * placement->page_bytes, stride, pages * parts,
                 nodes)) {
            return false;
        }
        for (size_t page = 0; page < pages; page++) {
            int node =
                node_of_page(nodes + page * parts, parts, placement->home_node);

            if (node >= 0 && node < NODES_MAX) {
                tally->pages[node]++;
            }
        }
    }
    return true;
}

/* Add up the "N<node>=<pages>" words of one line. */
static void add_node_words(const char *line, struct tally *tally)
{
    for (const char *at = strstr(line, " N"); at != NULL;
         at = strstr(at + 1, " N")) {
        char *end;
        long node = strtol(at + 2, &end, 10);

        if (end != at + 2 && *end == '=' && node >= 0 && node < NODES_MAX) {
            tally->pages[node] += strtoull(end + 1, NULL, 10);
        }
    }
}

/*
 * Add the node counts of the mappings that start in the range, and of the one
 * that holds its first byte, in the kernel's own page unit.
 */
static bool read_maps(const void *address, size_t bytes, struct tally *tally)
{
    uint64_t from = (uintptr_t)address;
    struct tally holder = {{0}}; /* of the last mapping before */
    char line[1024];
    FILE *file = fopen("/proc/self/numa_maps", "re");

    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        uint64_t start = strtoull(line, NULL, 16);

        if (start <= from) {
            memset(&holder, 0, sizeof(holder));
            add_node_words(line, &holder);
        } else if (start < from + bytes) {
            add_node_words(line, tally);
        }
    }
    fclose(file);
    for (size_t i = 0; i < NODES_MAX; i++) {
        tally->pages[i] += holder.pages[i];
    }
    return true;
}

/*
 * The kernel's lines may hold a neighbour's pages too, so their proportions
 * are used. What is not at home is rounded up: a page too many, never one too
 * few.
 */
static bool tally_by_maps(const void *address, size_t bytes,
                          const struct fg_placement *placement,
                          struct tally *tally)
{
    uint64_t total = 0;
    uint64_t elsewhere = 0;

    if (!read_maps(address, bytes, tally)) {
        return false;
    }
    for (size_t i = 0; i < NODES_MAX; i++) {
        total += tally->pages[i];
    }
    if (total == 0) {
        return false;
    }
    for (int i = 0; i < NODES_MAX; i++) {
        if (i != placement->home_node) {
            tally->pages[i] =
                fgi_ceil_div(tally->pages[i] * placement->pages, total);
            elsewhere += tally->pages[i];
        }
    }
    tally->pages[placement->home_node] =
        placement->pages - fgi_min(elsewhere, placement->pages);
    return true;
}

/* List the other nodes, most pages first; the last entry may be left out. */
static void list_elsewhere(const struct tally *tally,
                           struct fg_placement *placement)
{
    for (int node = 0; node < NODES_MAX; node++) {
        uint32_t at = placement->elsewhere_count;

        if (tally->pages[node] == 0 || node == placement->home_node) {
            continue;
        }
        while (at > 0 &&
               placement->elsewhere[at - 1].pages < tally->pages[node]) {
            if (at < FG_PLACEMENT_ELSEWHERE_MAX) {
                placement->elsewhere[at] = placement->elsewhere[at - 1];
            }
            at--;
        }
        if (at < FG_PLACEMENT_ELSEWHERE_MAX) {
            placement->elsewhere[at] = (struct fg_node_pages){
                .node = node, .pages = tally->pages[node]};
        }
        if (placement->elsewhere_count < FG_PLACEMENT_ELSEWHERE_MAX) {
            placement->elsewhere_count++;
        }
    }
}

void fgi_numa_verify(const void *address, size_t bytes,
                     struct fg_placement *placement)
{
    struct tally tally = {{0}};

    placement->pages = bytes / placement->page_bytes;
    placement->pages_on_home_node = placement->pages;
    placement->elsewhere_count = 0;
    placement->verified_by = "nothing";
    if (placement->home_node < 0 || placement->home_node >= NODES_MAX ||
        placement->pages == 0) {
        return;
    }
    if (tally_by_asking(address, placement, &tally)) {
        placement->verified_by = "move_pages";
    } else {
        memset(&tally, 0, sizeof(tally));
        if (!tally_by_maps(address, bytes, placement, &tally)) {
            return;
        }
        placement->verified_by = "numa_maps";
    }
    placement->pages_on_home_node = tally.pages[placement->home_node];
    list_elsewhere(&tally, placement);
}
