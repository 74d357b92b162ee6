/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking NVIDIA's libraries. Functions are looked up one by one, since older
 * drivers lack some: what is missing or refuses stays unknown. The libraries
 * are closed again at once; only numbers are kept.
 */
#include "doctor_nvml.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"

/* From the libraries' documentation; their values are frozen. */
#define NVML_MEMORY_ERROR_UNCORRECTED 1
#define NVML_VOLATILE_ECC 0
#define NVML_GPU_IS_LOST 15
#define CU_ASYNC_ENGINE_COUNT 40
#define PROCESSES_MAX 64u
#define PAUSE_NS 100000000

/* nvmlPciInfo_t of version 3. */
struct pci_info {
    char bus_id_legacy[16];
    unsigned domain;
    unsigned bus;
    unsigned device;
    unsigned pci_device_id;
    unsigned pci_subsystem_id;
    char bus_id[32];
};

/* Room for nvmlProcessInfo_t of any version. */
struct process_info {
    unsigned char bytes[64];
};

typedef int (*get_one_fn)(void *device, unsigned *value);

/* A library's function into a pointer; leaves it NULL when there is none. */
static void look_up(void *library, const char *name, void *function)
{
    void *found = library != NULL ? dlsym(library, name) : NULL;
    memcpy(function, &found, sizeof(found));
}

/* A property that is one number. */
static int64_t get_one(void *library, void *device, const char *name)
{
    get_one_fn get;
    unsigned value = 0;
    look_up(library, name, &get);
    return get != NULL && get(device, &value) == 0 ? (int64_t)value
                                                   : NVML_UNKNOWN;
}

static int64_t get_mig(void *library, void *device)
{
    int (*get)(void *, unsigned *, unsigned *);
    unsigned current = 0;
    unsigned pending = 0;
    look_up(library, "nvmlDeviceGetMigMode", &get);
    return get != NULL && get(device, &current, &pending) == 0
               ? (int64_t)current
               : NVML_UNKNOWN;
}

static int64_t get_throttle(void *library, void *device)
{
    int (*get)(void *, unsigned long long *);
    unsigned long long reasons = 0;
    look_up(library, "nvmlDeviceGetCurrentClocksEventReasons", &get);
    if (get == NULL) {
        look_up(library, "nvmlDeviceGetCurrentClocksThrottleReasons", &get);
    }
    return get != NULL && get(device, &reasons) == 0 ? (int64_t)reasons
                                                     : NVML_UNKNOWN;
}

static int64_t get_ecc(void *library, void *device)
{
    int (*get)(void *, int, int, unsigned long long *);
    unsigned long long errors = 0;
    look_up(library, "nvmlDeviceGetTotalEccErrors", &get);
    return get != NULL && get(device, NVML_MEMORY_ERROR_UNCORRECTED,
                              NVML_VOLATILE_ECC, &errors) == 0
               ? (int64_t)errors
               : NVML_UNKNOWN;
}

static int64_t get_processes(void *library, void *device)
{
    int (*get)(void *, unsigned *, struct process_info *);
    struct process_info infos[PROCESSES_MAX];
    unsigned count = PROCESSES_MAX;
    look_up(library, "nvmlDeviceGetComputeRunningProcesses_v3", &get);
    return get != NULL && get(device, &count, infos) == 0 ? (int64_t)count
                                                          : NVML_UNKNOWN;
}

static bool get_bus_id(void *library, void *device, char *bus_id)
{
    int (*get)(void *, struct pci_info *);
    struct pci_info info = {.domain = 0};
    look_up(library, "nvmlDeviceGetPciInfo_v3", &get);
    if (get == NULL || get(device, &info) != 0) {
        return false;
    }
    info.bus_id[sizeof(info.bus_id) - 1] = '\0';
    return fg_bus_id_parse(info.bus_id, bus_id, NULL) == FG_OK;
}

static void read_gpu(void *library, void *device, struct nvml_gpu *gpu)
{
    static const char replays[] = "nvmlDeviceGetPcieReplayCounter";
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    gpu->replays = get_one(library, device, replays);
    gpu->persistence = get_one(library, device, "nvmlDeviceGetPersistenceMode");
    gpu->compute_mode = get_one(library, device, "nvmlDeviceGetComputeMode");
    gpu->mig = get_mig(library, device);
    gpu->throttle = get_throttle(library, device);
    gpu->ecc = get_ecc(library, device);
    gpu->processes = get_processes(library, device);
    gpu->replays_later = gpu->replays;
    if (gpu->replays > 0) {
        nanosleep(&pause, NULL);
        gpu->replays_later = get_one(library, device, replays);
    }
}

