/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libnvidia-ml.so.1, for `feedgpu doctor`: five GPUs that are
 * not there. The first is well; the second has every fault; the third is old
 * and tells little; the fourth is lost; the fifth is another container's.
 * FAKE_NVML=broken: it does not start.
 */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

enum { WELL, SICK, OLD, LOST, FORBIDDEN, GPU_COUNT };

#define NOT_SUPPORTED 3
#define NO_PERMISSION 4
#define GPU_IS_LOST 15
#define NO_DRIVER 9

static int numbers[GPU_COUNT] = {WELL, SICK, OLD, LOST, FORBIDDEN};

static int number_of(const void *device)
{
    return *(const int *)device;
}

/* What a property of one number is for the well and for the sick GPU. */
static int put(const void *device, unsigned well, unsigned sick,
               unsigned *value)
{
    if (number_of(device) == OLD) {
        return NOT_SUPPORTED;
    }
    *value = number_of(device) == SICK ? sick : well;
    return 0;
}

FAKE int nvmlInit_v2(void)
{
    const char *mode = getenv("FAKE_NVML");
    return mode != NULL && strcmp(mode, "broken") == 0 ? NO_DRIVER : 0;
}

FAKE int nvmlShutdown(void)
{
    return 0;
}

FAKE const char *nvmlErrorString(int result)
{
    return result == NO_DRIVER ? "Driver Not Loaded" : "Unknown Error";
}

FAKE int nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    *version = 12020;
    return 0;
}

FAKE int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = GPU_COUNT;
    return 0;
}

FAKE int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    if (index >= LOST) {
        return index == LOST ? GPU_IS_LOST : NO_PERMISSION;
    }
    *device = &numbers[index];
    return 0;
}

FAKE int nvmlDeviceGetPciInfo_v3(void *device, struct fake_pci_info *info)
{
    static const char *const ids[] = {"00000000:18:00.0", "00000000:3B:00.0",
                                      "00000000:88:00.0"};
    memset(info, 0, sizeof(*info));
    memcpy(info->bus_id, ids[number_of(device)], 17);
    return 0;
}

FAKE int nvmlDeviceGetPersistenceMode(void *device, unsigned *mode)
{
    return put(device, 1, 0, mode);
}

FAKE int nvmlDeviceGetComputeMode(void *device, unsigned *mode)
{
    return put(device, 0, 2, mode);
}

FAKE int nvmlDeviceGetPcieReplayCounter(void *device, unsigned *count)
{
    static unsigned rising = 7;
    return put(device, 0, rising++, count);
}

FAKE int nvmlDeviceGetMigMode(void *device, unsigned *current,
                              unsigned *pending)
{
    *pending = 0;
    return put(device, 0, 1, current);
}

FAKE int nvmlDeviceGetCurrentClocksThrottleReasons(void *device,
                                                   unsigned long long *reasons)
{
    unsigned value = 0;
    int result = put(device, 0x1, 0x20 | 0x80, &value);
    *reasons = value;
    return result;
}

FAKE int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter,
                                     unsigned long long *count)
{
    unsigned value = 0;
    int result = put(device, 0, 3, &value);
    (void)counter;
    *count = kind == 1 ? value : 0;
    return result;
}

FAKE int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count,
                                                 void *infos)
{
    (void)infos;
    return put(device, 0, 2, count);
}
