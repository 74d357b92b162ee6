/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shard format's bytes. Nothing that comes from a file is believed before
 * it is checked: first its hash, then each number against its limits, the
 * others and the file's size. Hashes catch accidents; the rest keeps a file
 * that somebody made with care from harming the reader.
 */
#include "io/formats/layout.h"

#include <inttypes.h>
#include <string.h>

#include "io/formats/hash.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"

#define FIELD_BYTES 128
#define FIELDS_AT 64
#define HEADER_HASH_AT (FGI_HEADER_BYTES - 8)
#define FOOTER_VERSION_AT 104
#define FOOTER_HASH_AT 112
#define FOOTER_MAGIC_AT 120

static bool is_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

uint32_t fgi_get32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 |
           (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

uint64_t fgi_get64(const uint8_t *from)
{
    return fgi_get32(from) | (uint64_t)fgi_get32(from + 4) << 32;
}

void fgi_put32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    to[2] = (uint8_t)(value >> 16);
    to[3] = (uint8_t)(value >> 24);
}

void fgi_put64(uint8_t *to, uint64_t value)
{
    fgi_put32(to, (uint32_t)value);
    fgi_put32(to + 4, (uint32_t)(value >> 32));
}

static void encode_field(const struct fg_field *field, uint8_t *to)
{
    memcpy(to, field->name, strlen(field->name));
    fgi_put32(to + 32, (uint32_t)field->dtype);
    fgi_put32(to + 36, field->flags);
    fgi_put32(to + 40, field->dims);
    for (uint32_t i = 0; i < field->dims; i++) {
        fgi_put64(to + 48 + 8 * i, field->shape[i]);
    }
    fgi_put64(to + 112, field->max_bytes);
}

void fgi_header_encode(struct fgi_header *header, uint8_t *to)
{
    memset(to, 0, FGI_HEADER_BYTES);
    memcpy(to, FGI_HEADER_MAGIC, FGI_MAGIC_BYTES);
    fgi_put32(to + 8, FGI_SHARD_VERSION);
    fgi_put32(to + 12, FGI_HEADER_BYTES);
    fgi_put32(to + 16, (uint32_t)header->codec);
    fgi_put32(to + 20, header->schema.count);
    fgi_put64(to + 24, header->block_samples);
    for (uint32_t i = 0; i < header->schema.count; i++) {
        encode_field(&header->schema.fields[i],
                     to + FIELDS_AT + i * FIELD_BYTES);
    }
    header->hash = XXH3_64bits(to, HEADER_HASH_AT);
    fgi_put64(to + HEADER_HASH_AT, header->hash);
}

static enum fg_status damaged(struct fg_error *err, uint64_t offset,
                              const char *what, uint64_t got, uint64_t wanted)
{
    return fgi_fail_at(err, FG_ERR_DAMAGED, offset,
                       "offset %" PRIu64 ": %s: got %" PRIu64
                       " wanted %" PRIu64,
                       offset, what, got, wanted);
}

static enum fg_status bad_hash(struct fg_error *err, uint64_t offset,
                               const char *what, uint64_t got, uint64_t wanted)
{
    return fgi_fail_at(err, FG_ERR_DAMAGED, offset,
                       "offset %" PRIu64 ": %s: got checksum %016" PRIx64
                       " wanted %016" PRIx64
                       " (likely cause: damaged on disk or in transfer)",
                       offset, what, got, wanted);
}

static enum fg_status check_version(const uint8_t *from, uint64_t offset,
                                    uint32_t bytes, struct fg_error *err)
{
    uint32_t version = fgi_get32(from);

    if (version != FGI_SHARD_VERSION) {
        return fgi_fail_at(err, FG_ERR_UNSUPPORTED, offset,
                           "version: got %" PRIu32 " wanted %u (likely cause: "
                           "written by a newer feedgpu)",
                           version, FGI_SHARD_VERSION);
    }
    if (fgi_get32(from + 4) != bytes) {
        return damaged(err, offset + 4, "size", fgi_get32(from + 4), bytes);
    }
    return FG_OK;
}

