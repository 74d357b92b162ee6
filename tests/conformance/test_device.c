/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device conformance suite on the devices of this machine.
 *
 *     test_device [NAME [time-only]]
 *
 * Without arguments it runs on host, emulated, and emulated with its copies
 * taking time only. A GPU that is not there ends it with 77 and the reason.
 */
#include <string.h>

#include "runtime/base/clock.h"
#include "tests/conformance/device_suite.h"

/* What the public header promises for cuda. */
#define CUDA_SPAN_ERROR_NS (50 * FGI_NS_PER_US)

int main(int argc, char **argv)
{
    uint32_t flags = 0;
    int failed;

    if (argc > 2 && strcmp(argv[2], "time-only") == 0) {
        flags = FG_DEVICE_TIME_ONLY;
    }
    if (argc > 1) {
        bool is_cuda = strncmp(argv[1], "cuda", 4) == 0;

        failed =
            device_suite_run(argv[1], flags, is_cuda ? CUDA_SPAN_ERROR_NS : 0);
    } else {
        failed = device_suite_run("host", 0, 0) +
                 device_suite_run("emulated:copy=4,latency=2", 0, 0) +
                 device_suite_run("emulated:h100", FG_DEVICE_TIME_ONLY, 0);
    }
    return failed == 0 ? 0 : 1;
}
