/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time went. Every instant of a step gets one label, by the state
 * of the batch that was needed: the occupant of a gap is not its producer.
 *
 *     window_start                                 compute.start   compute.end
 *     |  storage  |   prep   |    h2d    |   host   |    compute     |
 *             read_ns   assembled_ns  copied_ns
 */
#include <feedgpu/stats.h>

#include "runtime/base/math.h"

#define LABEL_NAME(name, text, meaning)                                        \
    case name:                                                                 \
        return text;

const char *fg_label_name(enum fg_label label)
{
    switch (label) {
        FG_LABEL_MAP(LABEL_NAME)
    case FG_LABEL_COUNT:
        break;
    }
    return "?";
}

void fg_labels_add_step(struct fg_labels *labels, uint64_t window_start_ns,
                        const struct fg_span *compute,
                        const struct fg_batch_times *times,
                        uint64_t underfed_ns)
{
    uint64_t end = fgi_max(compute->end_ns, window_start_ns);
    uint64_t start = fgi_clamp(compute->start_ns, window_start_ns, end);
    /* Each mark lies between the one before it and the compute's start. */
    uint64_t read = fgi_clamp(times->read_ns, window_start_ns, start);
    uint64_t assembled = fgi_clamp(times->assembled_ns, read, start);
    uint64_t copied = fgi_clamp(times->copied_ns, assembled, start);
    uint64_t storage = read - window_start_ns;
    uint64_t underfed = fgi_min(underfed_ns, storage);

    labels->ns[FG_LABEL_STORAGE_UNDERFED] += underfed;
    labels->ns[FG_LABEL_STORAGE_DEVICE] += storage - underfed;
    labels->ns[FG_LABEL_PREP] += assembled - read;
    labels->ns[FG_LABEL_H2D] += copied - assembled;
    labels->ns[FG_LABEL_HOST] += start - copied;
    labels->ns[FG_LABEL_COMPUTE] += end - start;
}
