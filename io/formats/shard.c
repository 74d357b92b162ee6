/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading feedgpu's own shard format (docs/format.md).
 *
 *     open ─▶ header and footer, two reads; all counts checked
 *     extent ─▶ index, once; then sample i lies in block i / block_samples
 *     check, decode, locate ─▶ pure functions of a block's bytes, any thread
 *
 * Nothing outside of the bytes that the caller hands in is ever touched, not
 * even for a file that was made to deceive: offsets and lengths are checked
 * where they are used.
 */
#include "io/formats/shard.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "io/formats/codec_zstd.h"
#include "io/formats/hash.h"
#include "io/formats/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

uint32_t fgi_fgs_block_count(const struct fgi_shard *shard, uint64_t block)
{
    uint64_t first = block * shard->block_samples;

    assert(first < shard->sample_count);
    return (uint32_t)fgi_min(shard->block_samples, shard->sample_count - first);
}

/* Can a block of that many samples have this entry, after that offset? */
static bool is_entry_sound(const struct fgi_fgs *fgs,
                           const struct fgi_entry *entry, uint32_t count,
                           uint64_t offset)
{
    const struct fgi_footer *footer = &fgs->footer;
    uint64_t table_bytes = fgi_table_bytes(&fgs->shape, count);
    uint64_t fixed_bytes = count * fgs->shape.fixed_bytes;

    if (entry->offset != offset || entry->stored_bytes == 0 ||
        entry->stored_bytes > footer->stored_bytes_max ||
        entry->raw_bytes > footer->raw_bytes_max) {
        return false;
    }
    if (fgs->codec == FGI_CODEC_NONE &&
        entry->stored_bytes != entry->raw_bytes) {
        return false;
    }
    if (fgs->shape.variable_count == 0) {
        return entry->raw_bytes == fixed_bytes;
    }
    return entry->raw_bytes >= table_bytes &&
           entry->raw_bytes - table_bytes >= fixed_bytes;
}

static enum fg_status bad_index(const struct fgi_fgs *fgs, uint64_t block,
                                struct fg_error *err)
{
    uint64_t at = fgs->footer.index_offset + block * FGI_ENTRY_BYTES;

    return fgi_fail_at(err, FG_ERR_DAMAGED, at,
                       "offset %" PRIu64 ": index: block %" PRIu64
                       ": got numbers that fit neither its neighbours nor the "
                       "footer",
                       at, block);
}

/* Walk the entries: each begins where the one before it ended. */
static enum fg_status check_index(const struct fgi_shard *shard,
                                  const uint8_t *index, struct fg_error *err)
{
    const struct fgi_fgs *fgs = shard->private_data;
    const struct fgi_footer *footer = &fgs->footer;
    uint64_t offset = FGI_HEADER_BYTES;
    uint64_t raw_bytes = 0;
    uint64_t stored_max = 0;
    uint64_t raw_max = 0;

    for (uint64_t i = 0; i < footer->block_count; i++) {
        uint32_t count = fgi_fgs_block_count(shard, i);
        struct fgi_entry entry;

        fgi_entry_decode(index + i * FGI_ENTRY_BYTES, &entry);
        if (!is_entry_sound(fgs, &entry, count, offset)) {
            return bad_index(fgs, i, err);
        }
        offset = fgi_align_up(offset + entry.stored_bytes, FGI_BLOCK_ALIGN);
        if (offset > footer->index_offset) {
            return bad_index(fgs, i, err);
        }
        raw_bytes += entry.raw_bytes - fgi_table_bytes(&fgs->shape, count);
        stored_max = fgi_max(stored_max, entry.stored_bytes);
        raw_max = fgi_max(raw_max, entry.raw_bytes);
    }
    if (offset != footer->index_offset || raw_bytes != footer->raw_bytes ||
        stored_max != footer->stored_bytes_max ||
        raw_max != footer->raw_bytes_max) {
        return bad_index(fgs, footer->block_count - 1, err);
    }
    return FG_OK;
}

