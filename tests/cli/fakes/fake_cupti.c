/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for libcupti.so: the one of CUDA 13, too new for the driver. */
#include <stdint.h>

#include "fake.h"

FAKE int cuptiGetVersion(uint32_t *version)
{
    *version = 130001;
    return 0;
}
