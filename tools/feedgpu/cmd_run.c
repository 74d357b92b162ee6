/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu run: a program that nobody changed, with its files read ahead. This
 * process is the feeder. It starts the program with the shim's library in its
 * environment, waits for it, reports, and ends as the program has ended.
 *
 * The program comes first: whatever cannot be had (the library, memory) leaves
 * it unfed with one line that says why, and never unstarted.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "preload.h"
#include "report.h"
#include "run.h"
#include "tables.h"

#define SETTLE_STEP_NS 10000000 /* 10 ms */
#define SETTLE_STEPS_MAX 20

static void print_log(enum fg_log_level level, const char *line, void *context)
{
    (void)level;
    (void)context;
    complain("%s", line);
}

static void open_feeder(struct run *run)
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

/* A feeder and an environment that leads to it; else why there is none. */
static char **prepare_feeding(struct run *run)
{
    char library[PATH_MAX];
    if (!preload_find(library, sizeof(library), run->unfed,
                      sizeof(run->unfed))) {
        return NULL;
    }
    open_feeder(run);
    if (run->feeder == NULL) {
        return NULL;
    }
    run_gpu_prepare(run, library);
    char **environment = preload_environment(
        library, fg_feeder_environment(run->feeder), run->gpu.variable);
    if (environment == NULL) {
        snprintf(run->unfed, sizeof(run->unfed), "out of memory");
        fg_feeder_close(run->feeder);
        run->feeder = NULL;
    }
    return environment;
}

/* The program has ended; the feeder may still be hearing what it did last. */
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

static void collect(struct run *run)
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
}

static void write_report(const struct run *run, FILE *out)
{
    switch ((enum run_report)run->options->run.report) {
    case REPORT_TEXT:
        run_report_text(run, out);
        break;
    case REPORT_JSON:
        run_report_json(run, out);
        break;
    case REPORT_HTML:
        run_report_html(run, out);
        break;
    case REPORT_NONE:
        break;
    }
}

/* Names come from the program: none of them may move a terminal's cursor. */
static void tame(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (((unsigned char)text[i] < ' ' && text[i] != '\n') ||
            text[i] == 0x7f) {
            text[i] = '?';
        }
    }
}

/*
 * The report is written at once, so that those of several ranks do not mix.
 * One that did not arrive is said, and is not the program's failure.
 */
static void finish_report(const struct run *run, FILE *out)
{
    const char *path = run->report_path[0] != '\0' ? run->report_path : NULL;
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    bool is_good = false;
    errno = ENOMEM;
    if (memory != NULL) {
        write_report(run, memory);
        is_good = fclose(memory) == 0;
        if (run->options->run.report == REPORT_TEXT) {
            tame(text, length);
        }
        is_good = is_good && fwrite(text, 1, length, out) == length &&
                  fflush(out) == 0;
    }
    free(text);
    if (path != NULL && (fclose(out) != 0 || !is_good)) {
        complain("%s: write: %s", path, strerror(errno));
    }
}

/* A path with %r for the rank, %p for this process, %% for a %. */
static bool expand_path(const char *option, const char *from, char *path,
                        size_t path_bytes)
{
    const char *variable;
    const char *rank = run_rank(&variable);
    size_t length = 0;
    for (const char *c = from; *c != '\0'; c++) {
        char number[16];
        char letter[2] = {*c, '\0'};
        const char *piece = letter;
        if (c[0] == '%' && c[1] == 'r') {
            piece = rank != NULL ? rank : "0";
        } else if (c[0] == '%' && c[1] == 'p') {
            snprintf(number, sizeof(number), "%d", (int)getpid());
            piece = number;
        }
        c += c[0] == '%' && c[1] != '\0' && strchr("rp%", c[1]) ? 1 : 0;
        length +=
            (size_t)snprintf(path + length, path_bytes - length, "%s", piece);
        if (length >= path_bytes) {
            complain("run: %s: got a path of more than %zu bytes", option,
                     path_bytes - 1);
            return false;
        }
    }
    return true;
}

/* Opened before the program starts: it may run for days. NULL: said why not. */
static FILE *open_output(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        complain("%s: open: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
    }
    return out;
}