static enum fg_status decode_field(const uint8_t *from, uint64_t offset,
                                   struct fg_field *field, struct fg_error *err)
{
    memcpy(field->name, from, FG_FIELD_NAME_BYTES);
    if (memchr(from, '\0', FG_FIELD_NAME_BYTES) == NULL ||
        !is_zero(from + strlen(field->name),
                 FG_FIELD_NAME_BYTES - strlen(field->name)) ||
        fgi_get32(from + 44) != 0 || fgi_get64(from + 120) != 0) {
        return fgi_fail_at(err, FG_ERR_DAMAGED, offset,
                           "offset %" PRIu64 ": field: got other bytes wanted "
                           "zeros after its name and at its end",
                           offset);
    }
    field->dtype = (enum fg_dtype)fgi_get32(from + 32);
    field->flags = fgi_get32(from + 36);
    field->dims = fgi_get32(from + 40);
    field->reserved = 0;
    for (uint32_t i = 0; i < FG_FIELD_DIMS_MAX; i++) {
        field->shape[i] = fgi_get64(from + 48 + 8 * i);
    }
    field->max_bytes = fgi_get64(from + 112);
    return FG_OK;
}

static enum fg_status decode_schema(const uint8_t *from,
                                    struct fgi_schema *schema,
                                    struct fg_error *err)
{
    struct fgi_shape shape;
    enum fg_status status = FG_OK;
    size_t end = FIELDS_AT + (size_t)schema->count * FIELD_BYTES;

    for (uint32_t i = 0; status == FG_OK && i < schema->count; i++) {
        uint64_t at = FIELDS_AT + (uint64_t)i * FIELD_BYTES;

        status = decode_field(from + at, at, &schema->fields[i], err);
    }
    if (status == FG_OK && (!is_zero(from + 32, FIELDS_AT - 32) ||
                            !is_zero(from + end, HEADER_HASH_AT - end))) {
        status = fgi_fail_at(err, FG_ERR_DAMAGED, 32,
                             "header: got other bytes wanted zeros around its "
                             "fields");
    }
    if (status == FG_OK) {
        status = fgi_schema_shape(schema, &shape, err);
        if (status != FG_OK && err != NULL) {
            err->status = FG_ERR_DAMAGED;
        }
    }
    return status == FG_OK ? FG_OK : FG_ERR_DAMAGED;
}

enum fg_status fgi_header_decode(const uint8_t *from, struct fgi_header *header,
                                 struct fg_error *err)
{
    uint64_t hash = XXH3_64bits(from, HEADER_HASH_AT);
    uint32_t codec = fgi_get32(from + 16);
    enum fg_status status;

    if (memcmp(from, FGI_HEADER_MAGIC, FGI_MAGIC_BYTES) != 0) {
        return fgi_fail_at(err, FG_ERR_DAMAGED, 0,
                           "offset 0: magic: got other bytes wanted those of a "
                           "feedgpu shard (likely cause: another kind of file, "
                           "or damaged)");
    }
    memset(header, 0, sizeof(*header));
    header->hash = fgi_get64(from + HEADER_HASH_AT);
    if (hash != header->hash) {
        return bad_hash(err, 0, "header", hash, header->hash);
    }
    status = check_version(from + 8, 8, FGI_HEADER_BYTES, err);
    if (status != FG_OK) {
        return status;
    }
    if (codec > FGI_CODEC_ZSTD) {
        return damaged(err, 16, "codec", codec, FGI_CODEC_ZSTD);
    }
    header->codec = (enum fgi_codec)codec;
    header->schema.count = fgi_get32(from + 20);
    if (header->schema.count == 0 || header->schema.count > FG_FIELDS_MAX) {
        return damaged(err, 20, "fields", header->schema.count, FG_FIELDS_MAX);
    }
    header->block_samples = fgi_get64(from + 24);
    if (header->block_samples == 0 || header->block_samples > UINT32_MAX) {
        return damaged(err, 24, "samples per block", header->block_samples,
                       UINT32_MAX);
    }
    return decode_schema(from, &header->schema, err);
}

