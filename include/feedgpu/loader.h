/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader: a dataset in, batches on a device out, epoch after epoch.
 *
 *     struct fg_loader_config config;
 *     fg_loader_config_init(&config);
 *     config.dataset = "/data/train";
 *     config.batch_size = 256;
 *     config.device = "cuda:0";
 *     if (fg_loader_open(&config, &loader, &err) != FG_OK) ...
 *     while (fg_loader_acquire(loader, stream, &batch, &err) == FG_OK) {
 *         train_step(batch.fields[0].data, batch.count, stream);
 *         fg_loader_release(loader, &batch, stream);
 *     }
 *     fg_loader_close(loader);
 */
#ifndef FEEDGPU_LOADER_H
#define FEEDGPU_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/batch.h>
#include <feedgpu/dataset.h>
#include <feedgpu/device.h>
#include <feedgpu/error.h>
#include <feedgpu/export.h>
#include <feedgpu/log.h>
#include <feedgpu/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fg_loader;

enum fg_shuffle {
    FG_SHUFFLE_NONE = 0,  /* stored order */
    FG_SHUFFLE_BLOCK = 1, /* random blocks, mixed within a window of blocks */
    FG_SHUFFLE_FULL = 2,  /* a random permutation of all samples */
};

/* What happens to an epoch's last samples when they do not fill a batch. */
enum fg_remainder {
    FG_REMAINDER_PAD = 0,  /* a last batch of fewer samples, rest zero */
    FG_REMAINDER_DROP = 1, /* they are not delivered in this epoch */
    FG_REMAINDER_WRAP = 2, /* filled up from the start of the epoch's order */
};

enum fg_bad_sample {
    FG_BAD_SAMPLE_FAIL = 0,       /* the batch's acquire returns the error */
    FG_BAD_SAMPLE_SKIP = 1,       /* left out: the batch's count is smaller */
    FG_BAD_SAMPLE_SUBSTITUTE = 2, /* the nearest good one of the batch */
};

/* Three-way choices. */
enum fg_choice {
    FG_AUTO = 0,
    FG_ON = 1,
    FG_OFF = 2,
};

/*
 * Turn one stored sample into one of fixed size, on a worker thread.
 * `stored` (length bytes) is borrowed; `out` has out_bytes to be filled.
 * Return 0, or non-zero when the sample is bad. Must not block for long, and
 * runs on several threads at once.
 */
typedef int (*fg_decode_fn)(const void *stored, uint64_t stored_bytes,
                            uint64_t sample_index, void *out,
                            uint64_t out_bytes, void *context);

/* Where a loader is: a few integers, valid on any world size. */
struct fg_loader_state {
    uint64_t identity;       /* of the dataset: fg_dataset_info.identity */
    uint64_t seed;           /* as configured */
    uint64_t epoch;          /* epoch of the next batch */
    uint64_t position;       /* samples of that epoch consumed, all ranks */
    uint64_t window_samples; /* of the block shuffle */
    uint64_t block_samples;  /* of the block shuffle */
    uint32_t shuffle;        /* enum fg_shuffle */
    uint32_t version;        /* 1 */
};

/*
 * Memory on the home node only: opening fails where the kernel would put it
 * elsewhere. Without it the node is preferred, and spilling is reported.
 */
#define FG_LOADER_NUMA_STRICT 1u

#define FG_NODE_AUTO (-2) /* the device's home node */
#define FG_NODE_NONE (-1) /* no placement */

/*
 * How to run. Fill with fg_loader_config_init, then change. Strings and
 * pointers are borrowed during fg_loader_open, but for decode_context and
 * log_context. Zero in a size means "choose for me".
 */
