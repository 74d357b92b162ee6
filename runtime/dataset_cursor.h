/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a dataset sample by sample, on the caller's thread. The cursor keeps
 * the last extent, so that samples read one after another cost one read per
 * extent and not one per sample.
 */
#ifndef FGI_RUNTIME_DATASET_CURSOR_H
#define FGI_RUNTIME_DATASET_CURSOR_H

#include <stdint.h>

#include "runtime/dataset.h"

struct fgi_dataset_cursor;

/*
 * Read, check and decode the extent of global sample `index`, unless it is the
 * one at hand, and find the sample in it. *sample is borrowed until the next
 * call. Makes the dataset's cursor when there is none.
 * Errors: ARGUMENT (index), MEMORY, READ, DAMAGED, CHANGED.
 */
enum fg_status fgi_cursor_seek(struct fg_dataset *dataset, uint64_t index,
                               struct fgi_sample *sample, struct fg_error *err);

/* Release a cursor. NULL is allowed. */
void fgi_cursor_destroy(struct fgi_dataset_cursor *cursor);

#endif /* FGI_RUNTIME_DATASET_CURSOR_H */
