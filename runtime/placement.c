/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PREFERRED is the policy: a full node spills, and the report says how much
 * went where. BIND, for strict loaders, only behind a question for room: on a
 * full node the kernel does not refuse, its OOM killer ends some process.
 */
#include "runtime/placement.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"
#include "runtime/topology/topology.h"

/* Left to others on a node that memory is bound to. */
#define ROOM_MARGIN_BYTES FGI_MIB(64)

static void add_note(struct fg_placement *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Notes are joined by "; " and cut at the end. */
static void add_note(struct fg_placement *report, const char *format, ...)
{
    size_t used = strlen(report->note);
    va_list arguments;

    if (used > 0) {
        snprintf(report->note + used, sizeof(report->note) - used, "; ");
        used = strlen(report->note);
    }
    va_start(arguments, format);
    vsnprintf(report->note + used, sizeof(report->note) - used, format,
              arguments);
    va_end(arguments);
}

static bool has_room_for_host(const struct fg_node *node)
{
    return node->memory_bytes > 0 &&
           (node->flags & FG_NODE_DEVICE_MEMORY) == 0 &&
           (node->flags & FG_NODE_MEMORY_ALLOWED) != 0;
}

int32_t fgi_placement_memory_node(const struct fg_topology *topology,
                                  int32_t home)
{
    const struct fg_node *at = fg_topology_find_node(topology, home);
    int32_t best = -1;
    uint32_t best_distance = UINT32_MAX;

    if (at == NULL || has_room_for_host(at)) {
        return home;
    }
    for (uint32_t i = 0; i < fg_topology_node_count(topology); i++) {
        const struct fg_node *node = fg_topology_node(topology, i);
        uint32_t distance = at->distances[i];

        /* A distance that is not known is further than any that is. */
        distance = distance == 0 ? UINT32_MAX - 1 : distance;
        if (has_room_for_host(node) && distance < best_distance) {
            best = node->node;
            best_distance = distance;
        }
    }
    return best;
}

/* The CPUs of the home node that this thread may run on. */
static bool find_cpus(const struct fgi_placement *placement,
                      struct fgi_set *cpus)
{
    const struct fg_node *node =
        fg_topology_find_node(placement->topology, placement->home.node);
    struct fgi_set allowed = {{0}};

    if (node == NULL || !fgi_set_parse(cpus, node->cpus) ||
        sched_getaffinity(0, sizeof(allowed), (cpu_set_t *)&allowed) != 0) {
        return false;
    }
    fgi_set_intersect(cpus, &allowed);
    return fgi_set_count(cpus) > 0;
}

/* Where the threads go. */
static void place_threads(struct fgi_placement *placement)
{
    struct fg_placement *report = &placement->report;
    const struct fg_node *node;
    struct fgi_set cpus;

    placement->thread_node = -1;
    if (placement->topology == NULL) {
        return;
    }
    if (find_cpus(placement, &cpus)) {
        placement->thread_node = placement->home.node;
        fgi_set_format(&cpus, report->cpus, sizeof(report->cpus));
        return;
    }
    node = fg_topology_find_node(placement->topology, placement->home.node);
    add_note(report, "node %d: %s, threads stay where they are",
             placement->home.node,
             node != NULL && node->cpu_count == 0 ? "has no CPUs"
                                                  : "its CPUs are not allowed");
}

/* Where the memory goes. */
static void place_memory(struct fgi_placement *placement)
{
    struct fg_placement *report = &placement->report;
    int32_t home = placement->home.node;
    const struct fg_node *node;

    placement->place.node = home;
    if (placement->topology == NULL) {
        return;
    }
    placement->place.node =
        fgi_placement_memory_node(placement->topology, home);
    if (placement->place.node == home) {
        return;
    }
    node = fg_topology_find_node(placement->topology, home);
    add_note(report, "node %d: %s, memory on node %d", home,
             node != NULL && node->memory_bytes == 0
                 ? "has no memory"
                 : "its memory is not allowed",
             placement->place.node);
}

static enum fg_status find_home(struct fgi_placement *placement, int32_t wanted,
                                const struct fg_device_info *device,
                                struct fg_error *err)
{
    const struct fg_pci_device *found;
    enum fg_status status;

    if (wanted >= 0) {
        placement->home = (struct fg_home){wanted, FG_SOURCE_OVERRIDE};
        return FG_OK;
    }
    placement->home = (struct fg_home){-1, FG_SOURCE_UNKNOWN};
    if (wanted == FG_NODE_NONE) {
        return FG_OK;
    }
    if (placement->topology == NULL) {
        if (device->numa_node >= 0) {
            placement->home =
                (struct fg_home){device->numa_node, FG_SOURCE_DRIVER};
        }
        return FG_OK;
    }
    /* A GPU is there, whatever /sys shows; a stand-in must be. */
    if (device->bus_id[0] != '\0' && strcmp(device->kind, "cuda") != 0) {
        status = fg_topology_find_pci(placement->topology, device->bus_id,
                                      &found, err);
        if (status != FG_OK) {
            fgi_prefix(err, "device %s", device->kind);
            return status;
        }
    }
    fg_topology_find_home(placement->topology, device->bus_id,
                          device->numa_node, &placement->home);
    return FG_OK;
}

/* What strict needs to know before anything is mapped. */
static enum fg_status check_strict(const struct fgi_placement *placement,
                                   struct fg_error *err)
{
    int32_t home = placement->home.node;

    if (home < 0) {
        return fgi_fail(err, FG_ERR_NOT_FOUND,
                        "placement: home node: unknown, and placement is "
                        "strict (likely cause: /sys says -1; --numa-node N "
                        "says it)");
    }
    if (placement->topology == NULL || placement->place.node != home) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "placement: node %d: no memory that this process may "
                        "use, and placement is strict (likely cause: a node "
                        "without memory, or a cpuset)",
                        home);
    }
    return FG_OK;
}

