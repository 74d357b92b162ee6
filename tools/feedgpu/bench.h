/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `feedgpu bench`.
 *
 * The measured time begins when the loader is open and ends with the end of
 * the last compute step (or with the loader's end, if that is later). All of
 * it is labelled: the labels sum to wall_ns exactly.
 */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feedgpu.h>

#include "histogram.h"
#include "options.h"
#include "progress.h"

/*
 * How far the loop runs ahead of the device: a step's times are asked for this
 * many steps after its launch, or fewer when that is BENCH_AHEAD_NS of compute,
 * so that asking never leaves the device without work and a signal does not
 * have to wait long for it. Well below FG_COMPUTE_SPANS_MAX.
 */
#define BENCH_PENDING 64u
#define BENCH_AHEAD_NS UINT64_C(20000000)
#define BENCH_AHEAD_MIN 4u

/* What is added up over a stretch of time: the run, or an epoch of it. */
struct tally {
    uint64_t start_ns; /* where it begins */
    uint64_t end_ns;   /* end of its last compute step */
    uint64_t steps;
    uint64_t samples;
    uint64_t bytes;          /* of the samples */
    uint64_t busy_ns;        /* the device computed */
    struct fg_labels labels; /* of end_ns - start_ns */
};

/* A step that was launched and whose times are not known yet. */
struct pending_step {
    uint64_t epoch;
    uint64_t sequence;           /* of the batch, for its copy's end */
    uint64_t samples;            /* in the batch */
    uint64_t bytes;              /* of these */
    struct fg_batch_times times; /* of the batch */
};

/* What the process has used so far. */
struct usage {
    uint64_t cpu_ns;    /* user and system, all threads */
    uint64_t rss_bytes; /* resident now */
};

struct bench {
    const struct options *options;
    struct fg_device *device;
    struct fg_device_info device_info;
    struct fg_loader *loader;
    fg_stream stream;
    uint64_t compute_ns; /* configured, of one step */
    uint64_t open_ns;    /* fg_loader_open took */
    struct progress progress;

    struct pending_step pending[BENCH_PENDING];
    uint64_t ahead_max;            /* steps launched and not collected */
    uint64_t launched;             /* steps given to the stream */
    uint64_t collected;            /* of these, times known and added */
    uint64_t underfed_ns;          /* the loader's total at the last one */
    uint64_t first_end_ns;         /* end of the first step */
    uint64_t first_busy_ns;        /* its compute */
    struct fg_labels first_labels; /* from the beginning to its end */

    struct tally run;             /* all steps */
    struct tally epoch;           /* those of the current epoch */
    uint64_t epoch_index;         /* which it is */
    bool is_interrupted;          /* stopped by a signal */
    struct histogram step_times;  /* from one compute's end to the next */
    struct usage before;          /* when the measured time began */
    struct usage after;           /* when it ended */
    struct fg_loader_stats stats; /* at the end */
};

/* Run the loader to its end and measure. Returns an exit status. */
int bench_measure(struct bench *bench);

/* The process' CPU time and resident memory. */
void usage_read(struct usage *usage);

uint64_t tally_wall_ns(const struct tally *tally);

/* Share of the wall time during which the device computed, 0 to 1. */
double tally_au(const struct tally *tally);

/* AU by the benchmark rules' formula: configured compute over wall time. */
double bench_au_nominal(const struct bench *bench);

/* AU as DLIO's code has it: measured compute, first step left out. */
double bench_au_dlio(const struct bench *bench);

/* The label other than compute that took most; FG_LABEL_COUNT if all is 0. */
enum fg_label bench_worst(const struct bench *bench, uint64_t *stall_ns);

double bench_cpu_s_per_gb(const struct bench *bench);

/* Print an epoch, and the whole run: as text or as JSON, as asked for. */
void bench_report_epoch(const struct bench *bench);
void bench_report_run(const struct bench *bench);

/* The JSON half of the two. */
void bench_json_epoch(const struct bench *bench);
void bench_json_run(const struct bench *bench);

#endif /* TOOL_BENCH_H */
