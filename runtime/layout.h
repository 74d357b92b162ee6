/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies where in a slot. Field after field, each [batch_size x stride] and
 * aligned to 256 bytes; then, for each variable field, its lengths
 * [batch_size] as u32. One slot is one copy to the device.
 */
#ifndef FGI_RUNTIME_LAYOUT_H
#define FGI_RUNTIME_LAYOUT_H

#include <stdint.h>

#include <feedgpu/batch.h>

#define FGI_NO_LENGTHS UINT64_MAX

struct fgi_layout {
    uint32_t batch_size;
    uint32_t field_count;
    struct fg_field fields[FG_FIELDS_MAX];
    uint64_t offsets[FG_FIELDS_MAX];        /* of the field in the slot */
    uint64_t length_offsets[FG_FIELDS_MAX]; /* or FGI_NO_LENGTHS */
    uint64_t slot_bytes;                    /* multiple of 4096 */
};

/* Lay out batches of those fields. Errors: ARGUMENT when a slot would be over
 * 2^40 bytes. */
enum fg_status fgi_layout_init(struct fgi_layout *layout, uint32_t batch_size,
                               const struct fg_field *fields,
                               uint32_t field_count, struct fg_error *err);

/* Describe a slot at `base` (host or device) field by field. */
void fgi_layout_describe(const struct fgi_layout *layout, void *base,
                         struct fg_batch_field *fields);

/* Zero the places [from, to) of every field of the slot at `base`. */
void fgi_layout_clear(const struct fgi_layout *layout, uint8_t *base,
                      uint64_t from, uint64_t to);

#endif /* FGI_RUNTIME_LAYOUT_H */
