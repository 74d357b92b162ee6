/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write a dataset of two fields, a variable-size image and a label, as two
 * shards. The pictures are made up; a program of yours would read them.
 *
 *     example_write_shards FOLDER SAMPLES
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <feedgpu/feedgpu.h>

#define SHARDS 2u
#define IMAGE_BYTES_MAX 4096u

/* A fixed field's max_bytes is its size; a variable field's the most that any
 * sample has, which is what it will take in a batch. */
static void describe(struct fg_field fields[2])
{
    memset(fields, 0, 2 * sizeof(*fields));
    snprintf(fields[0].name, sizeof(fields[0].name), "image");
    fields[0].dtype = FG_UINT8;
    fields[0].flags = FG_FIELD_VARIABLE;
    fields[0].dims = 1;
    fields[0].shape[0] = IMAGE_BYTES_MAX;
    fields[0].max_bytes = IMAGE_BYTES_MAX;
    snprintf(fields[1].name, sizeof(fields[1].name), "label");
    fields[1].dtype = FG_INT64; /* a scalar: no dims */
    fields[1].max_bytes = sizeof(int64_t);
}

/* Sample i is 1 .. IMAGE_BYTES_MAX bytes of i % 10, which is its label. */
static enum fg_status add_sample(struct fg_shard_writer *writer, uint64_t i,
                                 struct fg_error *err)
{
    uint8_t image[IMAGE_BYTES_MAX];
    int64_t label = (int64_t)(i % 10);
    const void *data[] = {image, &label};
    const uint64_t lengths[] = {1 + i * 331 % IMAGE_BYTES_MAX, sizeof(label)};

    memset(image, (int)label, lengths[0]);
    return fg_shard_writer_add(writer, data, lengths, err);
}

static enum fg_status write_shard(const char *path, uint64_t begin,
                                  uint64_t end, struct fg_error *err)
{
    struct fg_field fields[2];
    struct fg_shard_config config;
    struct fg_shard_writer *writer;
    enum fg_status status;

    describe(fields);
    fg_shard_config_init(&config);
    config.fields = fields;
    config.field_count = 2;
    config.zstd_level = 3; /* 0 stores the bytes as they are */
    status = fg_shard_writer_open(path, &config, &writer, err);
    if (status != FG_OK) {
        return status;
    }
    for (uint64_t i = begin; i < end; i++) {
        status = add_sample(writer, i, err);
        if (status != FG_OK) {
            fg_shard_writer_abort(writer); /* leaves no file behind */
            return status;
        }
    }
    /* Only now does the file appear under its name, whole and on disk. The
     * writer is gone after this, also when it fails. */
    return fg_shard_writer_finish(writer, err);
}

int main(int argc, char **argv)
{
    struct fg_error err;
    uint64_t samples;

    if (argc != 3 || strtoull(argv[2], NULL, 10) < SHARDS) {
        fprintf(stderr, "usage: example_write_shards FOLDER SAMPLES\n");
        return 2;
    }
    samples = strtoull(argv[2], NULL, 10);
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        char path[4096];

        /* Shards are read in the order of their names. */
        snprintf(path, sizeof(path), "%s/images-%05u.fgs", argv[1], shard);
        if (write_shard(path, samples * shard / SHARDS,
                        samples * (shard + 1) / SHARDS, &err) != FG_OK) {
            fprintf(stderr, "example_write_shards: %s\n", err.message);
            return 1;
        }
    }
    printf("%" PRIu64 " samples in %u shards\n", samples, SHARDS);
    return 0;
}
