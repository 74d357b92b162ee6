/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for libcuda.so.1: two devices, one of which cannot overlap. */
#include <stdio.h>

#include "fake.h"

FAKE int cuInit(unsigned flags)
{
    return (int)flags;
}

FAKE int cuDriverGetVersion(int *version)
{
    *version = 12020;
    return 0;
}

FAKE int cuDeviceGetCount(int *count)
{
    *count = 2;
    return 0;
}

FAKE int cuDeviceGet(int *device, int ordinal)
{
    *device = ordinal;
    return 0;
}

FAKE int cuDeviceGetPCIBusId(char *text, int length, int device)
{
    snprintf(text, (size_t)length, "0000:%s:00.0", device == 0 ? "18" : "3B");
    return 0;
}

FAKE int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    *value = attribute == 40 && device == 0 ? 3 : 0;
    return 0;
}
