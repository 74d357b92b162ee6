/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a shard (docs/format.md).
 *
 *     open ─▶ add ─▶ block full: write it, note it in the index ─▶ add ...
 *                                                       │
 *     finish: last block, index, footer, header ◀───────┘ ─▶ publish
 *
 * The header is written last, because the number of samples per block may be
 * decided by the samples themselves. Memory: one block, and 32 bytes for each
 * one written. After an error the writer only waits to be released.
 */
#include <feedgpu/shard.h>

#include <inttypes.h>
#include <string.h>

#include "io/formats/codec_zstd.h"
#include "io/formats/hash.h"
#include "io/formats/layout.h"
#include "io/formats/new_file.h"
#include "io/formats/registry.h"
#include "io/formats/shard_block.h"
#include "runtime/base/config.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

struct fg_shard_writer {
    struct fgi_new_file file;         /* under its temporary name */
    const char *label;                /* the path in messages */
    struct fgi_header header;         /* block_samples 0: not decided yet */
    struct fgi_footer footer;         /* counts so far */
    struct fgi_block_builder builder; /* the block being filled */
    struct fgi_buffer index;          /* encoded entries, one per block */
    uint64_t offset;                  /* where the next block goes */
    bool has_failed;                  /* only release is allowed */
};

void fg_shard_config_init(struct fg_shard_config *config)
{
    *config = (struct fg_shard_config){.struct_size = sizeof(*config)};
}

static enum fg_status check_config(const struct fg_shard_config *config,
                                   struct fg_error *err)
{
    enum fg_status status =
        fgi_config_check(config, sizeof(*config), "shard config", err);

    if (status != FG_OK) {
        return status;
    }
    if ((config->flags & ~FG_SHARD_OVERWRITE) != 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "shard config: flags: got 0x%" PRIx32 " wanted 0x%x",
                        config->flags, FG_SHARD_OVERWRITE);
    }
    if (config->zstd_level < 0 || config->zstd_level > FGI_ZSTD_LEVEL_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "shard config: zstd level: got %" PRId32
                        " wanted 0 (none) to %d",
                        config->zstd_level, FGI_ZSTD_LEVEL_MAX);
    }
    if (config->block_samples > UINT32_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "shard config: samples per block: got %" PRIu64
                        " wanted at most %" PRIu32,
                        config->block_samples, UINT32_MAX);
    }
    if (config->fields == NULL || config->field_count == 0 ||
        config->field_count > FG_FIELDS_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "shard config: fields: got %" PRIu32 " wanted 1 to %d",
                        config->field_count, FG_FIELDS_MAX);
    }
    return FG_OK;
}

/* Fixed samples: from their size. Variable ones: 0, the first MiB decides. */
static uint64_t choose_block_samples(const struct fg_shard_config *config,
                                     const struct fgi_shape *shape)
{
    if (config->block_samples != 0) {
        return config->block_samples;
    }
    if (shape->variable_count > 0) {
        return 0;
    }
    return fgi_block_samples_default(shape->fixed_bytes);
}

static enum fg_status set_up(struct fg_shard_writer *writer,
                             const struct fg_shard_config *config,
                             struct fg_error *err)
{
    struct fgi_header *header = &writer->header;
    enum fg_status status;

    header->codec = config->zstd_level > 0 ? FGI_CODEC_ZSTD : FGI_CODEC_NONE;
    header->schema.count = config->field_count;
    memcpy(header->schema.fields, config->fields,
           config->field_count * sizeof(*config->fields));
    status = fgi_schema_shape(&header->schema, &writer->builder.shape, err);
    if (status != FG_OK) {
        return status;
    }
    header->block_samples =
        choose_block_samples(config, &writer->builder.shape);
    writer->builder.schema = &header->schema;
    writer->offset = FGI_HEADER_BYTES;
    if (config->zstd_level > 0) {
        writer->builder.encoder = fgi_zstd_encoder_create(config->zstd_level);
        if (writer->builder.encoder == NULL) {
            return fgi_fail(err, FG_ERR_MEMORY, "zstd: out of memory");
        }
    }
    return FG_OK;
}

static void release(struct fg_shard_writer *writer)
{
    fgi_new_file_discard(&writer->file);
    fgi_builder_fini(&writer->builder);
    fgi_free(writer->index.base);
    fgi_free(writer);
}

enum fg_status fg_shard_writer_open(const char *path,
                                    const struct fg_shard_config *config,
                                    struct fg_shard_writer **writer,
                                    struct fg_error *err)
{
    struct fg_shard_writer *made;
    enum fg_status status = check_config(config, err);

