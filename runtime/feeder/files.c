/* SPDX-License-Identifier: Apache-2.0 */
/* See files.h. */
#include "runtime/feeder/files.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"

enum fg_status fgi_records_init(struct fgi_records *files,
                                const struct fgi_board_view *view,
                                struct fg_error *err)
{
    files->view = view;
    files->count = view->file_mask + 1;
    files->next_id = 1;
    files->records = fgi_alloc(files->count, sizeof(*files->records));
    files->used = fgi_alloc(files->count, sizeof(*files->used));
    if (files->records == NULL || files->used == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder: %u files", files->count);
    }
    return FG_OK;
}

void fgi_records_fini(struct fgi_records *files)
{
    while (files->used_count > 0) {
        uint32_t last = files->used[files->used_count - 1];

        fgi_records_remove(files, &files->records[last]);
    }
    fgi_free(files->used);
    fgi_free(files->records);
    memset(files, 0, sizeof(*files));
}

bool fgi_key_is_same(const struct fgi_feed_key *a, const struct fgi_feed_key *b)
{
    return a->device == b->device && a->inode == b->inode &&
           a->size_bytes == b->size_bytes && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

struct fgi_record *fgi_records_at(struct fgi_records *files,
                                  const struct fgi_feed_key *key, uint32_t i)
{
    uint32_t home = fgi_board_file_home(files->view, key->device, key->inode);

    return &files->records[(home + i) & files->view->file_mask];
}

struct fgi_record *fgi_records_find(struct fgi_records *files,
                                    const struct fgi_feed_key *key)
{
    for (uint32_t i = 0; i < FGI_FILE_PROBES; i++) {
        struct fgi_record *record = fgi_records_at(files, key, i);

        if (record->id != 0 && !record->is_retired &&
            record->key.device == key->device &&
            record->key.inode == key->inode) {
            return record;
        }
    }
    return NULL;
}

struct fgi_record *fgi_records_pick(struct fgi_records *files,
                                    const struct fgi_feed_key *key)
{
    for (uint32_t i = 0; i < FGI_FILE_PROBES; i++) {
        struct fgi_record *record = fgi_records_at(files, key, i);

        if (record->id == 0) {
            return record;
        }
    }
    return NULL;
}

struct fgi_feed_file *fgi_records_entry(struct fgi_records *files,
                                        const struct fgi_record *record)
{
    return &files->view->files[record - files->records];
}

static void zero_counters(struct fgi_feed_file *entry)
{
    atomic_store_explicit(&entry->reads, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->arena_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->kernel_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->blocked_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->opens, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->open_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&entry->mapped_bytes, 0, memory_order_relaxed);
}

bool fgi_records_add(struct fgi_records *files, struct fgi_record *record,
                     const struct fgi_feed_key *key)
{
    struct fgi_feed_file *entry = fgi_records_entry(files, record);

    assert(record->id == 0);
    if (files->next_id == 0) {
        return false; /* 2^32 files: none is given twice */
    }
    memset(record, 0, sizeof(*record));
    record->key = *key;
    record->id = files->next_id++;
    record->fd = record->pid_fd = -1;
    record->folder = FGI_NO_INDEX;
    zero_counters(entry);
    atomic_store_explicit(&entry->mode, FGI_FEED_LOOK, memory_order_relaxed);
    atomic_store_explicit(&entry->device, key->device, memory_order_relaxed);
    atomic_store_explicit(&entry->inode, key->inode, memory_order_relaxed);
    atomic_store_explicit(&entry->size_bytes, key->size_bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&entry->mtime_ns, key->mtime_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&entry->ctime_ns, key->ctime_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&entry->id, record->id, memory_order_release);
    record->used_index = files->used_count;
    files->used[files->used_count++] = (uint32_t)(record - files->records);
    return true;
}

void fgi_records_set_mode(struct fgi_records *files,
                          const struct fgi_record *record,
                          enum fgi_feed_mode mode)
{
    atomic_store_explicit(&fgi_records_entry(files, record)->mode, mode,
                          memory_order_release);
}

void fgi_records_hide(struct fgi_records *files,
                      const struct fgi_record *record)
{
    atomic_store(&fgi_records_entry(files, record)->id, 0);
}

static void shut_oldest(struct fgi_records *files)
{
    struct fgi_record *oldest = NULL;

    for (uint32_t i = 0; i < files->open_count; i++) {
        struct fgi_record *record = &files->records[files->open[i]];

        if (record->reading == 0 &&
            (oldest == NULL || record->used_ns < oldest->used_ns)) {
            oldest = record;
        }
    }
    if (oldest != NULL) {
        fgi_records_shut(files, oldest);
    }
}

bool fgi_records_keep(struct fgi_records *files, struct fgi_record *record,
                      int fd)
{
    assert(record->fd < 0);
    if (files->open_count == FGI_RECORDS_OPEN_MAX) {
        shut_oldest(files);
    }
    if (files->open_count == FGI_RECORDS_OPEN_MAX) {
        close(fd);
        return false;
    }
    record->fd = fd;
    record->open_index = files->open_count;
    files->open[files->open_count++] = (uint32_t)(record - files->records);
    return true;
}

void fgi_records_shut_idle(struct fgi_records *files, uint64_t since_ns)
{
    for (uint32_t i = files->open_count; i > 0; i--) {
        struct fgi_record *record = &files->records[files->open[i - 1]];

        /* The last one takes the place of one that is shut, and was looked
         * at already. */
        if (record->reading == 0 && record->used_ns < since_ns) {
            fgi_records_shut(files, record);
        }
    }
}

void fgi_records_shut(struct fgi_records *files, struct fgi_record *record)
{
    uint32_t last;

    if (record->fd < 0) {
        return;
    }
    close(record->fd);
    record->fd = -1;
    last = files->open[--files->open_count];
    files->open[record->open_index] = last;
    files->records[last].open_index = record->open_index;
}

void fgi_records_remove(struct fgi_records *files, struct fgi_record *record)
{
    uint32_t last = files->used[--files->used_count];

    files->used[record->used_index] = last;
    files->records[last].used_index = record->used_index;
    fgi_records_hide(files, record);
    fgi_records_shut(files, record);
    fgi_free(record->pattern);
    fgi_free(record->path);
    memset(record, 0, sizeof(*record));
    record->fd = -1;
}
