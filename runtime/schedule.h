/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which positions of which epoch make which batch of this rank. Pure
 * arithmetic: resuming in the middle of an epoch costs nothing.
 *
 * A step takes global_batch = batch_size x world_size consecutive positions;
 * rank r takes the r-th batch_size of them. So a global step has the same
 * samples in the same order for every world size that divides global_batch.
 */
#ifndef FGI_RUNTIME_SCHEDULE_H
#define FGI_RUNTIME_SCHEDULE_H

#include <stdint.h>

#include <feedgpu/loader.h>

struct fgi_schedule {
    uint64_t sample_count; /* of the dataset */
    uint64_t batch_size;   /* of this rank */
    uint64_t global_batch; /* of all ranks */
    uint64_t rank_offset;  /* rank x batch_size */
    enum fg_remainder remainder;
    uint64_t start_epoch;    /* epoch of batch 0 */
    uint64_t start_position; /* position of batch 0, rank 0, in that epoch */
    uint64_t first_steps;    /* steps left in start_epoch */
    uint64_t epoch_steps;    /* steps of a whole epoch */
    uint64_t batch_count;    /* batches in all; UINT64_MAX: endless */
};

/* One batch of this rank. */
struct fgi_batch_place {
    uint64_t epoch;    /* from 0 */
    uint64_t step;     /* in the epoch */
    uint64_t position; /* its first position; may be >= sample_count */
    uint32_t count;    /* its samples; 0 when padding leaves this rank none */
};

/*
 * Set up from a config (state included) for a dataset of sample_count samples.
 * Errors: ARGUMENT, for a batch that the dataset cannot fill once.
 */
enum fg_status fgi_schedule_init(struct fgi_schedule *schedule,
                                 const struct fg_loader_config *config,
                                 uint64_t sample_count, struct fg_error *err);

/* Describe batch `sequence` (below batch_count). */
void fgi_schedule_batch(const struct fgi_schedule *schedule, uint64_t sequence,
                        struct fgi_batch_place *place);

/* Last batch of that epoch whose global batch begins below `end`, which is at
 * least 1 and at most sample_count. Later ones need nothing below `end`. */
uint64_t fgi_schedule_last_before(const struct fgi_schedule *schedule,
                                  uint64_t epoch, uint64_t end);

/* Epoch and position after `batches` batches. */
void fgi_schedule_after(const struct fgi_schedule *schedule, uint64_t batches,
                        uint64_t *epoch, uint64_t *position);

#endif /* FGI_RUNTIME_SCHEDULE_H */
