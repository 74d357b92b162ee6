/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device conformance suite on gpu/cuda_*.c over the test double of the
 * CUDA runtime, on its first and on its second GPU.
 *
 *     test_device_double [SEED]
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "tests/conformance/device_suite.h"
#include "tests/lib/cudart_double.h"

/* The double's clock is read by threads that are as late as the scheduler
 * makes them: where its spans lie says nothing, only how long they are. */
#define DOUBLE_SPAN_ERROR_NS (3600 * FGI_NS_PER_S)

static int check_nothing_is_left(void)
{
    struct cudart_double_live live = cudart_double_count_live();

    if (live.streams + live.events + live.allocations + live.registrations ==
            0 &&
        cudart_double_count_violations() == 0) {
        return 0;
    }
    fprintf(stderr,
            "left: %u streams, %u events, %u allocations, %u registrations; "
            "%u copies without their memory\n",
            live.streams, live.events, live.allocations, live.registrations,
            cudart_double_count_violations());
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : fgi_now_ns();
    int failed;

    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    cudart_double_reset(seed);
    failed = device_suite_run("cuda", 0, DOUBLE_SPAN_ERROR_NS) +
             device_suite_run("cuda:1", 0, DOUBLE_SPAN_ERROR_NS) +
             check_nothing_is_left();
    cudart_double_finish();
    return failed == 0 ? 0 : 1;
}
