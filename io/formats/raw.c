/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw records: a file that is nothing but samples of one size.
 *
 *     header_bytes │ sample 0 │ sample 1 │ ...        stride == record
 *     header_bytes │ sample 0      │                  stride < record:
 *                      │ sample 1      │              windows that overlap
 *
 * There is no index and no checksum. A file that does not hold a whole number
 * of records is refused: it is most likely truncated, or the size is wrong.
 * Windows of another stride than their size leave a rest that is too short
 * for one more; it is ignored.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "io/formats/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* One read may ask for this much, so one record and one extent too. */
#define EXTENT_BYTES_MAX FGI_GIB(1)
#define VERIFY_BYTES FGI_MIB(1)

struct raw {
    uint64_t record_bytes; /* one sample */
    uint64_t stride_bytes; /* from one sample to the next */
    uint64_t header_bytes; /* before the first */
};

static enum fg_status raw_extent(struct fgi_shard *shard, uint64_t index,
                                 uint64_t count, struct fgi_extent *extent,
                                 struct fg_error *err)
{
    const struct raw *raw = shard->private_data;
    uint64_t most =
        1 + (EXTENT_BYTES_MAX - raw->record_bytes) / raw->stride_bytes;

    (void)err;
    assert(index < shard->sample_count && count > 0);
    count = fgi_min(fgi_min(count, shard->sample_count - index),
                    fgi_min(most, UINT32_MAX));
    *extent = (struct fgi_extent){
        .offset = raw->header_bytes + index * raw->stride_bytes,
        .stored_bytes = (count - 1) * raw->stride_bytes + raw->record_bytes,
        .first = index,
        .count = (uint32_t)count,
    };
    extent->raw_bytes = extent->stored_bytes;
    return FG_OK;
}

static enum fg_status raw_check(const struct fgi_shard *shard,
                                const struct fgi_extent *extent,
                                const void *stored, struct fg_error *err)
{
    (void)shard;
    (void)extent;
    (void)stored;
    (void)err;
    return FG_OK;
}

static enum fg_status raw_decode(const struct fgi_shard *shard,
                                 const struct fgi_extent *extent,
                                 const void *stored, void *out, void *scratch,
                                 struct fg_error *err)
{
    (void)extent;
    (void)stored;
    (void)out;
    (void)scratch;
    return fgi_fail(err, FG_ERR_UNSUPPORTED,
                    "%s: decode: raw records are not encoded",
                    fgi_path_label(shard->path));
}

static enum fg_status raw_locate(const struct fgi_shard *shard,
                                 const struct fgi_extent *extent,
                                 const void *raw_data, uint32_t i,
                                 struct fgi_sample *sample,
                                 struct fg_error *err)
{
    const struct raw *raw = shard->private_data;

    (void)extent;
    (void)err;
    assert(i < extent->count);
    sample->fields[0] = (const uint8_t *)raw_data + i * raw->stride_bytes;
    sample->lengths[0] = raw->record_bytes;
    sample->total_bytes = raw->record_bytes;
    return FG_OK;
}

/* There is nothing to compare with: that every byte can be read is all. */
static enum fg_status raw_verify(const struct fgi_shard *shard,
                                 struct fg_error *err)
{
    struct fgi_file file;
    uint8_t *buffer;
    enum fg_status status = fgi_shard_reopen(shard, &file, err);

    if (status != FG_OK) {
        return status;
    }
    buffer = fgi_alloc(1, VERIFY_BYTES);
    if (buffer == NULL) {
        status = fgi_fail(err, FG_ERR_MEMORY, "%s: verify: out of memory",
                          fgi_path_label(shard->path));
    }
    for (uint64_t at = 0; status == FG_OK && at < shard->size_bytes;
         at += VERIFY_BYTES) {
        status =
            fgi_file_read(file.fd, fgi_path_label(shard->path), at, buffer,
                          fgi_min(VERIFY_BYTES, shard->size_bytes - at), err);
    }
    if (status == FG_OK) {
        status = fgi_file_check(&file, fgi_path_label(shard->path), err);
    }
    fgi_free(buffer);
    fgi_file_close(&file);
    return status;
}

/* There is no index. */
static void raw_forget(struct fgi_shard *shard)
{
    (void)shard;
}

static void raw_close(struct fgi_shard *shard)
{
    fgi_free(shard->private_data);
}

static const struct fgi_format_ops raw_ops = {
    .name = "raw",
    .extent = raw_extent,
    .check = raw_check,
    .decode = raw_decode,
    .locate = raw_locate,
    .verify = raw_verify,
    .forget = raw_forget,
    .close = raw_close,
};

