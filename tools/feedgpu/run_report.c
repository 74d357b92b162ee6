/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu run's report for people: one screen of 80 columns, with the verdict
 * first. What could not be seen has lines of its own.
 */
#include <inttypes.h>
#include <string.h>

#include "report.h"
#include "run.h"
#include "size.h"

#define COLUMNS 80
#define LABEL_COLUMNS 10
#define WIDTH (COLUMNS - LABEL_COLUMNS) /* of the text beside a label */

static double seconds(uint64_t ns)
{
    return (double)ns * 1e-9;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

void run_put_text(FILE *out, const char *label, const char *text)
{
    size_t column = LABEL_COLUMNS;
    bool is_first = true;
    fprintf(out, "%-*s", LABEL_COLUMNS, label);
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        length = length < WIDTH ? length : WIDTH;
        if (!is_first && column + 1 + length > COLUMNS) {
            fprintf(out, "\n%*s", LABEL_COLUMNS, "");
            column = LABEL_COLUMNS;
            is_first = true;
        }
        fprintf(out, "%s%.*s", is_first ? "" : " ", (int)length, text);
        column += length + (is_first ? 0 : 1);
        is_first = false;
        text += length + strspn(text + length, " ");
    }
    fputc('\n', out);
}

static void put_head(const struct run *run, FILE *out)
{
    char text[COLUMNS * 3];
    char end[96];
    char size[SIZE_TEXT_BYTES];
    const char *variable = NULL;
    const char *rank = run_rank(&variable);
    fputc('\n', out);
    run_put_text(out, run->is_alone ? "feeder" : "program",
                 run_command_text(run, text, sizeof(text)));
    if (run->is_alone) {
        snprintf(text, sizeof(text),
                 "%" PRIu32 " processes seen, in %.2f s from the first read to "
                 "the last",
                 run->reader_count, seconds(run_wall_ns(run)));
    } else {
        snprintf(text, sizeof(text),
                 "%.2f s wall, %.2f s CPU, %s resident at most; %s",
                 seconds(run_wall_ns(run)), seconds(run->launch.cpu_ns),
                 size_format(run->launch.resident_bytes, size),
                 run_end_text(run, end, sizeof(end)));
    }
    run_put_text(out, "", text);
    if (rank != NULL) {
        snprintf(text, sizeof(text), "%.20s, from %s", rank, variable);
        run_put_text(out, "rank", text);
    }
    fputc('\n', out);
    run_put_text(out, "verdict", run->verdict.text);
    if (run->verdict.advice[0] != '\0') {
        run_put_text(out, "next", run->verdict.advice);
    }
}

static void put_actor(FILE *out, const char *who,
                      const struct fg_feeder_actor *actor,
                      struct run_blocked blocked)
{
    char memory[SIZE_TEXT_BYTES];
    char kernel[SIZE_TEXT_BYTES];
    fprintf(out, "  %9.3f s %5.1f %% %9.3f s  %9s  %9s  %.27s\n",
            seconds(blocked.ns), 100.0 * blocked.share, seconds(actor->open_ns),
            amount_format((double)actor->arena_bytes, memory),
            amount_format((double)actor->kernel_bytes, kernel), who);
}

static void put_actors(const struct run *run, FILE *out)
{
    struct fg_feeder_actor rest = {.pid = 0};
    struct run_blocked rest_blocked = {0, 0.0};
    char who[40];
    if (run->actor_known == 0) {
        return;
    }
    fprintf(out, "\nthreads, the most blocked first; each by its own share of "
                 "the wall time\n"
                 "    blocked    wall   in opens     memory     kernel  "
                 "thread\n");
    for (uint32_t i = 0; i < run->actor_known; i++) {
        const struct fg_feeder_actor *actor = &run->actors[i];
        struct run_blocked blocked = run_actor_blocked(run, actor);
        if (i < RUN_SHOWN_MAX) {
            snprintf(who, sizeof(who), "%.16s %" PRId32, actor->name,
                     actor->tid);
            put_actor(out, who, actor, blocked);
            continue;
        }
        rest.open_ns += actor->open_ns;
        rest.arena_bytes += actor->arena_bytes;
        rest.kernel_bytes += actor->kernel_bytes;
        rest_blocked.ns += blocked.ns;
        rest_blocked.share += blocked.share;
    }
    if (run->actor_known > RUN_SHOWN_MAX) {
        snprintf(who, sizeof(who), "%" PRIu32 " others together",
                 run->actor_count - RUN_SHOWN_MAX);
        put_actor(out, who, &rest, rest_blocked);
    }
}

