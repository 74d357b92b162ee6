/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding input files. The order is a pure function of the names, never of
 * the order in which a file system lists them. Links to files are followed,
 * links to folders inside a folder are not (they may form a circle); what is
 * neither file nor folder is passed over inside a folder, and an error when it
 * is named.
 */
#include "inputs.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"

void inputs_init(struct inputs *inputs)
{
    memset(inputs, 0, sizeof(*inputs));
}

void inputs_fini(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++) {
        free(inputs->files[i].path);
    }
    free(inputs->files);
    inputs_init(inputs);
}

static bool fail_path(const char *path, const char *action, int reason)
{
    complain("%s: %s: %s", path, action, strerror(reason));
    return false;
}

static bool add_file(struct inputs *inputs, const char *path, uint64_t size)
{
    if (inputs->count_max != 0 && inputs->count == inputs->count_max) {
        inputs->is_cut = true;
        return true;
    }
    if (inputs->count == inputs->capacity) {
        size_t capacity = inputs->capacity ? inputs->capacity * 2 : 64;
        struct input_file *files =
            realloc(inputs->files, capacity * sizeof(*files));
        if (files == NULL) {
            return fail_path(path, "list", ENOMEM);
        }
        inputs->files = files;
        inputs->capacity = capacity;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return fail_path(path, "list", ENOMEM);
    }
    inputs->files[inputs->count].path = copy;
    inputs->files[inputs->count].size = size;
    inputs->count++;
    inputs->bytes += size;
    return true;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool add_entry(struct inputs *inputs, const FTSENT *entry)
{
    struct stat target;
    switch (entry->fts_info) {
    case FTS_F:
        return add_file(inputs, entry->fts_path,
                        (uint64_t)entry->fts_statp->st_size);
    case FTS_SL:
    case FTS_SLNONE:
        if (stat(entry->fts_path, &target) == 0 && S_ISREG(target.st_mode)) {
            return add_file(inputs, entry->fts_path, (uint64_t)target.st_size);
        }
        return true;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return fail_path(entry->fts_path, "read folder", entry->fts_errno);
    default:
        return true;
    }
}

static bool add_folder(struct inputs *inputs, const char *path)
{
    char *root = strdup(path);
    if (root == NULL) {
        return fail_path(path, "list", ENOMEM);
    }
    char *roots[] = {root, NULL};
    FTS *walk =
        fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    bool is_good = walk != NULL || fail_path(path, "read folder", errno);
    while (is_good && !inputs->is_cut) {
        errno = 0;
        const FTSENT *entry = fts_read(walk);
        if (entry == NULL) {
            is_good = errno == 0 || fail_path(path, "read folder", errno);
            break;
        }
        is_good = add_entry(inputs, entry);
    }
    if (walk != NULL) {
        fts_close(walk);
    }
    free(root);
    return is_good;
}

static bool add_path(struct inputs *inputs, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return fail_path(path, "open", errno);
    }
    if (S_ISDIR(info.st_mode)) {
        return add_folder(inputs, path);
    }
    if (!S_ISREG(info.st_mode)) {
        complain("%s: got something that is neither a file nor a folder", path);
        return false;
    }
    return add_file(inputs, path, (uint64_t)info.st_size);
}

/* One line of a list: a path, relative to the list's folder. */
static bool add_line(struct inputs *inputs, const char *list, const char *line)
{
    const char *name = base_name(list);
    char *path;
    if (line[0] == '/') {
        return add_path(inputs, line);
    }
    if (asprintf(&path, "%.*s%s", (int)(name - list), list, line) < 0) {
        return fail_path(line, "list", ENOMEM);
    }
    bool is_good = add_path(inputs, path);
    free(path);
    return is_good;
}

static bool add_list(struct inputs *inputs, const char *list)
{
    FILE *file = fopen(list, "re");
    if (file == NULL) {
        return fail_path(list, "open", errno);
    }
    char *line = NULL;
    size_t room = 0;
    bool is_good = true;
    ssize_t length;
    while (is_good && !inputs->is_cut &&
           (length = getline(&line, &room, file)) >= 0) {
        while (length > 0 && strchr("\r\n", line[length - 1]) != NULL) {
            line[--length] = '\0';
        }
        if (length > 0) {
            is_good = add_line(inputs, list, line);
        }
    }
    if (is_good && ferror(file)) {
        is_good = fail_path(list, "read", errno);
    }
    free(line);
    fclose(file);
    return is_good;
}

bool inputs_add(struct inputs *inputs, const char *operand)
{
    if (operand[0] == '@') {
        return add_list(inputs, operand + 1);
    }
    return add_path(inputs, operand);
}

bool is_shard_path(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".fgs") == 0;
}
