/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's GPUs. The CUDA driver loads what CUDA_INJECTION64_PATH names
 * into each process that starts CUDA: our recorder, unless the user has put
 * something else there. What it found becomes part of the verdict: a GPU that
 * was idle while reads were blocking says more than any thread.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "size.h"

#define LIBRARY "libfeedgpu-cupti.so"
#define VARIABLE "CUDA_INJECTION64_PATH"
#define STALL_SHARE_MIN 0.01 /* below this there is nothing worth fixing */
#define COINCIDENCE 0.8      /* blocked as often while it computed, nearly */

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0.0;
}

void run_gpu_prepare(struct run *run, const char *shim)
{
    struct run_gpus *gpu = &run->gpu;
    const char *given = getenv(VARIABLE);
    const char *slash = strrchr(shim, '/');
    char path[PATH_MAX];
    if (run->options->run.is_without_gpu) {
        snprintf(gpu->off, sizeof(gpu->off), "--no-gpu");
        return;
    }
    snprintf(path, sizeof(path), "%.*s/" LIBRARY,
             slash != NULL ? (int)(slash - shim) : 1,
             slash != NULL ? shim : ".");
    /* It is ours when we run under ourselves. */
    if (given != NULL && given[0] != '\0' && strcmp(given, path) != 0) {
        snprintf(gpu->off, sizeof(gpu->off),
                 VARIABLE " is set to %.200s already, and stays so", given);
        return;
    }
    if (access(path, R_OK) != 0) {
        snprintf(gpu->off, sizeof(gpu->off),
                 errno == ENOENT ? "this feedgpu was built without CUDA: no "
                                   "%.200s"
                                 : "%.200s cannot be read",
                 path);
        return;
    }
    if (snprintf(gpu->variable, sizeof(gpu->variable), VARIABLE "=%s", path) >=
        (int)sizeof(gpu->variable)) {
        gpu->variable[0] = '\0';
        snprintf(gpu->off, sizeof(gpu->off), "%.200s...: too long a path",
                 path);
    }
}

/* What links carry at most: those of idle GPUs are slower now. */
static void find_links(struct run_gpus *gpu)
{
    struct fg_topology *topology;
    const struct fg_pci_device *device;
    if (gpu->count == 0 || fg_topology_open(NULL, &topology, NULL) != FG_OK) {
        return;
    }
    for (uint32_t i = 0; i < gpu->count; i++) {
        if (gpu->gpus[i].bus_id[0] != '\0' &&
            fg_topology_find_pci(topology, gpu->gpus[i].bus_id, &device,
                                 NULL) == FG_OK) {
            gpu->link_bytes_per_s[i] = fg_link_bytes_per_s(&device->path_max);
        }
    }
    fg_topology_close(topology);
}

void run_gpu_collect(struct run *run)
{
    struct run_gpus *gpu = &run->gpu;
    if (run->feeder == NULL) {
        return;
    }
    gpu->count = fg_feeder_get_gpus(run->feeder, gpu->gpus, RUN_GPUS_MAX);
    gpu->recorder_count =
        fg_feeder_get_recorders(run->feeder, gpu->recorders, RUN_GPUS_MAX);
    for (uint32_t i = 0; i < gpu->count; i++) {
        gpu->window_ns += gpu->gpus[i].last_ns - gpu->gpus[i].first_ns;
        gpu->idle_read_ns += gpu->gpus[i].idle_read_ns;
        gpu->busy_read_ns += gpu->gpus[i].busy_read_ns;
        for (int label = 0; label < FG_LABEL_COUNT; label++) {
            gpu->labels.ns[label] += gpu->gpus[i].labels.ns[label];
        }
    }
    find_links(gpu);
}

const char *run_gpu_why(const struct run *run)
{
    if (run->gpu.off[0] != '\0') {
        return run->gpu.off;
    }
    if (run->is_alone) {
        return "only programs of `feedgpu run` have theirs recorded";
    }
    return run->feeder == NULL ? "the program ran unfed and unseen"
                               : "no process of the program started CUDA";
}

/* ---- what to fix ------------------------------------------------------------
 */

static enum fg_label find_worst(const struct run_gpus *gpu)
{
    enum fg_label worst = FG_LABEL_COUNT;
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        if (i != FG_LABEL_COMPUTE && gpu->labels.ns[i] > 0 &&
            (worst == FG_LABEL_COUNT ||
             gpu->labels.ns[i] > gpu->labels.ns[worst])) {
            worst = (enum fg_label)i;
        }
    }
    return worst == FG_LABEL_COUNT || share(gpu->labels.ns[worst],
                                            gpu->window_ns) < STALL_SHARE_MIN
               ? FG_LABEL_COUNT
               : worst;
}

