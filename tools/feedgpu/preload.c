/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library is looked for where it is installed beside the tool, and where
 * the build puts it. LD_PRELOAD is a list with blanks and colons between, and
 * knows no quoting: a path with one of these in it cannot be given.
 */
#include "preload.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libfeedgpu-preload.so"
#define VARIABLE "FEEDGPU_PRELOAD_LIB"
#define PRELOAD "LD_PRELOAD="

/* From the tool's folder. FEEDGPU_LIBDIR is the build's word on it. */
static const char *const places[] = {
    "../" FEEDGPU_LIBDIR "/feedgpu/" LIBRARY,
    "../" FEEDGPU_LIBDIR "/" LIBRARY,
    "../lib/feedgpu/" LIBRARY,
    "../lib/" LIBRARY,
    "../tools/preload/" LIBRARY,
    LIBRARY,
};

static bool find_beside(char *path, size_t path_bytes)
{
    char tool[PATH_MAX];
    char candidate[PATH_MAX + 64];
    char resolved[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", tool, sizeof(tool) - 1);
    if (length <= 0) {
        return false;
    }
    tool[length] = '\0';
    *strrchr(tool, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(candidate, sizeof(candidate), "%s/%s", tool, places[i]);
        if (realpath(candidate, resolved) != NULL &&
            access(resolved, R_OK) == 0 && strlen(resolved) < path_bytes) {
            memcpy(path, resolved, strlen(resolved) + 1);
            return true;
        }
    }
    return false;
}

bool preload_find(char *path, size_t path_bytes, char *why, size_t why_bytes)
{
    char resolved[PATH_MAX];
    const char *given = getenv(VARIABLE);
    if (given != NULL && given[0] != '\0') {
        /* A program may change its folder and start others. */
        if (realpath(given, resolved) == NULL || access(resolved, R_OK) != 0) {
            snprintf(why, why_bytes, VARIABLE ": %.200s: %s", given,
                     strerror(errno));
            return false;
        }
        snprintf(path, path_bytes, "%s", resolved);
    } else if (!find_beside(path, path_bytes)) {
        snprintf(why, why_bytes,
                 LIBRARY ": not found beside the tool (" VARIABLE
                         " can name it)");
        return false;
    }
    if (strpbrk(path, " \t:") != NULL) {
        snprintf(why, why_bytes,
                 "%.200s: a path with a blank or a colon cannot be in "
                 "LD_PRELOAD",
                 path);
        return false;
    }
    return true;
}

/* Is the library the first of the list already? We may run under ourselves. */
static bool is_first(const char *list, const char *library)
{
    size_t length = strcspn(list, " :");
    return length == strlen(library) && memcmp(list, library, length) == 0;
}

static char *preload_entry(const char *library)
{
    const char *before = getenv("LD_PRELOAD");
    char *entry = NULL;
    if (before == NULL || before[0] == '\0') {
        return asprintf(&entry, PRELOAD "%s", library) < 0 ? NULL : entry;
    }
    if (is_first(before, library)) {
        return asprintf(&entry, PRELOAD "%s", before) < 0 ? NULL : entry;
    }
    return asprintf(&entry, PRELOAD "%s:%s", library, before) < 0 ? NULL
                                                                  : entry;
}

/* Put an entry, consumed, in the place of the one of its name, or last. */
static bool put(char **environment, size_t *count, char *entry)
{
    if (entry == NULL) {
        return false;
    }
    size_t length = strcspn(entry, "=") + 1;
    for (size_t i = 0; i < *count; i++) {
        if (strncmp(environment[i], entry, length) == 0) {
            free(environment[i]);
            environment[i] = entry;
            return true;
        }
    }
    environment[(*count)++] = entry;
    return true;
}

char **preload_environment(const char *library, const char *feeder,
                           const char *other)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **copy = calloc(count + 4, sizeof(*copy));
    if (copy == NULL) {
        return NULL;
    }
    bool is_good = true;
    count = 0;
    for (char **entry = environ; *entry != NULL && is_good; entry++) {
        copy[count] = strdup(*entry);
        is_good = copy[count++] != NULL;
    }
    if (!is_good || !put(copy, &count, preload_entry(library)) ||
        !put(copy, &count, strdup(feeder)) ||
        (other[0] != '\0' && !put(copy, &count, strdup(other)))) {
        preload_free(copy);
        return NULL;
    }
    return copy;
}

void preload_free(char **environment)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        free(environment[i]);
    }
    free(environment);
}
