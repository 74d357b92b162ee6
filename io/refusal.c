/* SPDX-License-Identifier: Apache-2.0 */
#include "io/refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"

enum fg_status fgi_refuse_ring(struct fg_error *err, int sys_errno)
{
    enum fg_status status = fgi_fail_errno(err, sys_errno, "io_uring: set up");

    if (sys_errno == EPERM || sys_errno == EACCES || sys_errno == ENOSYS) {
        fgi_likely(err, sys_errno == ENOSYS
                            ? "the kernel or the sandbox has no io_uring"
                            : "container's seccomp, or "
                              "kernel.io_uring_disabled");
        status = FG_ERR_UNSUPPORTED;
    } else if (sys_errno == ENOMEM) {
        fgi_likely(err, "this user has used up RLIMIT_MEMLOCK");
    }
    if (err != NULL) {
        err->status = status;
    }
    return status;
}

void fgi_refusal_of_buffers(char *text, size_t text_bytes, int sys_errno,
                            uint64_t bytes)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    char reason[64];

    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (sys_errno == ENOMEM && limit.rlim_cur != RLIM_INFINITY) {
        snprintf(text, text_bytes,
                 "registered buffers refused: RLIMIT_MEMLOCK is %llu KiB, "
                 "%llu MiB wanted",
                 (unsigned long long)limit.rlim_cur >> 10,
                 (unsigned long long)fgi_ceil_div(bytes, FGI_MIB(1)));
        return;
    }
    snprintf(text, text_bytes, "registered buffers refused: %s",
             strerror_r(sys_errno, reason, sizeof(reason)));
}