static void read_gpus(void *library, struct nvml *nvml)
{
    int (*get_count)(unsigned *);
    int (*get_device)(unsigned, void **);
    unsigned count = 0;
    look_up(library, "nvmlDeviceGetCount_v2", &get_count);
    look_up(library, "nvmlDeviceGetHandleByIndex_v2", &get_device);
    if (get_count == NULL || get_device == NULL || get_count(&count) != 0) {
        return;
    }
    for (unsigned i = 0; i < count && nvml->gpu_count < NVML_GPUS_MAX; i++) {
        void *device = NULL;
        struct nvml_gpu *gpu = &nvml->gpus[nvml->gpu_count];
        int result = get_device(i, &device);
        if (result == 0 && get_bus_id(library, device, gpu->bus_id)) {
            read_gpu(library, device, gpu);
            nvml->gpu_count++;
        }
        /* Those that a container may not use are listed too. */
        nvml->lost_count += result == NVML_GPU_IS_LOST;
    }
}

static void read_nvml(struct nvml *nvml)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    int (*start)(void);
    int (*stop)(void);
    int (*get_version)(int *);
    const char *(*get_text)(int);
    int version = 0;
    if (library == NULL) {
        return;
    }
    look_up(library, "nvmlInit_v2", &start);
    look_up(library, "nvmlShutdown", &stop);
    look_up(library, "nvmlSystemGetCudaDriverVersion_v2", &get_version);
    look_up(library, "nvmlErrorString", &get_text);
    int result = start != NULL ? start() : -1;
    if (result != 0) {
        const char *text =
            get_text != NULL && start != NULL ? get_text(result) : NULL;
        nvml->state = NVML_FAILED;
        snprintf(nvml->reason, sizeof(nvml->reason), "%s",
                 text != NULL ? text : "it cannot be started");
        dlclose(library);
        return;
    }
    nvml->state = NVML_READ;
    if (get_version != NULL && get_version(&version) == 0 && version > 0) {
        nvml->cuda_version = (uint32_t)version;
    }
    read_gpus(library, nvml);
    if (stop != NULL) {
        (void)stop();
    }
    dlclose(library);
}

static void read_engines(void *library, struct nvml *nvml)
{
    int (*get_count)(int *);
    int (*get_device)(int *, int);
    int (*get_attribute)(int *, int, int);
    int (*get_id)(char *, int, int);
    int count = 0;
    look_up(library, "cuDeviceGetCount", &get_count);
    look_up(library, "cuDeviceGet", &get_device);
    look_up(library, "cuDeviceGetAttribute", &get_attribute);
    look_up(library, "cuDeviceGetPCIBusId", &get_id);
    if (get_count == NULL || get_device == NULL || get_attribute == NULL ||
        get_id == NULL || get_count(&count) != 0) {
        return;
    }
    for (int i = 0; i < count && nvml->engine_count < NVML_GPUS_MAX; i++) {
        struct nvml_engines *engines = &nvml->engines[nvml->engine_count];
        char text[32] = "";
        int device;
        if (get_device(&device, i) == 0 &&
            get_id(text, (int)sizeof(text), device) == 0 &&
            fg_bus_id_parse(text, engines->bus_id, NULL) == FG_OK &&
            get_attribute(&engines->count, CU_ASYNC_ENGINE_COUNT, device) ==
                0) {
            nvml->engine_count++;
        }
    }
}

static void read_cuda(struct nvml *nvml)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    int (*get_version)(int *);
    int (*start)(unsigned);
    int version = 0;
    look_up(library, "cuDriverGetVersion", &get_version);
    look_up(library, "cuInit", &start);
    if (get_version != NULL && get_version(&version) == 0 && version > 0) {
        nvml->cuda_version = (uint32_t)version;
    }
    if (start != NULL && start(0) == 0) {
        read_engines(library, nvml);
    }
    /* Left open: a driver that has started does not like to be unloaded. */
}

const struct nvml *nvml_of(struct doctor *doctor)
{
    static const struct nvml none = {.state = NVML_ABSENT};
    if (doctor->nvml != NULL) {
        return doctor->nvml;
    }
    doctor->nvml = calloc(1, sizeof(*doctor->nvml));
    if (doctor->nvml == NULL) {
        complain("out of memory: the GPU's driver is not asked");
        return &none;
    }
    if (!doctor->is_copy) {
        read_nvml(doctor->nvml);
        read_cuda(doctor->nvml);
    }
    return doctor->nvml;
}

void nvml_close(struct nvml *nvml)
{
    free(nvml);
}
