/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process by its folder in /proc. Its status says whether it is a program
 * at all; then each part is read; and at the end the start time is read once
 * more, because a process that ends in between leaves parts that are empty,
 * which would look like an answer.
 */
#include "runtime/topology/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/sysroot.h"

#define COMMAND_BYTES 4096
#define START_FIELD 22 /* of stat */
#define KTHREADD 2     /* the parent of the kernel's threads */

bool fgi_process_is_gone(const struct fg_error *err)
{
    return err->status == FG_ERR_NOT_FOUND || err->sys_errno == ESRCH;
}

enum fg_status fgi_process_keep(struct fg_process *process, const char *text,
                                const char **kept, struct fg_error *err)
{
    char *copy = (char *)(uintptr_t)fgi_keep(&process->kept, text);

    if (copy == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "process %d: got no memory",
                        process->info.pid);
    }
    *kept = copy;
    for (; *copy != '\0'; copy++) {
        if ((unsigned char)*copy < ' ' || *copy == 0x7f) {
            *copy = '?';
        }
    }
    return FG_OK;
}

enum fg_status fgi_process_note(struct fg_process *process,
                                const struct fg_error *why, const char **noted,
                                struct fg_error *err)
{
    if (why->status == FG_ERR_MEMORY) {
        return fgi_error_copy(err, why);
    }
    if ((*noted)[0] != '\0') {
        return FG_OK;
    }
    return fgi_process_keep(process, why->message, noted, err);
}

/* By what a process is told from another of its number. */
struct start {
    bool is_known;
    bool has_ended; /* a zombie */
    uint64_t ticks;
};

/* Read the start time; what may not be read is unknown. */
static enum fg_status read_start(const struct fg_process *process,
                                 struct start *start, struct fg_error *err)
{
    char path[FGI_PROCESS_PATH_BYTES];
    char text[1024];
    struct fg_error why = {.status = FG_OK};
    const char *name_end;

    memset(start, 0, sizeof(*start));
    snprintf(path, sizeof(path), "/proc/%d/stat", process->info.pid);
    if (fg_sysroot_read(process->topology->root, path, text, sizeof(text),
                        &why) == FG_OK) {
        name_end = strrchr(text, ')');
        start->is_known = fgi_parse_stat(text, START_FIELD, &start->ticks);
        start->has_ended =
            name_end != NULL && (strncmp(name_end, ") Z", 3) == 0 ||
                                 strncmp(name_end, ") X", 3) == 0);
    }
    return why.status == FG_ERR_MEMORY ? fgi_error_copy(err, &why) : FG_OK;
}

enum fg_status fgi_process_check(const struct fg_process *process,
                                 struct fg_error *err)
{
    char path[FGI_PROCESS_PATH_BYTES];
    char resolved[FG_SYSROOT_PATH_BYTES];
    struct start start;
    enum fg_status status = read_start(process, &start, err);

    if (status != FG_OK) {
        return status;
    }
    snprintf(path, sizeof(path), "/proc/%d", process->info.pid);
    if (fg_sysroot_resolve(process->topology->root, path, resolved, NULL) !=
            FG_OK ||
        start.is_known != process->knows_start || start.has_ended ||
        start.ticks != process->start_ticks) {
        return fgi_fail(err, FG_ERR_NOT_FOUND, "process %d: has ended",
                        process->info.pid);
    }
    return FG_OK;
}

/* A number of the status, or -1. */
static int64_t status_number(const char *text, const char *key)
{
    char value[24];
    int64_t number;

    return fgi_parse_line(text, key, value, sizeof(value)) &&
                   fgi_parse_number(value, &number)
               ? number
               : -1;
}

static bool is_kernel_thread(const char *text, int32_t pid)
{
    char value[64];

    /* Kernels before 6.8 have no Kthread line. */
    return status_number(text, "Kthread") == 1 ||
           ((pid == KTHREADD || status_number(text, "PPid") == KTHREADD) &&
            !fgi_parse_line(text, "VmSize", value, sizeof(value)));
}

/* Is this the status of a program, so that the rest makes sense? */
static enum fg_status check_kind(const char *text, int32_t pid,
                                 struct fg_error *err)
{
    int64_t group = status_number(text, "Tgid");
    char state[32] = "";

    if (group > 0 && group != pid) {
        return fgi_fail(err, FG_ERR_NOT_FOUND,
                        "process %d: is a thread, wanted its process: %lld",
                        pid, (long long)group);
    }
    (void)fgi_parse_line(text, "State", state, sizeof(state));
    if (state[0] == 'Z' || state[0] == 'X') {
        return fgi_fail(err, FG_ERR_NOT_FOUND,
                        "process %d: has ended, and waits for its parent to "
                        "notice (zombie)",
                        pid);
    }
    if (is_kernel_thread(text, pid)) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "process %d: is the kernel's own thread, wanted a "
                        "program",
                        pid);
    }
    return FG_OK;
}

