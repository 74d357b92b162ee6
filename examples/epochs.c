/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read a dataset for a few epochs on the host device and print, for each
 * epoch, how many samples came and the sum of their bytes. The loop is the one
 * that a training program has; what it does with a batch is a stand-in.
 *
 *     example_epochs DATASET [RECORD_BYTES]
 *
 * RECORD_BYTES is for files of fixed-size records; shards need none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <feedgpu/feedgpu.h>

struct epoch {
    uint64_t samples;
    uint64_t sum; /* of all bytes of all fields */
};

/* The samples come first in a field's [capacity x stride_bytes], and a sample
 * shorter than the stride is followed by zeros, which do not change a sum. */
static uint64_t sum_batch(const struct fg_batch *batch)
{
    uint64_t sum = 0;

    for (uint32_t k = 0; k < batch->field_count; k++) {
        const struct fg_batch_field *field = &batch->fields[k];
        const uint8_t *data = field->data;

        for (uint64_t i = 0; i < batch->count * field->stride_bytes; i++) {
            sum += data[i];
        }
    }
    return sum;
}

static void print_epoch(uint64_t number, const struct epoch *epoch)
{
    printf("epoch %" PRIu64 ": %" PRIu64 " samples, sum %" PRIu64 "\n", number,
           epoch->samples, epoch->sum);
}

static enum fg_status read_epochs(struct fg_loader *loader,
                                  struct fg_error *err)
{
    struct epoch epoch = {0, 0};
    struct fg_batch batch;
    enum fg_status status;

    /* The host device has no streams: NULL stands for one. */
    while ((status = fg_loader_acquire(loader, NULL, &batch, err)) == FG_OK) {
        if (batch.step == 0 && batch.epoch > 0) {
            print_epoch(batch.epoch - 1, &epoch);
            epoch = (struct epoch){0, 0};
        }
        epoch.samples += batch.count;
        epoch.sum += sum_batch(&batch);
        fg_loader_release(loader, &batch, NULL);
    }
    if (status != FG_END) {
        return status; /* *err says which file, where, and why */
    }
    print_epoch(2, &epoch);
    return FG_OK;
}

int main(int argc, char **argv)
{
    struct fg_loader_config config;
    struct fg_loader *loader;
    struct fg_error err;
    enum fg_status status;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: example_epochs DATASET [RECORD_BYTES]\n");
        return 2;
    }
    fg_loader_config_init(&config);
    config.dataset = argv[1];
    config.dataset_config.record_bytes =
        argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    config.device = "host";
    config.batch_size = 64;
    config.epochs = 3;
    config.shuffle = FG_SHUFFLE_BLOCK; /* every epoch in another order */
    config.seed = 42;
    status = fg_loader_open(&config, &loader, &err);
    if (status == FG_OK) {
        status = read_epochs(loader, &err);
        fg_loader_close(loader);
    }
    if (status != FG_OK) {
        fprintf(stderr, "example_epochs: %s\n", err.message);
        return 1;
    }
    return 0;
}