static FILE *open_report(struct run *run)
{
    const char *path = run->options->run.report_path;
    if (path == NULL) {
        return stderr;
    }
    return expand_path("--report-file", path, run->report_path,
                       sizeof(run->report_path))
               ? open_output(run->report_path)
               : NULL;
}

static bool open_trace(struct run *run)
{
    const char *path = run->options->run.trace_path;
    if (path == NULL) {
        return true;
    }
    FILE *out =
        expand_path("--trace", path, run->trace_path, sizeof(run->trace_path))
            ? open_output(run->trace_path)
            : NULL;
    if (out != NULL) {
        run_trace_begin(&run->trace, out);
    }
    return out != NULL;
}

/* When nobody writes to it any more. */
static void finish_trace(struct run *run)
{
    if (run->trace.out == NULL) {
        return;
    }
    for (uint32_t i = 0; i < run->gpu.count; i++) {
        run_trace_gpu(&run->trace, &run->gpu.gpus[i]);
    }
    if (!run_trace_end(&run->trace)) {
        complain("%s: write: %s", run->trace_path, strerror(errno));
    } else if (run->trace.left_out > 0) {
        complain("%s: ends at 1 GiB: %llu spans are left out", run->trace_path,
                 (unsigned long long)run->trace.left_out);
    }
}

static int run_program(struct run *run)
{
    FILE *out = open_report(run);
    if (out == NULL || !open_trace(run)) {
        return STATUS_LAUNCHER;
    }
    char **environment = prepare_feeding(run);
    run->launch.environment = environment;
    if (run->unfed[0] != '\0') {
        complain("run: the program runs unfed: %s", run->unfed);
    }
    if (!launch_start(&run->launch)) {
        preload_free(environment);
        fg_feeder_close(run->feeder);
        finish_trace(run);
        return STATUS_LAUNCHER;
    }
    if (run->bind.note[0] != '\0') {
        complain("run: --bind: %s", run->bind.note);
    }
    launch_wait(&run->launch);
    if (run->launch.exec_errno != 0) {
        complain("%s: %s", run->launch.command[0],
                 strerror(run->launch.exec_errno));
    } else {
        collect(run);
        run_judge(run);
        run_gpu_judge(run);
        finish_report(run, out);
    }
    launch_release(&run->launch);
    fg_feeder_close(run->feeder);
    finish_trace(run);
    preload_free(environment);
    free(run->actors);
    free(run->groups);
    return STATUS_DONE;
}

static bool check_options(const struct options *options)
{
    const struct run_options *own = &options->run;
    if (own->report == REPORT_HTML && own->report_path == NULL) {
        complain("run: --report html: needs --report-file");
        return false;
    }
    if (own->is_binding && own->numa_node == FG_NODE_NONE) {
        complain("run: --bind: needs a node, and --numa-node is none");
        return false;
    }
    return true;
}

static int run(const struct options *options)
{
    struct options own = *options;
    struct run run = {.options = &own};
    if (options->json) {
        own.run.report = REPORT_JSON;
    }
    if (!check_options(&own) || !run_globs_init(&run.globs, &own.run) ||
        !bind_choose(&own, &run.bind)) {
        run_globs_fini(&run.globs);
        return STATUS_USAGE;
    }
    /* exec's prototype is older than const. */
    memcpy(&run.launch.command, &own.operands, sizeof(own.operands));
    run.launch.bind = &run.bind;
    int status = STATUS_LAUNCHER;
    if (launch_prepare(&run.launch)) {
        bind_prepare(&run.bind);
        status = run_program(&run);
    }
    run_globs_fini(&run.globs);
    return launch_finish(&run.launch, status);
}

#define AT(member) offsetof(struct options, member)
#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct option feed_options[] = {
    {"data", 0, OPTION_LIST, AT(run.data), "GLOB", 0, 0, NULL,
     "feed the files that match, and no others; may be given again (default: "
     "whatever looks like data)"},
    {"data-root", 0, OPTION_LIST, AT(run.roots), "DIR", 0, 0, NULL,
     "feed the files below DIR, and no others; may be given again"},
    {"min-file-bytes", 0, OPTION_SIZE, AT(run.file_bytes_min), "SIZE", 1, 0,
     NULL, "leave smaller files alone"},
    {"memory", 0, OPTION_SIZE, AT(run.memory_bytes), "SIZE", 1 << 20, 0,
     "a quarter of what is available",
     "for what is read ahead, and kept for the next epoch"},
    {"io", 0, OPTION_NAME, AT(run.io), "auto|uring|pread", 0, 0, "auto",
     "how files are read; auto takes io_uring where it works"},
    {"threads", 0, OPTION_U32, AT(run.threads), "N", 1, 1024,
     "chosen by the library", "threads that open and read small files"},
    {"observe-only", 0, OPTION_FLAG, AT(run.is_observing), NULL, 0, 0, NULL,
     "measure, and read nothing ahead"},
    {"no-gpu", 0, OPTION_FLAG, AT(run.is_without_gpu), NULL, 0, 0, NULL,
     "record no kernels and copies: for a program with a profiler of its own"},
};

