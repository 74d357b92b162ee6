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
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"
#include "report.h"
#include "run.h"
#include "tables.h"

/* A feeder and an environment that leads to it; else why there is none. */
static char **prepare_feeding(struct run *run)
{
    char library[PATH_MAX];
    if (!preload_find(library, sizeof(library), run->unfed,
                      sizeof(run->unfed))) {
        return NULL;
    }
    run_feeder_open(run);
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

static int run_program(struct run *run)
{
    FILE *out = run_report_open(run);
    if (out == NULL || !run_trace_open(run)) {
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
        run_trace_finish(run);
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
        run_feeder_collect(run);
        run_judge(run);
        run_gpu_judge(run);
        run_report_finish(run, out);
    }
    launch_release(&run->launch);
    fg_feeder_close(run->feeder);
    run_trace_finish(run);
    preload_free(environment);
    free(run->actors);
    free(run->groups);
    return STATUS_DONE;
}

static int run(const struct options *options)
{
    struct options own = *options;
    struct run run = {.options = &own};
    if (options->json) {
        own.run.report = REPORT_JSON;
    }
    if (!run_options_check("run", &own.run) ||
        !run_globs_init(&run.globs, &own.run) ||
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
    .groups = {&run_feed_group, &run_place_group, &run_gpu_group,
               &run_report_group},
    .run = run,
};
