/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/numa.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/math.h"

/* Pages asked about in one move_pages call. */
#define VERIFY_PAGES 512

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool usable;

static void probe(void)
{
    /* libnuma warns on stderr by default; a library must not print. */
    usable = numa_available() >= 0;
}

static bool numa_usable(void)
{
    pthread_once(&once, probe);
    return usable;
}

unsigned fgi_numa_node_count(void)
{
    int count = numa_usable() ? numa_num_configured_nodes() : 1;

    return count > 0 ? (unsigned)count : 1;
}

bool fgi_numa_node_exists(int node)
{
    if (node < 0) {
        return false;
    }
    if (!numa_usable()) {
        return node == 0;
    }
    return node <= numa_max_node() &&
           numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node);
}

int fgi_numa_prefer(void *address, size_t bytes, int node)
{
    struct bitmask *mask;
    long rv;
    int code = 0;

    if (!numa_usable()) {
        return ENOSYS;
    }
    mask = numa_allocate_nodemask();
    if (mask == NULL) {
        return ENOMEM;
    }
    numa_bitmask_setbit(mask, (unsigned)node);
    rv = mbind(address, bytes, MPOL_PREFERRED, mask->maskp, mask->size + 1, 0);
    if (rv != 0) {
        code = errno;
    }
    numa_bitmask_free(mask);
    return code;
}

int fgi_numa_run_on(int node)
{
    if (!numa_usable()) {
        return ENOSYS;
    }
    return numa_run_on_node(node) == 0 ? 0 : errno;
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

void fgi_numa_verify(const void *address, size_t bytes,
                     struct fg_placement *placement)
{
    size_t page_bytes = placement->page_bytes;
    uint64_t pages = bytes / page_bytes;
    uint64_t on_home = 0;

    placement->pages = pages;
    placement->pages_on_home_node = pages;
    placement->verified_by = "nothing";
    if (placement->home_node < 0 || !numa_usable()) {
        return;
    }
    for (uint64_t at = 0; at < pages; at += VERIFY_PAGES) {
        size_t count = (size_t)fgi_min(VERIFY_PAGES, pages - at);

        if (!verify_chunk((uint8_t *)(uintptr_t)address + at * page_bytes,
                          count, page_bytes, placement->home_node,
                          &on_home)) {
            return;
        }
    }
    placement->pages_on_home_node = on_home;
    placement->verified_by = "move_pages";
}