void fgi_footer_encode(const struct fgi_footer *footer, uint8_t *to)
{
    const uint64_t numbers[] = {
        footer->sample_count,     footer->block_count,   footer->raw_bytes,
        footer->stored_bytes_max, footer->raw_bytes_max, footer->index_offset,
        footer->index_bytes,      footer->file_bytes,    footer->index_hash,
        footer->header_hash,
    };

    memset(to, 0, FGI_FOOTER_BYTES);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        fgi_put64(to + 8 * i, numbers[i]);
    }
    fgi_put32(to + FOOTER_VERSION_AT, FGI_SHARD_VERSION);
    fgi_put32(to + FOOTER_VERSION_AT + 4, FGI_FOOTER_BYTES);
    fgi_put64(to + FOOTER_HASH_AT, XXH3_64bits(to, FOOTER_HASH_AT));
    memcpy(to + FOOTER_MAGIC_AT, FGI_FOOTER_MAGIC, FGI_MAGIC_BYTES);
}

static void read_footer(const uint8_t *from, struct fgi_footer *footer)
{
    *footer = (struct fgi_footer){
        .sample_count = fgi_get64(from),
        .block_count = fgi_get64(from + 8),
        .raw_bytes = fgi_get64(from + 16),
        .stored_bytes_max = fgi_get64(from + 24),
        .raw_bytes_max = fgi_get64(from + 32),
        .index_offset = fgi_get64(from + 40),
        .index_bytes = fgi_get64(from + 48),
        .file_bytes = fgi_get64(from + 56),
        .index_hash = fgi_get64(from + 64),
        .header_hash = fgi_get64(from + 72),
    };
}

/* Do the file's parts add up to the file? */
static enum fg_status check_parts(const struct fgi_footer *footer,
                                  uint64_t file_bytes, uint64_t at,
                                  struct fg_error *err)
{
    uint64_t index_bytes;
    uint64_t room = file_bytes - FGI_HEADER_BYTES - FGI_FOOTER_BYTES;

    if (footer->file_bytes != file_bytes) {
        return damaged(err, at + 56, "file size", file_bytes,
                       footer->file_bytes);
    }
    if (!fgi_mul(footer->block_count, FGI_ENTRY_BYTES, &index_bytes) ||
        footer->block_count == 0 || index_bytes > room) {
        return damaged(err, at + 8, "blocks", footer->block_count,
                       room / FGI_ENTRY_BYTES);
    }
    if (footer->index_bytes != index_bytes) {
        return damaged(err, at + 48, "index size", footer->index_bytes,
                       index_bytes);
    }
    if (footer->index_offset != FGI_HEADER_BYTES + room - index_bytes ||
        footer->index_offset % FGI_BLOCK_ALIGN != 0) {
        return damaged(err, at + 40, "index offset", footer->index_offset,
                       FGI_HEADER_BYTES + room - index_bytes);
    }
    return FG_OK;
}

/* Do the counts of samples, blocks and bytes fit one another? */
static enum fg_status check_counts(const struct fgi_footer *footer,
                                   const struct fgi_header *header,
                                   const struct fgi_shape *shape, uint64_t at,
                                   struct fg_error *err)
{
    uint64_t blocks = fgi_ceil_div(footer->sample_count, header->block_samples);
    uint64_t stored_room = footer->index_offset - FGI_HEADER_BYTES;
    uint64_t stored_max = footer->stored_bytes_max;
    uint64_t raw_limit = header->codec == FGI_CODEC_NONE
                             ? stored_max
                             : stored_max * FGI_ZSTD_RATIO_MAX;
    uint64_t first = fgi_min(footer->sample_count, header->block_samples);
    uint64_t bytes;

