/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and streams.
 *
 * A device is where batches are delivered: "cuda:N" (a GPU), "emulated" or
 * "emulated:PROFILE" (a stand-in whose copy engine and compute engine are
 * timelines), or "host" (batches stay in pinned host memory).
 *
 * A stream orders work on a device. On "cuda" it is a cudaStream_t, and any
 * stream of the program's own may be used, NULL too; on the others it is made
 * here, and NULL stands for one that every device has.
 *
 * On "cuda" these functions make the device current for the calling thread.
 */
#ifndef FEEDGPU_DEVICE_H
#define FEEDGPU_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_device;

/* A cudaStream_t on "cuda"; what fg_stream_open gave on the others. */
typedef void *fg_stream;

/* Let the emulated device's copies take their time but move no bytes. */
#define FG_DEVICE_TIME_ONLY 1u

struct fg_device_info {
    const char *kind;        /* "cuda", "emulated" or "host"; static */
    char name[64];           /* "NVIDIA H100 80GB HBM3", "h100", "host" */
    char bus_id[24];         /* "0000:05:00.0", or "" */
    int32_t numa_node;       /* what its driver or its name says, or -1 */
    uint32_t reserved;       /* zero */
    uint64_t memory_bytes;   /* of the device; 0 when it has none of its own */
    double copy_bytes_per_s; /* emulated: HtoD rate; 0: not known */
};

/* When a piece of work ran, in CLOCK_MONOTONIC nanoseconds. */
struct fg_span {
    uint64_t start_ns;
    uint64_t end_ns;
};

/*
 * Open a device by name: "auto" (the first GPU that works, else "emulated"),
 * "cuda" (the first GPU that works), "cuda:N", "emulated[:PROFILE]" with
 * PROFILE h100, a100, b200 and, alone or behind a comma, any of
 * "copy=GB/s,latency=US,node=N,bus=ID", or "host[:node=N,bus=ID]". node=N says
 * what a GPU's driver would; bus=0000:05:00.0 that it stands in for the device
 * at that PCI bus id. `flags` are FG_DEVICE_... bits.
 * The home node follows from both: see fg_topology_find_home.
 * Errors: ARGUMENT (name), UNSUPPORTED (built without CUDA), DEVICE.
 * Threads: any. Blocks: creating a CUDA context can take seconds.
 */
FG_EXPORT enum fg_status fg_device_open(const char *name, uint32_t flags,
                                        struct fg_device **device,
                                        struct fg_error *err);

/* Release a device; no loader or stream may use it any more. NULL allowed. */
FG_EXPORT void fg_device_close(struct fg_device *device);

/* Describe a device. Threads: any. Blocks: never. */
FG_EXPORT void fg_device_get_info(const struct fg_device *device,
                                  struct fg_device_info *info);

/* Make a stream of the device's own kind (cuda: non-blocking). */
FG_EXPORT enum fg_status fg_stream_open(struct fg_device *device,
                                        fg_stream *stream,
                                        struct fg_error *err);

/* Wait for a stream's work, then release it. NULL is allowed. */
FG_EXPORT void fg_stream_close(struct fg_device *device, fg_stream stream);

/* Block until all work given to the stream so far is done. */
FG_EXPORT enum fg_status fg_stream_synchronize(struct fg_device *device,
                                               fg_stream stream,
                                               struct fg_error *err);

/* How many spans fg_stream_compute keeps: index modulo this. */
#define FG_COMPUTE_SPANS_MAX 1024u

/*
 * Enqueue a compute step of duration_ns on the stream, as a training step's
 * stand-in: a kernel that runs that long on cuda, a piece of the compute
 * timeline on emulated, nothing (the span is "now" + 0) on host with
 * duration 0, a sleep of the caller on host otherwise.
 * `index` names the step for fg_compute_get_span.
 * The stream must be one that fg_stream_open made.
 */
FG_EXPORT enum fg_status fg_stream_compute(struct fg_device *device,
                                           fg_stream stream,
                                           uint64_t duration_ns, uint64_t index,
                                           struct fg_error *err);

/*
 * When did compute step `index` run? Blocks until it has ended. On cuda the
 * times come from events and are mapped to CLOCK_MONOTONIC (error below
 * 50 us). Errors: ARGUMENT if the index is not one of the last
 * FG_COMPUTE_SPANS_MAX.
 */
FG_EXPORT enum fg_status fg_compute_get_span(struct fg_device *device,
                                             fg_stream stream, uint64_t index,
                                             struct fg_span *span,
                                             struct fg_error *err);

/*
 * Copy from device memory to the host, ordered on the stream, and wait.
 * Errors: UNSUPPORTED on an emulated device with FG_DEVICE_TIME_ONLY.
 */
FG_EXPORT enum fg_status fg_device_read(struct fg_device *device,
                                        fg_stream stream, void *host,
                                        const void *device_data, size_t bytes,
                                        struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_DEVICE_H */
