/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu topo --pid: looks at a running process, and with --apply puts it on
 * a node: shows it, asks, moves it, shows it again. Whether the node will do
 * is checked before the question.
 */
#include "topo_process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "signals.h"
#include "size.h"

bool topo_process_is_wanted(const struct options *options)
{
    const struct process_options *process = &options->process;
    return process->pid != 0 || process->node >= 0 || process->apply ||
           process->yes || process->migrate;
}

/* What does not go together, or NULL. */
static const char *find_misuse(const struct options *options)
{
    const struct process_options *process = &options->process;
    if (process->apply && (process->pid == 0 || process->node < 0)) {
        return "--apply: needs --pid and --node";
    }
    if (process->apply && options->sysroot != NULL) {
        return "--apply: changes this machine, not a copy (--sysroot)";
    }
    if (process->node >= 0 && process->pid == 0) {
        return "--node: needs --pid";
    }
    if (process->yes && !process->apply) {
        return "--yes: needs --apply";
    }
    if (process->migrate && !process->apply) {
        return "--migrate: needs --apply";
    }
    if (options->operand_count > 0) {
        return "--pid: takes no BUS_ID beside it";
    }
    if (process->apply && !process->yes && isatty(STDIN_FILENO) != 1) {
        return "--apply: stdin is no terminal to ask on, wanted --yes";
    }
    return NULL;
}

/* The question, on stderr: stdout may be a file. */
static bool ask(const struct options *options,
                const struct fg_topology *topology,
                const struct fg_process *process)
{
    const struct fg_process_info *info = fg_process_get_info(process);
    const struct fg_node *node =
        fg_topology_find_node(topology, options->process.node);
    char answer[16];
    flush_stdout();
    fprintf(stderr,
            "Set %" PRIu32 " thread%s of process %" PRId32
            " (%s) to node %" PRId32 ", CPUs %s%s? [y/N] ",
            info->thread_count, info->thread_count == 1 ? "" : "s", info->pid,
            info->name, node->node, node->cpus,
            options->process.migrate ? ", and move its memory there" : "");
    fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin) == NULL) {
        fputc('\n', stderr);
        return false;
    }
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, "y") == 0 || strcmp(answer, "Y") == 0 ||
           strcmp(answer, "yes") == 0;
}

static void print_moved(int32_t node, const struct fg_process_moved *moved)
{
    printf("\nset       %" PRIu32 " thread%s to node %" PRId32, moved->threads,
           moved->threads == 1 ? "" : "s", node);
    if (moved->threads_ended > 0) {
        printf(", %" PRIu32 " ended meanwhile", moved->threads_ended);
    }
    if (moved->threads_fixed > 0) {
        printf(", %" PRIu32 " are the kernel's and stay", moved->threads_fixed);
    }
    if (moved->pages_left > 0) {
        printf("\n          %" PRIu64 " pages could not be moved",
               moved->pages_left);
    }
    putchar('\n');
}

/* Show the process as it is now; false, with an error, if it is gone. */
static bool show_after(const struct options *options,
                       const struct fg_topology *topology, struct fg_error *err)
{
    struct fg_process *process;
    if (fg_process_open(topology, (int32_t)options->process.pid, &process,
                        err) != FG_OK) {
        return false;
    }
    if (options->json) {
        topo_emit_process(process, "after", NULL);
    } else {
        topo_print_placement(process);
    }
    fg_process_close(process);
    return true;
}

static int apply(const struct options *options,
                 const struct fg_topology *topology,
                 const struct fg_process *process)
{
    int32_t node = options->process.node;
    uint32_t flags = options->process.migrate ? FG_PROCESS_MIGRATE : 0;
    struct fg_process_moved moved;
    struct fg_error err;
    if (fg_process_move(process, node, flags | FG_PROCESS_CHECK, &moved,
                        &err) != FG_OK) {
        return complain_error(&err);
    }
    if (options->json) {
        topo_emit_process(process, "before", NULL);
    } else {
        topo_print_process(process);
    }
    if (!options->process.yes && !ask(options, topology, process)) {
        complain("process %" PRIu32 ": nothing was changed",
                 options->process.pid);
        return is_interrupted() ? status_of_signal() : STATUS_FAILED;
    }
    if (fg_process_move(process, node, flags, &moved, &err) != FG_OK) {
        int status = complain_error(&err);
        /* Some of it may have been done. */
        (void)show_after(options, topology, NULL);
        return status;
    }
    if (options->json) {
        topo_emit_moved(process, node, &moved);
    } else {
        print_moved(node, &moved);
    }
    return show_after(options, topology, &err) ? STATUS_DONE
                                               : complain_error(&err);
}

static int look(const struct options *options,
                const struct fg_topology *topology,
                const struct fg_process *process)
{
    int32_t node = options->process.node;
    struct advice advice;
    if (node >= 0 && fg_topology_find_node(topology, node) == NULL) {
        complain("topo: --node: %" PRId32 ": no such node", node);
        return STATUS_FAILED;
    }
    topo_advise(topology, process, node, &advice);
    if (options->json) {
        topo_emit_process(process, "now", &advice);
    } else {
        topo_print_process(process);
        topo_print_advice(topology, process, &advice);
    }
    return STATUS_DONE;
}

int topo_process_run(const struct options *options)
{
    struct fg_topology *topology = NULL;
    struct fg_process *process = NULL;
    struct fg_topology_config config;
    struct fg_error err;
    const char *misuse = find_misuse(options);
    int status;
    if (misuse != NULL) {
        complain("topo: %s", misuse);
        return STATUS_USAGE;
    }
    fg_topology_config_init(&config);
    config.sysroot = options->sysroot;
    if (fg_topology_open(&config, &topology, &err) != FG_OK) {
        return complain_error(&err);
    }
    if (fg_process_open(topology, (int32_t)options->process.pid, &process,
                        &err) != FG_OK) {
        status = complain_error(&err);
    } else if (options->process.apply) {
        status = apply(options, topology, process);
    } else {
        status = look(options, topology, process);
    }
    fg_process_close(process);
    fg_topology_close(topology);
    return status;
}