    if (footer->sample_count == 0 || blocks != footer->block_count) {
        return damaged(err, at + 8, "blocks", footer->block_count, blocks);
    }
    if (stored_max == 0 || stored_max > fgi_min(stored_room, UINT32_MAX)) {
        return damaged(err, at + 24, "largest stored block", stored_max,
                       stored_room);
    }
    if (footer->raw_bytes_max > fgi_min(raw_limit, FGI_BLOCK_BYTES_MAX) ||
        footer->raw_bytes_max < fgi_table_bytes(shape, first) ||
        (header->codec == FGI_CODEC_NONE &&
         footer->raw_bytes_max != stored_max)) {
        return damaged(err, at + 32, "largest raw block", footer->raw_bytes_max,
                       raw_limit);
    }
    if (shape->variable_count > 0) {
        return FG_OK;
    }
    if (!fgi_mul(footer->sample_count, shape->fixed_bytes, &bytes) ||
        footer->raw_bytes != bytes) {
        return damaged(err, at + 16, "bytes", footer->raw_bytes, bytes);
    }
    if (footer->raw_bytes_max != first * shape->fixed_bytes) {
        return damaged(err, at + 32, "largest raw block", footer->raw_bytes_max,
                       first * shape->fixed_bytes);
    }
    return FG_OK;
}

enum fg_status fgi_footer_decode(const uint8_t *from,
                                 const struct fgi_header *header,
                                 const struct fgi_shape *shape,
                                 uint64_t file_bytes, struct fgi_footer *footer,
                                 struct fg_error *err)
{
    uint64_t at = file_bytes - FGI_FOOTER_BYTES;
    uint64_t hash = XXH3_64bits(from, FOOTER_HASH_AT);
    enum fg_status status;

    if (memcmp(from + FOOTER_MAGIC_AT, FGI_FOOTER_MAGIC, FGI_MAGIC_BYTES) !=
        0) {
        return fgi_fail_at(err, FG_ERR_DAMAGED, at + FOOTER_MAGIC_AT,
                           "offset %" PRIu64 ": magic at the end: got other "
                           "bytes wanted those of a feedgpu shard (likely "
                           "cause: a truncated file)",
                           at + FOOTER_MAGIC_AT);
    }
    if (hash != fgi_get64(from + FOOTER_HASH_AT)) {
        return bad_hash(err, at, "footer", hash,
                        fgi_get64(from + FOOTER_HASH_AT));
    }
    status = check_version(from + FOOTER_VERSION_AT, at + FOOTER_VERSION_AT,
                           FGI_FOOTER_BYTES, err);
    if (status != FG_OK) {
        return status;
    }
    read_footer(from, footer);
    if (!is_zero(from + 80, FOOTER_VERSION_AT - 80)) {
        return damaged(err, at + 80, "reserved bytes", 1, 0);
    }
    if (footer->header_hash != header->hash) {
        return bad_hash(err, 0, "header as the footer knows it", header->hash,
                        footer->header_hash);
    }
    status = check_parts(footer, file_bytes, at, err);
    if (status == FG_OK) {
        status = check_counts(footer, header, shape, at, err);
    }
    return status;
}

void fgi_entry_encode(const struct fgi_entry *entry, uint8_t *to)
{
    fgi_put64(to, entry->offset);
    fgi_put64(to + 8, entry->stored_bytes);
    fgi_put64(to + 16, entry->raw_bytes);
    fgi_put64(to + 24, entry->hash);
}

void fgi_entry_decode(const uint8_t *from, struct fgi_entry *entry)
{
    entry->offset = fgi_get64(from);
    entry->stored_bytes = fgi_get64(from + 8);
    entry->raw_bytes = fgi_get64(from + 16);
    entry->hash = fgi_get64(from + 24);
}
