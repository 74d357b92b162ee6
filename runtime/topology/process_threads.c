/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads, grouped by the CPUs that they may run on. A thread that ends while
 * it is looked at is not counted; one that may not be read is the reason why
 * groups may be incomplete.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/names.h"
#include "runtime/topology/process.h"

struct scan {
    struct fg_process *process;
    struct fgi_set online; /* CPUs of all nodes; empty: not known */
    struct fgi_set every;  /* CPUs of any thread */
    uint32_t room;         /* entries that groups has memory for */
    enum fg_status status; /* of what ends the scan */
    struct fg_error *err;
    char text[FGI_PROCESS_TEXT_BYTES];
    char value[FGI_PROCESS_TEXT_BYTES / 2];
};

/* The nodes whose CPUs these are, as a list. */
static enum fg_status keep_nodes(struct scan *scan, const struct fgi_set *cpus,
                                 const char **nodes)
{
    const struct fg_topology *topology = scan->process->topology;
    struct fgi_set found = {{0}};

    for (uint32_t i = 0; i < topology->node_count; i++) {
        struct fgi_set common = topology->node_cpus[i];

        fgi_set_intersect(&common, cpus);
        if (fgi_set_count(&common) > 0) {
            fgi_set_add(&found, (uint32_t)topology->nodes[i].node);
        }
    }
    fgi_set_format(&found, scan->value, sizeof(scan->value));
    return fgi_process_keep(scan->process, scan->value, nodes, scan->err);
}

static enum fg_status add_group(struct scan *scan, const struct fgi_set *cpus,
                                struct fg_thread_group **group)
{
    struct fg_process *process = scan->process;
    struct fg_thread_group *made;
    enum fg_status status;
    char name[64] = "?";

    if (process->info.group_count == scan->room) {
        uint32_t room = scan->room == 0 ? 4 : 2 * scan->room;
        void *grown = fgi_grow(process->groups, room, sizeof(*made));

        if (grown == NULL) {
            return fgi_fail(scan->err, FG_ERR_MEMORY,
                            "process %d: got no memory", process->info.pid);
        }
        process->groups = grown;
        scan->room = room;
    }
    made = &process->groups[process->info.group_count];
    *made = (struct fg_thread_group){.cpu_count = fgi_set_count(cpus)};
    status = fgi_process_keep(process, scan->value, &made->cpus, scan->err);
    if (status == FG_OK) {
        (void)fgi_parse_line(scan->text, "Name", name, sizeof(name));
        status = fgi_process_keep(process, name, &made->name, scan->err);
    }
    if (status == FG_OK) {
        status = keep_nodes(scan, cpus, &made->nodes);
    }
    if (status == FG_OK) {
        process->info.group_count++;
        *group = made;
    }
    return status;
}

/* Count a thread whose status is in scan->text and CPUs in scan->value. */
static enum fg_status count(struct scan *scan, struct fgi_set *cpus)
{
    struct fg_process *process = scan->process;
    struct fg_thread_group *group = NULL;
    struct fgi_set known = *cpus;
    enum fg_status status = FG_OK;

    /* The kernel may list CPUs that could be plugged in, and are not. */
    fgi_set_intersect(&known, &scan->online);
    if (fgi_set_count(&known) > 0) {
        *cpus = known;
    }
    fgi_set_unite(&scan->every, cpus);
    fgi_set_format(cpus, scan->value, sizeof(scan->value));
    for (uint32_t i = 0; i < process->info.group_count; i++) {
        if (strcmp(process->groups[i].cpus, scan->value) == 0) {
            group = &process->groups[i];
        }
    }
    if (group == NULL) {
        status = add_group(scan, cpus, &group);
    }
    if (status == FG_OK) {
        group->thread_count++;
        process->info.thread_count++;
    }
    return status;
}

static bool take_thread(const char *name, void *context)
{
    struct scan *scan = context;
    struct fg_process *process = scan->process;
    char path[FGI_PROCESS_PATH_BYTES];
    struct fg_error why;
    struct fgi_set cpus;
    int64_t number;

    if (!fgi_parse_number(name, &number) || number < 1) {
        return true;
    }
    snprintf(path, sizeof(path), "/proc/%d/task/%lld/status", process->info.pid,
             (long long)number);
    if (fg_sysroot_read(process->topology->root, path, scan->text,
                        sizeof(scan->text), &why) == FG_OK) {
        if (fgi_parse_line(scan->text, "Cpus_allowed_list", scan->value,
                           sizeof(scan->value)) &&
            fgi_set_parse(&cpus, scan->value)) {
            scan->status = count(scan, &cpus);
            return scan->status == FG_OK;
        }
        (void)fgi_fail(&why, FG_ERR_DAMAGED, "%s: got no Cpus_allowed_list",
                       path);
    } else if (fgi_process_is_gone(&why)) {
        return true;
    }
    scan->status =
        fgi_process_note(process, &why, &process->info.thread_error, scan->err);
    return scan->status == FG_OK;
}

static int compare_groups(const void *a, const void *b)
{
    const struct fg_thread_group *x = a;
    const struct fg_thread_group *y = b;

    if (x->thread_count != y->thread_count) {
        return x->thread_count > y->thread_count ? -1 : 1;
    }
    return fgi_names_compare(x->cpus, y->cpus);
}

static enum fg_status finish(struct scan *scan)
{
    struct fg_process *process = scan->process;
    struct fg_process_info *info = &process->info;
    enum fg_status status;

    if (info->group_count > 1) {
        qsort(process->groups, info->group_count, sizeof(*process->groups),
              compare_groups);
    }
    info->groups = process->groups;
    fgi_set_format(&scan->every, scan->value, sizeof(scan->value));
    status = fgi_process_keep(process, scan->value, &info->cpus, scan->err);
    return status == FG_OK ? keep_nodes(scan, &scan->every, &info->nodes)
                           : status;
}

enum fg_status fgi_process_read_threads(struct fg_process *process,
                                        struct fg_error *err)
{
    struct scan *scan = fgi_alloc(1, sizeof(*scan));
    char path[FGI_PROCESS_PATH_BYTES];
    struct fg_error why;
    enum fg_status status;

    if (scan == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "process %d: got no memory",
                        process->info.pid);
    }
    scan->process = process;
    scan->err = err;
    for (uint32_t i = 0; i < process->topology->node_count; i++) {
        fgi_set_unite(&scan->online, &process->topology->node_cpus[i]);
    }
    snprintf(path, sizeof(path), "/proc/%d/task", process->info.pid);
    if (fg_sysroot_list(process->topology->root, path, take_thread, scan,
                        &why) != FG_OK) {
        scan->status =
            fgi_process_note(process, &why, &process->info.thread_error, err);
    }
    status = scan->status == FG_OK ? finish(scan) : scan->status;
    fgi_free(scan);
    return status;
}
