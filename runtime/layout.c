/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/layout.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"

#define FIELD_ALIGN 256u /* what a GPU's widest load and cudaMalloc give */
#define SLOT_ALIGN 4096u
#define SLOT_BYTES_MAX (UINT64_C(1) << 40)

/* Put `count` x `bytes` at the end; false when the slot becomes absurd. */
static bool put(uint64_t *end, uint64_t count, uint64_t bytes, uint64_t *offset)
{
    uint64_t total;

    if (!fgi_mul(count, bytes, &total) || total > SLOT_BYTES_MAX) {
        return false;
    }
    *offset = fgi_align_up(*end, FIELD_ALIGN);
    *end = *offset + total;
    return *end <= SLOT_BYTES_MAX;
}

enum fg_status fgi_layout_init(struct fgi_layout *layout, uint32_t batch_size,
                               const struct fg_field *fields,
                               uint32_t field_count, struct fg_error *err)
{
    uint64_t end = 0;
    bool fits = true;

    assert(field_count >= 1 && field_count <= FG_FIELDS_MAX);
    layout->batch_size = batch_size;
    layout->field_count = field_count;
    for (uint32_t k = 0; k < field_count && fits; k++) {
        layout->fields[k] = fields[k];
        fits = put(&end, batch_size, fields[k].max_bytes, &layout->offsets[k]);
    }
    for (uint32_t k = 0; k < field_count && fits; k++) {
        layout->length_offsets[k] = FGI_NO_LENGTHS;
        if (fields[k].flags & FG_FIELD_VARIABLE) {
            fits = put(&end, batch_size, sizeof(uint32_t),
                       &layout->length_offsets[k]);
        }
    }
    if (!fits) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "batch: got %u samples of up to %llu bytes, wanted at "
                        "most 1 TiB per batch",
                        batch_size, (unsigned long long)fields[0].max_bytes);
    }
    layout->slot_bytes = fgi_align_up(fgi_max(end, 1), SLOT_ALIGN);
    return FG_OK;
}

void fgi_layout_describe(const struct fgi_layout *layout, void *base,
                         struct fg_batch_field *fields)
{
    uint8_t *slot = base;

    for (uint32_t k = 0; k < layout->field_count; k++) {
        fields[k].field = &layout->fields[k];
        fields[k].data = slot + layout->offsets[k];
        fields[k].stride_bytes = layout->fields[k].max_bytes;
        fields[k].lengths_bytes = NULL;
        if (layout->length_offsets[k] != FGI_NO_LENGTHS) {
            fields[k].lengths_bytes =
                (uint32_t *)(void *)(slot + layout->length_offsets[k]);
        }
    }
}

void fgi_layout_clear(const struct fgi_layout *layout, uint8_t *base,
                      uint64_t from, uint64_t to)
{
    for (uint32_t k = 0; k < layout->field_count && from < to; k++) {
        uint64_t stride = layout->fields[k].max_bytes;

        memset(base + layout->offsets[k] + from * stride, 0,
               (to - from) * stride);
        if (layout->length_offsets[k] != FGI_NO_LENGTHS) {
            memset(base + layout->length_offsets[k] + from * sizeof(uint32_t),
                   0, (to - from) * sizeof(uint32_t));
        }
    }
}
