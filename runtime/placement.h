/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where memory and threads of a loader go, and the proof that they did.
 *
 * The home node is the device's. Memory goes there; where the node has none,
 * or the process may not use it, to the nearest node that will do. Threads run
 * on all CPUs of the home node that the process may use, never on one core.
 */
#ifndef FGI_RUNTIME_PLACEMENT_H
#define FGI_RUNTIME_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/device.h>
#include <feedgpu/loader.h>
#include <feedgpu/stats.h>
#include <feedgpu/topology.h>

#include "runtime/base/mem.h"

struct fgi_placement {
    struct fg_home home;
    struct fgi_block_place place; /* what to give fgi_block_map_at */
    int thread_node;              /* for fgi_thread_start; -1: as they are */
    struct fg_topology *topology; /* owned; NULL: /sys is not there */
    struct fg_placement report;   /* filled as things become known */
};

/*
 * Decide. `wanted` is config.numa_node. Errors: ARGUMENT (a node without
 * anything; a bus id that this machine lacks), NOT_FOUND and MEMORY (strict:
 * unknown home, node not allowed).
 */
enum fg_status fgi_placement_choose(struct fgi_placement *placement,
                                    int32_t wanted, bool is_strict,
                                    const struct fg_device_info *device,
                                    struct fg_error *err);

/* Strict: is there room for so many bytes? Errors: MEMORY with both. */
enum fg_status fgi_placement_check_room(struct fgi_placement *placement,
                                        uint64_t bytes, struct fg_error *err);

/* Note the disk that a file of the dataset lies on. Errors: MEMORY. */
enum fg_status fgi_placement_note_storage(struct fgi_placement *placement,
                                          const char *path,
                                          struct fg_error *err);

/*
 * Count where the arena's pages are. Strict: MEMORY if any is not at home, or
 * if that cannot be counted.
 */
enum fg_status fgi_placement_prove(struct fgi_placement *placement,
                                   const struct fgi_block *arena,
                                   struct fg_error *err);

/* Give back what choosing took. A zeroed struct is allowed. */
void fgi_placement_fini(struct fgi_placement *placement);

/*
 * Pure: the node where memory for `home` goes: itself, or the nearest that
 * has memory which the process may use; -1 when there is none.
 */
int32_t fgi_placement_memory_node(const struct fg_topology *topology,
                                  int32_t home);

#endif /* FGI_RUNTIME_PLACEMENT_H */
