/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pinned HtoD bandwidth alone: what the link gives with nothing else going on,
 * by the method of NVIDIA's nvbandwidth.
 *
 *     gpu_bandwidth [DEVICE [SAMPLES]]
 *
 * A buffer of 512 MiB in pinned pages of the device's home node. A compute
 * step keeps the stream busy until all copies are enqueued, so that launching
 * them costs nothing; the copies lie between its end and the start of a second
 * one. Four warm-ups, then the samples; bytes per second in units of 10^9.
 */
#include "gpu_common.h"

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define BUFFER_BYTES FGI_MIB(512)
#define COPIES 16
#define WARMUPS 4
#define BLOCK_NS (20 * FGI_NS_PER_MS)

struct bench {
    struct fg_device *device;
    struct fgi_block block; /* pinned */
    void *memory;           /* on the device */
    fg_stream stream;
    uint64_t step; /* next compute step */
    struct fg_error err;
};

static void open_all(struct bench *bench, const char *name)
{
    struct fg_error *err = &bench->err;
    struct fg_device_info info;

    need(fg_device_open(name, FG_DEVICE_TIME_ONLY, &bench->device, err), err);
    fg_device_get_info(bench->device, &info);
    need(fgi_block_map(&bench->block, BUFFER_BYTES, info.numa_node, err), err);
    need(bench->device->ops->pin(bench->device, bench->block.base,
                                 bench->block.bytes, err),
         err);
    need(bench->device->ops->alloc(bench->device, BUFFER_BYTES, &bench->memory,
                                   err),
         err);
    need(fg_stream_open(bench->device, &bench->stream, err), err);
}

static void close_all(struct bench *bench)
{
    fg_stream_close(bench->device, bench->stream);
    bench->device->ops->free(bench->device, bench->memory, BUFFER_BYTES);
    bench->device->ops->unpin(bench->device, bench->block.base,
                              bench->block.bytes);
    fgi_block_unmap(&bench->block);
    fg_device_close(bench->device);
}

/* Copy the buffer in pieces; how many. */
static void copy_buffer(struct bench *bench, size_t piece_bytes)
{
    for (size_t at = 0; at < BUFFER_BYTES; at += piece_bytes) {
        need(bench->device->ops->copy(
                 bench->device, bench->stream, (uint8_t *)bench->memory + at,
                 bench->block.base + at, piece_bytes, &bench->err),
             &bench->err);
    }
}

/* GB/s of `copies` passes over the buffer. */
static double measure(struct bench *bench, size_t piece_bytes, int copies)
{
    uint64_t first = bench->step++;
    uint64_t last = bench->step++;
    struct fg_error *err = &bench->err;
    struct fg_span before;
    struct fg_span after;

    need(fg_stream_compute(bench->device, bench->stream, BLOCK_NS, first, err),
         err);
    for (int i = 0; i < copies; i++) {
        copy_buffer(bench, piece_bytes);
    }
    need(fg_stream_compute(bench->device, bench->stream, 0, last, err), err);
    need(fg_stream_synchronize(bench->device, bench->stream, err), err);
    need(fg_compute_get_span(bench->device, bench->stream, first, &before, err),
         err);
    need(fg_compute_get_span(bench->device, bench->stream, last, &after, err),
         err);
    return (double)copies * (double)BUFFER_BYTES /
           (double)(after.start_ns - before.end_ns);
}

static void report(struct bench *bench, size_t piece_bytes, int copies,
                   unsigned samples)
{
    struct row row = {.count = 0};
    char what[64];

    for (int i = 0; i < WARMUPS; i++) {
        (void)measure(bench, piece_bytes, 1);
    }
    for (unsigned i = 0; i < samples; i++) {
        row_add(&row, measure(bench, piece_bytes, copies));
    }
    snprintf(what, sizeof(what), "pinned HtoD alone, copies of %zu MiB",
             piece_bytes >> 20);
    row_print(&row, what, "GB/s");
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: gpu_bandwidth [DEVICE [SAMPLES]]\n";
    const char *name = argc > 1 ? argv[1] : "cuda";
    uint64_t samples = argc > 2 ? number_argument(argv[2], usage) : 7;
    struct bench bench = {0};

    open_all(&bench, name);
    report(&bench, BUFFER_BYTES, COPIES, (unsigned)samples);
    report(&bench, FGI_MIB(8), 4, (unsigned)samples);
    report(&bench, FGI_MIB(4), 4, (unsigned)samples);
    report(&bench, FGI_MIB(1), 1, (unsigned)samples);
    close_all(&bench);
    return 0;
}
