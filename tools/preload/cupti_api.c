/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding CUPTI. A libcupti that the program has loaded is the one to take:
 * two of them would not know of each other. Else the newest that is not newer
 * than the driver, which could not serve it; an older one works.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cupti.h"

#define VARIABLE "FEEDGPU_CUPTI_LIB"

static const char *const names[] = {
    "libcupti.so.13",   "libcupti.so.12",   "libcupti.so.11.8",
    "libcupti.so.11.7", "libcupti.so.11.6", "libcupti.so",
};

/* "" is where the linker looks. */
static const char *const folders[] = {
    "",
    "/usr/local/cuda/lib64/",
    "/usr/local/cuda/extras/CUPTI/lib64/",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The CUDA version that CUPTI belongs to, as 1000 * major: 13000. */
static uint32_t cuda_of(uint32_t version)
{
    if (version >= 10000) {
        return version / 10000 * 1000;
    }
    return version >= 19 ? 12000 : 11000;
}

/* What the driver can do at most, as 12080; 0: not known. */
static uint32_t driver_version(void)
{
    CUresult (*get)(int *) = NULL;
    int version = 0;
    *(void **)&get = cupti_driver_function("cuDriverGetVersion");
    return get != NULL && get(&version) == CUDA_SUCCESS && version > 0
               ? (uint32_t)version
               : 0;
}

static bool resolve(void *library, struct cupti_api *api, char *why,
                    size_t why_bytes)
{
#define RESOLVE(name)                                                          \
    *(void **)&api->name = dlsym(library, #name);                              \
    if (api->name == NULL) {                                                   \
        snprintf(why, why_bytes, "CUPTI is older than CUDA 11.6: no " #name);  \
        return false;                                                          \
    }
    CUPTI_API_MAP(RESOLVE)
#undef RESOLVE
    return true;
}

/* Is it one that we and the driver can work with? */
static bool is_fit(void *library, struct cupti_api *api, char *why,
                   size_t why_bytes)
{
    uint32_t driver = driver_version();
    if (!resolve(library, api, why, why_bytes)) {
        return false;
    }
    if (api->cuptiGetVersion(&api->version) != CUPTI_SUCCESS) {
        snprintf(why, why_bytes, "CUPTI does not tell its version");
        return false;
    }
    if (driver != 0 && cuda_of(api->version) / 1000 > driver / 1000) {
        snprintf(why, why_bytes,
                 "CUPTI is newer than the driver: %u, which is of CUDA %u, and "
                 "the driver's CUDA is %u.%u",
                 api->version, cuda_of(api->version) / 1000, driver / 1000,
                 driver % 1000 / 10);
        return false;
    }
    return true;
}

/* Try all names in a folder. `why` keeps what was wrong with the last. */
static bool try_folder(const char *folder, int flags, struct cupti_api *api,
                       char *why, size_t why_bytes)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s%s", folder, names[i]);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | flags);
        if (library != NULL && is_fit(library, api, why, why_bytes)) {
            return true;
        }
    }
    return false;
}

bool cupti_load(struct cupti_api *api, char *why, size_t why_bytes)
{
    const char *given = secure_getenv(VARIABLE);
    snprintf(why, why_bytes,
             "CUPTI: no libcupti found (" VARIABLE " can name it)");
    if (given != NULL && given[0] != '\0') {
        void *library = dlopen(given, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            snprintf(why, why_bytes, VARIABLE ": %.90s: cannot be loaded",
                     given);
            return false;
        }
        return is_fit(library, api, why, why_bytes);
    }
    if (try_folder("", RTLD_NOLOAD, api, why, why_bytes)) {
        return true;
    }
    for (size_t i = 0; i < COUNT(folders); i++) {
        if (try_folder(folders[i], 0, api, why, why_bytes)) {
            return true;
        }
    }
    return false;
}
