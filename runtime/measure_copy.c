/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies to a device, as the copier makes them: from memory that is pinned in
 * one piece, on a stream of our own, with an event behind them.
 *
 * A round queues its copies in windows, with an event behind each and two
 * windows under way: enough that the engine never waits, little enough that a
 * slow one can be stopped. Events are asked over and over, because a sleep's
 * end would be late. How long a round took is the device's word where it has
 * one, else this clock's. On any failure and when stopped, the stream is
 * waited for before the memory under it goes.
 */
#include <string.h>

#include "gpu/device.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/measure.h"

/* Large enough that starting a copy costs nothing beside it. */
#define COPY_BYTES FGI_MIB(4)
#define ROUND_BYTES_DEFAULT FGI_MIB(256)
/* More is copied by going round: it need not all be pinned at once. */
#define BUFFER_BYTES_MAX FGI_MIB(256)
/* Between two events; twice as much is under way at most, and a usual round is
 * queued at once: this thread may be kept off its CPU. */
#define WINDOW_BYTES (32 * COPY_BYTES)
#define POLL_NS (1 * FGI_NS_PER_MS)

/* All that a measurement holds. Zeroed, it holds nothing. */
struct copies {
    struct fg_device *device;         /* borrowed */
    const struct fgi_device_ops *ops; /* the device's */
    struct fg_measure_config config;
    struct fgi_block block; /* owned: where the copies come from */
    bool is_pinned;
    void *memory; /* owned, of the device, block.bytes */
    fg_stream stream;
    fgi_event events[2]; /* behind the windows, in turn */
    const char *kind;    /* of the device: "cuda" */
};

static enum fg_status open_copies(struct copies *copies, struct fg_error *err)
{
    const struct fgi_device_ops *ops = copies->ops;
    enum fg_status status = ops->bind_thread(copies->device, err);

    if (status == FG_OK) {
        status = ops->pin(copies->device, copies->block.base,
                          copies->block.bytes, err);
        copies->is_pinned = status == FG_OK;
    }
    if (status == FG_OK) {
        status = ops->alloc(copies->device, copies->block.bytes,
                            &copies->memory, err);
    }
    if (status == FG_OK) {
        status = ops->stream_create(copies->device, true, &copies->stream, err);
    }
    for (int i = 0; i < 2 && status == FG_OK; i++) {
        status =
            ops->event_create(copies->device, false, &copies->events[i], err);
    }
    if (status != FG_OK) {
        fgi_prefix(err, "measure");
    }
    return status;
}

static void close_copies(struct copies *copies)
{
    const struct fgi_device_ops *ops = copies->ops;

    if (copies->stream != NULL) {
        (void)ops->stream_synchronize(copies->device, copies->stream, NULL);
    }
    for (int i = 0; i < 2; i++) {
        if (copies->events[i] != NULL) {
            ops->event_destroy(copies->device, copies->events[i]);
        }
    }
    if (copies->stream != NULL) {
        ops->stream_destroy(copies->device, copies->stream);
    }
    if (copies->memory != NULL) {
        ops->free(copies->device, copies->memory, copies->block.bytes);
    }
    if (copies->is_pinned) {
        ops->unpin(copies->device, copies->block.base, copies->block.bytes);
    }
    fgi_block_unmap(&copies->block);
}

/* Queue the copies from `at` to `end`, and the event behind them. */
static enum fg_status queue_window(struct copies *copies, uint64_t at,
                                   uint64_t end, fgi_event event,
                                   struct fg_error *err)
{
    enum fg_status status = FG_OK;

    while (at < end && status == FG_OK) {
        uint64_t place = at % copies->block.bytes;
        uint64_t piece =
            fgi_min(fgi_min(COPY_BYTES, end - at), copies->block.bytes - place);

        status = copies->ops->copy(copies->device, copies->stream,
                                   (uint8_t *)copies->memory + place,
                                   copies->block.base + place, piece, err);
        at += piece;
    }
    return status != FG_OK ? status
                           : copies->ops->event_record(copies->device, event,
                                                       copies->stream, err);
}

static enum fg_status wait_for(struct copies *copies, fgi_event event,
                               struct fg_error *err)
{
    uint64_t next_poll_ns = 0;
    bool has_passed = false;

    for (;;) {
        enum fg_status status =
            copies->ops->event_query(copies->device, event, &has_passed, err);

        if (status != FG_OK || has_passed) {
            return status;
        }
        if (fgi_now_ns() >= next_poll_ns) {
            status = fgi_measure_poll(&copies->config, err);
            next_poll_ns = fgi_now_ns() + POLL_NS;
        }
        if (status != FG_OK) {
            return status;
        }
        fgi_cpu_relax();
    }
}

static enum fg_status copy_round(struct copies *copies, uint64_t *duration_ns,
                                 struct fg_error *err)
{
    uint64_t bytes = copies->config.bytes;
    uint64_t start_ns = fgi_now_ns();
    uint64_t end_ns;
    fgi_event event = NULL;
    enum fg_status status = FG_OK;

