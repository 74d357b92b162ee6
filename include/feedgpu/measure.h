/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of this machine, measured: memory between two nodes, and copies from
 * a node's pinned memory to a device. Reading rates are measured with a
 * loader. Every rate is the median of several rounds.
 */
#ifndef FEEDGPU_MEASURE_H
#define FEEDGPU_MEASURE_H

#include <stdint.h>

#include <feedgpu/device.h>
#include <feedgpu/error.h>
#include <feedgpu/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A rate and how much it can be trusted. */
struct fg_rate {
    double bytes_per_s;     /* median */
    double bytes_per_s_min; /* of the rounds */
    double bytes_per_s_max; /* of the rounds */
    uint32_t rounds;        /* how many */
    uint32_t threads;       /* that worked at once */
    uint64_t pages;         /* of the buffer */
    uint64_t pages_on_node; /* of these, on memory_node as asked */
};

/*
 * Measure reading of memory on memory_node by all allowed CPUs of cpu_node at
 * once. `bytes` in all (0: 256 MiB per thread, 1 GiB at most); `rounds` (0: 5).
 * Errors: ARGUMENT (no such node, no CPUs, no memory), MEMORY (not enough
 * free there, or not allowed), SYSTEM.
 * Threads: any. Blocks: for about a second.
 */
FG_EXPORT enum fg_status
fg_measure_memory(int32_t cpu_node, int32_t memory_node, uint64_t bytes,
                  uint32_t rounds, struct fg_rate *rate, struct fg_error *err);

/*
 * Measure HtoD copies from pinned memory on memory_node, 4 MiB at a time on
 * one stream. `bytes` per round (0: 256 MiB); `rounds` (0: 5).
 * Errors: as fg_measure_memory; UNSUPPORTED (a host device has no copies),
 * DEVICE. Threads: any. Blocks: for about a second.
 */
FG_EXPORT enum fg_status fg_measure_copy(struct fg_device *device,
                                         int32_t memory_node, uint64_t bytes,
                                         uint32_t rounds, struct fg_rate *rate,
                                         struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_MEASURE_H */