static enum fg_status read_index(const struct fgi_shard *shard, int fd,
                                 uint8_t *index, struct fg_error *err)
{
    const struct fgi_fgs *fgs = shard->private_data;
    const struct fgi_footer *footer = &fgs->footer;
    const char *label = fgi_path_label(shard->path);
    uint64_t hash;
    enum fg_status status = fgi_file_read(fd, label, footer->index_offset,
                                          index, footer->index_bytes, err);

    if (status != FG_OK) {
        return status;
    }
    hash = XXH3_64bits(index, footer->index_bytes);
    if (hash != footer->index_hash) {
        return fgi_fail_at(err, FG_ERR_DAMAGED, footer->index_offset,
                           "%s: offset %" PRIu64 ": index: got checksum "
                           "%016" PRIx64 " wanted %016" PRIx64
                           " (likely cause: damaged on disk or in transfer)",
                           label, footer->index_offset, hash,
                           footer->index_hash);
    }
    status = check_index(shard, index, err);
    if (status != FG_OK) {
        fgi_prefix(err, "%s", label);
    }
    return status;
}

enum fg_status fgi_fgs_load_index(struct fgi_shard *shard, int fd,
                                  struct fg_error *err)
{
    struct fgi_fgs *fgs = shard->private_data;
    uint8_t *index;
    enum fg_status status;

    if (fgs->index != NULL) {
        return FG_OK;
    }
    index = fgi_alloc(fgs->footer.index_bytes, 1);
    if (index == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "%s: index: got no memory wanted %" PRIu64 " bytes",
                        fgi_path_label(shard->path), fgs->footer.index_bytes);
    }
    status = read_index(shard, fd, index, err);
    if (status != FG_OK) {
        fgi_free(index);
        return status;
    }
    fgs->index = index;
    shard->loaded_bytes = fgs->footer.index_bytes;
    return FG_OK;
}

void fgi_fgs_block_extent(const struct fgi_shard *shard, uint64_t block,
                          struct fgi_extent *extent)
{
    const struct fgi_fgs *fgs = shard->private_data;
    struct fgi_entry entry;

    fgi_entry_decode(fgs->index + block * FGI_ENTRY_BYTES, &entry);
    *extent = (struct fgi_extent){
        .offset = entry.offset,
        .stored_bytes = entry.stored_bytes,
        .raw_bytes = entry.raw_bytes,
        .first = block * shard->block_samples,
        .count = fgi_fgs_block_count(shard, block),
        .needs_decode = fgs->codec != FGI_CODEC_NONE,
        .has_checksum = true,
        .checksum = entry.hash,
        .cookie = block,
    };
}

static enum fg_status fgs_extent(struct fgi_shard *shard, uint64_t index,
                                 uint64_t count, struct fgi_extent *extent,
                                 struct fg_error *err)
{
    const struct fgi_fgs *fgs = shard->private_data;

    (void)count;
    assert(index < shard->sample_count && count > 0);
    if (fgs->index == NULL) {
        struct fgi_file file;
        enum fg_status status = fgi_shard_reopen(shard, &file, err);

        if (status != FG_OK) {
            return status;
        }
        status = fgi_fgs_load_index(shard, file.fd, err);
        fgi_file_close(&file);
        if (status != FG_OK) {
            return status;
        }
    }
    fgi_fgs_block_extent(shard, index / shard->block_samples, extent);
    return FG_OK;
}

static enum fg_status fgs_check(const struct fgi_shard *shard,
                                const struct fgi_extent *extent,
                                const void *stored, struct fg_error *err)
{
    uint64_t hash = XXH3_64bits(stored, extent->stored_bytes);

    if (hash != extent->checksum) {
        return fgi_fail_at(err, FG_ERR_DAMAGED, extent->offset,
                           "%s: offset %" PRIu64 ": block %" PRIu64
                           ": got checksum %016" PRIx64 " wanted %016" PRIx64
                           " (likely cause: damaged on disk or in transfer)",
                           fgi_path_label(shard->path), extent->offset,
                           extent->cookie, hash, extent->checksum);
    }
    return FG_OK;
}

static enum fg_status fgs_decode(const struct fgi_shard *shard,
                                 const struct fgi_extent *extent,
                                 const void *stored, void *out, void *scratch,
                                 struct fg_error *err)
{
    enum fg_status status = fgi_zstd_decode(
        scratch, stored, extent->stored_bytes, out, extent->raw_bytes, err);

