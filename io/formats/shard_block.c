/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building blocks: samples are copied one after another; when the block is
 * full its table is put in front of them, zstd has its turn, and zeros fill it
 * up to the alignment. The number of samples need not be known beforehand.
 * Buffers are kept from block to block.
 */
#include "io/formats/shard_block.h"

#include <assert.h>
#include <string.h>

#include "io/formats/codec_zstd.h"
#include "io/formats/hash.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define ROOM_MIN FGI_KIB(64)

bool fgi_buffer_reserve(struct fgi_buffer *buffer, uint64_t more)
{
    uint64_t wanted = buffer->bytes + more;
    uint8_t *base;

    if (wanted <= buffer->room) {
        return true;
    }
    wanted = fgi_max(ROOM_MIN, fgi_max(wanted, buffer->room * 3 / 2));
    base = fgi_grow(buffer->base, wanted, 1);
    if (base == NULL) {
        return false;
    }
    buffer->base = base;
    buffer->room = wanted;
    return true;
}

static enum fg_status no_memory(struct fg_error *err, uint64_t bytes)
{
    return fgi_fail(err, FG_ERR_MEMORY,
                    "block: got no memory wanted %llu bytes",
                    (unsigned long long)bytes);
}

uint64_t fgi_builder_raw_bytes(const struct fgi_block_builder *builder,
                               uint64_t sample_bytes)
{
    return fgi_table_bytes(&builder->shape, builder->sample_count + 1) +
           builder->data.bytes + sample_bytes;
}

static bool is_variable(const struct fg_field *field)
{
    return (field->flags & FG_FIELD_VARIABLE) != 0;
}

enum fg_status fgi_builder_append(struct fgi_block_builder *builder,
                                  const void *const *fields,
                                  const uint64_t *lengths_bytes,
                                  struct fg_error *err)
{
    const struct fgi_schema *schema = builder->schema;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < schema->count; i++) {
        bytes += lengths_bytes[i];
    }
    /* Room for the padding too: a raw block goes to the file from here. */
    if (!fgi_buffer_reserve(&builder->data, bytes + FGI_BLOCK_ALIGN) ||
        !fgi_buffer_reserve(&builder->lengths,
                            4 * (uint64_t)builder->shape.variable_count)) {
        return no_memory(err, builder->data.bytes + bytes);
    }
    for (uint32_t i = 0; i < schema->count; i++) {
        if (lengths_bytes[i] > 0) {
            memcpy(builder->data.base + builder->data.bytes, fields[i],
                   lengths_bytes[i]);
            builder->data.bytes += lengths_bytes[i];
        }
        if (is_variable(&schema->fields[i])) {
            fgi_put32(builder->lengths.base + builder->lengths.bytes,
                      (uint32_t)lengths_bytes[i]);
            builder->lengths.bytes += 4;
        }
    }
    builder->sample_count++;
    return FG_OK;
}

/* Bytes of sample i, from the lengths of its variable fields. */
static uint64_t sample_bytes(const struct fgi_block_builder *builder,
                             uint64_t i)
{
    uint32_t variable_count = builder->shape.variable_count;
    const uint8_t *lengths =
        builder->lengths.base + 4 * i * (uint64_t)variable_count;
    uint64_t bytes = builder->shape.fixed_bytes;

    for (uint32_t v = 0; v < variable_count; v++) {
        bytes += fgi_get32(lengths + 4 * (uint64_t)v);
    }
    return bytes;
}

/* Put the table in front of the samples. */
static bool add_table(struct fgi_block_builder *builder)
{
    uint64_t count = builder->sample_count;
    uint64_t start = fgi_table_bytes(&builder->shape, count);
    struct fgi_buffer *raw = &builder->raw;
    uint8_t *at;

    raw->bytes = 0;
    if (!fgi_buffer_reserve(raw,
                            start + builder->data.bytes + FGI_BLOCK_ALIGN)) {
        return false;
    }
    at = raw->base;
    for (uint64_t i = 0; i < count; i++) {
        fgi_put32(at, (uint32_t)start);
        at += 4;
        start += sample_bytes(builder, i);
    }
    fgi_put32(at, (uint32_t)start);
    at += 4;
    memcpy(at, builder->lengths.base, builder->lengths.bytes);
    at += builder->lengths.bytes;
    memcpy(at, builder->data.base, builder->data.bytes);
    raw->bytes = start;
    return true;
}

/* Turn the raw bytes into a zstd frame. */
static enum fg_status compress(struct fgi_block_builder *builder,
                               const struct fgi_buffer *raw,
                               struct fg_error *err)
{
    struct fgi_buffer *frame = &builder->frame;
    uint64_t bound = fgi_zstd_bound(raw->bytes);

    frame->bytes = 0;
    if (!fgi_buffer_reserve(frame, bound + FGI_BLOCK_ALIGN)) {
        return no_memory(err, bound);
    }
    return fgi_zstd_encode(builder->encoder, raw->base, raw->bytes, frame->base,
                           bound, &frame->bytes, err);
}

enum fg_status fgi_builder_finish(struct fgi_block_builder *builder,
                                  struct fgi_built_block *built,
                                  struct fg_error *err)
{
    struct fgi_buffer *stored = &builder->data;
    uint64_t padded_bytes;
    uint64_t raw_bytes;

    assert(builder->sample_count > 0);
    if (builder->shape.variable_count > 0) {
        if (!add_table(builder)) {
            return no_memory(err, builder->data.bytes);
        }
        stored = &builder->raw;
    }
    raw_bytes = stored->bytes;
    if (builder->encoder != NULL) {
        enum fg_status status = compress(builder, stored, err);

        if (status != FG_OK) {
            return status;
        }
        stored = &builder->frame;
    }
    padded_bytes = fgi_align_up(stored->bytes, FGI_BLOCK_ALIGN);
    memset(stored->base + stored->bytes, 0, padded_bytes - stored->bytes);
    *built = (struct fgi_built_block){
        .stored = stored->base,
        .stored_bytes = stored->bytes,
        .padded_bytes = padded_bytes,
        .raw_bytes = raw_bytes,
        .hash = XXH3_64bits(stored->base, stored->bytes),
    };
    builder->sample_count = 0;
    builder->data.bytes = 0;
    builder->lengths.bytes = 0;
    return FG_OK;
}

void fgi_builder_fini(struct fgi_block_builder *builder)
{
    fgi_zstd_encoder_destroy(builder->encoder);
    fgi_free(builder->data.base);
    fgi_free(builder->lengths.base);
    fgi_free(builder->raw.base);
    fgi_free(builder->frame.base);
}
