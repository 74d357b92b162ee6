/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What NVIDIA's libraries tell of the GPUs: a snapshot, without a context.
 *
 * libnvidia-ml.so.1 and libcuda.so.1 are opened at run time with prototypes of
 * our own, so that feedgpu needs neither to be built or to run.
 */
#ifndef TOOL_DOCTOR_NVML_H
#define TOOL_DOCTOR_NVML_H

#include <stdint.h>

#include "doctor.h"

#define NVML_GPUS_MAX 64u
#define NVML_UNKNOWN INT64_MIN /* what a driver or a GPU does not tell */

struct nvml_gpu {
    char bus_id[FG_BUS_ID_BYTES];
    int64_t persistence;   /* 1: the driver stays loaded */
    int64_t mig;           /* 1: cut into instances */
    int64_t throttle;      /* bits of reasons for a slower clock */
    int64_t ecc;           /* uncorrected errors since the driver started */
    int64_t compute_mode;  /* 0 default, 1, 3 exclusive, 2 prohibited */
    int64_t processes;     /* that compute on it */
    int64_t replays;       /* packets that PCIe sent again */
    int64_t replays_later; /* the same a moment later */
};

struct nvml_engines {
    char bus_id[FG_BUS_ID_BYTES];
    int count; /* asynchronous copy engines */
};

enum nvml_state {
    NVML_ABSENT, /* no library */
    NVML_FAILED, /* it is there and does not work */
    NVML_READ,
};

struct nvml {
    enum nvml_state state;
    char reason[128];      /* FAILED: what it said */
    uint32_t cuda_version; /* 13010 is 13.1; 0: unknown */
    uint32_t lost_count;   /* GPUs that the driver lists and cannot reach */
    uint32_t gpu_count;
    uint32_t engine_count;
    struct nvml_gpu gpus[NVML_GPUS_MAX];
    struct nvml_engines engines[NVML_GPUS_MAX];
};

/* The doctor's snapshot; the first call takes it. Never NULL. */
const struct nvml *nvml_of(struct doctor *doctor);

/* Release a snapshot. NULL is allowed. */
void nvml_close(struct nvml *nvml);

#endif /* TOOL_DOCTOR_NVML_H */
