/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs name files as they like, the feeder sees where they really are. So
 * each glob is given twice if its folder lies behind a symbolic link: as it
 * was typed, and with the links followed. Both are absolute.
 */
#include "run_globs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

#define WILD "*?[\\"

static bool fail_memory(void)
{
    complain("out of memory");
    return false;
}

static bool add(struct run_globs *globs, const char *folder, const char *rest)
{
    bool has_slash = folder[0] != '\0' && folder[strlen(folder) - 1] == '/';
    char *item = NULL;
    if (asprintf(&item, "%s%s%s", folder, has_slash ? "" : "/", rest) < 0) {
        return fail_memory();
    }
    globs->items[globs->count++] = item;
    return true;
}

/* Names in a glob mean themselves when a backslash is before what is wild. */
static void escape(const char *folder, char *escaped, size_t escaped_bytes)
{
    size_t length = 0;
    for (; *folder != '\0' && length + 3 < escaped_bytes; folder++) {
        if (strchr(WILD, *folder) != NULL) {
            escaped[length++] = '\\';
        }
        escaped[length++] = *folder;
    }
    escaped[length] = '\0';
}

/* Add folder/rest, absolute, and the same below where the folder really is. */
static bool add_both(struct run_globs *globs, const char *folder,
                     const char *rest)
{
    char here[PATH_MAX];
    char given[2 * PATH_MAX];
    char resolved[PATH_MAX];
    char escaped[4 * PATH_MAX];
    if (folder[0] == '/') {
        snprintf(given, sizeof(given), "%s", folder);
    } else if (getcwd(here, sizeof(here)) == NULL) {
        complain("run: the folder we are in: %s", strerror(errno));
        return false;
    } else {
        snprintf(given, sizeof(given), "%s/%s", here, folder);
    }
    for (size_t end = strlen(given); end > 1 && given[end - 1] == '/'; end--) {
        given[end - 1] = '\0';
    }
    escape(given, escaped, sizeof(escaped));
    if (!add(globs, escaped, rest)) {
        return false;
    }
    if (realpath(folder[0] == '\0' ? "." : folder, resolved) == NULL ||
        strcmp(resolved, given) == 0) {
        return true;
    }
    escape(resolved, escaped, sizeof(escaped));
    return add(globs, escaped, rest);
}

static bool add_glob(struct run_globs *globs, const char *glob)
{
    char folder[PATH_MAX];
    size_t length = strcspn(glob, WILD);
    while (length > 0 && glob[length - 1] != '/') {
        length--;
    }
    if (length >= sizeof(folder)) {
        complain("run: --data: got a path of %zu bytes, wanted less than %d",
                 length, PATH_MAX);
        return false;
    }
    memcpy(folder, glob, length);
    folder[length] = '\0';
    return add_both(globs, folder, glob + length);
}

bool run_globs_init(struct run_globs *globs, const struct run_options *options)
{
    globs->count = 0;
    for (uint32_t i = 0; i < options->data.count; i++) {
        if (!add_glob(globs, options->data.items[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < options->roots.count; i++) {
        const char *root = options->roots.items[i];
        if (access(root, F_OK) != 0) {
            complain("run: --data-root: %s: %s", root, strerror(errno));
            return false;
        }
        if (!add_both(globs, root, "*")) {
            return false;
        }
    }
    return true;
}

void run_globs_fini(struct run_globs *globs)
{
    for (uint32_t i = 0; i < globs->count; i++) {
        free(globs->items[i]);
    }
    globs->count = 0;
}
