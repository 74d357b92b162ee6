/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the name of a dataset to the paths of its shards.
 *
 * A name that exists is taken as it is, also when it looks like a pattern.
 * Directories and patterns give their regular files sorted by name as bytes,
 * so that every machine and locale numbers the samples alike; a list keeps its
 * own order. Hidden files are skipped: a shard that is being written is one.
 */
#include "runtime/dataset_paths.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/formats/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"

#define CAPACITY_MIN 64

static enum fg_status no_memory(const char *name, struct fg_error *err)
{
    return fgi_fail(err, FG_ERR_MEMORY, "%s: list files: out of memory",
                    fgi_path_label(name));
}

/* Append folder_bytes of `folder` and then `name`, which are copied. */
static bool add_path(struct fgi_paths *paths, const char *folder,
                     size_t folder_bytes, const char *name)
{
    size_t name_bytes = strlen(name);
    char *path;

    if (paths->count == paths->capacity) {
        uint64_t capacity =
            paths->capacity == 0 ? CAPACITY_MIN : paths->capacity * 2;
        char **items = fgi_grow(paths->items, capacity, sizeof(*items));

        if (items == NULL) {
            return false;
        }
        paths->items = items;
        paths->capacity = capacity;
    }
    path = fgi_alloc(folder_bytes + name_bytes + 1, 1);
    if (path == NULL) {
        return false;
    }
    memcpy(path, folder, folder_bytes);
    memcpy(path + folder_bytes, name, name_bytes);
    paths->items[paths->count++] = path;
    return true;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_paths(struct fgi_paths *paths)
{
    if (paths->count > 1) {
        qsort(paths->items, paths->count, sizeof(*paths->items), compare_paths);
    }
}

/* Look at a directory entry's own type only if readdir did not say it. */
static mode_t entry_type(DIR *folder, const struct dirent *entry)
{
    struct stat status;

    if (entry->d_type == DT_REG) {
        return S_IFREG;
    }
    if (entry->d_type == DT_DIR) {
        return S_IFDIR;
    }
    if (fstatat(dirfd(folder), entry->d_name, &status, 0) != 0) {
        return 0;
    }
    return status.st_mode & S_IFMT;
}

/* Add the regular files of an open directory; count the folders in it. */
static enum fg_status read_directory(DIR *folder, const char *prefix,
                                     struct fgi_paths *paths,
                                     uint64_t *folder_count,
                                     struct fg_error *err)
{
    for (;;) {
        struct dirent *entry;
        mode_t type;

        errno = 0;
        entry = readdir(folder);
        if (entry == NULL) {
            break;
        }
        if (entry->d_name[0] == '.') {
            continue;
        }
        type = entry_type(folder, entry);
        *folder_count += type == S_IFDIR;
        if (type == S_IFREG &&
            !add_path(paths, prefix, strlen(prefix), entry->d_name)) {
            return no_memory(prefix, err);
        }
    }
    if (errno != 0) {
        return fgi_fail_errno(err, errno, "%s: list files",
                              fgi_path_label(prefix));
    }
    return FG_OK;
}

static enum fg_status no_files(const char *name, uint64_t folder_count,
                               struct fg_error *err)
{
    fgi_fail(err, FG_ERR_ARGUMENT,
             "%s: directory: got no files wanted at least one shard",
             fgi_path_label(name));
    if (folder_count > 0) {
        fgi_likely(err,
                   "the shards lie in one of its %llu folders; folders "
                   "are not descended into",
                   (unsigned long long)folder_count);
    }
    return FG_ERR_ARGUMENT;
}

static enum fg_status collect_directory(const char *name,
                                        struct fgi_paths *paths,
                                        struct fg_error *err)
{
    uint64_t folder_count = 0;
    size_t length = strlen(name);
    enum fg_status status;
    char *prefix;
    DIR *folder = opendir(name);

    if (folder == NULL) {
        return fgi_fail_errno(err, errno, "%s: open directory",
                              fgi_path_label(name));
    }
    prefix = fgi_alloc(length + 2, 1);
    if (prefix == NULL) {
        closedir(folder);
        return no_memory(name, err);
    }
    memcpy(prefix, name, length);
    if (name[length - 1] != '/') {
        prefix[length] = '/';
    }
    status = read_directory(folder, prefix, paths, &folder_count, err);
    fgi_free(prefix);
    closedir(folder);
    if (status == FG_OK && paths->count == 0) {
        status = no_files(name, folder_count, err);
    }
    sort_paths(paths);
    return status;
}

static bool is_regular(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static enum fg_status collect_matches(const char *pattern, const glob_t *found,
                                      struct fgi_paths *paths,
                                      struct fg_error *err)
{
    for (size_t i = 0; i < found->gl_pathc; i++) {
        if (is_regular(found->gl_pathv[i]) &&
            !add_path(paths, "", 0, found->gl_pathv[i])) {
            return no_memory(pattern, err);
        }
    }
    if (paths->count == 0) {
        return fgi_fail(err, FG_ERR_NOT_FOUND,
                        "%s: got no files that match wanted at least one",
                        fgi_path_label(pattern));
    }
    sort_paths(paths);
    return FG_OK;
}

static enum fg_status collect_glob(const char *pattern, struct fgi_paths *paths,
                                   struct fg_error *err)
{
    glob_t found = {0};
    enum fg_status status;
    int result = glob(pattern, GLOB_NOSORT, NULL, &found);

    if (result == GLOB_NOSPACE) {
        status = no_memory(pattern, err);
    } else if (result != 0 && result != GLOB_NOMATCH) {
        status = fgi_fail(err, FG_ERR_SYSTEM, "%s: list files: read error",
                          fgi_path_label(pattern));
    } else {
        status = collect_matches(pattern, &found, paths, err);
    }
    globfree(&found);
    return status;
}

/* Bytes of `path` up to and with its last slash. */
static size_t folder_bytes_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* Add one line of a list; empty lines and "#" comments say nothing. */
static bool add_line(struct fgi_paths *paths, const char *list, char *line,
                     size_t length)
{
    while (length > 0 &&
           (line[length - 1] == '\n' || line[length - 1] == '\r')) {
        line[--length] = '\0';
    }
    if (length == 0 || line[0] == '#') {
        return true;
    }
    return add_path(paths, list, line[0] == '/' ? 0 : folder_bytes_of(list),
                    line);
}

static enum fg_status read_list(FILE *file, const char *list,
                                struct fgi_paths *paths, struct fg_error *err)
{
    enum fg_status status = FG_OK;
    uint64_t line_number = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while (status == FG_OK && (length = getline(&line, &room, file)) >= 0) {
        line_number++;
        if (strlen(line) != (size_t)length) {
            status =
                fgi_fail(err, FG_ERR_ARGUMENT,
                         "%s: line %llu: got a NUL byte wanted a path "
                         "(likely cause: not a list of paths)",
                         fgi_path_label(list), (unsigned long long)line_number);
        } else if (!add_line(paths, list, line, (size_t)length)) {
            status = no_memory(list, err);
        }
    }
    if (status == FG_OK && ferror(file)) {
        status =
            fgi_fail_errno(err, errno, "%s: read list", fgi_path_label(list));
    }
    if (status == FG_OK && paths->count == 0) {
        status = fgi_fail(err, FG_ERR_ARGUMENT,
                          "%s: list: got no paths wanted at least one",
                          fgi_path_label(list));
    }
    free(line);
    return status;
}

static enum fg_status collect_list(const char *list, struct fgi_paths *paths,
                                   struct fg_error *err)
{
    enum fg_status status;
    FILE *file = fopen(list, "re");

    if (file == NULL) {
        return fgi_fail_errno(err, errno, "%s: open list",
                              fgi_path_label(list));
    }
    status = read_list(file, list, paths, err);
    fclose(file);
    return status;
}

static enum fg_status collect_any(const char *name, struct fgi_paths *paths,
                                  struct fg_error *err)
{
    struct stat status;

    if (name == NULL || name[0] == '\0') {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "dataset: got an empty name wanted a file, a "
                        "directory, a pattern or @LIST");
    }
    if (name[0] == '@') {
        return collect_list(name + 1, paths, err);
    }
    if (stat(name, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return collect_directory(name, paths, err);
        }
        return add_path(paths, "", 0, name) ? FG_OK : no_memory(name, err);
    }
    if (errno == ENOENT && strpbrk(name, "*?[") != NULL) {
        return collect_glob(name, paths, err);
    }
    return fgi_fail_errno(err, errno, "%s: open", fgi_path_label(name));
}

enum fg_status fgi_paths_collect(const char *name, struct fgi_paths *paths,
                                 struct fg_error *err)
{
    struct fgi_paths made = {0};
    enum fg_status status = collect_any(name, &made, err);

    if (status != FG_OK) {
        fgi_paths_fini(&made);
        return status;
    }
    *paths = made;
    return FG_OK;
}

void fgi_paths_fini(struct fgi_paths *paths)
{
    for (uint64_t i = 0; i < paths->count; i++) {
        fgi_free(paths->items[i]);
    }
    fgi_free(paths->items);
    *paths = (struct fgi_paths){0};
}
