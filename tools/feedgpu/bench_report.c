/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu bench's report for people: one screen of 80 columns. It says how
 * busy the device was, where the rest of the time went, and what to fix first
 * with what that can bring at most.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "report.h"
#include "size.h"

#define BAR_LETTERS 36
#define STALL_SHARE_MIN 0.01 /* below this there is nothing worth fixing */

/* What each label's stall is called, and what helps against it. */
struct remedy {
    const char *stall; /* "If ... took no time" */
    const char *hint;
};

static const struct remedy remedies[FG_LABEL_COUNT] = {
    [FG_LABEL_COMPUTE] = {"compute", ""},
    [FG_LABEL_H2D] = {"copies to the device",
                      "see the device's link, and the batch's bytes"},
    [FG_LABEL_PREP] = {"decoding and assembly",
                       "more --threads, or shards with less compression"},
    [FG_LABEL_STORAGE_DEVICE] = {"reading",
                                 "faster storage, or more of it cached"},
    [FG_LABEL_STORAGE_UNDERFED] = {"underfed reading",
                                   "more --inflight-bytes or --slots"},
    [FG_LABEL_HOST] = {"the consumer's own loop",
                       "larger batches, or less work between two steps"},
    [FG_LABEL_SYNC] = {"waiting for others", "see the slowest rank"},
    [FG_LABEL_OTHER] = {"the rest", "a longer run: it is start and end"},
};

static double seconds(uint64_t ns)
{
    return (double)ns * 1e-9;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0.0;
}

static double per_second(uint64_t amount, uint64_t ns)
{
    return ns > 0 ? (double)amount * 1e9 / (double)ns : 0.0;
}

void bench_report_epoch(const struct bench *bench)
{
    const struct tally *epoch = &bench->epoch;
    uint64_t wall_ns = tally_wall_ns(epoch);
    char rate[SIZE_TEXT_BYTES];
    progress_clear();
    if (bench->options->json) {
        bench_json_epoch(bench);
        return;
    }
    printf("epoch %" PRIu64 ": %" PRIu64 " steps in %.2f s, %s/s",
           bench->epoch_index, epoch->steps, seconds(wall_ns),
           amount_format(per_second(epoch->bytes, wall_ns), rate));
    if (bench->compute_ns > 0) {
        printf(", AU %.1f %%", 100.0 * tally_au(epoch));
    }
    putchar('\n');
    flush_stdout();
}

static void print_head(const struct bench *bench)
{
    const struct fg_loader_stats *stats = &bench->stats;
    const struct fg_loader_config *config = &bench->options->loader;
    char rate[SIZE_TEXT_BYTES];
    printf("\ndevice    %s", stats->device);
    if (strcmp(bench->device_info.name, stats->device) != 0) {
        printf(" %s", bench->device_info.name);
    }
    if (bench->device_info.copy_bytes_per_s > 0.0) {
        printf(", copies %s/s",
               amount_format(bench->device_info.copy_bytes_per_s, rate));
    }
    printf(", compute %g ms a step\n", (double)bench->compute_ns / 1e6);
    printf("engine    %s, O_DIRECT %s\n", stats->engine, stats->direct);
    if (stats->engine_note[0] != '\0') {
        printf("          %s\n", stats->engine_note);
    }
    if (config->world_size > 1) {
        printf("rank      %" PRIu32 " of %" PRIu32 "%s%s\n", config->rank,
               config->world_size, bench->options->rank_source ? ", from " : "",
               bench->options->rank_source ? bench->options->rank_source : "");
    }
}

static void print_au(const struct bench *bench)
{
    double wall_s = seconds(tally_wall_ns(&bench->run));
    if (bench->compute_ns == 0) {
        printf("\nAU        not measured: no compute was asked for "
               "(--compute-ms X)\n");
        return;
    }
    printf("\nAU        %.1f %% of %.2f s (au_nominal %.1f %%, au_dlio "
           "%.1f %%)\n",
           100.0 * tally_au(&bench->run), wall_s,
           100.0 * bench_au_nominal(bench), 100.0 * bench_au_dlio(bench));
}

static void print_label(const struct tally *run, enum fg_label label)
{
    double part = share(run->labels.ns[label], tally_wall_ns(run));
    int letters = (int)(part * BAR_LETTERS + 0.5);
    char bar[BAR_LETTERS + 1];
    for (int i = 0; i < BAR_LETTERS; i++) {
        bar[i] = i < letters ? '#' : '.';
    }
    bar[BAR_LETTERS] = '\0';
    printf("  %-17s %9.3f s  %5.1f %%  %s\n", fg_label_name(label),
           seconds(run->labels.ns[label]), 100.0 * part, bar);
}

