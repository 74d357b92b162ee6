/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which GPU a number stands for. Each program counts from 0 what
 * CUDA_VISIBLE_DEVICES leaves it, so the board knows GPUs by their UUIDs.
 * Asked for at a GPU's first record, when the driver has long started.
 */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "cupti.h"

/* Entry plus 1; 0: not looked up yet. */
static _Atomic uint32_t known[FGI_GPUS_MAX];

void *cupti_driver_function(const char *name)
{
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return driver != NULL ? dlsym(driver, name) : NULL;
}

bool cupti_driver_has_started(void)
{
    CUresult (*count)(int *) = NULL;
    int devices;
    *(void **)&count = cupti_driver_function("cuDeviceGetCount");
    return count == NULL || count(&devices) == CUDA_SUCCESS;
}

/* Nobody else may have this one. */
static void make_uuid(uint32_t number, uint8_t uuid[16])
{
    int32_t pid = (int32_t)getpid();
    memcpy(uuid, "feedgpu", 8);
    memcpy(uuid + 8, &pid, sizeof(pid));
    memcpy(uuid + 12, &number, sizeof(number));
}

static void ask_driver(uint32_t number, struct fgi_gpu *gpu)
{
    CUresult (*get)(CUdevice *, int);
    CUresult (*get_uuid)(CUuuid *, CUdevice);
    CUresult (*get_bus_id)(char *, int, CUdevice);
    CUresult (*get_name)(char *, int, CUdevice);
    CUdevice device;
    CUuuid uuid;
    *(void **)&get = cupti_driver_function("cuDeviceGet");
    *(void **)&get_uuid = cupti_driver_function("cuDeviceGetUuid_v2");
    *(void **)&get_bus_id = cupti_driver_function("cuDeviceGetPCIBusId");
    *(void **)&get_name = cupti_driver_function("cuDeviceGetName");
    make_uuid(number, gpu->uuid);
    if (get == NULL || get(&device, (int)number) != CUDA_SUCCESS) {
        return;
    }
    if (get_uuid == NULL) {
        *(void **)&get_uuid = cupti_driver_function("cuDeviceGetUuid");
    }
    if (get_uuid != NULL && get_uuid(&uuid, device) == CUDA_SUCCESS) {
        memcpy(gpu->uuid, &uuid, sizeof(gpu->uuid));
    }
    if (get_bus_id == NULL ||
        get_bus_id(gpu->bus_id, sizeof(gpu->bus_id), device) != CUDA_SUCCESS) {
        gpu->bus_id[0] = '\0';
    }
    if (get_name == NULL ||
        get_name(gpu->name, sizeof(gpu->name), device) != CUDA_SUCCESS) {
        gpu->name[0] = '\0';
    }
}

/* The entry that has this UUID, or the next free one; FGI_GPUS_MAX: none. */
static uint32_t find_entry(struct fgi_board *board, const struct fgi_gpu *gpu)
{
    for (uint32_t i = 0; i < FGI_GPUS_MAX; i++) {
        struct fgi_gpu *entry = &board->gpus[i];
        uint32_t state = FGI_GPU_FREE;
        if (atomic_compare_exchange_strong(&entry->state, &state,
                                           FGI_GPU_FILLING)) {
            memcpy(entry->uuid, gpu->uuid, sizeof(entry->uuid));
            memcpy(entry->bus_id, gpu->bus_id, sizeof(entry->bus_id));
            memcpy(entry->name, gpu->name, sizeof(entry->name));
            atomic_store(&entry->state, FGI_GPU_THERE);
            return i;
        }
        if (state == FGI_GPU_THERE &&
            memcmp(entry->uuid, gpu->uuid, sizeof(entry->uuid)) == 0) {
            return i;
        }
    }
    return FGI_GPUS_MAX;
}

uint32_t cupti_gpu(const struct fgi_board_view *view, uint32_t number)
{
    if (number >= FGI_GPUS_MAX) {
        return FGI_GPUS_MAX;
    }
    uint32_t entry = atomic_load(&known[number]);
    if (entry == 0) {
        struct fgi_gpu gpu = {.spare = 0};
        ask_driver(number, &gpu);
        entry = find_entry(view->board, &gpu) + 1;
        atomic_store(&known[number], entry);
    }
    return entry - 1;
}
