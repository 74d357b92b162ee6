/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a dataset sample by sample: fg_dataset_locate and fg_dataset_read.
 *
 * Happy path: the sample lies in the extent at hand. Otherwise the extent is
 * read through the page cache, checked, decoded and kept. On failure the
 * cursor holds nothing, and the next call begins anew.
 */
#include "runtime/dataset_cursor.h"

#include <inttypes.h>
#include <string.h>

#include "io/file.h"
#include "io/formats/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* Formats without blocks are read ahead by about this much. */
#define READ_AHEAD_BYTES FGI_MIB(1)

struct fgi_dataset_cursor {
    struct fgi_file file;     /* of the shard at hand, when it is open */
    bool is_open;             /* file is */
    bool is_filled;           /* extent and raw are valid */
    uint64_t shard_index;     /* of file and extent */
    struct fgi_extent extent; /* the extent at hand */
    uint8_t *stored;          /* owned, stored_room bytes */
    uint64_t stored_room;
    uint8_t *decoded; /* owned, decoded_room bytes */
    uint64_t decoded_room;
    const uint8_t *raw; /* the extent's raw bytes: one of these two */
    void *scratch;      /* of the codec; owned, or NULL */
};

static enum fg_status no_memory(const struct fgi_shard *shard, uint64_t bytes,
                                struct fg_error *err)
{
    return fgi_fail(err, FG_ERR_MEMORY,
                    "%s: read: got no memory wanted %" PRIu64 " bytes",
                    fgi_path_label(shard->path), bytes);
}

static void close_file(struct fgi_dataset_cursor *cursor)
{
    if (cursor->is_open) {
        fgi_file_close(&cursor->file);
        cursor->is_open = false;
    }
}

static bool make_room(uint8_t **buffer, uint64_t *room, uint64_t bytes)
{
    if (bytes <= *room) {
        return true;
    }
    fgi_free(*buffer);
    *room = 0;
    *buffer = fgi_alloc(bytes, 1);
    if (*buffer == NULL) {
        return false;
    }
    *room = bytes;
    return true;
}

/* Have the file of that shard open. */
static enum fg_status turn_to(struct fgi_dataset_cursor *cursor,
                              const struct fg_dataset *dataset,
                              uint64_t shard_index, struct fg_error *err)
{
    enum fg_status status;

    if (cursor->is_open && cursor->shard_index == shard_index) {
        return FG_OK;
    }
    close_file(cursor);
    status =
        fgi_shard_reopen(&dataset->shards[shard_index], &cursor->file, err);
    cursor->is_open = status == FG_OK;
    cursor->shard_index = shard_index;
    return status;
}

static enum fg_status decode(struct fgi_dataset_cursor *cursor,
                             const struct fgi_shard *shard,
                             struct fg_error *err)
{
    const struct fgi_extent *extent = &cursor->extent;

    cursor->raw = cursor->stored;
    if (!extent->needs_decode) {
        return FG_OK;
    }
    if (cursor->scratch == NULL) {
        cursor->scratch = fgi_codec_create();
    }
    if (cursor->scratch == NULL ||
        !make_room(&cursor->decoded, &cursor->decoded_room,
                   extent->raw_bytes)) {
        return no_memory(shard, extent->raw_bytes, err);
    }
    cursor->raw = cursor->decoded;
    return shard->ops->decode(shard, extent, cursor->stored, cursor->decoded,
                              cursor->scratch, err);
}

static enum fg_status fill(struct fgi_dataset_cursor *cursor,
                           struct fg_dataset *dataset, uint64_t index,
                           struct fg_error *err)
{
    struct fgi_extent *extent = &cursor->extent;
    const struct fgi_shard *shard;
    uint64_t shard_index;
    uint64_t stride = dataset->shards[0].linear_stride;
    uint64_t count = stride == 0 ? 1 : 1 + READ_AHEAD_BYTES / stride;
    enum fg_status status =
        fgi_dataset_extent(dataset, index, count, &shard_index, extent, err);

    if (status == FG_OK) {
        status = turn_to(cursor, dataset, shard_index, err);
    }
    if (status != FG_OK) {
        return status;
    }
    shard = &dataset->shards[shard_index];
    if (!make_room(&cursor->stored, &cursor->stored_room,
                   extent->stored_bytes)) {
        return no_memory(shard, extent->stored_bytes, err);
    }
    status = fgi_file_read(cursor->file.fd, fgi_path_label(shard->path),
                           extent->offset, cursor->stored, extent->stored_bytes,
                           err);
    if (status == FG_OK && extent->has_checksum) {
        status = shard->ops->check(shard, extent, cursor->stored, err);
    }
    if (status == FG_OK) {
        status = decode(cursor, shard, err);
    }
    return status;
}

/* Does the cursor's extent hold this sample? */
static bool holds(const struct fgi_dataset_cursor *cursor,
                  const struct fg_dataset *dataset, uint64_t index)
{
    uint64_t first;

    if (!cursor->is_filled) {
        return false;
    }
    first = dataset->first_samples[cursor->shard_index] + cursor->extent.first;
    return index >= first && index - first < cursor->extent.count;
}

