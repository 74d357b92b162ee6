/* SPDX-License-Identifier: Apache-2.0 */
/* Inside `feedgpu run` and `feed`: what is known of a run, its reports. */
#ifndef TOOL_RUN_H
#define TOOL_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <feedgpu/feeder.h>

#include "launch.h"
#include "options.h"
#include "run_globs.h"
#include "run_trace.h"

#define RUN_SHOWN_MAX 5 /* threads, and folders, in a report for people */
#define RUN_ROOM 1024   /* of each, in JSON */

/* What a thread spent in reads and in opens, and a share of the wall time. */
struct run_blocked {
    uint64_t ns;  /* kernel, wait and copy together */
    double share; /* of the program's wall time */
};

/* What the reports say at the end: is it input that limits the program? */
enum run_limit {
    LIMIT_UNKNOWN, /* too little was seen to tell */
    LIMIT_OTHER,   /* input is not it */
    LIMIT_INPUT,   /* threads were blocked in reads */
};

struct run_verdict {
    enum run_limit limit;
    double share;     /* of the wall time: the most blocked thread's */
    char text[512];   /* one or two sentences */
    char advice[256]; /* what to do next, or "" */
};

#define RUN_GPUS_MAX 64

/* What is known of the program's GPUs. */
struct run_gpus {
    char variable[1100]; /* for its environment: "NAME=VALUE", or "" */
    char off[320];       /* why nothing is recorded, or "" */
    struct fg_feeder_gpu gpus[RUN_GPUS_MAX];
    uint64_t link_bytes_per_s[RUN_GPUS_MAX]; /* at most; 0: not known */
    struct fg_feeder_recorder recorders[RUN_GPUS_MAX];
    uint32_t count;          /* of gpus, in all and known */
    uint32_t recorder_count; /* of recorders */
    uint64_t window_ns;      /* of all GPUs together */
    uint64_t idle_read_ns;   /* likewise; see fg_feeder_gpu */
    uint64_t busy_read_ns;   /* likewise */
    struct fg_labels labels; /* likewise; they sum to window_ns */
    enum fg_label worst;     /* the most but compute; FG_LABEL_COUNT: none */
    char fix[256];           /* what helps against that, or "" */
};

struct run {
    const struct options *options;
    struct launch launch;
    struct launch_bind bind;
    struct run_globs globs;
    char report_path[1024];   /* --report-file, filled in; or "" */
    char trace_path[1024];    /* --trace, likewise */
    struct fg_feeder *feeder; /* NULL: the program ran unfed */
    char unfed[FG_ERROR_MESSAGE_BYTES + 64]; /* why, or "" */
    struct fg_feeder_stats stats;            /* at the program's end */
    struct fg_feeder_actor *actors;          /* most blocked first */
    struct fg_feeder_group *groups;          /* most blocked first */
    uint32_t actor_count;                    /* in all */
    uint32_t actor_known;                    /* entries of actors */
    uint32_t group_count;                    /* in all */
    uint32_t group_known;                    /* entries of groups */
    struct run_gpus gpu;
    struct run_trace trace;
    struct run_verdict verdict;
    bool is_alone;         /* `feed`: there is no program of ours */
    uint32_t reader_count; /* is_alone: processes seen */
};

/* Option rows of `run`; run_node_group is the place group without --bind. */
extern const struct option_group run_feed_group;
extern const struct option_group run_place_group;
extern const struct option_group run_node_group;
extern const struct option_group run_gpu_group;
extern const struct option_group run_report_group;

/* Open the feeder as the options say; on failure `unfed` says why. */
void run_feeder_open(struct run *run);

/* Take its counters, once it has heard what programs did last. */
void run_feeder_collect(struct run *run);

/* The file for the report, or stderr; opened before programs start, as they
 * may run for days. NULL after a complaint. */
FILE *run_report_open(struct run *run);

/* The same for --trace; false: said why not. */
bool run_trace_open(struct run *run);

/* When nobody writes to it any more. */
void run_trace_finish(struct run *run);

/* Write the report and close its file. One that did not arrive is said, and is
 * not the program's failure. */
void run_report_finish(const struct run *run, FILE *out);

/* False after a complaint: options that do not go together. */
bool run_options_check(const char *command, const struct run_options *options);

/* Wall time of the program. */
uint64_t run_wall_ns(const struct run *run);

/* In read calls: by the kernel, asleep for a block, copying. */
struct run_blocked run_actor_blocked(const struct run *run,
                                     const struct fg_feeder_actor *actor);

/* "exit status 0", "killed by signal 9 (Killed)". */
const char *run_end_text(const struct run *run, char *text, size_t text_bytes);

/* The command for people, in one line, cut at the end of text. */
const char *run_command_text(const struct run *run, char *text,
                             size_t text_bytes);

/* Rank as a launcher's variable says, or NULL; *name: the variable. */
const char *run_rank(const char **name);

/* Have the program's GPUs recorded by the library beside `shim`, or note why
 * not (run_gpu.c). */
void run_gpu_prepare(struct run *run, const char *shim);

/* What was recorded; also what the trace still lacks. */
void run_gpu_collect(struct run *run);

/* Change the verdict to what GPUs say, if they say something. */
void run_gpu_judge(struct run *run);

/* Why nothing was recorded, when there is no recorder. */
const char *run_gpu_why(const struct run *run);

/* Of labels, copies and recorders (run_gpu_report.c). */
void run_gpu_text(const struct run *run, FILE *out);
void run_gpu_html(const struct run *run, FILE *out);

/* A label, and text wrapped beside it, as in the text report. */
void run_put_text(FILE *out, const char *label, const char *text);

/* Text with what HTML gives a meaning escaped. */
void run_html_put(FILE *out, const char *text);

void run_judge(struct run *run);                        /* run_verdict.c */
void run_report_text(const struct run *run, FILE *out); /* run_report.c */
void run_report_json(const struct run *run, FILE *out);
void run_report_html(const struct run *run, FILE *out);

#endif /* TOOL_RUN_H */