static uint64_t group_blocked_ns(const struct fg_feeder_group *group)
{
    return group->blocked_ns + group->open_ns;
}

static void put_group(FILE *out, const struct fg_feeder_group *group)
{
    char memory[SIZE_TEXT_BYTES];
    char kernel[SIZE_TEXT_BYTES];
    size_t length = strlen(group->folder);
    bool is_cut = length > COLUMNS - 4;
    fprintf(out, "  %9.3f s  %7" PRIu64 "  %-10s  %9s  %9s\n",
            seconds(group_blocked_ns(group)), group->files,
            group->pattern[0] != '\0' ? group->pattern : "-",
            amount_format((double)group->arena_bytes, memory),
            amount_format((double)group->kernel_bytes, kernel));
    fprintf(out, "    %s%s\n", is_cut ? "..." : "",
            group->folder + (is_cut ? length - (COLUMNS - 7) : 0));
}

/* A program's modules and settings are read, too, in no time. */
static bool is_worth_a_line(const struct run *run,
                            const struct fg_feeder_group *group)
{
    return group_blocked_ns(group) >= group_blocked_ns(&run->groups[0]) / 100;
}

static void put_groups(const struct run *run, FILE *out)
{
    uint32_t shown = 0;
    while (shown < run->group_known && shown < RUN_SHOWN_MAX &&
           is_worth_a_line(run, &run->groups[shown])) {
        shown++;
    }
    if (shown == 0) {
        return;
    }
    fprintf(out, "\nfolders, those most waited for first\n"
                 "    blocked    files  pattern        memory     kernel\n");
    for (uint32_t i = 0; i < shown; i++) {
        put_group(out, &run->groups[i]);
    }
    if (run->group_count > shown) {
        fprintf(out, "  and %" PRIu32 " others\n", run->group_count - shown);
    }
}

static void put_bytes_read(const struct run *run, FILE *out)
{
    const struct fg_feeder_stats *stats = &run->stats;
    uint64_t bytes = stats->arena_bytes + stats->kernel_bytes;
    char memory[SIZE_TEXT_BYTES];
    char kernel[SIZE_TEXT_BYTES];
    char count[COUNT_BYTES];
    fprintf(out,
            "\nread      %s from memory (%.1f %%), %s by the kernel; %s "
            "calls\n",
            amount_format((double)stats->arena_bytes, memory),
            percent(stats->arena_bytes, bytes),
            amount_format((double)stats->kernel_bytes, kernel),
            format_count(stats->reads, count));
    fprintf(out,
            "time      kernel %.3f s, waiting for blocks %.3f s, copying "
            "%.3f s\n",
            seconds(stats->kernel_ns), seconds(stats->wait_ns),
            seconds(stats->copy_ns));
    fprintf(out, "opens     %s in %.3f s\n", format_count(stats->opens, count),
            seconds(stats->open_ns));
}

static void put_ahead(const struct run *run, FILE *out)
{
    const struct fg_feeder_stats *stats = &run->stats;
    char ahead[SIZE_TEXT_BYTES];
    char other[SIZE_TEXT_BYTES];
    char unused[SIZE_TEXT_BYTES];
    if (run->options->run.is_observing) {
        fprintf(out, "ahead     nothing: --observe-only\n");
        return;
    }
    fprintf(out,
            "ahead     %s into memory, %s dropped unused; %s into the page "
            "cache\n",
            amount_format((double)stats->ahead_bytes, ahead),
            amount_format((double)stats->unused_bytes, unused),
            amount_format((double)stats->warmed_bytes, other));
    fprintf(out,
            "order     %s; %" PRIu64 " files opened ahead, %" PRIu64
            " of them used later\n",
            stats->order[0] != '\0' ? stats->order : "none seen",
            stats->predictions, stats->predictions_hit);
    fprintf(out, "memory    %s kept, of %s\n",
            size_format(stats->kept_bytes, ahead),
            size_format(stats->memory_bytes, other));
    if (stats->changed_files + stats->fallbacks + stats->read_errors > 0) {
        fprintf(out,
                "left      %" PRIu64 " files that changed; %" PRIu64
                " copies redone, %" PRIu64 " events lost, %" PRIu64
                " read errors\n",
                stats->changed_files, stats->fallbacks, stats->events_lost,
                stats->read_errors);
    }
}

static void put_engine(const struct run *run, FILE *out)
{
    const struct fg_feeder_stats *stats = &run->stats;
    fprintf(out, "engine    %s\n", stats->engine != NULL ? stats->engine : "?");
    if (stats->engine_note[0] != '\0') {
        run_put_text(out, "", stats->engine_note);
    }
}