/* Name and allowed nodes of the status. */
static enum fg_status keep_status(struct fg_process *process, const char *text,
                                  struct fg_error *err)
{
    struct fg_process_info *info = &process->info;
    char value[FGI_PROCESS_TEXT_BYTES / 2] = "?";
    enum fg_status status;

    (void)fgi_parse_line(text, "Name", value, sizeof(value));
    status = fgi_process_keep(process, value, &info->name, err);
    if (status == FG_OK &&
        fgi_parse_line(text, "Mems_allowed_list", value, sizeof(value)) &&
        fgi_set_parse(&process->memory_nodes, value)) {
        process->knows_memory_nodes = true;
        status = fgi_process_keep(process, value, &info->memory_nodes, err);
    }
    return status;
}

static enum fg_status read_status(struct fg_process *process,
                                  struct fg_error *err)
{
    int32_t pid = process->info.pid;
    char path[FGI_PROCESS_PATH_BYTES];
    char text[FGI_PROCESS_TEXT_BYTES];
    struct fg_error why;
    enum fg_status status;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    status = fg_sysroot_read(process->topology->root, path, text, sizeof(text),
                             &why);
    if (status != FG_OK && fgi_process_is_gone(&why)) {
        return fgi_fail(err, FG_ERR_NOT_FOUND, "process %d: no such process",
                        pid);
    }
    if (status != FG_OK) {
        fgi_prefix(&why, "process %d", pid);
        return fgi_error_copy(err, &why);
    }
    status = check_kind(text, pid, err);
    return status == FG_OK ? keep_status(process, text, err) : status;
}

/* The command line, whose arguments end in NUL bytes. */
static enum fg_status read_command(struct fg_process *process,
                                   struct fg_error *err)
{
    char path[FGI_PROCESS_PATH_BYTES];
    char text[COMMAND_BYTES];
    enum fg_status status;
    size_t used = 0;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", process->info.pid);
    status = fg_sysroot_read_bytes(process->topology->root, path, text,
                                   sizeof(text) - 1, &used, err);
    if (status != FG_OK) {
        return status == FG_ERR_MEMORY ? status : FG_OK;
    }
    while (used > 0 && (text[used - 1] == '\0' || text[used - 1] == '\n')) {
        used--;
    }
    text[used] = '\0';
    for (size_t i = 0; i < used; i++) {
        if (text[i] == '\0') {
            text[i] = ' ';
        }
    }
    return fgi_process_keep(process, text, &process->info.command, err);
}

typedef enum fg_status (*part_fn)(struct fg_process *process,
                                  struct fg_error *err);

static enum fg_status read_parts(struct fg_process *process,
                                 struct fg_error *err)
{
    static const part_fn parts[] = {
        read_status,
        read_command,
        fgi_process_read_threads,
        fgi_process_read_cpuset,
        fgi_process_read_memory,
        fgi_process_read_gpus,
    };
    struct start start;
    enum fg_status status = read_start(process, &start, err);

    process->knows_start = start.is_known;
    process->start_ticks = start.ticks;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (status == FG_OK) {
            status = parts[i](process, err);
        }
    }
    return status == FG_OK ? fgi_process_check(process, err) : status;
}

enum fg_status fg_process_open(const struct fg_topology *topology, int32_t pid,
                               struct fg_process **process,
                               struct fg_error *err)
{
    struct fg_process *made;
    enum fg_status status;

    if (pid < 1) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "process %d: wanted a number of at least 1", pid);
    }
    made = fgi_alloc(1, sizeof(*made));
    if (made == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "process %d: got no memory", pid);
    }
    made->topology = topology;
    made->info.pid = pid;
    made->info.name = made->info.command = made->info.cpus = "";
    made->info.nodes = made->info.cpuset_cpus = made->info.memory_nodes = "";
    made->info.thread_error = made->info.memory_error = "";
    made->info.gpu_error = "";
    made->info.memory_bytes = made->info.anonymous_bytes = FG_UNKNOWN;
    status = read_parts(made, err);
    if (status != FG_OK) {
        fg_process_close(made);
        return status;
    }
    *process = made;
    return FG_OK;
}

void fg_process_close(struct fg_process *process)
{
    if (process == NULL) {
        return;
    }
    fgi_free(process->groups);
    fgi_free(process->memory);
    fgi_free(process->gpus);
    fgi_kept_fini(&process->kept);
    fgi_free(process);
}

const struct fg_process_info *
fg_process_get_info(const struct fg_process *process)
{
    return &process->info;
}