    if (status != FG_OK) {
        return status;
    }
    made = fgi_alloc(1, sizeof(*made));
    if (made == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "%s: create: out of memory",
                        fgi_path_label(path));
    }
    made->file.fd = -1;
    status = set_up(made, config, err);
    if (status != FG_OK) {
        fgi_prefix(err, "%s", fgi_path_label(path));
    } else {
        status = fgi_new_file_create(
            &made->file, path, (config->flags & FG_SHARD_OVERWRITE) != 0, err);
    }
    if (status != FG_OK) {
        release(made);
        return status;
    }
    made->label = fgi_path_label(made->file.path);
    *writer = made;
    return FG_OK;
}

/* Write the block being filled, and note it in the index. */
static enum fg_status flush_block(struct fg_shard_writer *writer,
                                  struct fg_error *err)
{
    struct fgi_footer *footer = &writer->footer;
    struct fgi_built_block built;
    struct fgi_entry entry;
    enum fg_status status = fgi_builder_finish(&writer->builder, &built, err);

    if (status == FG_OK &&
        !fgi_buffer_reserve(&writer->index, FGI_ENTRY_BYTES)) {
        status = fgi_fail(err, FG_ERR_MEMORY, "index: out of memory");
    }
    if (status != FG_OK) {
        fgi_prefix(err, "%s: offset %" PRIu64, writer->label, writer->offset);
        return status;
    }
    status = fgi_new_file_write(&writer->file, writer->offset, built.stored,
                                built.padded_bytes, err);
    if (status != FG_OK) {
        return status;
    }
    entry = (struct fgi_entry){
        .offset = writer->offset,
        .stored_bytes = built.stored_bytes,
        .raw_bytes = built.raw_bytes,
        .hash = built.hash,
    };
    fgi_entry_encode(&entry, writer->index.base + writer->index.bytes);
    writer->index.bytes += FGI_ENTRY_BYTES;
    writer->offset += built.padded_bytes;
    footer->block_count++;
    footer->stored_bytes_max =
        fgi_max(footer->stored_bytes_max, built.stored_bytes);
    footer->raw_bytes_max = fgi_max(footer->raw_bytes_max, built.raw_bytes);
    return FG_OK;
}

/* Check a sample's lengths against the schema; *total is their sum. */
static enum fg_status check_lengths(const struct fg_shard_writer *writer,
                                    const uint64_t *lengths_bytes,
                                    uint64_t *total, struct fg_error *err)
{
    const struct fgi_schema *schema = &writer->header.schema;

    *total = 0;
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct fg_field *field = &schema->fields[i];
        bool is_variable = (field->flags & FG_FIELD_VARIABLE) != 0;
        uint32_t element_bytes = fg_dtype_bytes(field->dtype);

        if (is_variable ? lengths_bytes[i] > field->max_bytes
                        : lengths_bytes[i] != field->max_bytes) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "%s: sample %" PRIu64 ": field \"%s\": got %" PRIu64
                            " wanted %s%" PRIu64 " bytes",
                            writer->label, writer->footer.sample_count,
                            field->name, lengths_bytes[i],
                            is_variable ? "at most " : "", field->max_bytes);
        }
        if (lengths_bytes[i] % element_bytes != 0) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "%s: sample %" PRIu64 ": field \"%s\": got %" PRIu64
                            " bytes wanted a multiple of %" PRIu32 " (%s)",
                            writer->label, writer->footer.sample_count,
                            field->name, lengths_bytes[i], element_bytes,
                            fg_dtype_name(field->dtype));
        }
        *total += lengths_bytes[i];
    }
    return FG_OK;
}

/* See that the block being filled can take a sample of that size. */
static enum fg_status check_room(struct fg_shard_writer *writer,
                                 uint64_t sample_bytes, struct fg_error *err)
{
    struct fgi_block_builder *builder = &writer->builder;
    uint64_t raw_bytes = fgi_builder_raw_bytes(builder, sample_bytes);

    if (raw_bytes <= FGI_BLOCK_BYTES_MAX) {
        return FG_OK;
    }
    if (writer->header.block_samples == 0 && builder->sample_count > 0) {
        writer->header.block_samples = builder->sample_count;
        return flush_block(writer, err);
    }
    fgi_fail(err, FG_ERR_ARGUMENT,
             "%s: sample %" PRIu64 ": block %" PRIu64 ": got %" PRIu64
             " bytes in %" PRIu64 " samples wanted below 2 GiB",
             writer->label, writer->footer.sample_count,
             writer->footer.block_count, raw_bytes, builder->sample_count + 1);
    if (builder->sample_count > 0) {
        fgi_likely(err, "%" PRIu64 " samples per block are too many",
                   writer->header.block_samples);
    }
    return FG_ERR_ARGUMENT;
}

