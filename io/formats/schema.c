/* SPDX-License-Identifier: Apache-2.0 */
/* What a valid schema is, and how its samples lie in a block. */
#include <inttypes.h>
#include <string.h>

#include "io/formats/layout.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static bool is_name(const char *name)
{
    size_t length = strnlen(name, FG_FIELD_NAME_BYTES);

    if (length == 0 || length == FG_FIELD_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_name_byte(name[i])) {
            return false;
        }
    }
    return true;
}

/* Elements of the whole shape times their size; false when too many. */
static bool shape_bytes(const struct fg_field *field, uint64_t *bytes)
{
    *bytes = fg_dtype_bytes(field->dtype);
    for (uint32_t i = 0; i < field->dims; i++) {
        if (!fgi_mul(*bytes, field->shape[i], bytes)) {
            return false;
        }
    }
    return *bytes <= FGI_BLOCK_BYTES_MAX;
}

/* The text of what is wrong with a field by itself, or NULL. */
static const char *fault_of(const struct fg_field *field)
{
    uint64_t bytes;

    if (fg_dtype_bytes(field->dtype) == 0) {
        return "got an unknown dtype";
    }
    if ((field->flags & ~FG_FIELD_VARIABLE) != 0 || field->reserved != 0) {
        return "got unknown flags";
    }
    if (field->dims > FG_FIELD_DIMS_MAX) {
        return "got too many dimensions";
    }
    for (uint32_t i = field->dims; i < FG_FIELD_DIMS_MAX; i++) {
        if (field->shape[i] != 0) {
            return "got a shape beyond its dimensions wanted zeros";
        }
    }
    if (!shape_bytes(field, &bytes)) {
        return "got a shape of too many bytes wanted below 2 GiB";
    }
    if (bytes == 0) {
        return "got a shape of no bytes wanted at least one element";
    }
    if (bytes != field->max_bytes) {
        return "got a max_bytes that is not its shape's";
    }
    if ((field->flags & FG_FIELD_VARIABLE) != 0 && field->dims != 1) {
        return "got a variable field wanted it with one dimension";
    }
    return NULL;
}

static enum fg_status check_field(const struct fgi_schema *schema, uint32_t i,
                                  struct fg_error *err)
{
    const struct fg_field *field = &schema->fields[i];
    const char *fault;

    if (!is_name(field->name)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "field %" PRIu32 ": name: got none or odd bytes wanted "
                        "1 to 31 of A-Z a-z 0-9 _ - .",
                        i);
    }
    for (uint32_t j = 0; j < i; j++) {
        if (strcmp(schema->fields[j].name, field->name) == 0) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "field %" PRIu32 ": name: got \"%s\" twice", i,
                            field->name);
        }
    }
    fault = fault_of(field);
    if (fault != NULL) {
        return fgi_fail(err, FG_ERR_ARGUMENT, "field \"%s\": %s", field->name,
                        fault);
    }
    return FG_OK;
}

enum fg_status fgi_schema_shape(const struct fgi_schema *schema,
                                struct fgi_shape *shape, struct fg_error *err)
{
    struct fgi_shape made = {0};

    if (schema->count == 0 || schema->count > FG_FIELDS_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "fields: got %" PRIu32 " wanted 1 to %d", schema->count,
                        FG_FIELDS_MAX);
    }
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct fg_field *field = &schema->fields[i];
        enum fg_status status = check_field(schema, i, err);

        if (status != FG_OK) {
            return status;
        }
        made.sample_bytes_max += field->max_bytes;
        if ((field->flags & FG_FIELD_VARIABLE) != 0) {
            made.variable_count++;
        } else {
            made.fixed_bytes += field->max_bytes;
        }
    }
    if (made.fixed_bytes > FGI_BLOCK_BYTES_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "fields: got %" PRIu64 " bytes in a sample wanted "
                        "below 2 GiB",
                        made.fixed_bytes);
    }
    *shape = made;
    return FG_OK;
}

uint64_t fgi_table_bytes(const struct fgi_shape *shape, uint64_t samples)
{
    if (shape->variable_count == 0) {
        return 0;
    }
    return 4 * (samples + 1) + 4 * samples * shape->variable_count;
}

uint64_t fgi_block_samples_default(uint64_t sample_bytes)
{
    /* So many samples end on a multiple of the alignment. */
    uint64_t granule =
        FGI_BLOCK_ALIGN /
        fgi_min(sample_bytes & (~sample_bytes + 1), FGI_BLOCK_ALIGN);
    uint64_t granule_bytes = granule * sample_bytes;

    if (sample_bytes >= FGI_BLOCK_BYTES_DEFAULT) {
        return 1;
    }
    if (granule_bytes > 2 * FGI_BLOCK_BYTES_DEFAULT) {
        return FGI_BLOCK_BYTES_DEFAULT / sample_bytes;
    }
    return granule * fgi_max(1, (FGI_BLOCK_BYTES_DEFAULT + granule_bytes / 2) /
                                    granule_bytes);
}