static enum fg_status check_index(const struct fg_dataset *dataset,
                                  uint64_t index, struct fg_error *err)
{
    if (index >= dataset->info.sample_count) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "dataset: sample: got %" PRIu64
                        " wanted below %" PRIu64,
                        index, dataset->info.sample_count);
    }
    return FG_OK;
}

enum fg_status fgi_cursor_seek(struct fg_dataset *dataset, uint64_t index,
                               struct fgi_sample *sample, struct fg_error *err)
{
    struct fgi_dataset_cursor *cursor = dataset->cursor;
    const struct fgi_shard *shard;
    enum fg_status status = check_index(dataset, index, err);
    uint64_t first;

    if (status != FG_OK) {
        return status;
    }
    if (cursor == NULL) {
        cursor = fgi_alloc(1, sizeof(*cursor));
        if (cursor == NULL) {
            return fgi_fail(err, FG_ERR_MEMORY, "dataset: read: out of memory");
        }
        dataset->cursor = cursor;
    }
    if (!holds(cursor, dataset, index)) {
        cursor->is_filled = false;
        status = fill(cursor, dataset, index, err);
        if (status != FG_OK) {
            return status;
        }
        cursor->is_filled = true;
    }
    shard = &dataset->shards[cursor->shard_index];
    first = dataset->first_samples[cursor->shard_index] + cursor->extent.first;
    return shard->ops->locate(shard, &cursor->extent, cursor->raw,
                              (uint32_t)(index - first), sample, err);
}

void fgi_cursor_destroy(struct fgi_dataset_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    close_file(cursor);
    fgi_free(cursor->stored);
    fgi_free(cursor->decoded);
    fgi_codec_destroy(cursor->scratch);
    fgi_free(cursor);
}

/* Bytes of every sample, or 0 when they differ. */
static uint64_t sample_bytes(const struct fgi_schema *schema)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < schema->count; i++) {
        if ((schema->fields[i].flags & FG_FIELD_VARIABLE) != 0) {
            return 0;
        }
        bytes += schema->fields[i].max_bytes;
    }
    return bytes;
}

/* A variable sample's place is known only from its block. */
static enum fg_status locate_variable(struct fg_dataset *dataset,
                                      uint64_t index, uint64_t *offset,
                                      uint64_t *length, struct fg_error *err)
{
    struct fgi_sample sample;
    enum fg_status status = fgi_cursor_seek(dataset, index, &sample, err);

    if (status == FG_OK) {
        const struct fgi_dataset_cursor *cursor = dataset->cursor;

        *length = sample.total_bytes;
        if (!cursor->extent.needs_decode) {
            *offset += (uint64_t)(sample.fields[0] - cursor->raw);
        }
    }
    return status;
}

enum fg_status fg_dataset_locate(struct fg_dataset *dataset, uint64_t index,
                                 struct fg_sample_place *place,
                                 struct fg_error *err)
{
    uint64_t length = sample_bytes(&dataset->schema);
    struct fgi_extent extent;
    uint64_t shard_index = 0;
    uint64_t offset = 0;
    uint64_t index_in_shard = 0;
    enum fg_status status = check_index(dataset, index, err);

    if (status == FG_OK) {
        status =
            fgi_dataset_extent(dataset, index, 1, &shard_index, &extent, err);
    }
    if (status == FG_OK) {
        index_in_shard = index - dataset->first_samples[shard_index];
        offset = extent.offset;
        if (length == 0) {
            status = locate_variable(dataset, index, &offset, &length, err);
        } else if (!extent.needs_decode) {
            uint64_t stride = dataset->shards[shard_index].linear_stride;

            offset += (index_in_shard - extent.first) *
                      (stride != 0 ? stride : length);
        }
    }
    if (status != FG_OK) {
        return status;
    }
    *place = (struct fg_sample_place){
        .shard_path = dataset->shards[shard_index].path,
        .shard_index = shard_index,
        .index_in_shard = index_in_shard,
        .offset = offset,
        .length = length,
    };
    return FG_OK;
}

enum fg_status fg_dataset_read(struct fg_dataset *dataset, uint64_t index,
                               void *buffer, size_t capacity_bytes,
                               uint64_t *lengths, uint64_t *length_bytes,
                               struct fg_error *err)
{
    struct fgi_sample sample;
    uint8_t *to = buffer;
    enum fg_status status = fgi_cursor_seek(dataset, index, &sample, err);

    if (status != FG_OK) {
        return status;
    }
    if (sample.total_bytes > capacity_bytes) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "dataset: sample %" PRIu64 ": buffer: got %zu wanted "
                        "at least %" PRIu64 " bytes",
                        index, capacity_bytes, sample.total_bytes);
    }
    for (uint32_t i = 0; i < dataset->schema.count; i++) {
        if (sample.lengths[i] > 0) {
            memcpy(to, sample.fields[i], sample.lengths[i]);
        }
        to += sample.lengths[i];
        if (lengths != NULL) {
            lengths[i] = sample.lengths[i];
        }
    }
    *length_bytes = sample.total_bytes;
    return FG_OK;
}
