/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this library is and what it was built with. The build defines
 * FEEDGPU_HAVE_CUDA where the cuda device is in.
 */
#include <feedgpu/version.h>

#if defined(FEEDGPU_HAVE_CUDA)
#define CUDA_FEATURE " cuda"
#else
#define CUDA_FEATURE ""
#endif

const char *fg_version(void)
{
    return FG_VERSION_TEXT;
}

const char *fg_build_features(void)
{
    return "uring numa zstd" CUDA_FEATURE;
}
