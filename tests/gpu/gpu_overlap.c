/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's HtoD, and how well it hides behind compute.
 *
 *     gpu_overlap DEVICE FILE RECORD_BYTES BATCH IO [SAMPLES]
 *
 * First the loader runs without compute: bytes per second that arrive. Then
 * with a compute step of 0.5, 1 and 2 times what a batch took. Perfect overlap
 * makes a step last as long as the longer of the two, so what is printed is
 * the step's time over that: 1.0 is perfect; none at all would be 1.5 to 2.
 * IO "null" leaves storage out and shows the pipeline and the link alone.
 */
#include "gpu_common.h"

#include <feedgpu/feedgpu.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"

#define WARMUP_STEPS 32
#define STEPS 256

static const char usage[] =
    "usage: gpu_overlap DEVICE FILE RECORD_BYTES BATCH IO [SAMPLES]\n";

struct bench {
    struct fg_loader_config config;
    struct fg_device *device;
    fg_stream stream;
    struct fg_loader *loader;
    uint64_t step;        /* compute steps so far */
    uint64_t batch_bytes; /* of one copy */
    struct fg_error err;
};

static void consume(struct bench *bench, uint64_t compute_ns)
{
    struct fg_batch batch;

    need(fg_loader_acquire(bench->loader, bench->stream, &batch, &bench->err),
         &bench->err);
    bench->batch_bytes = batch.bytes;
    need(fg_stream_compute(bench->device, bench->stream, compute_ns,
                           bench->step++, &bench->err),
         &bench->err);
    fg_loader_release(bench->loader, &batch, bench->stream);
}

/* When the last compute step ended. */
static uint64_t last_end_ns(struct bench *bench)
{
    struct fg_span span;

    need(fg_compute_get_span(bench->device, bench->stream, bench->step - 1,
                             &span, &bench->err),
         &bench->err);
    return span.end_ns;
}

/* Nanoseconds per step, over STEPS steps after a warm-up. */
static double measure(struct bench *bench, uint64_t compute_ns)
{
    uint64_t start_ns;

    for (int i = 0; i < WARMUP_STEPS; i++) {
        consume(bench, compute_ns);
    }
    start_ns = last_end_ns(bench);
    for (int i = 0; i < STEPS; i++) {
        consume(bench, compute_ns);
    }
    return (double)(last_end_ns(bench) - start_ns) / STEPS;
}

/* The loader alone; returns what a batch takes. */
static double report_alone(struct bench *bench, unsigned samples)
{
    struct row rate = {.count = 0};
    char what[96];
    double step_ns;

    for (unsigned i = 0; i < samples; i++) {
        step_ns = measure(bench, 0);
        row_add(&rate, (double)bench->batch_bytes / step_ns);
    }
    step_ns = (double)bench->batch_bytes / row_median(&rate);
    snprintf(what, sizeof(what), "loader's HtoD, io %s, batches of %.1f MiB",
             bench->config.io, (double)bench->batch_bytes / (1 << 20));
    row_print(&rate, what, "GB/s");
    return step_ns;
}

static void report_overlap(struct bench *bench, double alone_ns, double share,
                           unsigned samples)
{
    uint64_t compute_ns = (uint64_t)(alone_ns * share);
    double longer_ns = share > 1 ? (double)compute_ns : alone_ns;
    struct row row = {.count = 0};
    char what[96];

    for (unsigned i = 0; i < samples; i++) {
        row_add(&row, measure(bench, compute_ns) / longer_ns);
    }
    snprintf(what, sizeof(what),
             "step over max(compute, batch), io %s, compute %.1f x batch",
             bench->config.io, share);
    row_print(&row, what, "x");
}

int main(int argc, char **argv)
{
    static const double shares[] = {0.5, 1.0, 2.0};
    struct bench bench = {0};
    struct fg_loader_config *config = &bench.config;
    uint64_t samples = argc > 6 ? number_argument(argv[6], usage) : 5;
    double alone_ns;

    if (argc < 6 || argc > 7) {
        fprintf(stderr, "%s", usage);
        return 2;
    }
    fg_loader_config_init(config);
    need(
        fg_device_open(argv[1], FG_DEVICE_TIME_ONLY, &bench.device, &bench.err),
        &bench.err);
    config->use_device = bench.device;
    config->dataset = argv[2];
    config->dataset_config.format = "raw";
    config->dataset_config.record_bytes = number_argument(argv[3], usage);
    config->batch_size = (uint32_t)number_argument(argv[4], usage);
    config->io = argv[5];
    config->epochs = 0;
    need(fg_stream_open(bench.device, &bench.stream, &bench.err), &bench.err);
    need(fg_loader_open(config, &bench.loader, &bench.err), &bench.err);
    alone_ns = report_alone(&bench, (unsigned)samples);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        report_overlap(&bench, alone_ns, shares[i], (unsigned)samples);
    }
    fg_stream_close(bench.device, bench.stream);
    fg_loader_close(bench.loader);
    fg_device_close(bench.device);
    return 0;
}
