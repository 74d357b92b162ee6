/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/schedule.h"

#include <assert.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"

static uint64_t steps_of(const struct fgi_schedule *schedule, uint64_t samples)
{
    if (schedule->remainder == FG_REMAINDER_DROP) {
        return samples / schedule->global_batch;
    }
    return fgi_ceil_div(samples, schedule->global_batch);
}

static enum fg_status check_fill(const struct fgi_schedule *schedule,
                                 struct fg_error *err)
{
    if (schedule->remainder == FG_REMAINDER_PAD ||
        schedule->sample_count >= schedule->global_batch) {
        return FG_OK;
    }
    fgi_fail(err, FG_ERR_ARGUMENT,
             "batch: got %llu samples per global batch, wanted at most the "
             "dataset's %llu with remainder %s",
             (unsigned long long)schedule->global_batch,
             (unsigned long long)schedule->sample_count,
             schedule->remainder == FG_REMAINDER_DROP ? "drop" : "wrap");
    fgi_likely(err, "batch size too large; remainder pad would deliver it");
    return FG_ERR_ARGUMENT;
}

static enum fg_status set_start(struct fgi_schedule *schedule,
                                const struct fg_loader_state *state,
                                struct fg_error *err)
{
    schedule->start_epoch = 0;
    schedule->start_position = 0;
    if (state == NULL) {
        return FG_OK;
    }
    if (state->position > schedule->sample_count) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "state: got position %llu, wanted at most the "
                        "dataset's %llu samples",
                        (unsigned long long)state->position,
                        (unsigned long long)schedule->sample_count);
    }
    schedule->start_epoch = state->epoch;
    schedule->start_position = state->position;
    if (steps_of(schedule, schedule->sample_count - state->position) == 0) {
        schedule->start_epoch++;
        schedule->start_position = 0;
    }
    return FG_OK;
}

/* Batches until config->epochs are done, or config->steps are. */
static void set_count(struct fgi_schedule *schedule,
                      const struct fg_loader_config *config)
{
    uint64_t count = UINT64_MAX;
    uint64_t more;

    if (config->epochs != 0) {
        count = 0;
        if (schedule->start_epoch < config->epochs) {
            more = config->epochs - schedule->start_epoch - 1;
            if (!fgi_mul(more, schedule->epoch_steps, &count) ||
                !fgi_add(count, schedule->first_steps, &count)) {
                count = UINT64_MAX;
            }
        }
    }
    if (config->steps != 0) {
        count = fgi_min(count, config->steps);
    }
    schedule->batch_count = count;
}

enum fg_status fgi_schedule_init(struct fgi_schedule *schedule,
                                 const struct fg_loader_config *config,
                                 uint64_t sample_count, struct fg_error *err)
{
    enum fg_status status;

    assert(sample_count >= 1);
    schedule->sample_count = sample_count;
    schedule->batch_size = config->batch_size;
    schedule->global_batch = (uint64_t)config->batch_size * config->world_size;
    schedule->rank_offset = (uint64_t)config->rank * config->batch_size;
    schedule->remainder = config->remainder;
    status = check_fill(schedule, err);
    if (status != FG_OK) {
        return status;
    }
    status = set_start(schedule, config->state, err);
    if (status != FG_OK) {
        return status;
    }
    schedule->epoch_steps = steps_of(schedule, sample_count);
    schedule->first_steps =
        steps_of(schedule, sample_count - schedule->start_position);
    set_count(schedule, config);
    return FG_OK;
}

void fgi_schedule_batch(const struct fgi_schedule *schedule, uint64_t sequence,
                        struct fgi_batch_place *place)
{
    uint64_t base = 0;
    uint64_t steps = sequence;
    uint64_t left;

    assert(sequence < schedule->batch_count);
    place->epoch = schedule->start_epoch;
    if (sequence < schedule->first_steps) {
        base = schedule->start_position;
    } else {
        steps = sequence - schedule->first_steps;
        place->epoch += 1 + steps / schedule->epoch_steps;
        steps %= schedule->epoch_steps;
    }
    place->position =
        base + steps * schedule->global_batch + schedule->rank_offset;
    place->step = base / schedule->global_batch + steps;
    place->count = (uint32_t)schedule->batch_size;
    if (schedule->remainder == FG_REMAINDER_PAD) {
        left = place->position < schedule->sample_count
                   ? schedule->sample_count - place->position
                   : 0;
        place->count = (uint32_t)fgi_min(left, schedule->batch_size);
    }
}

uint64_t fgi_schedule_last_before(const struct fgi_schedule *schedule,
                                  uint64_t epoch, uint64_t end)
{
    uint64_t base = 0;
    uint64_t before = 0;
    uint64_t steps = schedule->first_steps;
    uint64_t step;

    if (epoch == schedule->start_epoch) {
        base = schedule->start_position;
    } else {
        before = schedule->first_steps +
                 (epoch - schedule->start_epoch - 1) * schedule->epoch_steps;
        steps = schedule->epoch_steps;
    }
    step = end <= base ? 0 : (end - 1 - base) / schedule->global_batch;
    return before + fgi_min(step, steps - 1);
}

void fgi_schedule_after(const struct fgi_schedule *schedule, uint64_t batches,
                        uint64_t *epoch, uint64_t *position)
{
    *epoch = schedule->start_epoch;
    if (batches < schedule->first_steps) {
        *position = schedule->start_position + batches * schedule->global_batch;
        return;
    }
    batches -= schedule->first_steps;
    *epoch += 1 + batches / schedule->epoch_steps;
    *position = batches % schedule->epoch_steps * schedule->global_batch;
}
