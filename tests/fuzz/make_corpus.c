/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seed corpus of fuzz_shard_index into the current folder: one
 * small shard of each kind. Run by hand when the format grows; the result is
 * committed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <feedgpu/shard.h>

struct seed {
    const char *path;
    int32_t zstd_level;
    uint32_t field_count;
    uint32_t variable_bits; /* bit f: field f is variable */
    uint64_t block_samples;
    int samples;
};

static const struct seed seeds[] = {
    {"fixed-raw.fgs", 0, 1, 0, 4, 4},    {"fixed-zstd.fgs", 3, 1, 0, 4, 4},
    {"variable-raw.fgs", 0, 1, 1, 8, 8}, {"variable-zstd.fgs", 3, 1, 1, 8, 7},
    {"mixed-raw.fgs", 0, 5, 0x0a, 8, 8}, {"mixed-zstd.fgs", 3, 5, 0x15, 8, 8},
    {"blocks-raw.fgs", 0, 2, 2, 3, 8},   {"blocks-zstd.fgs", 1, 2, 0, 3, 7},
};

static void fill_fields(const struct seed *seed, struct fg_field *fields)
{
    for (uint32_t f = 0; f < seed->field_count; f++) {
        snprintf(fields[f].name, sizeof(fields[f].name), "f%u", f);
        fields[f].dtype = f % 2 == 0 ? FG_UINT8 : FG_FLOAT32;
        fields[f].flags = seed->variable_bits >> f & 1;
        fields[f].dims = 1;
        fields[f].shape[0] = 9 + f;
        fields[f].max_bytes =
            fields[f].shape[0] * fg_dtype_bytes(fields[f].dtype);
    }
}

static enum fg_status add_sample(struct fg_shard_writer *writer,
                                 const struct seed *seed,
                                 const struct fg_field *fields, int i,
                                 struct fg_error *err)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog, "
                               "and then it jumps back over the dog";
    const void *data[FG_FIELDS_MAX];
    uint64_t lengths[FG_FIELDS_MAX];

    for (uint32_t f = 0; f < seed->field_count; f++) {
        uint64_t element_bytes = fg_dtype_bytes(fields[f].dtype);

        data[f] = text + (i + (int)f) % 16;
        lengths[f] = fields[f].max_bytes;
        if (fields[f].flags != 0) {
            lengths[f] = (uint64_t)i % (fields[f].shape[0] + 1) * element_bytes;
        }
    }
    return fg_shard_writer_add(writer, data, lengths, err);
}

static enum fg_status write_seed(const struct seed *seed, struct fg_error *err)
{
    struct fg_field fields[FG_FIELDS_MAX] = {0};
    struct fg_shard_writer *writer;
    struct fg_shard_config config;
    enum fg_status status;

    fill_fields(seed, fields);
    fg_shard_config_init(&config);
    config.flags = FG_SHARD_OVERWRITE;
    config.field_count = seed->field_count;
    config.fields = fields;
    config.zstd_level = seed->zstd_level;
    config.block_samples = seed->block_samples;
    status = fg_shard_writer_open(seed->path, &config, &writer, err);
    for (int i = 0; status == FG_OK && i < seed->samples; i++) {
        status = add_sample(writer, seed, fields, i, err);
        if (status != FG_OK) {
            fg_shard_writer_abort(writer);
        }
    }
    return status == FG_OK ? fg_shard_writer_finish(writer, err) : status;
}

int main(void)
{
    for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
        struct fg_error err;

        if (write_seed(&seeds[i], &err) != FG_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    return 0;
}
