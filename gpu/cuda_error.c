/* SPDX-License-Identifier: Apache-2.0 */
/* What CUDA says, in one line with the call, its name for it and a cause. */
#include <stdarg.h>
#include <stdio.h>

#include "gpu/cuda_device.h"
#include "runtime/base/error.h"

struct cause {
    cudaError_t code;
    const char *text;
};

static const struct cause causes[] = {
    {cudaErrorMemoryAllocation,
     "not enough free memory, or a limit on locked memory"},
    {cudaErrorHostMemoryAlreadyRegistered, "the range is pinned already"},
    {cudaErrorDevicesUnavailable,
     "another process holds the GPU in exclusive mode"},
    {cudaErrorInitializationError, "the process forked after it had used CUDA"},
    {cudaErrorStreamCaptureUnsupported,
     "the stream is being captured into a CUDA graph"},
    {cudaErrorIllegalAddress, "an earlier kernel of this process failed"},
    {cudaErrorLaunchFailure, "an earlier kernel of this process failed"},
    {cudaErrorECCUncorrectable, "the GPU's memory is damaged"},
    {cudaErrorNoKernelImageForDevice,
     "feedgpu was built without this GPU's architecture"},
};

static const char *cause_of(cudaError_t code)
{
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (causes[i].code == code) {
            return causes[i].text;
        }
    }
    return NULL;
}

static enum fg_status status_of(cudaError_t code)
{
    switch (code) {
    case cudaErrorMemoryAllocation:
        return FG_ERR_MEMORY;
    case cudaErrorNotSupported:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
        return FG_ERR_UNSUPPORTED;
    default:
        return FG_ERR_DEVICE;
    }
}

enum fg_status fgi_cuda_fail(const struct fgi_cuda *cuda, cudaError_t code,
                             struct fg_error *err, const char *call,
                             const char *action, ...)
{
    enum fg_status status = status_of(code);
    char text[96];
    va_list arguments;

    (void)cudaGetLastError();
    va_start(arguments, action);
    vsnprintf(text, sizeof(text), action, arguments);
    va_end(arguments);
    (void)fgi_fail(err, status, "device cuda:%d: %s: %s: %s: %s", cuda->ordinal,
                   text, call, cudaGetErrorName(code),
                   cudaGetErrorString(code));
    if (cause_of(code) != NULL) {
        fgi_likely(err, "%s", cause_of(code));
    }
    return status;
}
