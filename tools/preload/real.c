/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that ours stand in front of: those of the next library in
 * line, so that other preloaded libraries keep working.
 */
#include <dlfcn.h>

#include "shim.h"

static struct shim_real real;
static _Atomic bool is_resolved;

/* Two threads may do this at once: both find the same. */
static void resolve(void)
{
#define SHIM_RESOLVE(name, returns, parameters)                                \
    *(void **)&real.name = dlsym(RTLD_NEXT, #name);
    SHIM_REAL_MAP(SHIM_RESOLVE)
#undef SHIM_RESOLVE
    atomic_store_explicit(&is_resolved, true, memory_order_release);
}

const struct shim_real *shim_real(void)
{
    if (SHIM_UNLIKELY(
            !atomic_load_explicit(&is_resolved, memory_order_acquire))) {
        resolve();
    }
    return &real;
}

/* While the program is young: dlsym takes a lock that a signal handler must
 * not meet. */
__attribute__((constructor)) static void begin(void)
{
    shim_spawn_begin();
    if (!atomic_load_explicit(&is_resolved, memory_order_acquire)) {
        resolve();
    }
}
