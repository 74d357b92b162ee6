/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the shards go. They are written into a staging folder inside the
 * output folder and renamed into place only when all are complete, so that a
 * failure, a full disk or a signal leaves the output folder as it was.
 * Loaders read a folder's regular files and do not see the staging folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pack.h"
#include "report.h"

static bool fail_path(const char *path, const char *action)
{
    complain("%s: %s: %s", path, action, strerror(errno));
    return false;
}

/* shard-00000.fgs: a name that pack itself gives. */
static bool is_own_name(const char *name)
{
    return strncmp(name, "shard-", 6) == 0 && is_shard_path(name);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Call `visit` for each name in a folder, until it gives false. */
static bool each_name(const char *folder,
                      bool (*visit)(const char *folder, const char *name))
{
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return fail_path(folder, "read folder");
    }
    bool is_good = true;
    const struct dirent *entry;
    while (is_good && (entry = readdir(listing)) != NULL) {
        if (!is_dots(entry->d_name)) {
            is_good = visit(folder, entry->d_name);
        }
    }
    closedir(listing);
    return is_good;
}

static bool refuse_name(const char *folder, const char *name)
{
    (void)name;
    complain("%s: the folder is not empty (--force replaces the shards in it)",
             folder);
    return false;
}

static bool unlink_name(const char *folder, const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", folder, name) >= 0) {
        unlink(path);
        free(path);
    }
    return true;
}

static bool make_folder(struct pack_output *output)
{
    struct stat info;
    if (mkdir(output->folder, 0777) == 0) {
        output->is_made = true;
        return true;
    }
    if (errno != EEXIST) {
        return fail_path(output->folder, "make folder");
    }
    if (stat(output->folder, &info) != 0) {
        return fail_path(output->folder, "open");
    }
    if (!S_ISDIR(info.st_mode)) {
        complain("%s: got a file, wanted a folder", output->folder);
        return false;
    }
    return output->is_replacing || each_name(output->folder, refuse_name);
}

bool pack_output_init(struct pack_output *output, const char *folder,
                      bool is_replacing)
{
    memset(output, 0, sizeof(*output));
    output->folder = folder;
    output->is_replacing = is_replacing;
    if (!make_folder(output)) {
        return false;
    }
    char *staging;
    if (asprintf(&staging, "%s/.feedgpu-pack-XXXXXX", folder) < 0) {
        complain("out of memory");
        return false;
    }
    if (mkdtemp(staging) == NULL) {
        free(staging);
        return fail_path(folder, "make folder");
    }
    output->staging = staging;
    return true;
}

char *pack_output_path(const struct pack_output *output, size_t index)
{
    char *path;
    int length = asprintf(&path, "%s/shard-%05zu.fgs", output->staging, index);
    return length < 0 ? NULL : path;
}

/* Remove what an earlier pack wrote and this one does not replace. */
static bool is_replaced(const char *name, size_t count)
{
    char *end;
    unsigned long long number = strtoull(name + 6, &end, 10);
    char exact[64];
    snprintf(exact, sizeof(exact), "shard-%05llu.fgs", number);
    return strcmp(exact, name) == 0 && number < count;
}

static bool remove_stale(const struct pack_output *output, size_t count)
{
    DIR *listing = opendir(output->folder);
    if (listing == NULL) {
        return fail_path(output->folder, "read folder");
    }
    const struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (is_own_name(entry->d_name) && !is_replaced(entry->d_name, count)) {
            unlink_name(output->folder, entry->d_name);
        }
    }
    closedir(listing);
    return true;
}

static bool move_shard(const struct pack_output *output, size_t index)
{
    char *from = pack_output_path(output, index);
    char *to = NULL;
    bool is_good =
        from != NULL &&
        asprintf(&to, "%s/%s", output->folder, base_name(from)) >= 0 &&
        rename(from, to) == 0;
    if (!is_good) {
        fail_path(output->folder, "rename a finished shard");
    }
    free(from);
    free(to);
    return is_good;
}

/* Renames are on disk only once the folder is. */
static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_good = fd >= 0 && fsync(fd) == 0;
    if (!is_good) {
        fail_path(folder, "sync");
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_good;
}

bool pack_output_commit(struct pack_output *output, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!move_shard(output, i)) {
            return false;
        }
    }
    return remove_stale(output, count) && sync_folder(output->folder);
}

void pack_output_fini(struct pack_output *output)
{
    if (output->staging != NULL) {
        each_name(output->staging, unlink_name);
        rmdir(output->staging);
        free(output->staging);
        output->staging = NULL;
    }
    if (output->is_made) {
        /* Not empty, and so kept, when the shards have been moved in. */
        rmdir(output->folder);
    }
}
