/* SPDX-License-Identifier: Apache-2.0 */
/* See folders.h. */
#include "runtime/feeder/folders.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"

enum fg_status fgi_folders_init(struct fgi_folders *folders,
                                struct fg_error *err)
{
    folders->count = 0;
    folders->folders = fgi_alloc(FGI_FOLDERS_MAX, sizeof(*folders->folders));
    if (folders->folders == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder: table of folders");
    }
    return FG_OK;
}

void fgi_folders_fini(struct fgi_folders *folders)
{
    fgi_free(folders->folders);
    memset(folders, 0, sizeof(*folders));
}

static uint64_t hash_of(const char *path, size_t length)
{
    uint64_t hash = length;

    for (size_t i = 0; i < length; i++) {
        hash = fgi_board_hash(hash ^ (uint8_t)path[i]);
    }
    return hash;
}

static void name_folder(struct fgi_folder *folder, const char *path,
                        size_t length)
{
    size_t room = sizeof(folder->group.folder) - 1;

    if (length > room) {
        path += length - room;
        length = room;
    }
    memcpy(folder->group.folder, path, length);
    folder->group.folder[length] = '\0';
    for (char *c = folder->group.folder; *c != '\0'; c++) {
        /* It goes to a terminal. */
        if ((uint8_t)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
}

uint32_t fgi_folders_of(struct fgi_folders *folders, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    uint64_t hash = hash_of(path, length);
    struct fgi_folder *folder;

    for (uint32_t i = 0; i < folders->count; i++) {
        if (folders->folders[i].hash == hash) {
            return i;
        }
    }
    if (folders->count == FGI_FOLDERS_MAX) {
        return FGI_FOLDERS_MAX - 1;
    }
    folder = &folders->folders[folders->count];
    folder->hash = hash;
    if (folders->count == FGI_FOLDERS_MAX - 1) {
        name_folder(folder, "(others)", strlen("(others)"));
    } else if (length == 0) {
        name_folder(folder, slash != NULL ? "/" : "?", 1);
    } else {
        name_folder(folder, path, length);
    }
    return folders->count++;
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void fgi_group_add(struct fg_feeder_group *group,
                   const struct fgi_feed_file *entry)
{
    uint64_t opens = read_counter(&entry->opens);

    group->files += opens > 0 ? 1 : 0;
    group->opens += opens;
    group->open_ns += read_counter(&entry->open_ns);
    group->reads += read_counter(&entry->reads);
    group->arena_bytes += read_counter(&entry->arena_bytes);
    group->kernel_bytes += read_counter(&entry->kernel_bytes);
    group->blocked_ns += read_counter(&entry->blocked_ns);
    group->mapped_bytes += read_counter(&entry->mapped_bytes);
}

void fgi_folders_fold(struct fgi_folders *folders,
                      const struct fgi_record *record,
                      const struct fgi_feed_file *entry)
{
    struct fgi_folder *folder;
    uint32_t index = record->folder;

    if (index == FGI_NO_INDEX) {
        index = fgi_folders_of(folders, "");
    }
    folder = &folders->folders[index];
    fgi_group_add(&folder->group, entry);
    if (record->pattern != NULL) {
        folder->patterns[record->pattern->kind]++;
    }
}