    if (status != FG_OK) {
        fgi_prefix(err, "%s: offset %" PRIu64 ": block %" PRIu64,
                   fgi_path_label(shard->path), extent->offset, extent->cookie);
        if (err != NULL) {
            err->offset = extent->offset;
        }
    }
    return status;
}

static enum fg_status bad_sample(const struct fgi_shard *shard,
                                 const struct fgi_extent *extent, uint32_t i,
                                 struct fg_error *err)
{
    return fgi_fail_at(err, FG_ERR_DAMAGED, extent->offset,
                       "%s: offset %" PRIu64 ": block %" PRIu64
                       ": sample %" PRIu64 ": got a place or length that does "
                       "not fit the block",
                       fgi_path_label(shard->path), extent->offset,
                       extent->cookie, extent->first + i);
}

/* Take the lengths of sample i from the table; false when one is too much. */
static bool read_lengths(const struct fgi_shard *shard, const uint8_t *lengths,
                         struct fgi_sample *sample)
{
    uint32_t variable = 0;

    sample->total_bytes = 0;
    for (uint32_t i = 0; i < shard->schema->count; i++) {
        const struct fg_field *field = &shard->schema->fields[i];
        uint64_t length = field->max_bytes;

        if ((field->flags & FG_FIELD_VARIABLE) != 0) {
            length = fgi_get32(lengths + 4 * (size_t)variable++);
        }
        if (length > field->max_bytes ||
            length % fg_dtype_bytes(field->dtype) != 0) {
            return false;
        }
        sample->lengths[i] = length;
        sample->total_bytes += length;
    }
    return true;
}

static void place_fields(const struct fgi_schema *schema, const uint8_t *data,
                         struct fgi_sample *sample)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        sample->fields[i] = data;
        data += sample->lengths[i];
    }
}

static enum fg_status locate_in_table(const struct fgi_shard *shard,
                                      const struct fgi_extent *extent,
                                      const uint8_t *raw, uint32_t i,
                                      struct fgi_sample *sample,
                                      struct fg_error *err)
{
    const struct fgi_fgs *fgs = shard->private_data;
    uint64_t table_bytes = fgi_table_bytes(&fgs->shape, extent->count);
    uint64_t start;
    uint64_t end;
    const uint8_t *lengths;

    if (table_bytes > extent->raw_bytes) {
        return bad_sample(shard, extent, i, err);
    }
    start = fgi_get32(raw + 4 * (uint64_t)i);
    end = fgi_get32(raw + 4 * ((uint64_t)i + 1));
    lengths = raw + 4 * ((uint64_t)extent->count + 1) +
              4 * (uint64_t)i * fgs->shape.variable_count;
    if (start < table_bytes || end < start || end > extent->raw_bytes ||
        (i == 0 && start != table_bytes) ||
        (i == extent->count - 1 && end != extent->raw_bytes) ||
        !read_lengths(shard, lengths, sample) ||
        sample->total_bytes != end - start) {
        return bad_sample(shard, extent, i, err);
    }
    place_fields(shard->schema, raw + start, sample);
    return FG_OK;
}

static enum fg_status fgs_locate(const struct fgi_shard *shard,
                                 const struct fgi_extent *extent,
                                 const void *raw, uint32_t i,
                                 struct fgi_sample *sample,
                                 struct fg_error *err)
{
    const struct fgi_fgs *fgs = shard->private_data;
    uint64_t start = i * fgs->shape.fixed_bytes;

    assert(i < extent->count);
    if (fgs->shape.variable_count > 0) {
        return locate_in_table(shard, extent, raw, i, sample, err);
    }
    if (start + fgs->shape.fixed_bytes > extent->raw_bytes ||
        !read_lengths(shard, raw, sample)) {
        return bad_sample(shard, extent, i, err);
    }
    place_fields(shard->schema, (const uint8_t *)raw + start, sample);
    return FG_OK;
}

static void fgs_forget(struct fgi_shard *shard)
{
    struct fgi_fgs *fgs = shard->private_data;

    fgi_free(fgs->index);
    fgs->index = NULL;
    shard->loaded_bytes = 0;
}