static const char *advise_copies(const struct run_gpus *gpu)
{
    uint64_t pageable_ns = 0;
    uint64_t pinned_ns = 0;
    uint64_t small = 0;
    uint64_t count = 0;
    for (uint32_t i = 0; i < gpu->count; i++) {
        const struct fg_feeder_gpu *one = &gpu->gpus[i];
        pageable_ns += one->pageable.ns;
        pinned_ns += one->pinned.ns;
        small += one->pageable.small + one->pinned.small;
        count += one->pageable.count + one->pinned.count;
    }
    if (pageable_ns > pinned_ns) {
        return "most copies were from pageable memory: pin it (pin_memory=True "
               "in PyTorch) and copy with non_blocking=True";
    }
    if (small > count / 2) {
        return "most copies were of less than 64 KiB: put them together";
    }
    return "copy the next batch while this one computes, on a stream of its "
           "own";
}

static const char *advise(const struct run_gpus *gpu)
{
    switch (gpu->worst) {
    case FG_LABEL_H2D:
        return advise_copies(gpu);
    case FG_LABEL_STORAGE_DEVICE:
        return "faster storage, more reads at once, or more of it in memory";
    case FG_LABEL_HOST:
        return "nothing was launched, and no read was blocking: the program's "
               "own work between kernels, decoding, or waiting for others";
    case FG_LABEL_OTHER:
        return "copies from the GPU and memsets: let them overlap kernels";
    default:
        return "";
    }
}

static const char *stall_text(enum fg_label label)
{
    switch (label) {
    case FG_LABEL_H2D:
        return "while data was copied to it";
    case FG_LABEL_STORAGE_DEVICE:
        return "while some read was blocking";
    case FG_LABEL_HOST:
        return "while no read was blocking and nothing was copied";
    default:
        return "while it copied or set memory";
    }
}

/*
 * Reads that block all the time, such as those of workers which read ahead,
 * block while the GPU computes as well as while it is idle: that they block
 * does not tell why it is idle.
 */
static bool is_coincidence(const struct run_gpus *gpu)
{
    uint64_t compute_ns = gpu->labels.ns[FG_LABEL_COMPUTE];
    double idle = share(gpu->idle_read_ns, gpu->window_ns - compute_ns);
    double busy = share(gpu->busy_read_ns, compute_ns);
    return gpu->worst == FG_LABEL_STORAGE_DEVICE && busy > COINCIDENCE * idle;
}

/* Its sentence stands in place of what threads say. */
void run_gpu_judge(struct run *run)
{
    struct run_gpus *gpu = &run->gpu;
    struct run_verdict *verdict = &run->verdict;
    double compute = share(gpu->labels.ns[FG_LABEL_COMPUTE], gpu->window_ns);
    gpu->worst = find_worst(gpu);
    if (gpu->window_ns == 0) {
        return;
    }
    snprintf(gpu->fix, sizeof(gpu->fix), "%s", advise(gpu));
    if (gpu->worst == FG_LABEL_COUNT) {
        verdict->limit = LIMIT_OTHER;
        snprintf(verdict->text, sizeof(verdict->text),
                 "the GPU is what limits this program: it computed %.1f %% of "
                 "the time between its first kernel and its last",
                 100.0 * compute);
        verdict->advice[0] = '\0';
        return;
    }
    verdict->limit =
        gpu->worst == FG_LABEL_STORAGE_DEVICE || gpu->worst == FG_LABEL_H2D
            ? LIMIT_INPUT
            : LIMIT_OTHER;
    snprintf(verdict->text, sizeof(verdict->text),
             "the GPU computed %.1f %% of the time, and was idle for %.1f %% "
             "%s. Without that it would compute at most %.1f %%",
             100.0 * compute,
             100.0 * share(gpu->labels.ns[gpu->worst], gpu->window_ns),
             stall_text(gpu->worst),
             100.0 * share(gpu->labels.ns[FG_LABEL_COMPUTE],
                           gpu->window_ns - gpu->labels.ns[gpu->worst]));
    if (is_coincidence(gpu)) {
        verdict->limit = LIMIT_UNKNOWN;
        snprintf(verdict->advice, sizeof(verdict->advice),
                 "reads were blocking as often while the GPU computed, so they "
                 "may not be why it was idle: see which thread hands data to "
                 "it, and what that waits for");
    } else if (gpu->worst != FG_LABEL_STORAGE_DEVICE ||
               verdict->advice[0] == '\0') {
        snprintf(verdict->advice, sizeof(verdict->advice), "%s", gpu->fix);
    }
}
