/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most CPUs that a process's cpuset allows. Its group's folder says so in
 * version 2 ("cpuset.cpus.effective") and 1 ("cpuset.effective_cpus"); where
 * a group has no such file, or is not mounted here, the one above limits it.
 * What is not found is unknown: the kernel holds a process to its cpuset
 * whatever is asked for.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/topology/process.h"

/* Where each version's groups may be mounted, and the file to read there. */
struct place {
    bool is_v1;
    const char *folder;
    const char *file;
};

static const struct place places[] = {
    {false, "/sys/fs/cgroup", "cpuset.cpus.effective"},
    {false, "/sys/fs/cgroup/unified", "cpuset.cpus.effective"},
    {true, "/sys/fs/cgroup/cpuset", "cpuset.effective_cpus"},
    {true, "/sys/fs/cgroup/cpuset", "cpuset.cpus"},
};

/* Go from "/a/b" to "/a" to ""; false: that was "". */
static bool go_up(char *group)
{
    char *slash = strrchr(group, '/');

    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return true;
}

/* The list of the nearest group that has one, into text. */
static bool read_place(const struct fg_process *process,
                       const struct place *place, const char *group, char *text)
{
    char at[FG_SYSROOT_PATH_BYTES];
    char path[FG_SYSROOT_PATH_BYTES];

    snprintf(at, sizeof(at), "%s", group);
    do {
        int length = snprintf(path, sizeof(path), "%s%s/%s", place->folder, at,
                              place->file);

        if (length > 0 && (size_t)length < sizeof(path) &&
            fg_sysroot_read(process->topology->root, path, text,
                            FGI_PROCESS_TEXT_BYTES, NULL) == FG_OK &&
            text[0] != '\0') {
            return true;
        }
    } while (go_up(at));
    return false;
}

enum fg_status fgi_process_read_cpuset(struct fg_process *process,
                                       struct fg_error *err)
{
    char text[FGI_PROCESS_TEXT_BYTES];
    char path[FGI_PROCESS_PATH_BYTES];
    char group[FG_SYSROOT_PATH_BYTES];
    bool is_v1;

    snprintf(path, sizeof(path), "/proc/%d/cgroup", process->info.pid);
    if (fg_sysroot_read(process->topology->root, path, text, sizeof(text),
                        NULL) != FG_OK ||
        !fgi_parse_cpuset_path(text, &is_v1, group, sizeof(group)) ||
        strstr(group, "/..") != NULL) {
        return FG_OK; /* a group above ours is not to be seen */
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i].is_v1 == is_v1 &&
            read_place(process, &places[i], group, text) &&
            fgi_set_parse(&process->cpuset, text)) {
            process->knows_cpuset = true;
            return fgi_process_keep(process, text, &process->info.cpuset_cpus,
                                    err);
        }
    }
    return FG_OK;
}