/* Is the block full, or is it time to decide how many samples make one? */
static bool is_block_full(struct fg_shard_writer *writer)
{
    const struct fgi_block_builder *builder = &writer->builder;

    if (writer->header.block_samples == 0 &&
        builder->data.bytes >= FGI_BLOCK_BYTES_DEFAULT) {
        writer->header.block_samples = builder->sample_count;
    }
    return builder->sample_count == writer->header.block_samples;
}

static enum fg_status add(struct fg_shard_writer *writer,
                          const void *const *fields,
                          const uint64_t *lengths_bytes, struct fg_error *err)
{
    uint64_t bytes;
    enum fg_status status = check_lengths(writer, lengths_bytes, &bytes, err);

    if (status == FG_OK) {
        status = check_room(writer, bytes, err);
    }
    if (status != FG_OK) {
        return status;
    }
    status = fgi_builder_append(&writer->builder, fields, lengths_bytes, err);
    if (status != FG_OK) {
        fgi_prefix(err, "%s", writer->label);
        return status;
    }
    writer->footer.sample_count++;
    writer->footer.raw_bytes += bytes;
    return is_block_full(writer) ? flush_block(writer, err) : FG_OK;
}

static enum fg_status failed_before(const struct fg_shard_writer *writer,
                                    struct fg_error *err)
{
    return fgi_fail(err, FG_ERR_STATE,
                    "%s: got a call after a failed one wanted the writer to "
                    "be aborted",
                    writer->label);
}

enum fg_status fg_shard_writer_add(struct fg_shard_writer *writer,
                                   const void *const *fields,
                                   const uint64_t *lengths_bytes,
                                   struct fg_error *err)
{
    enum fg_status status;

    if (writer->has_failed) {
        return failed_before(writer, err);
    }
    status = add(writer, fields, lengths_bytes, err);
    writer->has_failed = status != FG_OK;
    return status;
}

void fg_shard_writer_progress(const struct fg_shard_writer *writer,
                              uint64_t *samples, uint64_t *bytes)
{
    if (samples != NULL) {
        *samples = writer->footer.sample_count;
    }
    if (bytes != NULL) {
        *bytes = writer->offset;
    }
}

/* The index and the footer, in one write; then the header. */
static enum fg_status write_ends(struct fg_shard_writer *writer,
                                 struct fg_error *err)
{
    struct fgi_footer *footer = &writer->footer;
    struct fgi_buffer *index = &writer->index;
    uint8_t head[FGI_HEADER_BYTES];
    enum fg_status status;

    if (!fgi_buffer_reserve(index, FGI_FOOTER_BYTES)) {
        return fgi_fail(err, FG_ERR_MEMORY, "%s: index: out of memory",
                        writer->label);
    }
    fgi_header_encode(&writer->header, head);
    footer->index_offset = writer->offset;
    footer->index_bytes = index->bytes;
    footer->file_bytes = writer->offset + index->bytes + FGI_FOOTER_BYTES;
    footer->index_hash = XXH3_64bits(index->base, index->bytes);
    footer->header_hash = writer->header.hash;
    fgi_footer_encode(footer, index->base + index->bytes);
    status = fgi_new_file_write(&writer->file, writer->offset, index->base,
                                index->bytes + FGI_FOOTER_BYTES, err);
    if (status == FG_OK) {
        status = fgi_new_file_write(&writer->file, 0, head, sizeof(head), err);
    }
    return status;
}

static enum fg_status finish(struct fg_shard_writer *writer,
                             struct fg_error *err)
{
    enum fg_status status = FG_OK;

    if (writer->has_failed) {
        return failed_before(writer, err);
    }
    if (writer->footer.sample_count == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: finish: got no samples wanted at least one",
                        writer->label);
    }
    if (writer->header.block_samples == 0) {
        writer->header.block_samples = writer->builder.sample_count;
    }
    if (writer->builder.sample_count > 0) {
        status = flush_block(writer, err);
    }
    if (status == FG_OK) {
        status = write_ends(writer, err);
    }
    if (status == FG_OK) {
        status = fgi_new_file_publish(&writer->file, err);
    }
    return status;
}

enum fg_status fg_shard_writer_finish(struct fg_shard_writer *writer,
                                      struct fg_error *err)
{
    enum fg_status status = finish(writer, err);

    release(writer);
    return status;
}

void fg_shard_writer_abort(struct fg_shard_writer *writer)
{
    if (writer != NULL) {
        release(writer);
    }
}
