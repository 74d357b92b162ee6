/* SPDX-License-Identifier: Apache-2.0 */
/* The double's knobs, errors, devices, memory and registrations. */
#include "tests/lib/cudart_double.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES_MAX 8
#define RANGES_MAX 256
#define MEMORY_BYTES ((size_t)4 << 30)

struct range {
    uintptr_t base;
    size_t bytes; /* 0: not in use */
};

struct cudart_double_knobs cudart_double;
pthread_mutex_t cudart_double_mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t cudart_double_moved = PTHREAD_COND_INITIALIZER;
bool cudart_double_is_held;
struct cudart_double_live cudart_double_live;
unsigned cudart_double_violations;

static struct range registrations[RANGES_MAX];
static struct range allocations[RANGES_MAX];
static uint64_t random_state;
static unsigned fail_left;
static cudaError_t fail_code;
static const char *failed_call;

static _Thread_local cudaError_t last_error;
static _Thread_local int current;
static _Thread_local enum cudaStreamCaptureMode capture_mode;

void cudart_double_reset(uint64_t seed)
{
    pthread_mutex_lock(&cudart_double_mutex);
    cudart_double = (struct cudart_double_knobs){
        .device_count = 2,
        .count_error = cudaSuccess,
        .driver_version = 13000,
        .host_node = 0,
        .delay_us_max = 100,
    };
    random_state = seed | 1;
    fail_left = 0;
    failed_call = NULL;
    cudart_double_violations = 0;
    cudart_double_is_held = false;
    last_error = cudaSuccess;
    current = 0;
    capture_mode = cudaStreamCaptureModeGlobal;
    pthread_mutex_unlock(&cudart_double_mutex);
}

struct cudart_double_live cudart_double_count_live(void)
{
    struct cudart_double_live live;

    pthread_mutex_lock(&cudart_double_mutex);
    live = cudart_double_live;
    pthread_mutex_unlock(&cudart_double_mutex);
    return live;
}

unsigned cudart_double_count_violations(void)
{
    unsigned count;

    pthread_mutex_lock(&cudart_double_mutex);
    count = cudart_double_violations;
    pthread_mutex_unlock(&cudart_double_mutex);
    return count;
}

void cudart_double_fail_after(unsigned nth, cudaError_t code)
{
    pthread_mutex_lock(&cudart_double_mutex);
    fail_left = nth;
    fail_code = code;
    failed_call = NULL;
    pthread_mutex_unlock(&cudart_double_mutex);
}

const char *cudart_double_failed_call(void)
{
    const char *call;

    pthread_mutex_lock(&cudart_double_mutex);
    call = failed_call;
    pthread_mutex_unlock(&cudart_double_mutex);
    return call;
}

void cudart_double_hold(bool is_held)
{
    pthread_mutex_lock(&cudart_double_mutex);
    cudart_double_is_held = is_held;
    pthread_cond_broadcast(&cudart_double_moved);
    pthread_mutex_unlock(&cudart_double_mutex);
}

unsigned cudart_double_delay_us(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % (cudart_double.delay_us_max + 1);
}

cudaError_t cudart_double_error(cudaError_t code)
{
    if (code != cudaSuccess) {
        last_error = code;
    }
    return code;
}

int cudart_double_current(void)
{
    return current;
}

cudaError_t cudart_double_enter(const char *call)
{
    cudaError_t code = cudaSuccess;

    pthread_mutex_lock(&cudart_double_mutex);
    if (cudart_double.is_unloading) {
        code = cudaErrorCudartUnloading;
    } else if (fail_left > 0 && --fail_left == 0) {
        code = fail_code;
        failed_call = call;
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

cudaError_t cudart_double_enter_unsafe(const char *call)
{
    if (cudart_double.is_capturing &&
        capture_mode != cudaStreamCaptureModeRelaxed) {
        return cudart_double_error(cudaErrorStreamCaptureUnsupported);
    }
    return cudart_double_enter(call);
}

/* Errors. */

struct known_error {
    cudaError_t code;
    const char *name;
    const char *text;
};

static const struct known_error known[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorCudartUnloading, "cudaErrorCudartUnloading",
     "driver shutting down"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle",
     "invalid resource handle"},
    {cudaErrorHostMemoryAlreadyRegistered,
     "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorSystemDriverMismatch, "cudaErrorSystemDriverMismatch",
     "system has unsupported display driver / cuda driver combination"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure",
     "unspecified launch failure"},
};

static const struct known_error *find_error(cudaError_t code)
{
    static const struct known_error other = {
        cudaErrorUnknown, "cudaErrorUnknown", "unknown error"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].code == code) {
            return &known[i];
        }
    }
    return &other;
}

const char *cudaGetErrorName(cudaError_t code)
{
    return find_error(code)->name;
}

const char *cudaGetErrorString(cudaError_t code)
{
    return find_error(code)->text;
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t code = last_error;

    last_error = cudaSuccess;
    return code;
}

cudaError_t cudaPeekAtLastError(void)
{
    return last_error;
}

/* Devices. */

cudaError_t cudaGetDeviceCount(int *count)
{
    cudaError_t code = cudart_double_enter("cudaGetDeviceCount");

    if (code != cudaSuccess) {
        return code;
    }
    *count = cudart_double.device_count;
    return cudart_double_error(cudart_double.count_error);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = cudart_double.driver_version;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    cudaError_t code = cudart_double_enter("cudaSetDevice");

    if (code != cudaSuccess) {
        return code;
    }
    if (device < 0 || device >= cudart_double.device_count) {
        return cudart_double_error(cudaErrorInvalidDevice);
    }
    current = device;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties,
                                    int device)
{
    cudaError_t code = cudart_double_enter("cudaGetDeviceProperties");

    if (code != cudaSuccess) {
        return code;
    }
    memset(properties, 0, sizeof(*properties));
    snprintf(properties->name, sizeof(properties->name), "Test Double %d",
             device);
    properties->totalGlobalMem = MEMORY_BYTES;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int bytes, int device)
{
    cudaError_t code = cudart_double_enter("cudaDeviceGetPCIBusId");

    if (code != cudaSuccess) {
        return code;
    }
    snprintf(text, (size_t)bytes, "0000:F%d:1F.0", device);
    return cudaSuccess;
}

