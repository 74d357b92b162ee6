/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing a folder in the pool: names are read one by one and packed; a
 * folder of more than FGI_NAMES_MAX is known by its first ones.
 */
#include "runtime/feeder/listing.h"

#include <dirent.h>
#include <string.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define NAMES_BYTES_MAX FGI_MIB(64)

struct list_job {
    struct fgi_job job; /* first: they are cast */
    struct fgi_listing listing;
    struct fgi_listing_job answer;
    fgi_listing_fn finish;
    char *path; /* owned */
};

/* Texts behind each other. */
struct pack {
    char *names;
    size_t bytes;
    size_t room;
    uint32_t count;
};

static bool add_name(struct pack *pack, const char *name)
{
    size_t length = strlen(name) + 1;

    if (pack->bytes + length > pack->room) {
        size_t room = pack->room * 2 + FGI_KIB(4);
        char *grown =
            room <= NAMES_BYTES_MAX ? fgi_grow(pack->names, room, 1) : NULL;

        if (grown == NULL) {
            return false;
        }
        pack->names = grown;
        pack->room = room;
    }
    memcpy(pack->names + pack->bytes, name, length);
    pack->bytes += length;
    pack->count++;
    return true;
}

static bool may_be_file(const struct dirent *entry)
{
    return entry->d_type == DT_REG || entry->d_type == DT_LNK ||
           (entry->d_type == DT_UNKNOWN && entry->d_name[0] != '.');
}

static void run_list(struct fgi_job *job)
{
    struct list_job *list = (struct list_job *)job;
    DIR *folder = opendir(list->path[0] != '\0' ? list->path : "/");
    struct pack pack = {NULL, 0, 0, 0};
    const struct dirent *entry;

    if (folder == NULL) {
        return;
    }
    while (pack.count < FGI_NAMES_MAX && (entry = readdir(folder)) != NULL) {
        if (may_be_file(entry) && !add_name(&pack, entry->d_name)) {
            break;
        }
    }
    closedir(folder);
    (void)fgi_listing_init(&list->listing, pack.names, pack.count);
}

static void finish_list(struct fgi_job *job, void *context, uint64_t now_ns)
{
    struct list_job *list = (struct list_job *)job;

    list->finish(context, &list->answer, now_ns);
}

static void drop_list(struct fgi_job *job)
{
    struct list_job *list = (struct list_job *)job;

    fgi_listing_fini(&list->listing);
    fgi_free(list->path);
    fgi_free(list);
}

bool fgi_listing_ask(struct fgi_pool *pool, const char *path, uint32_t serial,
                     fgi_listing_fn finish)
{
    struct list_job *list = fgi_alloc(1, sizeof(*list));

    if (list == NULL) {
        return false;
    }
    list->job = (struct fgi_job){
        .run = run_list, .finish = finish_list, .drop = drop_list};
    list->answer =
        (struct fgi_listing_job){.serial = serial, .listing = &list->listing};
    list->finish = finish;
    list->path = fgi_strdup(path);
    if (list->path == NULL) {
        drop_list(&list->job);
        return false;
    }
    fgi_pool_push(pool, &list->job, false);
    return true;
}
