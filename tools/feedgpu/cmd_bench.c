/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu bench: runs the loader as a training loop would and measures. */
#include <stdlib.h>

#include "bench.h"
#include "report.h"
#include "session.h"
#include "signals.h"
#include "tables.h"

/* Bytes the run will deliver, for the progress line; 0: not known. */
static uint64_t expected_bytes(const struct bench *bench)
{
    const struct fg_loader_config *config = &bench->options->loader;
    struct fg_dataset_info info;
    fg_dataset_get_info(fg_loader_dataset(bench->loader), &info);
    if (info.sample_count == 0 || config->steps != 0 || config->epochs == 0) {
        return 0;
    }
    return info.raw_bytes / config->world_size * config->epochs;
}

static int open_device(struct bench *bench)
{
    struct fg_error err;
    /* The emulated device's copies take their time but move no bytes: a real
     * one's engine would not cost the host any CPU either. */
    if (fg_device_open(bench->options->loader.device, FG_DEVICE_TIME_ONLY,
                       &bench->device, &err) != FG_OK) {
        int status = complain_error(&err);
        return err.status == FG_ERR_ARGUMENT ? STATUS_USAGE : status;
    }
    fg_device_get_info(bench->device, &bench->device_info);
    if (fg_stream_open(bench->device, &bench->stream, &err) != FG_OK) {
        return complain_error(&err);
    }
    return STATUS_DONE;
}

static int run_opened(struct bench *bench)
{
    progress_start(&bench->progress, "bench", expected_bytes(bench));
    int status = bench_measure(bench);
    if (status != STATUS_DONE && !bench->is_interrupted) {
        return status;
    }
    bench_report_run(bench);
    if (!session_save_state(bench->options, bench->loader)) {
        return STATUS_FAILED;
    }
    return status;
}

static int open_and_run(struct bench *bench)
{
    int status = open_device(bench);
    if (status != STATUS_DONE) {
        return status;
    }
    uint64_t start = now_ns();
    status = session_open(bench->options, bench->device, &bench->loader);
    if (status != STATUS_DONE) {
        return status;
    }
    bench->open_ns = now_ns() - start;
    return run_opened(bench);
}

static int run(const struct options *options)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    if (bench == NULL) {
        complain("out of memory");
        return STATUS_FAILED;
    }
    bench->options = options;
    bench->compute_ns = (uint64_t)(options->compute_ms * 1e6 + 0.5);
    int status = open_and_run(bench);
    session_close(bench->loader);
    if (bench->stream != NULL) {
        fg_stream_close(bench->device, bench->stream);
    }
    fg_device_close(bench->device);
    free(bench);
    return status;
}

#define AT(member) offsetof(struct options, member)

static const struct option bench_options[] = {
    {"device", 0, OPTION_TEXT, AT(loader.device), "NAME", 0, 0, "auto",
     "auto (the first GPU that works, else emulated), cuda:N, "
     "emulated[:PROFILE] with PROFILE h100, a100, b200 or "
     "copy=GB/s,latency=US, or host"},
    {"compute-ms", 0, OPTION_REAL, AT(compute_ms), "X", 0, 0, NULL,
     "how long the device computes on each batch; with 0 the loader runs as "
     "fast as it can"},
};

static const struct option_group bench_group = {"The training step",
                                                bench_options, 2};

const struct command bench_command = {
    .name = "bench",
    .synopsis = "[OPTION]... DATASET",
    .summary = "run the loader and measure how long the device starves",
    .story =
        "Runs the loader against a stand-in for training: each batch is "
        "copied to the device and computed on for --compute-ms. It prints a "
        "line per epoch and then a report:\n\n"
        "AU (accelerator utilization) is the share of the wall time in which "
        "the device computed. Every other instant has exactly one label, by "
        "the state of the batch that was needed: storage_device and "
        "storage_underfed (its reads were not complete; underfed: too few "
        "reads were under way), prep (not decoded or assembled yet), h2d (not "
        "copied to the device yet), host (the next step not launched yet). "
        "The labels sum to the wall time. 'fix first' names the largest stall "
        "after the first step "
        "and the most that removing it can bring.\n\n"
        "Without a GPU an emulated one takes its place, with the copy rate of "
        "its profile. An endless run (--epochs 0) ends with a report when it "
        "is interrupted.",
    .examples =
        "  feedgpu bench shards\n"
        "  feedgpu bench --device emulated:h100 --compute-ms 20 --epochs 3 \\\n"
        "      --shuffle block shards\n"
        "  feedgpu bench --device host --record-bytes 150528 --json "
        "images.bin\n"
        "  feedgpu bench --io null --verify off --device host shards   "
        "# the rest alone\n",
    .operands_min = 1,
    .operands_max = 1,
    .operand = "DATASET",
    .groups = {&bench_group, &dataset_group, &order_group, &engine_group,
               &general_group},
    .run = run,
};
