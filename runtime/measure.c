/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all measurements need before and after the work itself.
 *
 * A buffer is preferred on its node, never bound: on a full node a bound touch
 * ends in the OOM killer, a preferred one on another node, and that is seen
 * when the pages are counted. A rate of the wrong memory is never given.
 */
#include "runtime/measure.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/config.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"

#define ROUNDS_DEFAULT 5
#define ROUND_NS_DEFAULT (300 * FGI_NS_PER_MS)

/* Left to others on a node. */
#define ROOM_MARGIN_BYTES FGI_MIB(64)
/* Less than this says nothing about memory. */
#define FITTED_BYTES_MIN FGI_MIB(32)

void fg_measure_config_init(struct fg_measure_config *config)
{
    memset(config, 0, sizeof(*config));
    config->struct_size = sizeof(*config);
    config->rounds = ROUNDS_DEFAULT;
    config->round_ns = ROUND_NS_DEFAULT;
}

enum fg_status fgi_measure_config_read(const struct fg_measure_config *from,
                                       struct fg_measure_config *config,
                                       struct fg_error *err)
{
    enum fg_status status;

    if (from == NULL) {
        fg_measure_config_init(config);
        return FG_OK;
    }
    status = fgi_config_check(from, sizeof(*from), "measure config", err);
    if (status != FG_OK) {
        return status;
    }
    if (from->rounds == 0 || from->rounds > FG_MEASURE_ROUNDS_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: rounds: got %u, wanted 1 to %u", from->rounds,
                        FG_MEASURE_ROUNDS_MAX);
    }
    *config = *from;
    return FG_OK;
}

enum fg_status fgi_measure_poll(const struct fg_measure_config *config,
                                struct fg_error *err)
{
    if (config->poll != NULL && config->poll(config->poll_context) != 0) {
        return fgi_fail(err, FG_ERR_CANCELLED, "measure: cancelled");
    }
    return FG_OK;
}

void fgi_samples_add(struct fgi_samples *samples, uint64_t bytes, uint64_t ns)
{
    if (samples->count < FG_MEASURE_ROUNDS_MAX) {
        samples->values[samples->count++] =
            (double)bytes * 1e9 / (double)fgi_max(ns, 1);
    }
}

static int compare(const void *a, const void *b)
{
    double first = *(const double *)a;
    double second = *(const double *)b;

    return (first > second) - (first < second);
}

void fgi_samples_sum_up(const struct fgi_samples *samples, struct fg_rate *rate)
{
    struct fgi_samples sorted = *samples;
    uint32_t middle = sorted.count / 2;

    qsort(sorted.values, sorted.count, sizeof(sorted.values[0]), compare);
    rate->rounds = sorted.count;
    rate->bytes_per_s_min = sorted.values[0];
    rate->bytes_per_s_max = sorted.values[sorted.count - 1];
    rate->bytes_per_s =
        sorted.count % 2 == 1
            ? sorted.values[middle]
            : (sorted.values[middle - 1] + sorted.values[middle]) / 2;
}

enum fg_status fgi_measure_check_memory(const struct fg_topology *topology,
                                        int32_t memory_node,
                                        struct fg_error *err)
{
    const struct fg_node *node = fg_topology_find_node(topology, memory_node);

    if (memory_node == -1) {
        return FG_OK;
    }
    if (node == NULL) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: memory of node %d: no such node",
                        memory_node);
    }
    if ((node->flags & FG_NODE_DEVICE_MEMORY) != 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: memory of node %d: it is a device's own",
                        memory_node);
    }
    if (node->memory_bytes == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: memory of node %d: it has none", memory_node);
    }
    if ((node->flags & FG_NODE_MEMORY_ALLOWED) == 0) {
        return fgi_fail(err, FG_ERR_PERMISSION,
                        "measure: memory of node %d: not allowed to this "
                        "process (likely cause: a cpuset)",
                        memory_node);
    }
    return FG_OK;
}

enum fg_status fgi_measure_cpus(const struct fg_topology *topology,
                                int32_t cpu_node, struct fgi_set *cpus,
                                struct fg_error *err)
{
    const struct fg_node *node = fg_topology_find_node(topology, cpu_node);
    struct fgi_set allowed = {{0}};

    if (sched_getaffinity(0, sizeof(allowed), (cpu_set_t *)&allowed) != 0) {
        return fgi_fail(err, FG_ERR_SYSTEM,
                        "measure: CPUs: which are allowed is not told");
    }
    if (cpu_node == -1) {
        *cpus = allowed;
        return FG_OK;
    }
    if (node == NULL) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: CPUs of node %d: no such node", cpu_node);
    }
    if (node->cpu_count == 0 || !fgi_set_parse(cpus, node->cpus)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: CPUs of node %d: it has none", cpu_node);
    }
    fgi_set_intersect(cpus, &allowed);
    if (fgi_set_count(cpus) == 0) {
        return fgi_fail(err, FG_ERR_PERMISSION,
                        "measure: CPUs of node %d: none is allowed to this "
                        "process (likely cause: taskset or a cpuset)",
                        cpu_node);
    }
    return FG_OK;
}

