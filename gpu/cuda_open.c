/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a GPU, saying what it is, and letting go of it.
 *
 * cudart is linked statically and looks for the driver when it is first asked,
 * so a machine without one is told apart here, quickly and in words. The
 * primary context is used, never one of our own, and the flags that a program
 * may have set on it are left alone. A MIG slice is a device like any other;
 * its bus id is its parent's.
 *
 * CUDA cannot be used in a forked child, nor after cudart has unloaded at
 * exit. In both cases close leaves the GPU's side to the driver, which frees
 * it when the process ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/cuda_device.h"
#include "runtime/base/bus_id.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/base/thread.h"

#define ANY_ORDINAL (-1)
#define ORDINAL_MAX 1023

bool fgi_cuda_is_ours(const struct fgi_cuda *cuda)
{
    return cuda->fork_generation == fgi_fork_generation();
}

/* "" is any, digits are that one. */
static enum fg_status parse_ordinal(const char *spec, int *ordinal,
                                    struct fg_error *err)
{
    size_t digits = strspn(spec, "0123456789");
    int value = ANY_ORDINAL;

    if (digits > 0 && digits <= 4) {
        value = atoi(spec);
    }
    if (spec[digits] != '\0' || digits > 4 || value > ORDINAL_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device cuda: name: got \"cuda:%s\", wanted \"cuda:N\" "
                        "with N from 0 to %d",
                        spec, ORDINAL_MAX);
    }
    *ordinal = value;
    return FG_OK;
}

/* Word why there is no GPU to count. */
static enum fg_status fail_count(cudaError_t code, struct fg_error *err)
{
    int driver = 0;
    int runtime = 0;

    (void)cudaGetLastError();
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    (void)cudaGetLastError();
    if (code == cudaErrorInsufficientDriver && driver == 0) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "device cuda: open: no NVIDIA driver (likely cause: "
                        "libcuda.so.1 is not on this machine, or not in this "
                        "container)");
    }
    if (code == cudaErrorInsufficientDriver) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "device cuda: open: driver: got one for CUDA %d.%d, "
                        "wanted %d.%d (likely cause: the driver is too old)",
                        driver / 1000, driver % 1000 / 10, runtime / 1000,
                        runtime % 1000 / 10);
    }
    if (code == cudaErrorNoDevice) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "device cuda: open: no GPU (likely cause: none in this "
                        "machine, or CUDA_VISIBLE_DEVICES hides it)");
    }
    return fgi_fail(err, FG_ERR_DEVICE,
                    "device cuda: open: cudaGetDeviceCount: %s: %s (likely "
                    "cause: driver and kernel module do not fit together)",
                    cudaGetErrorName(code), cudaGetErrorString(code));
}

/* The host node that the driver knows the GPU to hang off, or -1. */
static int32_t driver_node(int ordinal)
{
    int node = -1;

    if (cudaDeviceGetAttribute(&node, cudaDevAttrHostNumaId, ordinal) !=
        cudaSuccess) {
        (void)cudaGetLastError();
        node = -1;
    }
    return node >= 0 ? node : -1;
}

static enum fg_status describe(struct fgi_cuda *cuda, struct fg_error *err)
{
    struct cudaDeviceProp properties;
    char bus_id[32] = "";
    cudaError_t code = cudaGetDeviceProperties(&properties, cuda->ordinal);

    if (code != cudaSuccess) {
        return fgi_cuda_fail(cuda, code, err, "cudaGetDeviceProperties",
                             "open");
    }
    code = cudaDeviceGetPCIBusId(bus_id, sizeof(bus_id), cuda->ordinal);
    if (code != cudaSuccess) {
        return fgi_cuda_fail(cuda, code, err, "cudaDeviceGetPCIBusId", "open");
    }
    cuda->info.kind = fgi_cuda_ops.kind;
    snprintf(cuda->info.name, sizeof(cuda->info.name), "%.63s",
             properties.name);
    cuda->info.memory_bytes = properties.totalGlobalMem;
    /* A MIG instance has its GPU's bus id. */
    (void)fgi_bus_id_parse(bus_id, cuda->info.bus_id);
    cuda->info.numa_node = driver_node(cuda->ordinal);
    return FG_OK;
}

static enum fg_status open_ordinal(int ordinal, struct fg_device **device,
                                   struct fg_error *err)
{
    struct fgi_cuda *cuda = fgi_alloc(1, sizeof(*cuda));
    enum fg_status status;
    size_t free_bytes;
    size_t total_bytes;
    cudaError_t code;

    if (cuda == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device cuda:%d: open: got no memory", ordinal);
    }
    cuda->base.ops = &fgi_cuda_ops;
    cuda->ordinal = ordinal;
    cuda->fork_generation = fgi_fork_generation();
    pthread_mutex_init(&cuda->mutex, NULL);
    status = cuda->base.ops->bind_thread(&cuda->base, err);
    if (status == FG_OK) {
        status = describe(cuda, err);
    }
    if (status == FG_OK) {
        /* The first call that needs the context: it fails here, or never. */
        code = cudaMemGetInfo(&free_bytes, &total_bytes);
        status = code == cudaSuccess
                     ? FG_OK
                     : fgi_cuda_fail(cuda, code, err, "cudaMemGetInfo", "open");
    }
    if (status != FG_OK) {
        fgi_cuda_close(&cuda->base);
        return status;
    }
    *device = &cuda->base;
    return FG_OK;
}

/* The first that works; if none does, what the first one said. */
static enum fg_status open_any(int count, struct fg_device **device,
                               struct fg_error *err)
{
    enum fg_status first = open_ordinal(0, device, err);

    for (int i = 1; i < count && first != FG_OK; i++) {
        if (open_ordinal(i, device, NULL) == FG_OK) {
            return FG_OK;
        }
    }
    return first;
}

enum fg_status fgi_device_cuda_open(const char *spec, uint32_t flags,
                                    struct fg_device **device,
                                    struct fg_error *err)
{
    int ordinal = ANY_ORDINAL;
    int count = 0;
    enum fg_status status = parse_ordinal(spec, &ordinal, err);
    cudaError_t code;

    (void)flags;
    if (status != FG_OK) {
        return status;
    }
    code = cudaGetDeviceCount(&count);
    if (code == cudaSuccess && count == 0) {
        code = cudaErrorNoDevice;
    }
    if (code != cudaSuccess) {
        return fail_count(code, err);
    }
    if (ordinal == ANY_ORDINAL) {
        return open_any(count, device, err);
    }
    if (ordinal >= count) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device cuda:%d: open: got %d GPUs, numbered from 0",
                        ordinal, count);
    }
    return open_ordinal(ordinal, device, err);
}

void fgi_cuda_close(struct fg_device *device)
{
    struct fgi_cuda *cuda = fgi_cuda_of(device);

    if (!fgi_cuda_is_ours(cuda)) {
        return;
    }
    (void)cuda->base.ops->bind_thread(&cuda->base, NULL);
    while (cuda->streams != NULL) {
        cuda->base.ops->stream_destroy(&cuda->base, cuda->streams->handle);
    }
    fgi_cuda_clock_fini(&cuda->clock);
    pthread_mutex_destroy(&cuda->mutex);
    fgi_free(cuda);
}