struct fg_loader_config {
    uint32_t struct_size; /* sizeof(struct fg_loader_config) */
    uint32_t flags;       /* FG_LOADER_... bits */
    const char *dataset;  /* file, directory, glob or @list */
    struct fg_dataset_config dataset_config;
    const char *device;           /* "auto", "cuda:N", "emulated[:P]", "host" */
    struct fg_device *use_device; /* instead: an open one, borrowed */
    uint32_t batch_size;          /* samples per batch and rank, default 256 */
    uint32_t rank;                /* of this process, below world_size */
    uint32_t world_size;          /* ranks, default 1 */
    enum fg_shuffle shuffle;      /* default FG_SHUFFLE_NONE */
    uint64_t seed;                /* of the shuffle */
    uint64_t epochs;              /* 0: endless; default 1 */
    uint64_t steps;               /* stop after so many batches; 0: no limit */
    uint64_t window_bytes;        /* block shuffle mixes over this; 128 MiB */
    enum fg_remainder remainder;
    enum fg_bad_sample on_bad_sample;
    enum fg_choice direct;   /* O_DIRECT; auto: not when cached */
    enum fg_choice verify;   /* block checksums; auto: on */
    const char *io;          /* "auto", "uring", "pread", "null" */
    uint64_t read_bytes;     /* one read; default 1 MiB */
    uint64_t inflight_bytes; /* reads in flight; 0: adapted from 16 MiB */
    uint32_t slots;          /* host slots */
    uint32_t threads;        /* decode and assembly threads */
    int32_t numa_node;       /* FG_NODE_AUTO, FG_NODE_NONE or a node */
    uint32_t reserved;       /* zero */
    const struct fg_loader_state *state; /* resume here, or NULL */
    fg_decode_fn decode;                 /* or NULL: samples as stored */
    void *decode_context;                /* passed to decode */
    const struct fg_field *decode_field; /* what decode makes (fixed) */
    fg_log_fn log;                       /* or NULL */
    void *log_context;                   /* passed to log */
};

/* Fill a config with defaults. Threads: any. */
FG_EXPORT void fg_loader_config_init(struct fg_loader_config *config);

/*
 * Open a loader and start reading. On success *loader is the caller's.
 * Everything the loader will need is allocated here.
 * Threads: any. Blocks: metadata reads, page pinning.
 * Errors: those of fg_dataset_open and fg_device_open, ARGUMENT, MEMORY.
 */
FG_EXPORT enum fg_status fg_loader_open(const struct fg_loader_config *config,
                                        struct fg_loader **loader,
                                        struct fg_error *err);

/*
 * Get the next batch. Makes `stream` wait for the batch's copy; blocks the
 * CPU only while no batch is assembled. The batch is on loan until release.
 * Returns FG_END after the last batch. An error is final: every later call
 * returns it again. Threads: one at a time per loader (the consumer).
 * Errors: READ, DAMAGED, CHANGED, DEVICE, CANCELLED.
 */
FG_EXPORT enum fg_status fg_loader_acquire(struct fg_loader *loader,
                                           fg_stream stream,
                                           struct fg_batch *batch,
                                           struct fg_error *err);

/*
 * Give a batch back once the work given to `stream` so far is done with it.
 * Never blocks. Batches may be released in any order, but batch n is written
 * where batch n - slots was (3 slots on cuda and emulated, stats.slots on
 * host): until that one is released, acquire returns FG_ERR_STATE.
 */
FG_EXPORT void fg_loader_release(struct fg_loader *loader,
                                 struct fg_batch *batch, fg_stream stream);

/*
 * Make the current and all later acquires return FG_ERR_CANCELLED.
 * Threads: any, also in a signal handler.
 */
FG_EXPORT void fg_loader_cancel(struct fg_loader *loader);

/* Stop, wait for reads and copies in flight, release all. NULL allowed. */
FG_EXPORT void fg_loader_close(struct fg_loader *loader);

/* Snapshot the counters. Threads: any. Blocks: never. */
FG_EXPORT void fg_loader_get_stats(const struct fg_loader *loader,
                                   struct fg_loader_stats *stats);

/*
 * When the copy of batch `sequence` was complete, CLOCK_MONOTONIC ns; 0 when
 * it is not yet known, or longer ago than 1024 batches. On cuda a batch's
 * copied_ns is not known at acquire; this tells it later. Threads: any.
 */
FG_EXPORT uint64_t fg_loader_get_copied_ns(const struct fg_loader *loader,
                                           uint64_t sequence);

/*
 * The state after the last acquired batch: a loader opened with it continues
 * with the batch that follows. Threads: the consumer.
 */
FG_EXPORT void fg_loader_get_state(const struct fg_loader *loader,
                                   struct fg_loader_state *state);

/* The device batches go to: the loader's, valid until close. */
FG_EXPORT struct fg_device *fg_loader_device(struct fg_loader *loader);

/* The dataset: the loader's, valid until close; for get_info and locate. */
FG_EXPORT struct fg_dataset *fg_loader_dataset(struct fg_loader *loader);

/* Batches per epoch on this rank. Threads: any. */
FG_EXPORT uint64_t fg_loader_steps_per_epoch(const struct fg_loader *loader);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_LOADER_H */
