/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for cuda_device.c where the library is built without CUDA. */
#include "gpu/device.h"
#include "runtime/base/error.h"

enum fg_status fgi_device_cuda_open(const char *spec, uint32_t flags,
                                    struct fg_device **device,
                                    struct fg_error *err)
{
    (void)flags;
    (void)device;
    return fgi_fail(err, FG_ERR_UNSUPPORTED,
                    "device cuda%s%s: open: this feedgpu was built without "
                    "CUDA (likely cause: configured with FEEDGPU_CUDA=OFF, or "
                    "no CUDA toolkit was found)",
                    spec[0] != '\0' ? ":" : "", spec);
}
