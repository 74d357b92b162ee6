/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer of `feedgpu bench`: acquire, compute, release, as a training
 * loop does it, and the accounting beside it.
 *
 * A step's times are asked for some steps after its launch (ahead_max): the
 * loop then waits for that old step, while the newer ones keep the device at
 * work. Nothing is allocated per step.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "report.h"
#include "signals.h"

/* ---- what the process uses ---- */

static uint64_t ns_of(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * UINT64_C(1000000000) +
           (uint64_t)time->tv_usec * 1000;
}

/* Resident pages, the second number of /proc/self/statm; 0 if unknown. */
static uint64_t resident_bytes(void)
{
    char text[128];
    uint64_t pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    const char *digit = strchr(text, ' ');
    for (digit = digit ? digit + 1 : ""; *digit >= '0' && *digit <= '9';
         digit++) {
        pages = pages * 10 + (uint64_t)(*digit - '0');
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void usage_read(struct usage *usage)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    usage->cpu_ns = ns_of(&used.ru_utime) + ns_of(&used.ru_stime);
    usage->rss_bytes = resident_bytes();
}

/* ---- adding up ---- */

uint64_t tally_wall_ns(const struct tally *tally)
{
    return tally->end_ns - tally->start_ns;
}

double tally_au(const struct tally *tally)
{
    uint64_t wall_ns = tally_wall_ns(tally);
    return wall_ns > 0 ? (double)tally->busy_ns / (double)wall_ns : 0.0;
}

double bench_au_nominal(const struct bench *bench)
{
    uint64_t wall_ns = tally_wall_ns(&bench->run);
    double compute_ns = (double)bench->compute_ns * (double)bench->run.steps;
    return wall_ns > 0 ? compute_ns / (double)wall_ns : 0.0;
}

double bench_au_dlio(const struct bench *bench)
{
    const struct tally *run = &bench->run;
    if (run->steps < 2 || run->end_ns <= bench->first_end_ns) {
        return 0.0;
    }
    return (double)(run->busy_ns - bench->first_busy_ns) /
           (double)(run->end_ns - bench->first_end_ns);
}

enum fg_label bench_worst(const struct bench *bench, uint64_t *stall_ns)
{
    enum fg_label worst = FG_LABEL_COUNT;
    *stall_ns = 0;
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        uint64_t ns = bench->run.labels.ns[i] - bench->first_labels.ns[i];
        if (i != FG_LABEL_COMPUTE && ns > *stall_ns) {
            worst = (enum fg_label)i;
            *stall_ns = ns;
        }
    }
    return worst;
}

double bench_cpu_s_per_gb(const struct bench *bench)
{
    double gigabytes = (double)bench->run.bytes * 1e-9;
    double seconds =
        (double)(bench->after.cpu_ns - bench->before.cpu_ns) * 1e-9;
    return gigabytes > 0.0 ? seconds / gigabytes : 0.0;
}

static void tally_begin(struct tally *tally, uint64_t start_ns)
{
    memset(tally, 0, sizeof(*tally));
    tally->start_ns = start_ns;
    tally->end_ns = start_ns;
}

/* Add a step whose compute ran in `span`. The window of the step begins where
 * the tally ended so far. */
static void tally_add(struct tally *tally, const struct pending_step *step,
                      const struct fg_span *span, uint64_t underfed_ns)
{
    fg_labels_add_step(&tally->labels, tally->end_ns, span, &step->times,
                       underfed_ns);
    tally->steps++;
    tally->samples += step->samples;
    tally->bytes += step->bytes;
    tally->busy_ns += span->end_ns - span->start_ns;
    tally->end_ns = span->end_ns;
}

/* ---- collecting the times of steps ---- */

static void end_epoch(struct bench *bench)
{
    if (bench->epoch.steps > 0) {
        usage_read(&bench->after);
        bench_report_epoch(bench);
    }
    tally_begin(&bench->epoch, bench->run.end_ns);
}

/* Device times that were mapped to our clock may overlap by some microseconds:
 * a step does not begin before the one before it has ended. */
static void straighten(struct fg_span *span, uint64_t floor_ns)
{
    span->start_ns = span->start_ns > floor_ns ? span->start_ns : floor_ns;
    span->end_ns =
        span->end_ns > span->start_ns ? span->end_ns : span->start_ns;
}

static void note_copy(const struct bench *bench, struct pending_step *step)
{
    if (step->times.copied_ns == 0) {
        step->times.copied_ns =
            fg_loader_get_copied_ns(bench->loader, step->sequence);
    }
    if (step->times.copied_ns == 0) {
        step->times.copied_ns = UINT64_MAX; /* till the compute's start */
    }
}

