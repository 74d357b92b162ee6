/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Existing shards as a source, to be packed again with another block size,
 * codec or shard size. The schema stays; a variable field's room becomes the
 * largest of the inputs'.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "report.h"

struct pack_reader {
    const struct pack_source *source;
    struct fg_dataset *dataset; /* of the open file, or NULL */
    size_t file_index;          /* which it is */
    uint8_t *buffer;            /* owned: one sample */
    size_t buffer_bytes;        /* room for the largest sample */
};

static enum fg_status open_shard(const char *path, struct fg_dataset **dataset,
                                 struct fg_error *err)
{
    struct fg_dataset_config config;
    fg_dataset_config_init(&config);
    config.format = "shard";
    return fg_dataset_open(path, &config, dataset, err);
}

static bool is_same_field(const struct fg_field *a, const struct fg_field *b)
{
    if (strcmp(a->name, b->name) != 0 || a->dtype != b->dtype ||
        a->flags != b->flags || a->dims != b->dims) {
        return false;
    }
    return (a->flags & FG_FIELD_VARIABLE) != 0 ||
           memcmp(a->shape, b->shape, a->dims * sizeof(a->shape[0])) == 0;
}

/* Take the first file's schema, and hold the others against it. */
static bool merge_schema(struct pack_source *source, const char *path,
                         const struct fg_dataset_info *info)
{
    if (source->field_count == 0) {
        source->field_count = info->field_count;
        memcpy(source->fields, info->fields,
               info->field_count * sizeof(source->fields[0]));
        return true;
    }
    bool is_same = source->field_count == info->field_count;
    for (uint32_t i = 0; is_same && i < info->field_count; i++) {
        struct fg_field *field = &source->fields[i];
        is_same = is_same_field(field, &info->fields[i]);
        if (is_same && info->fields[i].max_bytes > field->max_bytes) {
            field->max_bytes = info->fields[i].max_bytes;
            field->shape[0] = info->fields[i].shape[0];
        }
    }
    if (!is_same) {
        complain("%s: got other fields than %s has: pack them apart", path,
                 source->inputs->files[0].path);
    }
    return is_same;
}

static struct pack_reader *shards_open(const struct pack_source *source)
{
    struct pack_reader *reader = calloc(1, sizeof(*reader));
    uint64_t bytes = 1;
    for (uint32_t i = 0; i < source->field_count; i++) {
        bytes += source->fields[i].max_bytes;
    }
    if (reader == NULL) {
        return NULL;
    }
    reader->source = source;
    reader->buffer = malloc(bytes);
    reader->buffer_bytes = bytes;
    if (reader->buffer == NULL) {
        free(reader);
        return NULL;
    }
    return reader;
}

static void shards_close(struct pack_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    fg_dataset_close(reader->dataset);
    free(reader->buffer);
    free(reader);
}

/* Open the file that holds a sample; gives the index in it. */
static enum fg_status use_shard(struct pack_reader *reader, uint64_t index,
                                uint64_t *index_in_file, struct fg_error *err)
{
    const struct pack_source *source = reader->source;
    size_t file = pack_find(source->firsts, source->inputs->count, index);
    *index_in_file = index - source->firsts[file];
    if (reader->dataset != NULL && reader->file_index == file) {
        return FG_OK;
    }
    fg_dataset_close(reader->dataset);
    reader->dataset = NULL;
    reader->file_index = file;
    return open_shard(source->inputs->files[file].path, &reader->dataset, err);
}

static enum fg_status shards_read(struct pack_reader *reader, uint64_t index,
                                  struct pack_sample *sample,
                                  struct fg_error *err)
{
    uint64_t index_in_file;
    uint64_t total_bytes;
    enum fg_status status = use_shard(reader, index, &index_in_file, err);
    if (status == FG_OK) {
        status = fg_dataset_read(reader->dataset, index_in_file, reader->buffer,
                                 reader->buffer_bytes, sample->lengths,
                                 &total_bytes, err);
    }
    const uint8_t *place = reader->buffer;
    for (uint32_t i = 0; status == FG_OK && i < reader->source->field_count;
         i++) {
        sample->fields[i] = place;
        place += sample->lengths[i];
    }
    return status;
}

static bool shards_size(struct pack_source *source, uint64_t index,
                        uint64_t *bytes)
{
    struct fg_sample_place place;
    struct fg_error err;
    uint64_t index_in_file;
    if (source->sizer == NULL) {
        source->sizer = shards_open(source);
    }
    if (source->sizer == NULL) {
        complain("out of memory");
        return false;
    }
    if (use_shard(source->sizer, index, &index_in_file, &err) != FG_OK ||
        fg_dataset_locate(source->sizer->dataset, index_in_file, &place,
                          &err) != FG_OK) {
        complain_error(&err);
        return false;
    }
    *bytes = place.length;
    return true;
}

static void shards_fini(struct pack_source *source)
{
    shards_close(source->sizer);
    source->sizer = NULL;
}

static const struct pack_source_ops shards_ops = {
    .size = shards_size,
    .open = shards_open,
    .read = shards_read,
    .close = shards_close,
    .fini = shards_fini,
};

/* Bytes of every sample when all fields are fixed, else 0. */
static uint64_t fixed_bytes(const struct pack_source *source)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < source->field_count; i++) {
        if (source->fields[i].flags & FG_FIELD_VARIABLE) {
            return 0;
        }
        bytes += source->fields[i].max_bytes;
    }
    return bytes;
}

bool pack_shards_init(struct pack_source *source)
{
    const struct inputs *inputs = source->inputs;
    source->ops = &shards_ops;
    source->firsts = calloc(inputs->count + 1, sizeof(*source->firsts));
    if (source->firsts == NULL) {
        complain("out of memory");
        return false;
    }
    for (size_t i = 0; i < inputs->count; i++) {
        struct fg_dataset *dataset;
        struct fg_dataset_info info;
        struct fg_error err;
        if (open_shard(inputs->files[i].path, &dataset, &err) != FG_OK) {
            complain_error(&err);
            return false;
        }
        fg_dataset_get_info(dataset, &info);
        source->firsts[i] = source->sample_count;
        source->sample_count += info.sample_count;
        bool is_same = merge_schema(source, inputs->files[i].path, &info);
        fg_dataset_close(dataset);
        if (!is_same) {
            return false;
        }
    }
    source->firsts[inputs->count] = source->sample_count;
    source->fixed_bytes = fixed_bytes(source);
    return true;
}
