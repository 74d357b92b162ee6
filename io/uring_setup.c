/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a ring: flags, registered buffers and the kernel's helper threads,
 * each by trying, from the best down to what always works.
 */
#include "io/uring_setup.h"

#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "io/refusal.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"

#define DEPTH_MAX 4096
/* Kernel threads for files that cannot be read without blocking (NFS, FUSE);
 * the kernel's own limit follows the ring's size and can be thousands. */
#define WORKERS_MAX 32

/* Make the ring with the best flags that this kernel knows. */
static int make_ring(struct io_uring *ring, uint32_t depth, char *note)
{
    static const struct {
        unsigned flags;
        const char *text;
    } ladder[] = {
        {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
             IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
         "single_issuer, defer_taskrun"},
        {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL, "coop_taskrun"},
        {0, "no flags"},
    };
    int rv = -EINVAL;

    for (size_t i = 0; rv == -EINVAL && i < sizeof(ladder) / sizeof(ladder[0]);
         i++) {
        struct io_uring_params params = {
            .flags = ladder[i].flags,
            .cq_entries = 2 * (depth + 2),
        };

        /* Reads, the wake word, and liburing's timeout on old kernels. */
        rv = io_uring_queue_init_params(depth + 2, ring, &params);
        snprintf(note, FGI_URING_NOTE_BYTES, "%s", ladder[i].text);
    }
    return rv;
}

/*
 * Keep the kernel's own read threads on the node: since Linux 6.4 they run
 * anywhere. The node's CPUs are found by going there and back.
 */
static void place_workers(struct io_uring *ring, int node)
{
    unsigned most[2] = {WORKERS_MAX, 0}; /* 0: leave as it is */
    cpu_set_t before;
    cpu_set_t there;

    io_uring_register_iowq_max_workers(ring, most);
    if (node < 0 || sched_getaffinity(0, sizeof(before), &before) != 0) {
        return;
    }
    if (fgi_numa_run_on(node) == 0 &&
        sched_getaffinity(0, sizeof(there), &there) == 0) {
        io_uring_register_iowq_aff(ring, sizeof(there), &there);
    }
    sched_setaffinity(0, sizeof(before), &before);
}

/*
 * Registering saves the kernel pinning pages on every read. An optimisation:
 * plain reads go on where it is refused.
 */
static void register_buffers(struct io_uring *ring, struct fgi_buffers *buffers,
                             char *note)
{
    size_t used = strlen(note);
    char text[96];
    int rv;

    if (buffers->count == 0) {
        return;
    }
    rv = io_uring_register_buffers(ring, buffers->entries, buffers->count);
    if (rv < 0) {
        fgi_refusal_of_buffers(text, sizeof(text), -rv, buffers->bytes);
        fgi_buffers_fini(buffers);
    } else {
        snprintf(text, sizeof(text), "registered %llu MiB",
                 (unsigned long long)fgi_ceil_div(buffers->bytes, FGI_MIB(1)));
    }
    snprintf(note + used, FGI_URING_NOTE_BYTES - used, ", %s", text);
}

enum fg_status fgi_uring_set_up(struct io_uring *ring,
                                const struct fgi_engine_config *config,
                                struct fgi_buffers *buffers, char *note,
                                struct fg_error *err)
{
    enum fg_status status =
        fgi_buffers_init(buffers, config->regions, config->region_count, err);
    int rv;

    if (status != FG_OK) {
        return status;
    }
    rv =
        make_ring(ring, (uint32_t)fgi_clamp(config->depth, 1, DEPTH_MAX), note);
    if (rv < 0) {
        fgi_buffers_fini(buffers);
        return fgi_refuse_ring(err, -rv);
    }
    place_workers(ring, config->node);
    register_buffers(ring, buffers, note);
    return FG_OK;
}
