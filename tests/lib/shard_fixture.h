/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of formats and datasets share: samples that are a pure
 * function of a seed, shards written from them, and files of given bytes.
 */
#ifndef TESTS_SHARD_FIXTURE_H
#define TESTS_SHARD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <feedgpu/shard.h>

#include "io/file.h"
#include "io/formats/format.h"
#include "runtime/base/mem.h"

/* Samples of one schema: sample i is a function of (seed, i). */
struct model {
    uint64_t seed;
    uint64_t samples;
    uint64_t block_samples; /* 0: the writer's choice */
    int32_t zstd_level;
    struct fgi_schema schema;
};

static inline uint64_t mix(uint64_t seed, uint64_t number)
{
    return XXH3_64bits_withSeed(&number, sizeof(number), seed);
}

static inline struct fg_field field_of(const char *name, enum fg_dtype dtype,
                                       uint64_t elements, uint32_t flags)
{
    struct fg_field field = {
        .dtype = dtype,
        .flags = flags,
        .dims = 1,
        .shape = {elements},
        .max_bytes = elements * fg_dtype_bytes(dtype),
    };

    snprintf(field.name, sizeof(field.name), "%s", name);
    return field;
}

static inline uint64_t model_length(const struct model *model, uint64_t i,
                                    uint32_t f)
{
    const struct fg_field *field = &model->schema.fields[f];
    uint32_t bytes = fg_dtype_bytes(field->dtype);

    if ((field->flags & FG_FIELD_VARIABLE) == 0) {
        return field->max_bytes;
    }
    return mix(model->seed + f, i) % (field->max_bytes / bytes + 1) * bytes;
}

/* Text-like bytes: zstd finds something in them, but not everything. */
static inline void model_fill(const struct model *model, uint64_t i, uint32_t f,
                              uint8_t *to)
{
    uint64_t length = model_length(model, i, f);
    uint64_t word = 0;

    for (uint64_t at = 0; at < length; at++) {
        if (at % 16 == 0) {
            word = mix(model->seed ^ f, i * 65536 + at);
        }
        to[at] = (uint8_t)('a' + ((word >> (4 * (at % 16))) & 15));
    }
}

static inline uint8_t *model_sample(const struct model *model, uint64_t i,
                                    uint64_t *lengths, const void **fields)
{
    uint64_t total = 0;
    uint8_t *data;

    for (uint32_t f = 0; f < model->schema.count; f++) {
        lengths[f] = model_length(model, i, f);
        total += lengths[f];
    }
    data = malloc(total + 1);
    assert_non_null(data);
    total = 0;
    for (uint32_t f = 0; f < model->schema.count; f++) {
        fields[f] = data + total;
        model_fill(model, i, f, data + total);
        total += lengths[f];
    }
    return data;
}

static inline enum fg_status model_write(const struct model *model,
                                         const char *path, uint32_t flags,
                                         struct fg_error *err)
{
    struct fg_shard_config config;
    struct fg_shard_writer *writer;
    enum fg_status status;

    fg_shard_config_init(&config);
    config.flags = flags;
    config.field_count = model->schema.count;
    config.fields = model->schema.fields;
    config.zstd_level = model->zstd_level;
    config.block_samples = model->block_samples;
    status = fg_shard_writer_open(path, &config, &writer, err);
    if (status != FG_OK) {
        return status;
    }
    for (uint64_t i = 0; i < model->samples; i++) {
        uint64_t lengths[FG_FIELDS_MAX];
        const void *fields[FG_FIELDS_MAX];
        uint8_t *data = model_sample(model, i, lengths, fields);

        status = fg_shard_writer_add(writer, fields, lengths, err);
        free(data);
        if (status != FG_OK) {
            fg_shard_writer_abort(writer);
            return status;
        }
    }
    return fg_shard_writer_finish(writer, err);
}

static inline void model_must_write(const struct model *model, const char *path)
{
    struct fg_error err;

    if (model_write(model, path, FG_SHARD_OVERWRITE, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
}

/* A schema of 1 to 5 fields of any kind, and how to store it. */
static inline void model_random(struct model *model, uint64_t seed)
{
    uint32_t count = 1 + (uint32_t)(mix(seed, 1) % 5);

    *model = (struct model){
        .seed = seed,
        .samples = 1 + mix(seed, 2) % 300,
        .block_samples = mix(seed, 3) % 3 == 0 ? 0 : 1 + mix(seed, 4) % 64,
        .zstd_level = mix(seed, 5) % 2 == 0 ? 0 : (int)(1 + mix(seed, 6) % 5),
        .schema = {.count = count},
    };
    for (uint32_t f = 0; f < count; f++) {
        char name[16];

        snprintf(name, sizeof(name), "f%u", f);
        model->schema.fields[f] = field_of(
            name, (enum fg_dtype)(1 + mix(seed, 10 + f) % 13),
            1 + mix(seed, 30 + f) % 60, (uint32_t)(mix(seed, 50 + f) % 2));
    }
}

static inline void must_match(const struct model *model, uint64_t i,
                              const struct fgi_sample *sample)
{
    uint64_t lengths[FG_FIELDS_MAX];
    const void *fields[FG_FIELDS_MAX];
    uint8_t *data = model_sample(model, i, lengths, fields);

    for (uint32_t f = 0; f < model->schema.count; f++) {
        assert_int_equal(sample->lengths[f], lengths[f]);
        assert_memory_equal(sample->fields[f], fields[f], lengths[f]);
    }
    free(data);
}

/* Open a shard of our own format. */
static inline enum fg_status
shard_open(const char *path, struct fgi_shard *shard, struct fg_error *err)
{
    struct fg_dataset_config config = {
        .struct_size = sizeof(config),
        .format = "shard",
        .dtype = FG_UINT8,
    };

    return fgi_shard_open(path, &config, shard, err);
}

/* Not by O_TRUNC: ext4 then flushes the file on close, which takes ages. */
static inline void write_file(const char *path, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, bytes, 0), (ssize_t)bytes);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

/* The whole file; to be given to free. */
static inline uint8_t *read_file(const char *path, size_t *bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    uint8_t *data;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    *bytes = (size_t)status.st_size;
    data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, *bytes), (ssize_t)*bytes);
    close(fd);
    return data;
}

/* Entries of a folder, hidden ones too. */
static inline int count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = -2;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

/* Make an empty folder; what an earlier run left in it goes. */
static inline void fresh_folder(const char *folder)
{
    DIR *dir;

    assert_true(mkdir(folder, 0755) == 0 || access(folder, F_OK) == 0);
    dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0) {
            int flags = entry->d_type == DT_DIR ? AT_REMOVEDIR : 0;

            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, flags), 0);
        }
    }
    closedir(dir);
}

#endif /* TESTS_SHARD_FIXTURE_H */
