/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libcuda.so.1, for machines without a GPU: it starts, loads
 * what CUDA_INJECTION64_PATH names as the driver does, and has two GPUs.
 * FEEDGPU_DOUBLE_CUDA=nodevice lets it know none of them.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define NOT_INITIALIZED 3 /* CUDA_ERROR_NOT_INITIALIZED */
#define NO_DEVICE 100     /* CUDA_ERROR_NO_DEVICE */

static _Atomic int is_initialized;

EXPORT int cuInit(unsigned flags);
EXPORT int cuDriverGetVersion(int *version);
EXPORT int cuDeviceGetCount(int *count);
EXPORT int cuDeviceGet(int *device, int number);
EXPORT int cuDeviceGetUuid_v2(void *uuid, int device);
EXPORT int cuDeviceGetPCIBusId(char *text, int bytes, int device);
EXPORT int cuDeviceGetName(char *text, int bytes, int device);

int cuInit(unsigned flags)
{
    const char *path = getenv("CUDA_INJECTION64_PATH");
    int (*start)(void) = NULL;
    (void)flags;
    if (path != NULL) {
        void *library = dlopen(path, RTLD_NOW);
        if (library == NULL) {
            fprintf(stderr, "double of CUDA: %s\n", dlerror());
            exit(1);
        }
        *(void **)&start = dlsym(library, "InitializeInjection");
        if (start == NULL || start() != 1) {
            fprintf(stderr, "double of CUDA: %s does not start\n", path);
            exit(1);
        }
    }
    is_initialized = 1;
    return 0;
}

int cuDeviceGetCount(int *count)
{
    *count = 2;
    return is_initialized ? 0 : NOT_INITIALIZED;
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return 0;
}

int cuDeviceGet(int *device, int number)
{
    const char *wanted = getenv("FEEDGPU_DOUBLE_CUDA");
    if (number > 1 || (wanted != NULL && strcmp(wanted, "nodevice") == 0)) {
        return NO_DEVICE;
    }
    *device = number;
    return 0;
}

int cuDeviceGetUuid_v2(void *uuid, int device)
{
    memset(uuid, 0x40 + device, 16);
    return 0;
}

int cuDeviceGetPCIBusId(char *text, int bytes, int device)
{
    snprintf(text, (size_t)bytes, "0000:%02X:00.0", 0xc1 + device);
    return 0;
}

int cuDeviceGetName(char *text, int bytes, int device)
{
    snprintf(text, (size_t)bytes, "double of a GPU %d", device);
    return 0;
}