static void fgs_close(struct fgi_shard *shard)
{
    fgs_forget(shard);
    fgi_free(shard->private_data);
}

static const struct fgi_format_ops fgs_ops = {
    .name = "shard",
    .extent = fgs_extent,
    .check = fgs_check,
    .decode = fgs_decode,
    .locate = fgs_locate,
    .verify = fgi_fgs_verify,
    .forget = fgs_forget,
    .close = fgs_close,
};

static enum fg_status check_ends(const uint8_t *head, const uint8_t *foot,
                                 uint64_t file_bytes, struct fgi_header *header,
                                 struct fgi_fgs *fgs, struct fg_error *err)
{
    enum fg_status status = fgi_header_decode(head, header, err);

    if (status == FG_OK) {
        status = fgi_schema_shape(&header->schema, &fgs->shape, err);
    }
    if (status == FG_OK) {
        fgs->codec = header->codec;
        status = fgi_footer_decode(foot, header, &fgs->shape, file_bytes,
                                   &fgs->footer, err);
    }
    return status;
}

enum fg_status fgi_fgs_read_ends(int fd, const char *label, uint64_t file_bytes,
                                 struct fgi_header *header, struct fgi_fgs *fgs,
                                 struct fg_error *err)
{
    uint8_t head[FGI_HEADER_BYTES];
    uint8_t foot[FGI_FOOTER_BYTES];
    enum fg_status status;

    if (file_bytes == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got an empty file wanted a shard", label);
    }
    if (file_bytes < FGI_HEADER_BYTES + FGI_FOOTER_BYTES + FGI_ENTRY_BYTES) {
        return fgi_fail_at(err, FG_ERR_DAMAGED, file_bytes,
                           "%s: size: got %" PRIu64 " bytes wanted at least "
                           "%u (likely cause: a truncated file)",
                           label, file_bytes,
                           FGI_HEADER_BYTES + FGI_FOOTER_BYTES +
                               FGI_ENTRY_BYTES);
    }
    status = fgi_file_read(fd, label, 0, head, sizeof(head), err);
    if (status == FG_OK) {
        status = fgi_file_read(fd, label, file_bytes - sizeof(foot), foot,
                               sizeof(foot), err);
    }
    if (status != FG_OK) {
        return status;
    }
    status = check_ends(head, foot, file_bytes, header, fgs, err);
    if (status != FG_OK) {
        fgi_prefix(err, "%s", label);
    }
    return status;
}

/* Raw blocks of one fixed field: samples at a constant distance. */
static bool is_linear(const struct fgi_header *header,
                      const struct fgi_shape *shape)
{
    return header->codec == FGI_CODEC_NONE && header->schema.count == 1 &&
           shape->variable_count == 0;
}

enum fg_status fgi_fgs_open(const struct fgi_candidate *from,
                            struct fgi_shard *shard, struct fg_error *err)
{
    struct fgi_header header;
    struct fgi_fgs *fgs = fgi_alloc(1, sizeof(*fgs));
    struct fgi_schema *schema = fgi_alloc(1, sizeof(*schema));
    enum fg_status status;

    if (fgs == NULL || schema == NULL) {
        status = fgi_fail(err, FG_ERR_MEMORY, "%s: open: out of memory",
                          from->label);
    } else {
        status = fgi_fgs_read_ends(from->file->fd, from->label,
                                   from->file->size_bytes, &header, fgs, err);
    }
    if (status != FG_OK) {
        fgi_free(fgs);
        fgi_free(schema);
        return status;
    }
    *schema = header.schema;
    shard->ops = &fgs_ops;
    shard->sample_count = fgs->footer.sample_count;
    shard->raw_bytes = fgs->footer.raw_bytes;
    shard->block_samples = header.block_samples;
    shard->extent_bytes_max = fgs->footer.stored_bytes_max;
    shard->raw_bytes_max = fgs->footer.raw_bytes_max;
    shard->codec = header.codec == FGI_CODEC_ZSTD ? "zstd" : "none";
    shard->linear_stride =
        is_linear(&header, &fgs->shape) ? fgs->shape.fixed_bytes : 0;
    shard->schema = schema;
    shard->private_data = fgs;
    return FG_OK;
}
