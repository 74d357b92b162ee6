/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files that a program has read before the feeder came to them, as in
 * an epoch in an order that nobody can know. When they are looked at they are
 * in the page cache. Were they there before, or did that very read bring them?
 * How long it took tells, once the program has counted it. What a disk had to
 * bring is worth keeping for the next epoch, and can be copied from the page
 * cache now; what was there before is fast without us.
 */
#include "runtime/feeder/feeder.h"

#include "runtime/base/clock.h"

/* When a read is over and counted. */
#define DOUBT_NS (50 * FGI_NS_PER_MS)
/* A read from memory is faster than 1.5 GB/s; one from a disk takes at least
 * so long, however small it is. */
#define COLD_BYTES 3
#define COLD_NS 2
#define COLD_NS_MIN (40 * FGI_NS_PER_US)

void fgi_doubt_add(struct fg_feeder *feeder, struct fgi_record *record,
                   uint64_t now_ns)
{
    uint32_t index = (uint32_t)(record - feeder->files.records);

    if (record->is_doubted || record->look == FGI_LOOK_FED ||
        feeder->doubt_head - feeder->doubt_tail == FGI_DOUBTS ||
        !fgi_plan_can_keep(feeder, record)) {
        return;
    }
    feeder->doubts[feeder->doubt_head++ % FGI_DOUBTS] = (struct fgi_doubt){
        .due_ns = now_ns + DOUBT_NS,
        .file_index = index,
        .file_id = record->id,
    };
    record->is_doubted = true;
}

/* Whether its reads took longer than any from memory. Programs count that. */
static bool was_cold(struct fg_feeder *feeder, const struct fgi_record *record)
{
    const struct fgi_feed_file *entry =
        fgi_records_entry(&feeder->files, record);
    uint64_t bytes =
        atomic_load_explicit(&entry->kernel_bytes, memory_order_relaxed);
    uint64_t blocked_ns =
        atomic_load_explicit(&entry->blocked_ns, memory_order_relaxed);

    return bytes > 0 && blocked_ns > COLD_NS_MIN &&
           blocked_ns / COLD_NS > bytes / COLD_BYTES;
}

void fgi_doubt_run(struct fg_feeder *feeder, uint64_t now_ns)
{
    while (feeder->doubt_tail != feeder->doubt_head) {
        const struct fgi_doubt *doubt =
            &feeder->doubts[feeder->doubt_tail % FGI_DOUBTS];
        struct fgi_record *record = &feeder->files.records[doubt->file_index];

        if (now_ns < doubt->due_ns) {
            return;
        }
        feeder->doubt_tail++;
        if (record->id != doubt->file_id || record->is_retired) {
            continue;
        }
        if (record->look == FGI_LOOK_CACHED && was_cold(feeder, record)) {
            fgi_inspect_ask(feeder, record, &record->key, record->path);
        }
        record->is_doubted = false;
    }
}
