/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the measurements: what memory, copies and files share.
 *
 *     measure.c         configs, samples, nodes, the buffer
 *     measure_memory.c  threads of a node read a buffer
 *     measure_copy.c    a buffer goes to a device
 *     measure_read.c    files are read
 */
#ifndef FGI_RUNTIME_MEASURE_H
#define FGI_RUNTIME_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/measure.h>
#include <feedgpu/topology.h>

#include "runtime/base/mem.h"
#include "runtime/topology/topology.h"

/* A copy of the caller's config, with nothing left open but `bytes`. Errors:
 * ARGUMENT, UNSUPPORTED. */
enum fg_status fgi_measure_config_read(const struct fg_measure_config *from,
                                       struct fg_measure_config *config,
                                       struct fg_error *err);

/* Ask the caller whether to go on. Errors: CANCELLED. */
enum fg_status fgi_measure_poll(const struct fg_measure_config *config,
                                struct fg_error *err);

/* Rates of rounds. Storage is the owner's; zeroed it holds none. */
struct fgi_samples {
    double values[FG_MEASURE_ROUNDS_MAX];
    uint32_t count; /* of values */
};

/* Add a round: bytes in ns. 0 ns count as 1: no clock is finer. */
void fgi_samples_add(struct fgi_samples *samples, uint64_t bytes, uint64_t ns);

/* Pure: fill median, minimum, maximum and rounds from at least one sample. */
void fgi_samples_sum_up(const struct fgi_samples *samples,
                        struct fg_rate *rate);

/*
 * Pure: may memory on memory_node be used (-1: any)? Errors: ARGUMENT (no such
 * node, without memory, a device's own), PERMISSION.
 */
enum fg_status fgi_measure_check_memory(const struct fg_topology *topology,
                                        int32_t memory_node,
                                        struct fg_error *err);

/*
 * Pure but for this thread's affinity: the CPUs of cpu_node (-1: any) that it
 * may run on. Errors: ARGUMENT (no such node, without CPUs), PERMISSION.
 */
enum fg_status fgi_measure_cpus(const struct fg_topology *topology,
                                int32_t cpu_node, struct fgi_set *cpus,
                                struct fg_error *err);

/*
 * Pure: how much of `wanted` bytes to take. With is_fixed the answer is wanted
 * or an error, else it may be as little as half of the node's free memory.
 * Errors: MEMORY (no room).
 */
enum fg_status fgi_measure_fit(const struct fg_topology *topology,
                               int32_t memory_node, uint64_t wanted,
                               bool is_fixed, uint64_t *bytes,
                               struct fg_error *err);

/* Bytes of the last-level caches that these CPUs share in; 0: unknown. */
uint64_t fgi_measure_cache_bytes(const struct fg_topology *topology,
                                 const struct fgi_set *cpus);

/*
 * Map, touch and prove a buffer on memory_node (-1: any); says in *rate what it
 * is made of. The block is the caller's on success. Errors: MEMORY (also:
 * pages came from elsewhere).
 */
enum fg_status fgi_measure_map(int32_t memory_node, uint64_t bytes,
                               struct fgi_block *block, struct fg_rate *rate,
                               struct fg_error *err);

#endif /* FGI_RUNTIME_MEASURE_H */