static enum fg_status check_config(const struct fg_dataset_config *config,
                                   struct fg_error *err)
{
    uint32_t element_bytes = fg_dtype_bytes(config->dtype);

    if (config->record_bytes == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "record size: got 0 wanted the bytes of one raw "
                        "record");
    }
    if (config->record_bytes > EXTENT_BYTES_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "record size: got %" PRIu64 " wanted at most %" PRIu64
                        " bytes",
                        config->record_bytes, EXTENT_BYTES_MAX);
    }
    if (element_bytes == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "dtype: got %d wanted one of enum fg_dtype",
                        (int)config->dtype);
    }
    if (config->record_bytes % element_bytes != 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "record size: got %" PRIu64
                        " bytes wanted a multiple of %" PRIu32 " (%s)",
                        config->record_bytes, element_bytes,
                        fg_dtype_name(config->dtype));
    }
    return FG_OK;
}

/* How many samples the file holds, or why that is not a whole number. */
static enum fg_status count_samples(const struct fgi_candidate *from,
                                    const struct raw *raw, uint64_t *count,
                                    struct fg_error *err)
{
    uint64_t size = from->file->size_bytes;
    uint64_t data;
    uint64_t rest;

    if (size == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got an empty file wanted records of %" PRIu64
                        " bytes",
                        from->label, raw->record_bytes);
    }
    if (size <= raw->header_bytes ||
        size - raw->header_bytes < raw->record_bytes) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: size: got %" PRIu64 " bytes wanted at least one "
                        "record of %" PRIu64 " after a header of %" PRIu64
                        " (likely cause: wrong record size, or a truncated "
                        "file)",
                        from->label, size, raw->record_bytes,
                        raw->header_bytes);
    }
    data = size - raw->header_bytes;
    rest = data % raw->record_bytes;
    if (raw->stride_bytes == raw->record_bytes && rest != 0) {
        return fgi_fail_at(err, FG_ERR_ARGUMENT, size - rest,
                           "%s: size: got %" PRIu64 " bytes wanted a multiple "
                           "of the record size %" PRIu64 ": %" PRIu64
                           " bytes are left over (likely cause: wrong record "
                           "size, or a truncated file)",
                           from->label, data, raw->record_bytes, rest);
    }
    *count = (data - raw->record_bytes) / raw->stride_bytes + 1;
    return FG_OK;
}

static void fill_schema(struct fgi_schema *schema,
                        const struct fg_dataset_config *config)
{
    struct fg_field *field = &schema->fields[0];

    schema->count = 1;
    strcpy(field->name, "data");
    field->dtype = config->dtype;
    field->dims = 1;
    field->shape[0] = config->record_bytes / fg_dtype_bytes(config->dtype);
    field->max_bytes = config->record_bytes;
}

enum fg_status fgi_raw_open(const struct fgi_candidate *from,
                            struct fgi_shard *shard, struct fg_error *err)
{
    const struct fg_dataset_config *config = from->config;
    struct raw raw = {
        .record_bytes = config->record_bytes,
        .stride_bytes = config->stride_bytes != 0 ? config->stride_bytes
                                                  : config->record_bytes,
        .header_bytes = config->header_bytes,
    };
    uint64_t count = 0;
    enum fg_status status = check_config(config, err);

    if (status == FG_OK) {
        status = count_samples(from, &raw, &count, err);
    }
    if (status != FG_OK) {
        return status;
    }
    if (!fgi_mul(count, raw.record_bytes, &shard->raw_bytes)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got more than 2^64 bytes of overlapping records",
                        from->label);
    }
    shard->schema = fgi_alloc(1, sizeof(*shard->schema));
    shard->private_data = fgi_alloc(1, sizeof(raw));
    if (shard->schema == NULL || shard->private_data == NULL) {
        fgi_free(shard->schema);
        fgi_free(shard->private_data);
        return fgi_fail(err, FG_ERR_MEMORY, "%s: open: out of memory",
                        from->label);
    }
    memcpy(shard->private_data, &raw, sizeof(raw));
    fill_schema(shard->schema, config);
    shard->ops = &raw_ops;
    shard->sample_count = count;
    shard->block_samples = 1;
    shard->extent_bytes_max = raw.record_bytes;
    shard->raw_bytes_max = raw.record_bytes;
    shard->codec = "none";
    shard->linear_stride = raw.stride_bytes;
    return FG_OK;
}
