/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's own struct: the pipeline, its threads, and the consumer. */
#ifndef FGI_RUNTIME_LOADER_H
#define FGI_RUNTIME_LOADER_H

#include "runtime/copier.h"
#include "runtime/pipeline.h"
#include "runtime/placement.h"
#include "runtime/reader.h"

struct fg_loader {
    struct fgi_pipeline pipeline;
    struct fgi_reader reader;
    struct fgi_copier copier;
    struct fg_loader_config config; /* strings and pointers are not valid */
    struct fgi_block arena;         /* all memory: slots, then: */
    struct fgi_block stage;         /* staging ring, a part of it */
    struct fgi_block raw;           /* ring of decoded bytes, a part of it */
    struct fg_device *owned_device; /* opened here, or NULL */
    bool is_host;                   /* batches stay in host slots */
    struct fgi_placement placement; /* where memory and threads are */
    uint64_t open_ns;               /* when open was called */
    uint32_t fork_generation;       /* of the process that opened it */

    /* The consumer's. */
    uint64_t next_sequence; /* next batch to acquire */
    struct fg_error error;  /* sticky; status FG_OK: none */

    /* Written by the consumer, read by any. */
    _Atomic uint64_t batches;
    _Atomic uint64_t samples;
    _Atomic uint64_t payload_bytes;
    _Atomic uint64_t wait_ns;
    _Atomic uint64_t first_batch_ns;
    _Atomic uint64_t wait_labels[FG_LABEL_COUNT];
};

/* Check a config and copy it to *checked with zeros made into defaults.
 * Errors: ARGUMENT naming the member. */
enum fg_status fgi_loader_config_check(const struct fg_loader_config *config,
                                       struct fg_loader_config *checked,
                                       struct fg_error *err);

/*
 * What a loader decides for itself (loader_choose.c), in the order in which it
 * is called. Each leaves its result in the loader.
 */
/* The order and the schedule, from the config or the state to resume. */
enum fg_status fgi_choose_order(struct fg_loader *loader,
                                const struct fg_loader_config *config,
                                struct fg_error *err);
/* Read the indexes of a few shards now. */
enum fg_status fgi_load_indexes(struct fg_dataset *dataset,
                                struct fg_error *err);
/* Direct auto: through the page cache if the data is there already. */
enum fg_status fgi_choose_direct(struct fg_loader *loader,
                                 struct fg_error *err);
/* May reads go straight into slots? */
enum fg_status fgi_choose_way(struct fg_loader *loader,
                              const struct fg_loader_config *config,
                              struct fg_error *err);
/* Host slots, so that `ahead_bytes` can be in flight. */
uint32_t fgi_choose_slots(const struct fg_loader *loader,
                          const struct fg_loader_config *config,
                          uint64_t ahead_bytes);
/* Reads that `budget_bytes` can hold. */
uint32_t fgi_choose_depth(const struct fg_loader *loader,
                          const struct fg_loader_config *config,
                          uint64_t budget_bytes);

/* Build everything and start. On failure fgi_loader_fini is still due. */
enum fg_status fgi_loader_init(struct fg_loader *loader,
                               const struct fg_loader_config *config,
                               struct fg_error *err);

/* Stop threads, reap reads and copies, release all. Half-built is allowed. */
void fgi_loader_fini(struct fg_loader *loader);

#endif /* FGI_RUNTIME_LOADER_H */