static void put_placement(const struct run *run, FILE *out)
{
    const struct fg_placement *placement = &run->stats.placement;
    char size[SIZE_TEXT_BYTES];
    char text[BIND_TEXT_BYTES + 64];
    if (run->bind.node < 0) {
        snprintf(text, sizeof(text), "no node: %s", run->bind.why);
    } else {
        snprintf(text, sizeof(text), "node %" PRId32 ": %s", run->bind.node,
                 run->bind.why);
    }
    run_put_text(out, "placement", text);
    if (placement->pages > 0) {
        fprintf(out, "          ");
        if (run->bind.node >= 0) {
            fprintf(out, "%" PRIu64 " of ", placement->pages_on_home_node);
        }
        fprintf(out, "%" PRIu64 " pages of %s%s (%s, by %s)\n",
                placement->pages, size_format(placement->page_bytes, size),
                run->bind.node >= 0 ? " there" : "", placement->page_kind,
                placement->verified_by);
    }
    for (uint32_t i = 0; i < placement->elsewhere_count; i++) {
        fprintf(out, "          %" PRIu64 " on node %" PRId32 "\n",
                placement->elsewhere[i].pages, placement->elsewhere[i].node);
    }
    if (placement->note[0] != '\0') {
        run_put_text(out, "", placement->note);
    }
}

static void put_bind(const struct run *run, FILE *out)
{
    const struct launch_bind *bind = &run->bind;
    char text[640];
    if (!run->options->run.is_binding) {
        return;
    }
    if (bind->is_bound) {
        snprintf(text, sizeof(text), "CPUs %.200s, memory preferably there%s%s",
                 bind->cpus, bind->is_undone ? "; the program undid it: " : "",
                 bind->is_undone ? bind->now : "");
        run_put_text(out, "bind", text);
    }
    if (bind->note[0] != '\0') {
        run_put_text(out, bind->is_bound ? "" : "bind", bind->note);
    }
}

/* The kernel's count of all processes that have ended. */
static void put_counted(const struct run *run, FILE *out)
{
    const struct process_io *io = &run->launch.io;
    uint64_t seen_bytes = run->stats.kernel_bytes;
    char called[SIZE_TEXT_BYTES];
    char seen[SIZE_TEXT_BYTES];
    char disks[SIZE_TEXT_BYTES];

    if (io->processes == 0) {
        run_put_text(out, "kernel", "its count of what was read is not known");
        return;
    }
    fprintf(out,
            "kernel    %s by read calls of all processes, %s seen above;\n",
            amount_format((double)io->call_bytes, called),
            amount_format((double)seen_bytes, seen));
    fprintf(out,
            "          %s came from disks, %" PRIu64
            " page faults had to read\n",
            amount_format((double)io->storage_bytes, disks),
            run->launch.major_faults);
    if (seen_bytes > io->call_bytes) {
        run_put_text(out, "",
                     "not all: programs that others have started, as slurmd "
                     "does for srun, or that have not ended, read too");
    }
}

/* What was read without being seen, by the kernel's count of all processes. */
static void put_unseen(const struct run *run, FILE *out)
{
    const struct fg_feeder_stats *stats = &run->stats;
    const struct process_io *io = &run->launch.io;
    char other[SIZE_TEXT_BYTES];
    char text[320];

    if (stats->mapped_bytes > 0 || stats->stdio_files > 0) {
        snprintf(text, sizeof(text),
                 "%s by mmap, %" PRIu64 " files by stdio: their waits are not "
                 "in the numbers above",
                 amount_format((double)stats->mapped_bytes, other),
                 stats->stdio_files);
        run_put_text(out, "unseen", text);
    }
    put_counted(run, out);
    if (io->unknown > 0 || run->launch.left_behind > 0) {
        snprintf(text, sizeof(text),
                 "%" PRIu32 " processes ended without a count, %" PRIu32
                 " still run and go on unfed",
                 io->unknown, run->launch.left_behind);
        run_put_text(out, "", text);
    }
}

void run_report_text(const struct run *run, FILE *out)
{
    put_head(run, out);
    if (run->gpu.count > 0) {
        run_gpu_text(run, out);
    }
    put_actors(run, out);
    put_groups(run, out);
    if (run->stats.files > 0) {
        put_bytes_read(run, out);
        put_ahead(run, out);
    }
    fputc('\n', out);
    if (run->feeder != NULL) {
        put_engine(run, out);
        put_placement(run, out);
    } else {
        run_put_text(out, "unfed", run->unfed);
    }
    put_bind(run, out);
    put_unseen(run, out);
    if (run->gpu.count == 0) {
        run_gpu_text(run, out);
    }
    fflush(out);
}