static const struct option place_options[] = {
    {"numa-node", 0, OPTION_NODE, AT(run.numa_node), "auto|none|N", 0, 0, NULL,
     "where the memory is; auto: the home node of the first visible GPU, else "
     "of the disk with the data"},
    {"bind", 0, OPTION_FLAG, AT(run.is_binding), NULL, 0, 0, NULL,
     "run the program on that node's CPUs, with its memory there"},
};

static const struct option report_options[] = {
    {"report", 0, OPTION_CHOICE, AT(run.report), "text|json|html|none", 0, 0,
     NULL, "what to say when the program has ended"},
    {"report-file", 0, OPTION_TEXT, AT(run.report_path), "FILE", 0, 0, "stderr",
     "where to write it; %r in it is the rank, %p the process id"},
    {"trace", 0, OPTION_TEXT, AT(run.trace_path), "FILE", 0, 0, "none",
     "write a timeline of kernels, copies and blocking reads, for Perfetto"},
    {"json", 0, OPTION_FLAG, AT(json), NULL, 0, 0, NULL,
     "the same as --report json"},
    {"verbose", 'v', OPTION_FLAG, AT(verbose), NULL, 0, 0, NULL,
     "what the feeder decides, on stderr"},
    {"help", 'h', OPTION_FLAG, AT(help), NULL, 0, 0, NULL,
     "show this help and stop"},
};

static const struct option_group feed_group = {"What is fed, and how",
                                               ROWS(feed_options)};
static const struct option_group place_group = {"Where", ROWS(place_options)};
static const struct option_group report_group = {"What is said",
                                                 ROWS(report_options)};

const struct command run_command = {
    .name = "run",
    .synopsis = "[OPTION]... [--] COMMAND [ARGUMENT]...",
    .summary = "run a program unchanged, feed it, say what it waited for",
    .story =
        "Runs COMMAND with a library preloaded that tells this process which "
        "files it reads, and reads them ahead into memory on the GPU's NUMA "
        "node, from where its reads are served. What fits into the memory "
        "stays there, so that a second epoch does not touch the disk. The "
        "program gets the bytes and errors that it would get without; what "
        "cannot be fed (static programs, mmap, a file that changes) goes to "
        "the kernel as ever. Where nothing can be fed, it runs unfed, and one "
        "line says why."
        "\n\n"
        "When the program has ended, a report on stderr says how long its "
        "threads were blocked in reads, in which folders, and what to do "
        "about it. stdout is the program's own. Its exit status is given "
        "back; if a signal ended it, the same one ends this process. Signals "
        "are passed on. 127: there is no such program, 126: it cannot be run, "
        "125: there is no process to be had, or the report's file cannot be "
        "written."
        "\n\n"
        "Every option can be a variable: FEEDGPU_RUN_MEMORY is --memory; 1 "
        "and 0 are for options without a value, colons separate several "
        "values. Options win. FEEDGPU_PRELOAD_LIB is the library to preload, "
        "if it is not beside this tool.",
    .examples = "  feedgpu run -- python train.py --epochs 3\n"
                "  feedgpu run --data-root /data/train --memory 32GiB -- "
                "python train.py\n"
                "  feedgpu run --observe-only --report html --report-file "
                "r.html -- make\n"
                "  torchrun --nproc-per-node 8 --no-python feedgpu run --bind "
                "python train.py\n",
    .operands_min = 1,
    .operands_max = INT32_MAX,
    .operand = "COMMAND",
    .prefix = "FEEDGPU_RUN_",
    .is_launcher = true,
    .groups = {&feed_group, &place_group, &report_group},
    .run = run,
};