static void print_labels(const struct bench *bench)
{
    printf("\nwhere the wall time of %.2f s went\n",
           seconds(tally_wall_ns(&bench->run)));
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        if (bench->run.labels.ns[i] > 0) {
            print_label(&bench->run, (enum fg_label)i);
        }
    }
}

/*
 * What to fix first, and the most it can bring: a ceiling, no promise. The
 * first step is left out: every run has to wait for its first batch.
 */
static void print_verdict(const struct bench *bench)
{
    const struct tally *run = &bench->run;
    uint64_t stall_ns;
    enum fg_label worst = bench_worst(bench, &stall_ns);
    if (run->steps < 2) {
        printf("\nfix first not known: it takes more than one step to tell\n");
        return;
    }
    uint64_t wall_ns = run->end_ns - bench->first_end_ns;
    uint64_t rest_ns = wall_ns - stall_ns;
    if (worst == FG_LABEL_COUNT || share(stall_ns, wall_ns) < STALL_SHARE_MIN) {
        printf("\nnothing to fix: after the first step no stall took 1 %% of "
               "the time\n");
        return;
    }
    printf("\nfix first %s: %s\n", fg_label_name(worst), remedies[worst].hint);
    printf("          if %s took no time, ", remedies[worst].stall);
    if (bench->compute_ns > 0) {
        printf("AU would be at most %.1f %%\n",
               100.0 * share(run->busy_ns - bench->first_busy_ns, rest_ns));
    } else {
        printf("at most %.1f times as fast\n",
               (double)wall_ns / (double)(rest_ns + 1));
    }
}

static void print_rates(const struct bench *bench)
{
    const struct tally *run = &bench->run;
    uint64_t wall_ns = tally_wall_ns(run);
    const struct histogram *times = &bench->step_times;
    char rate[SIZE_TEXT_BYTES];
    char samples[COUNT_BYTES];
    uint64_t samples_per_s =
        (uint64_t)(per_second(run->samples, wall_ns) + 0.5);
    printf("\nrate      %s/s, %s samples/s, %.1f steps/s\n",
           amount_format(per_second(run->bytes, wall_ns), rate),
           format_count(samples_per_s, samples),
           per_second(run->steps, wall_ns));
    printf("step      p50 %.3f ms, p90 %.3f, p99 %.3f, max %.3f\n",
           (double)histogram_percentile(times, 50.0) / 1e6,
           (double)histogram_percentile(times, 90.0) / 1e6,
           (double)histogram_percentile(times, 99.0) / 1e6,
           (double)times->max_ns / 1e6);
    printf("start     open %.3f s, first batch %.3f s\n",
           seconds(bench->open_ns), seconds(bench->stats.first_batch_ns));
}

/* A line per remark; they are joined by "; ". */
static void print_note(const char *note)
{
    while (note[0] != '\0') {
        const char *end = strstr(note, "; ");
        size_t length = end == NULL ? strlen(note) : (size_t)(end - note);
        printf("          %.*s\n", (int)length, note);
        note += length + (end == NULL ? 0 : strlen("; "));
    }
}

static void print_placement(const struct fg_placement *placement)
{
    char size[SIZE_TEXT_BYTES];
    if (placement->home_node < 0) {
        printf("placement home node not known: ");
    } else {
        printf("placement node %" PRId32 " (%s): %" PRIu64 " of ",
               placement->home_node,
               fg_node_source_name(placement->home_source),
               placement->pages_on_home_node);
    }
    printf("%" PRIu64 " pages of %s (%s, by %s)\n", placement->pages,
           size_format(placement->page_bytes, size), placement->page_kind,
           placement->verified_by);
    for (uint32_t i = 0; i < placement->elsewhere_count; i++) {
        printf("          %" PRIu64 " on node %" PRId32 "\n",
               placement->elsewhere[i].pages, placement->elsewhere[i].node);
    }
    print_note(placement->note);
}

static void print_use(const struct bench *bench)
{
    char size[SIZE_TEXT_BYTES];
    char count[COUNT_BYTES];
    printf("cpu       %.3f s per GB; %s resident\n", bench_cpu_s_per_gb(bench),
           size_format(bench->after.rss_bytes, size));
    print_placement(&bench->stats.placement);
    printf("reads     %s, together %s, %" PRIu64 " retried; bad samples: "
           "%" PRIu64 "\n",
           format_count(bench->stats.reads, count),
           size_format(bench->stats.read_bytes, size),
           bench->stats.read_retries, bench->stats.bad_samples);
}

void bench_report_run(const struct bench *bench)
{
    if (bench->options->json) {
        bench_json_run(bench);
        return;
    }
    if (bench->is_interrupted) {
        printf("interrupted: what follows is about the part that ran\n");
    }
    print_head(bench);
    print_au(bench);
    print_labels(bench);
    print_verdict(bench);
    print_rates(bench);
    print_use(bench);
}
