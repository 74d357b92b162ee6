/* SPDX-License-Identifier: Apache-2.0 */
#include "io/buffers.h"

#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

static uint64_t count_buffers(const struct fgi_region *regions,
                              uint32_t region_count)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < region_count; i++) {
        count += fgi_ceil_div(regions[i].bytes, FGI_BUFFER_BYTES_MAX);
    }
    return count;
}

enum fg_status fgi_buffers_init(struct fgi_buffers *buffers,
                                const struct fgi_region *regions,
                                uint32_t region_count, struct fg_error *err)
{
    uint64_t count = count_buffers(regions, region_count);

    memset(buffers, 0, sizeof(*buffers));
    if (count > FGI_BUFFERS_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "registered buffers: got %llu wanted at most %d",
                        (unsigned long long)count, FGI_BUFFERS_MAX);
    }
    if (count == 0) {
        return FG_OK;
    }
    buffers->entries = fgi_alloc(count, sizeof(*buffers->entries));
    if (buffers->entries == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "registered buffers: out of memory");
    }
    for (uint32_t i = 0; i < region_count; i++) {
        uint8_t *base = regions[i].base;
        size_t left = regions[i].bytes;

        while (left > 0) {
            size_t part = fgi_min(left, FGI_BUFFER_BYTES_MAX);

            buffers->entries[buffers->count++] = (struct iovec){base, part};
            buffers->bytes += part;
            base += part;
            left -= part;
        }
    }
    return FG_OK;
}

void fgi_buffers_fini(struct fgi_buffers *buffers)
{
    fgi_free(buffers->entries);
    memset(buffers, 0, sizeof(*buffers));
}

uint32_t fgi_buffers_find(const struct fgi_buffers *buffers,
                          const void *address, size_t bytes)
{
    for (uint32_t i = 0; i < buffers->count; i++) {
        const struct iovec *entry = &buffers->entries[i];
        /* Wraps to something huge when the address lies before. */
        size_t at = (uintptr_t)address - (uintptr_t)entry->iov_base;

        if (at < entry->iov_len && bytes <= entry->iov_len - at) {
            return i;
        }
    }
    return UINT32_MAX;
}
