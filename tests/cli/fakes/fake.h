/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins for NVIDIA's libraries, with prototypes of our own. */
#ifndef TESTS_CLI_FAKE_H
#define TESTS_CLI_FAKE_H

#include <stdint.h>

#define FAKE __attribute__((visibility("default")))

/* nvmlPciInfo_t of version 3. */
struct fake_pci_info {
    char bus_id_legacy[16];
    unsigned numbers[5];
    char bus_id[32];
};

FAKE int nvmlInit_v2(void);
FAKE int nvmlShutdown(void);
FAKE const char *nvmlErrorString(int result);
FAKE int nvmlSystemGetCudaDriverVersion_v2(int *version);
FAKE int nvmlDeviceGetCount_v2(unsigned *count);
FAKE int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
FAKE int nvmlDeviceGetPciInfo_v3(void *device, struct fake_pci_info *info);
FAKE int nvmlDeviceGetPersistenceMode(void *device, unsigned *mode);
FAKE int nvmlDeviceGetComputeMode(void *device, unsigned *mode);
FAKE int nvmlDeviceGetPcieReplayCounter(void *device, unsigned *count);
FAKE int nvmlDeviceGetMigMode(void *device, unsigned *current,
                              unsigned *pending);
FAKE int nvmlDeviceGetCurrentClocksThrottleReasons(void *device,
                                                   unsigned long long *reasons);
FAKE int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter,
                                     unsigned long long *count);
FAKE int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count,
                                                 void *infos);

FAKE int cuInit(unsigned flags);
FAKE int cuDriverGetVersion(int *version);
FAKE int cuDeviceGetCount(int *count);
FAKE int cuDeviceGet(int *device, int ordinal);
FAKE int cuDeviceGetPCIBusId(char *text, int length, int device);
FAKE int cuDeviceGetAttribute(int *value, int attribute, int device);

FAKE int cuptiGetVersion(uint32_t *version);

#endif /* TESTS_CLI_FAKE_H */
