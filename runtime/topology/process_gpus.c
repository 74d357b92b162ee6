/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GPUs of a process: its open files lead to /dev/nvidiaN, and the driver
 * says which bus id has the minor number N.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/base/bus_id.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/process.h"
#include "runtime/topology/sysroot.h"

#define DRIVER "/proc/driver/nvidia/gpus"

struct scan {
    struct fg_process *process;
    struct fgi_set minors; /* open, and not yet found in the driver's list */
    enum fg_status status; /* of what ends the scan */
    struct fg_error *err;
};

static bool take_file(const char *name, void *context)
{
    struct scan *scan = context;
    struct fg_process *process = scan->process;
    char path[FGI_PROCESS_PATH_BYTES];
    char target[FG_SYSROOT_PATH_BYTES];
    struct fg_error why;
    int32_t minor;

    snprintf(path, sizeof(path), "/proc/%d/fd/%.32s", process->info.pid, name);
    if (fgi_sysroot_read_link(process->topology->root, path, target, &why) ==
        FG_OK) {
        minor = fgi_parse_gpu_minor(target);
        if (minor >= 0) {
            fgi_set_add(&scan->minors, (uint32_t)minor);
        }
        return true;
    }
    /* Closed meanwhile, or a path too long for a device file. */
    if (fgi_process_is_gone(&why) || why.status == FG_ERR_DAMAGED) {
        return true;
    }
    scan->status =
        fgi_process_note(process, &why, &process->info.gpu_error, scan->err);
    return scan->status == FG_OK;
}

/* The minor number of the driver's folder for a GPU, or -1. */
static int64_t minor_of(const struct fg_process *process, const char *name)
{
    char path[FGI_PROCESS_PATH_BYTES];
    char text[4096];
    char value[24];
    int64_t minor;

    snprintf(path, sizeof(path), DRIVER "/%.48s/information", name);
    return fg_sysroot_read(process->topology->root, path, text, sizeof(text),
                           NULL) == FG_OK &&
                   fgi_parse_line(text, "Device Minor", value, sizeof(value)) &&
                   fgi_parse_number(value, &minor) && minor >= 0 &&
                   minor < FGI_SET_MAX
               ? minor
               : -1;
}

static bool take_gpu(const char *name, void *context)
{
    struct scan *scan = context;
    struct fg_process *process = scan->process;
    int64_t minor = minor_of(process, name);
    struct fg_process_gpu gpu = {.minor = (int32_t)minor};
    struct fg_process_gpu *grown;

    if (minor < 0 || !fgi_set_has(&scan->minors, (uint32_t)minor) ||
        !fgi_bus_id_parse(name, gpu.bus_id)) {
        return true;
    }
    scan->minors.words[minor / 64] &= ~(UINT64_C(1) << (minor % 64));
    fg_topology_find_home(process->topology, gpu.bus_id, -1, &gpu.home);
    grown = fgi_grow(process->gpus, process->info.gpu_count + 1, sizeof(gpu));
    if (grown == NULL) {
        scan->status = fgi_fail(scan->err, FG_ERR_MEMORY,
                                "process %d: got no memory", process->info.pid);
        return false;
    }
    grown[process->info.gpu_count++] = gpu;
    process->gpus = grown;
    process->info.gpus = grown;
    return true;
}

/* Which bus ids have the minor numbers that are open? */
static enum fg_status ask_driver(struct scan *scan)
{
    struct fg_process *process = scan->process;
    const char **noted = &process->info.gpu_error;
    char minors[64];
    struct fg_error why;

    if (fgi_set_count(&scan->minors) == 0) {
        return FG_OK;
    }
    if (fg_sysroot_list(process->topology->root, DRIVER, take_gpu, scan,
                        &why) != FG_OK) {
        return fgi_process_note(process, &why, noted, scan->err);
    }
    if (scan->status != FG_OK || fgi_set_count(&scan->minors) == 0) {
        return scan->status;
    }
    fgi_set_format(&scan->minors, minors, sizeof(minors));
    (void)fgi_fail(&why, FG_ERR_NOT_FOUND,
                   DRIVER ": has no GPU with minor number %s", minors);
    return fgi_process_note(process, &why, noted, scan->err);
}

enum fg_status fgi_process_read_gpus(struct fg_process *process,
                                     struct fg_error *err)
{
    struct scan scan = {.process = process, .err = err};
    char path[FGI_PROCESS_PATH_BYTES];
    struct fg_error why;
    enum fg_status status;

    snprintf(path, sizeof(path), "/proc/%d/fd", process->info.pid);
    status =
        fg_sysroot_list(process->topology->root, path, take_file, &scan, &why);
    if (status != FG_OK) {
        return fgi_process_note(process, &why, &process->info.gpu_error, err);
    }
    return scan.status == FG_OK ? ask_driver(&scan) : scan.status;
}