    for (uint64_t at = 0; at < bytes && status == FG_OK; at += WINDOW_BYTES) {
        event = copies->events[at / WINDOW_BYTES % 2];
        if (at >= 2 * WINDOW_BYTES) {
            status = wait_for(copies, event, err);
        }
        if (status == FG_OK) {
            status = queue_window(copies, at, fgi_min(bytes, at + WINDOW_BYTES),
                                  event, err);
        }
    }
    if (status == FG_OK) {
        status = wait_for(copies, event, err);
    }
    if (status != FG_OK) {
        return status;
    }
    end_ns = fgi_now_ns();
    if (copies->ops->event_passed_ns(copies->device, event) != 0) {
        end_ns = copies->ops->event_passed_ns(copies->device, event);
    }
    *duration_ns = end_ns - fgi_min(start_ns, end_ns);
    return FG_OK;
}

/* A word for each place in the buffer, so that no two pieces are alike. */
static uint64_t word_at(uint64_t index)
{
    return (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill_piece(struct copies *copies)
{
    uint64_t *words = (uint64_t *)(void *)copies->block.base;

    for (uint64_t i = 0; i < FGI_MIB(1) / sizeof(*words); i++) {
        words[i] = word_at(i);
    }
}

/*
 * What went to the device's start comes back to the buffer's second MiB and
 * must be the words that the first one holds.
 */
static enum fg_status check_piece(struct copies *copies, struct fg_error *err)
{
    const uint64_t *words;
    enum fg_status status = copies->ops->copy_back(
        copies->device, copies->stream, copies->block.base + FGI_MIB(1),
        copies->memory, FGI_MIB(1), err);

    if (status == FG_ERR_UNSUPPORTED) {
        return FG_OK; /* bytes do not move here */
    }
    if (status == FG_OK) {
        status = copies->ops->stream_synchronize(copies->device, copies->stream,
                                                 err);
    }
    words = (const uint64_t *)(const void *)(copies->block.base + FGI_MIB(1));
    for (uint64_t i = 0; status == FG_OK && i < FGI_MIB(1) / sizeof(*words);
         i++) {
        if (words[i] != word_at(i)) {
            return fgi_fail(err, FG_ERR_DEVICE,
                            "device %s: offset %llu: copy: got other bytes "
                            "back than were sent",
                            copies->kind,
                            (unsigned long long)(i * sizeof(*words)));
        }
    }
    return status;
}

static enum fg_status copy_rounds(struct copies *copies, struct fg_rate *rate,
                                  struct fg_error *err)
{
    struct fgi_samples samples = {.count = 0};
    uint64_t duration_ns;
    enum fg_status status = FG_OK;

    fill_piece(copies);
    /* The first wakes the link and the device's memory. */
    for (uint32_t i = 0; i <= copies->config.rounds && status == FG_OK; i++) {
        status = fgi_measure_poll(&copies->config, err);
        if (status == FG_OK) {
            status = copy_round(copies, &duration_ns, err);
        }
        if (status == FG_OK && i > 0) {
            fgi_samples_add(&samples, copies->config.bytes, duration_ns);
        }
    }
    if (status == FG_OK) {
        status = check_piece(copies, err);
    }
    if (status != FG_OK) {
        if (status != FG_ERR_CANCELLED) {
            fgi_prefix(err, "measure");
        }
        return status;
    }
    fgi_samples_sum_up(&samples, rate);
    return FG_OK;
}

/* Node and sizes, before anything is mapped. */
static enum fg_status prepare(struct copies *copies, int32_t memory_node,
                              struct fg_rate *rate, struct fg_error *err)
{
    struct fg_measure_config *config = &copies->config;
    struct fg_topology *topology;
    uint64_t buffer_bytes;
    enum fg_status status;

    config->bytes = fgi_max(
        config->bytes != 0 ? config->bytes : ROUND_BYTES_DEFAULT, FGI_MIB(2));
    buffer_bytes = fgi_min(config->bytes, BUFFER_BYTES_MAX);
    status = fg_topology_open(NULL, &topology, err);
    if (status != FG_OK) {
        return status;
    }
    status = fgi_measure_check_memory(topology, memory_node, err);
    if (status == FG_OK) {
        status = fgi_measure_fit(topology, memory_node, buffer_bytes, true,
                                 &buffer_bytes, err);
    }
    fg_topology_close(topology);
    if (status == FG_OK) {
        status = fgi_measure_map(memory_node, buffer_bytes, &copies->block,
                                 rate, err);
    }
    return status;
}

enum fg_status fg_measure_copy(struct fg_device *device, int32_t memory_node,
                               const struct fg_measure_config *config,
                               struct fg_rate *rate, struct fg_error *err)
{
    struct copies copies = {.device = device, .ops = device->ops};
    struct fg_device_info info;
    struct fg_rate found = {.bytes = 0};
    enum fg_status status =
        fgi_measure_config_read(config, &copies.config, err);

    if (status != FG_OK) {
        return status;
    }
    fg_device_get_info(device, &info);
    copies.kind = info.kind;
    if (device->ops->is_host) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "measure: device %s: it copies nothing", info.kind);
    }
    status = prepare(&copies, memory_node, &found, err);
    if (status != FG_OK) {
        return status;
    }
    found.bytes = copies.config.bytes;
    found.workers = 1;
    status = open_copies(&copies, err);
    if (status == FG_OK) {
        status = copy_rounds(&copies, &found, err);
    }
    close_copies(&copies);
    if (status == FG_OK) {
        *rate = found;
    }
    return status;
}
