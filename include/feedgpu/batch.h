/* SPDX-License-Identifier: Apache-2.0 */
/* A batch: batch_size samples in one contiguous slot. */
#ifndef FEEDGPU_BATCH_H
#define FEEDGPU_BATCH_H

#include <stdint.h>

#include <feedgpu/field.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One field of a batch: [capacity x stride_bytes] at data, the samples of the
 * batch first, the rest zero. A variable field is padded with zeros to its
 * stride and has its byte lengths beside it.
 */
struct fg_batch_field {
    const struct fg_field *field; /* name, dtype, shape */
    void *data;                   /* device address (host device: host) */
    uint64_t stride_bytes;        /* from one sample to the next */
    uint32_t *lengths_bytes;      /* device address of [capacity], or NULL */
};

/* When a batch reached each stage, CLOCK_MONOTONIC ns. Never decreasing. */
struct fg_batch_times {
    uint64_t planned_ns;   /* its first read was asked for */
    uint64_t read_ns;      /* its last read was complete */
    uint64_t assembled_ns; /* it lay complete in its host slot */
    uint64_t copied_ns;    /* it lay on the device (host: assembled_ns; cuda:
                              0 at acquire, see fg_loader_get_copied_ns) */
    uint64_t underfed_ns;  /* of the time up to read_ns: reads too few in
                              flight; a running total of the loader */
};

/*
 * A batch on loan from a loader, between acquire and release. All pointers
 * are the loader's and valid until release. Slot addresses repeat.
 */
struct fg_batch {
    uint64_t epoch;       /* from 0 */
    uint64_t step;        /* in the epoch, from 0 */
    uint64_t sequence;    /* batches of this loader, from 0 */
    uint32_t count;       /* samples in it, at most capacity */
    uint32_t capacity;    /* batch_size */
    uint32_t field_count; /* entries of fields */
    uint32_t slot_index;  /* which slot, for CUDA graphs */
    const struct fg_batch_field *fields;
    const uint64_t *sample_indices; /* host: global index of each sample */
    const uint32_t *sample_lengths; /* host: stored bytes of each sample */
    void *data;                     /* device address of the slot */
    const void *host_data;          /* host slot, or NULL when already reused */
    uint64_t bytes;                 /* of the slot: one copy moves this much */
    uint64_t payload_bytes;         /* of the samples, without padding */
    struct fg_batch_times times;
};

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_BATCH_H */
