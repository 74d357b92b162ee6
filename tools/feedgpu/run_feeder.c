/* SPDX-License-Identifier: Apache-2.0 */
/* The feeder of `feedgpu run` and `feedgpu feed`, by their options. */
#include <stdlib.h>
#include <time.h>

#include "report.h"
#include "run.h"

#define SETTLE_STEP_NS 10000000 /* 10 ms */
#define SETTLE_STEPS_MAX 20

static void print_log(enum fg_log_level level, const char *line, void *context)
{
    (void)level;
    (void)context;
    complain("%s", line);
}

void run_feeder_open(struct run *run)
{
    const struct run_options *options = &run->options->run;
    struct fg_feeder_config config;
    struct fg_error err;
    fg_feeder_config_init(&config);
    config.numa_node = run->bind.node;
    config.flags = options->is_observing ? FG_FEEDER_OBSERVE : 0;
    config.memory_bytes = options->memory_bytes;
    config.threads = options->threads;
    config.file_bytes_min = options->file_bytes_min;
    config.io = options->io != NULL ? options->io : config.io;
    config.log = run->options->verbose ? print_log : NULL;
    config.data_count = run->globs.count;
    config.data =
        run->globs.count > 0 ? (const char *const *)run->globs.items : NULL;
    if (run->trace.out != NULL) {
        config.span = run_trace_span;
        config.span_context = &run->trace;
    }
    if (fg_feeder_open(&config, &run->feeder, &err) != FG_OK) {
        run->feeder = NULL;
        snprintf(run->unfed, sizeof(run->unfed), "%s", err.message);
    }
}

/* Programs have ended; the feeder may still be hearing what they did last. */
static void settle(struct run *run)
{
    const struct timespec step = {.tv_nsec = SETTLE_STEP_NS};
    struct fg_feeder_stats before;
    int steps = 0;
    run->stats.struct_size = sizeof(run->stats);
    fg_feeder_get_stats(run->feeder, &run->stats);
    do {
        before = run->stats;
        nanosleep(&step, NULL);
        fg_feeder_get_stats(run->feeder, &run->stats);
    } while (++steps < SETTLE_STEPS_MAX &&
             (run->stats.events != before.events ||
              run->stats.files != before.files));
}

/*
 * Without a program of ours, what threads' shares are of is the time from the
 * first read to the last.
 */
static void note_span(struct run *run)
{
    struct launch *launch = &run->launch;
    for (uint32_t i = 0; i < run->actor_known; i++) {
        const struct fg_feeder_actor *actor = &run->actors[i];
        bool is_new = actor->pid != 0;
        for (uint32_t j = 0; j < i && is_new; j++) {
            is_new = run->actors[j].pid != actor->pid;
        }
        run->reader_count += is_new ? 1 : 0;
        if (actor->last_ns == 0) {
            continue;
        }
        if (launch->start_ns == 0 || actor->first_ns < launch->start_ns) {
            launch->start_ns = actor->first_ns;
        }
        if (actor->last_ns > launch->end_ns) {
            launch->end_ns = actor->last_ns;
        }
    }
}

void run_feeder_collect(struct run *run)
{
    if (run->feeder == NULL) {
        return;
    }
    run_gpu_collect(run);
    if (run->options->run.report == REPORT_NONE) {
        return;
    }
    settle(run);
    run->actors = calloc(RUN_ROOM, sizeof(*run->actors));
    run->groups = calloc(RUN_ROOM, sizeof(*run->groups));
    if (run->actors != NULL) {
        run->actor_count =
            fg_feeder_get_actors(run->feeder, run->actors, RUN_ROOM);
        run->actor_known =
            run->actor_count < RUN_ROOM ? run->actor_count : RUN_ROOM;
    }
    if (run->groups != NULL) {
        run->group_count =
            fg_feeder_get_groups(run->feeder, run->groups, RUN_ROOM);
        run->group_known =
            run->group_count < RUN_ROOM ? run->group_count : RUN_ROOM;
    }
    if (run->is_alone && run->actors != NULL) {
        note_span(run);
    }
}