/* Add the oldest pending step. Waits if its compute still runs. */
static enum fg_status collect(struct bench *bench, struct fg_error *err)
{
    struct fg_span span;
    struct pending_step *step =
        &bench->pending[bench->collected % BENCH_PENDING];
    enum fg_status status = fg_compute_get_span(bench->device, bench->stream,
                                                bench->collected, &span, err);
    if (status != FG_OK) {
        return status;
    }
    if (step->epoch != bench->epoch_index) {
        end_epoch(bench);
        bench->epoch_index = step->epoch;
    }
    straighten(&span, bench->run.end_ns);
    note_copy(bench, step);
    uint64_t step_ns = span.end_ns - bench->run.end_ns;
    uint64_t underfed_ns = step->times.underfed_ns - bench->underfed_ns;
    bench->underfed_ns = step->times.underfed_ns;
    tally_add(&bench->epoch, step, &span, underfed_ns);
    tally_add(&bench->run, step, &span, underfed_ns);
    if (bench->collected == 0) {
        bench->first_end_ns = span.end_ns;
        bench->first_busy_ns = span.end_ns - span.start_ns;
        bench->first_labels = bench->run.labels;
    } else {
        histogram_add(&bench->step_times, step_ns);
    }
    bench->collected++;
    return FG_OK;
}

/* ---- the loop ---- */

static void remember(struct bench *bench, const struct fg_batch *batch)
{
    struct pending_step *step =
        &bench->pending[bench->launched % BENCH_PENDING];
    step->epoch = batch->epoch;
    step->sequence = batch->sequence;
    step->samples = batch->count;
    step->bytes = batch->payload_bytes;
    step->times = batch->times;
    bench->launched++;
}

static enum fg_status step_once(struct bench *bench, struct fg_error *err)
{
    struct fg_batch batch;
    enum fg_status status =
        fg_loader_acquire(bench->loader, bench->stream, &batch, err);
    if (status != FG_OK) {
        return status;
    }
    status = fg_stream_compute(bench->device, bench->stream, bench->compute_ns,
                               bench->launched, err);
    if (status == FG_OK) {
        remember(bench, &batch);
    }
    fg_loader_release(bench->loader, &batch, bench->stream);
    if (status == FG_OK &&
        bench->launched - bench->collected == bench->ahead_max) {
        status = collect(bench, err);
    }
    progress_update(&bench->progress, now_ns(), bench->run.bytes);
    return status;
}

/* The loop saw the loader's end at `ended_ns`. What lies between the last
 * compute's end and that belongs to the measured time too. */
static void close_books(struct bench *bench, uint64_t ended_ns)
{
    if (bench->run.steps == 1) {
        histogram_add(&bench->step_times, tally_wall_ns(&bench->run));
    }
    if (ended_ns > bench->run.end_ns) {
        uint64_t rest_ns = ended_ns - bench->run.end_ns;
        bench->run.labels.ns[FG_LABEL_OTHER] += rest_ns;
        bench->run.end_ns = ended_ns;
    }
    usage_read(&bench->after);
    fg_loader_get_stats(bench->loader, &bench->stats);
}

/* Steps to launch before the oldest one's times are asked for. */
static uint64_t choose_ahead(uint64_t compute_ns)
{
    if (compute_ns * (BENCH_PENDING - BENCH_AHEAD_MIN) <= BENCH_AHEAD_NS) {
        return BENCH_PENDING;
    }
    return BENCH_AHEAD_MIN + BENCH_AHEAD_NS / compute_ns;
}

int bench_measure(struct bench *bench)
{
    struct fg_error err;
    enum fg_status status = FG_OK;
    uint64_t start = now_ns();
    tally_begin(&bench->run, start);
    tally_begin(&bench->epoch, start);
    usage_read(&bench->before);
    bench->ahead_max = choose_ahead(bench->compute_ns);
    /* Nobody left to read the report: an endless run must not go on. */
    while (status == FG_OK && !is_stdout_broken()) {
        status = step_once(bench, &err);
    }
    bench->is_interrupted = status == FG_ERR_CANCELLED;
    if (status < 0 && status != FG_ERR_CANCELLED) {
        progress_clear();
        return complain_error(&err);
    }
    uint64_t ended_ns = now_ns();
    status = FG_OK;
    while (status == FG_OK && bench->collected < bench->launched) {
        status = collect(bench, &err);
    }
    progress_clear();
    if (status != FG_OK) {
        return complain_error(&err);
    }
    end_epoch(bench);
    close_books(bench, ended_ns);
    return bench->is_interrupted ? status_of_signal() : STATUS_DONE;
}
