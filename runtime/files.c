/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/files.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* Leave descriptors for the program: take half of what is allowed. */
static uint64_t descriptor_budget(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur == RLIM_INFINITY) {
        return 4096;
    }
    return fgi_clamp(limit.rlim_cur / 2, 8, 65536);
}

enum fg_status fgi_files_init(struct fgi_files *files,
                              struct fg_dataset *dataset,
                              enum fgi_direct direct, struct fg_error *err)
{
    memset(files, 0, sizeof(*files));
    files->opened =
        fgi_alloc(dataset->info.shard_count, sizeof(*files->opened));
    if (files->opened == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "files: table of %llu shards",
                        (unsigned long long)dataset->info.shard_count);
    }
    files->dataset = dataset;
    files->direct = direct;
    files->open_max = descriptor_budget();
    for (uint64_t i = 0; i < dataset->info.shard_count; i++) {
        files->opened[i].file.fd = -1;
    }
    return FG_OK;
}

void fgi_files_fini(struct fgi_files *files)
{
    if (files->opened == NULL) {
        return;
    }
    for (uint64_t i = 0; i < files->dataset->info.shard_count; i++) {
        fgi_file_close(&files->opened[i].file);
    }
    fgi_free(files->opened);
    files->opened = NULL;
}

/* Close the file that has been idle longest, if any is idle. */
static void close_idlest(struct fgi_files *files)
{
    struct fgi_open_file *idlest = NULL;

    for (uint64_t i = 0; i < files->dataset->info.shard_count; i++) {
        struct fgi_open_file *opened = &files->opened[i];

        if (opened->file.fd >= 0 && opened->users == 0 &&
            (idlest == NULL || opened->used < idlest->used)) {
            idlest = opened;
        }
    }
    if (idlest != NULL) {
        fgi_file_close(&idlest->file);
        files->open_count--;
        files->idle_count--;
    }
}

/* Is it the file that the dataset was opened with? */
static enum fg_status check_same(const struct fgi_shard *shard,
                                 const struct fgi_file *file,
                                 struct fg_error *err)
{
    if (file->size_bytes != shard->size_bytes) {
        return fgi_fail(err, FG_ERR_CHANGED,
                        "%s: open: got %llu bytes wanted %llu, as when the "
                        "dataset was opened",
                        shard->path, (unsigned long long)file->size_bytes,
                        (unsigned long long)shard->size_bytes);
    }
    if (file->mtime_ns != shard->mtime_ns) {
        return fgi_fail(err, FG_ERR_CHANGED,
                        "%s: open: written to or replaced since the dataset "
                        "was opened",
                        shard->path);
    }
    return FG_OK;
}

static enum fg_status open_file(struct fgi_files *files, uint64_t index,
                                struct fg_error *err)
{
    struct fgi_open_file *opened = &files->opened[index];
    const struct fgi_shard *shard = &files->dataset->shards[index];
    enum fg_status status;

    if (files->open_count >= files->open_max) {
        close_idlest(files);
    }
    status = fgi_file_open(shard->path, files->direct, &opened->file, err);
    if (status != FG_OK) {
        opened->file.fd = -1;
        return status;
    }
    status = check_same(shard, &opened->file, err);
    if (status != FG_OK) {
        fgi_file_close(&opened->file);
        return status;
    }
    files->open_count++;
    files->idle_count++;
    if (opened->file.is_direct) {
        files->direct_count++;
    } else {
        files->buffered_count++;
    }
    return FG_OK;
}

bool fgi_files_may_acquire(const struct fgi_files *files, uint64_t index)
{
    return files->opened[index].file.fd >= 0 || files->idle_count > 0 ||
           files->open_count < files->open_max;
}

enum fg_status fgi_files_acquire(struct fgi_files *files, uint64_t index,
                                 const struct fgi_file **file,
                                 struct fg_error *err)
{
    struct fgi_open_file *opened = &files->opened[index];

    if (opened->file.fd < 0) {
        enum fg_status status = open_file(files, index, err);

        if (status != FG_OK) {
            return status;
        }
    }
    files->idle_count -= opened->users == 0;
    opened->users++;
    opened->used = ++files->uses;
    *file = &opened->file;
    return FG_OK;
}

void fgi_files_retain(struct fgi_files *files, uint64_t index)
{
    assert(files->opened[index].users > 0);
    files->opened[index].users++;
}

void fgi_files_drop(struct fgi_files *files, uint64_t index)
{
    assert(files->opened[index].users > 0);
    files->opened[index].users--;
    files->idle_count += files->opened[index].users == 0;
}

enum fg_status fgi_files_release(struct fgi_files *files, uint64_t index,
                                 struct fg_error *err)
{
    struct fgi_open_file *opened = &files->opened[index];

    fgi_files_drop(files, index);
    return fgi_file_check(&opened->file, files->dataset->shards[index].path,
                          err);
}