enum fg_status fgi_placement_choose(struct fgi_placement *placement,
                                    int32_t wanted, bool is_strict,
                                    const struct fg_device_info *device,
                                    struct fg_error *err)
{
    struct fg_placement *report = &placement->report;
    struct fg_error why;
    enum fg_status status;

    memset(placement, 0, sizeof(*placement));
    placement->place.is_strict = is_strict;
    placement->place.node = placement->place.thread_node = -1;
    placement->thread_node = -1;
    report->storage_node = -1;
    status = fg_topology_open(NULL, &placement->topology, &why);
    if (status == FG_ERR_MEMORY) {
        return fgi_error_copy(err, &why);
    }
    if (status != FG_OK) {
        placement->topology = NULL;
        add_note(report, "%.80s", why.message);
    }
    status = find_home(placement, wanted, device, err);
    if (status != FG_OK) {
        return status;
    }
    if (placement->home.node >= 0) {
        place_memory(placement);
        place_threads(placement);
        placement->place.thread_node = placement->thread_node;
    } else if (wanted != FG_NODE_NONE) {
        add_note(report, "home node unknown, nothing was placed");
    }
    report->home_node = placement->home.node;
    report->home_source = placement->home.source;
    return is_strict ? check_strict(placement, err) : FG_OK;
}

enum fg_status fgi_placement_check_room(struct fgi_placement *placement,
                                        uint64_t bytes, struct fg_error *err)
{
    const struct fg_node *node;
    uint64_t room;

    if (!placement->place.is_strict || placement->topology == NULL) {
        return FG_OK;
    }
    node = fg_topology_find_node(placement->topology, placement->place.node);
    room = fgi_node_room_bytes(node);
    if (room == FG_UNKNOWN) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "placement: node %d: free memory: unknown, and "
                        "placement is strict",
                        placement->place.node);
    }
    if (bytes + bytes / 16 + ROOM_MARGIN_BYTES <= room) {
        return FG_OK;
    }
    if (fgi_numa_free_hugepages(placement->place.node) >=
        fgi_ceil_div(bytes, FGI_MIB(2))) {
        placement->place.only_hugetlb = true;
        return FG_OK;
    }
    return fgi_fail(err, FG_ERR_MEMORY,
                    "placement: node %d: got %llu MiB free, wanted %llu MiB "
                    "and some to spare, and placement is strict (likely "
                    "cause: other programs; fewer --slots need less)",
                    placement->place.node, (unsigned long long)(room >> 20),
                    (unsigned long long)fgi_ceil_div(bytes, FGI_MIB(1)));
}

enum fg_status fgi_placement_note_storage(struct fgi_placement *placement,
                                          const char *path,
                                          struct fg_error *err)
{
    struct fg_placement *report = &placement->report;
    struct fg_block block;
    struct fg_error why;

    if (placement->topology == NULL ||
        fg_topology_find_block_of(placement->topology, path, &block, &why) !=
            FG_OK) {
        return placement->topology != NULL && why.status == FG_ERR_MEMORY
                   ? fgi_error_copy(err, &why)
                   : FG_OK; /* tmpfs, NFS: no disk to speak of */
    }
    snprintf(report->storage, sizeof(report->storage), "%s", block.name);
    report->storage_node = block.home.node;
    if (block.is_split != 0) {
        add_note(report, "%s has disks on several nodes", block.name);
    } else if (block.home.node >= 0 && placement->home.node >= 0 &&
               block.home.node != placement->home.node) {
        add_note(report, "%s is on node %d: reads cross to node %d", block.name,
                 block.home.node, placement->home.node);
    }
    return FG_OK;
}

static const char *policy_name(const struct fgi_placement *placement,
                               const struct fgi_block *arena)
{
    if (placement->place.node < 0) {
        return "none";
    }
    if (arena->policy_errno != 0) {
        return placement->thread_node >= 0 ? "first touch" : "none";
    }
    return placement->place.is_strict ? "bind" : "preferred";
}

enum fg_status fgi_placement_prove(struct fgi_placement *placement,
                                   const struct fgi_block *arena,
                                   struct fg_error *err)
{
    struct fg_placement *report = &placement->report;

    report->page_bytes = fgi_page_bytes(arena->pages);
    report->page_kind = fgi_pages_name(arena->pages);
    report->policy = policy_name(placement, arena);
    fgi_numa_verify(arena->base, arena->bytes, report);
    if (arena->policy_errno != 0) {
        add_note(report, "mbind: %s", strerror(arena->policy_errno));
    }
    if (arena->small_bytes > 0) {
        add_note(report, "%zu MiB in small pages: the kernel had to compact",
                 arena->small_bytes >> 20);
    }
    if (!placement->place.is_strict) {
        return FG_OK;
    }
    if (strcmp(report->verified_by, "nothing") == 0) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "placement: node %d: where the pages are cannot be "
                        "counted here, and placement is strict",
                        report->home_node);
    }
    if (report->pages_on_home_node != report->pages) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "placement: node %d: got %llu of %llu pages there, "
                        "and placement is strict",
                        report->home_node,
                        (unsigned long long)report->pages_on_home_node,
                        (unsigned long long)report->pages);
    }
    return FG_OK;
}

void fgi_placement_fini(struct fgi_placement *placement)
{
    fg_topology_close(placement->topology);
    placement->topology = NULL;
}
