/* SPDX-License-Identifier: Apache-2.0 */
/* Small trees of files in the test's own folder, for --sysroot. */
#ifndef TESTS_TREE_FIXTURE_H
#define TESTS_TREE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TREE "tree"

/* Start with an empty tree that holds sys and proc. */
static inline void tree_clear(void)
{
    if (system("rm -rf " TREE " && mkdir -p " TREE "/sys " TREE "/proc") != 0) {
        abort();
    }
}

static inline void tree_path(const char *path, char *full)
{
    snprintf(full, 512, TREE "%s", path);
    for (char *slash = full + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        (void)mkdir(full, 0755);
        *slash = '/';
    }
}

static inline void tree_bytes(const char *path, const void *bytes, size_t count)
{
    char full[512];
    FILE *file;

    tree_path(path, full);
    file = fopen(full, "wb");
    if (file == NULL || fwrite(bytes, 1, count, file) != count ||
        fclose(file) != 0) {
        perror(full);
        abort();
    }
}

static inline void tree_file(const char *path, const char *text)
{
    tree_bytes(path, text, strlen(text));
}

static inline void tree_link(const char *path, const char *target)
{
    char full[512];

    tree_path(path, full);
    if (symlink(target, full) != 0) {
        perror(full);
        abort();
    }
}

#endif /* TESTS_TREE_FIXTURE_H */