/* Not counted: whoever asks lives without the answer. */
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute,
                                   int device)
{
    (void)device;
    if (attribute != cudaDevAttrHostNumaId) {
        return cudart_double_error(cudaErrorInvalidValue);
    }
    *value = cudart_double.host_node;
    return cudaSuccess;
}

cudaError_t
cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode)
{
    enum cudaStreamCaptureMode before = capture_mode;

    capture_mode = *mode;
    *mode = before;
    return cudaSuccess;
}

/* Memory. */

static bool is_inside(const struct range *range, uintptr_t base, size_t bytes)
{
    return base >= range->base && bytes <= range->bytes &&
           base - range->base <= range->bytes - bytes;
}

static bool is_in_one(const struct range *ranges, const void *base,
                      size_t bytes)
{
    for (size_t i = 0; i < RANGES_MAX; i++) {
        if (ranges[i].bytes != 0 &&
            is_inside(&ranges[i], (uintptr_t)base, bytes)) {
            return true;
        }
    }
    return false;
}

bool cudart_double_is_registered(const void *base, size_t bytes)
{
    return is_in_one(registrations, base, bytes);
}

bool cudart_double_is_allocated(const void *base, size_t bytes)
{
    return is_in_one(allocations, base, bytes);
}

/* The entry that begins there; base 0 finds a free one. */
static struct range *find_range(struct range *ranges, const void *base)
{
    for (size_t i = 0; i < RANGES_MAX; i++) {
        if (ranges[i].base == (uintptr_t)base &&
            (base == NULL) == (ranges[i].bytes == 0)) {
            return &ranges[i];
        }
    }
    return NULL;
}

static bool overlaps(const struct range *range, uintptr_t base, size_t bytes)
{
    return base < range->base + range->bytes && range->base < base + bytes;
}

static cudaError_t add_registration(void *base, size_t bytes)
{
    struct range *range = find_range(registrations, NULL);

    for (size_t i = 0; i < RANGES_MAX; i++) {
        if (overlaps(&registrations[i], (uintptr_t)base, bytes)) {
            return cudaErrorHostMemoryAlreadyRegistered;
        }
    }
    if (range == NULL) {
        return cudaErrorMemoryAllocation;
    }
    *range = (struct range){.base = (uintptr_t)base, .bytes = bytes};
    cudart_double_live.registrations++;
    return cudaSuccess;
}

cudaError_t cudaHostRegister(void *base, size_t bytes, unsigned flags)
{
    cudaError_t code = cudart_double_enter_unsafe("cudaHostRegister");

    if (code != cudaSuccess) {
        return code;
    }
    if (bytes == 0 || base == NULL || flags != cudaHostRegisterPortable) {
        return cudart_double_error(cudaErrorInvalidValue);
    }
    pthread_mutex_lock(&cudart_double_mutex);
    code = add_registration(base, bytes);
    pthread_mutex_unlock(&cudart_double_mutex);
    return cudart_double_error(code);
}

/* Forget the range at `base`; false when there is none. */
static bool drop(struct range *ranges, const void *base, unsigned *live)
{
    struct range *range;

    pthread_mutex_lock(&cudart_double_mutex);
    range = base != NULL ? find_range(ranges, base) : NULL;
    if (range != NULL) {
        *range = (struct range){0};
        --*live;
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    return range != NULL;
}

/* Giving back is never counted, but after unloading nothing works. */
static bool is_gone(void)
{
    return cudart_double.is_unloading;
}

cudaError_t cudaHostUnregister(void *base)
{
    if (is_gone()) {
        return cudart_double_error(cudaErrorCudartUnloading);
    }
    if (!drop(registrations, base, &cudart_double_live.registrations)) {
        return cudart_double_error(cudaErrorHostMemoryNotRegistered);
    }
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    cudaError_t code = cudart_double_enter_unsafe("cudaMalloc");
    struct range *range;
    void *made;

    if (code != cudaSuccess) {
        return code;
    }
    made = bytes <= MEMORY_BYTES ? aligned_alloc(256, (bytes + 255) & ~255ul)
                                 : NULL;
    if (made == NULL) {
        return cudart_double_error(cudaErrorMemoryAllocation);
    }
    pthread_mutex_lock(&cudart_double_mutex);
    range = find_range(allocations, NULL);
    if (range != NULL) {
        *range = (struct range){.base = (uintptr_t)made, .bytes = bytes};
        cudart_double_live.allocations++;
    }
    pthread_mutex_unlock(&cudart_double_mutex);
    if (range == NULL) {
        free(made);
        return cudart_double_error(cudaErrorMemoryAllocation);
    }
    *memory = made;
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
    if (memory == NULL) {
        return cudaSuccess;
    }
    if (is_gone()) {
        return cudart_double_error(cudaErrorCudartUnloading);
    }
    if (!drop(allocations, memory, &cudart_double_live.allocations)) {
        return cudart_double_error(cudaErrorInvalidValue);
    }
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    cudaError_t code = cudart_double_enter("cudaMemGetInfo");

    if (code != cudaSuccess) {
        return code;
    }
    *free_bytes = MEMORY_BYTES;
    *total_bytes = MEMORY_BYTES;
    return cudaSuccess;
}