/* What a buffer may take of a node; FG_UNKNOWN. */
static uint64_t room_of(const struct fg_topology *topology, int32_t node_number)
{
    const struct fg_node *node = fg_topology_find_node(topology, node_number);
    uint64_t room = fgi_node_room_bytes(node);

    if (room == FG_UNKNOWN) {
        return FG_UNKNOWN;
    }
    return room > ROOM_MARGIN_BYTES ? room - ROOM_MARGIN_BYTES : 0;
}

enum fg_status fgi_measure_fit(const struct fg_topology *topology,
                               int32_t memory_node, uint64_t wanted,
                               bool is_fixed, uint64_t *bytes,
                               struct fg_error *err)
{
    uint64_t room = room_of(topology, memory_node);

    if (room == FG_UNKNOWN) {
        *bytes = wanted;
        return FG_OK;
    }
    if (!is_fixed) {
        wanted = fgi_min(wanted, fgi_max(fgi_align_down(room / 2, FGI_MIB(2)),
                                         FITTED_BYTES_MIN));
    }
    if (wanted > room) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "measure: memory of node %d: got %llu MiB free, wanted "
                        "%llu MiB and some to spare",
                        memory_node,
                        (unsigned long long)((room + ROOM_MARGIN_BYTES) >> 20),
                        (unsigned long long)fgi_ceil_div(wanted, FGI_MIB(1)));
    }
    *bytes = wanted;
    return FG_OK;
}

/* "491520K" in bytes; 0 if it is anything else. */
static uint64_t parse_cache_size(const char *text)
{
    char *end;
    unsigned long long size = strtoull(text, &end, 10);

    return end != text && strcmp(end, "K") == 0 && size < FGI_GIB(1)
               ? FGI_KIB(size)
               : 0;
}

/* This CPU's share of the cache at that index; 0 when there is none. */
static uint64_t cache_share(const struct fg_sysroot *root, uint32_t cpu,
                            int index)
{
    struct fgi_set sharers;
    char path[96];
    char text[512];
    uint64_t bytes;

    snprintf(path, sizeof(path),
             "/sys/devices/system/cpu/cpu%u/cache/index%d/size", cpu, index);
    if (fg_sysroot_read(root, path, text, sizeof(text), NULL) != FG_OK) {
        return 0;
    }
    bytes = parse_cache_size(text);
    snprintf(path, sizeof(path),
             "/sys/devices/system/cpu/cpu%u/cache/index%d/shared_cpu_list", cpu,
             index);
    if (fg_sysroot_read(root, path, text, sizeof(text), NULL) != FG_OK ||
        !fgi_set_parse(&sharers, text)) {
        return 0;
    }
    return bytes / fgi_max(fgi_set_count(&sharers), 1);
}

uint64_t fgi_measure_cache_bytes(const struct fg_topology *topology,
                                 const struct fgi_set *cpus)
{
    const struct fg_sysroot *root = fg_topology_sysroot(topology);
    uint64_t bytes = 0;

    for (uint32_t cpu = 0; cpu < FGI_SET_MAX; cpu++) {
        uint64_t share = 0;

        if (!fgi_set_has(cpus, cpu)) {
            continue;
        }
        for (int index = 4; index >= 2 && share == 0; index--) {
            share = cache_share(root, cpu, index);
        }
        bytes += share;
    }
    return bytes;
}

enum fg_status fgi_measure_map(int32_t memory_node, uint64_t bytes,
                               struct fgi_block *block, struct fg_rate *rate,
                               struct fg_error *err)
{
    struct fg_placement placement = {.home_node = memory_node};
    enum fg_status status = fgi_block_map(block, bytes, memory_node, err);

    if (status != FG_OK) {
        fgi_prefix(err, "measure");
        return status;
    }
    placement.page_bytes = fgi_page_bytes(block->pages);
    placement.page_kind = fgi_pages_name(block->pages);
    fgi_numa_verify(block->base, block->bytes, &placement);
    if (placement.pages_on_home_node != placement.pages) {
        fgi_block_unmap(block);
        return fgi_fail(err, FG_ERR_MEMORY,
                        "measure: memory of node %d: got %llu of %llu pages "
                        "there (likely cause: it is full)",
                        memory_node,
                        (unsigned long long)placement.pages_on_home_node,
                        (unsigned long long)placement.pages);
    }
    rate->pages = placement.pages;
    rate->pages_on_node =
        strcmp(placement.verified_by, "nothing") == 0 ? 0 : placement.pages;
    rate->page_bytes = placement.page_bytes;
    rate->page_kind = placement.page_kind;
    rate->verified_by = placement.verified_by;
    rate->engine = "";
    return FG_OK;
}
