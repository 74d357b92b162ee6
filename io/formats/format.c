/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a shard: look at the file, choose its format, let that fill the
 * rest. The file is closed again: a dataset may have a million shards, and
 * whoever reads one opens it.
 */
#include "io/formats/format.h"

#include <string.h>

#include "io/formats/layout.h"
#include "io/formats/registry.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"

/* A message has 256 bytes; a path may take this much of it. */
#define LABEL_BYTES_MAX 120

const char *fgi_path_label(const char *path)
{
    size_t length = strlen(path);
    const char *cut;

    if (length <= LABEL_BYTES_MAX) {
        return path;
    }
    path += length - LABEL_BYTES_MAX;
    cut = strchr(path, '/');
    return cut != NULL && cut[1] != '\0' ? cut + 1 : path;
}

enum fg_status fgi_shard_reopen(const struct fgi_shard *shard,
                                struct fgi_file *file, struct fg_error *err)
{
    enum fg_status status =
        fgi_file_open(shard->path, FGI_DIRECT_OFF, file, err);

    if (status != FG_OK) {
        return status;
    }
    if (file->size_bytes != shard->size_bytes) {
        status = fgi_fail(err, FG_ERR_CHANGED,
                          "%s: size: got %llu wanted %llu bytes "
                          "(likely cause: the file was changed while open)",
                          fgi_path_label(shard->path),
                          (unsigned long long)file->size_bytes,
                          (unsigned long long)shard->size_bytes);
    } else if (file->mtime_ns != shard->mtime_ns) {
        status = fgi_fail(err, FG_ERR_CHANGED,
                          "%s: got another modification time than when it "
                          "was opened (likely cause: the file was changed "
                          "while open)",
                          fgi_path_label(shard->path));
    }
    if (status != FG_OK) {
        fgi_file_close(file);
    }
    return status;
}

static bool is_named(const struct fg_dataset_config *config, const char *format)
{
    return config->format != NULL && strcmp(config->format, format) == 0;
}

static bool is_auto(const struct fg_dataset_config *config)
{
    return config->format == NULL || is_named(config, "auto");
}

/* Name a file that begins like no format we know. */
static enum fg_status unknown_format(const struct fgi_candidate *from,
                                     struct fg_error *err)
{
    if (from->file->size_bytes == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got an empty file wanted samples", from->label);
    }
    return fgi_fail_at(err, FG_ERR_ARGUMENT, 0,
                       "%s: format: got an unknown one wanted a feedgpu shard "
                       "(likely cause: raw records, which need their record "
                       "size, or a file that is not data)",
                       from->label);
}

static enum fg_status open_probed(const struct fgi_candidate *from,
                                  struct fgi_shard *shard, struct fg_error *err)
{
    uint8_t magic[FGI_MAGIC_BYTES];
    enum fg_status status;

    if (from->config->record_bytes != 0) {
        return fgi_raw_open(from, shard, err);
    }
    if (from->file->size_bytes < sizeof(magic)) {
        return unknown_format(from, err);
    }
    status = fgi_file_read(from->file->fd, from->label, 0, magic, sizeof(magic),
                           err);
    if (status != FG_OK) {
        return status;
    }
    if (memcmp(magic, FGI_HEADER_MAGIC, sizeof(magic)) != 0) {
        return unknown_format(from, err);
    }
    return fgi_fgs_open(from, shard, err);
}

static enum fg_status open_format(const struct fgi_candidate *from,
                                  struct fgi_shard *shard, struct fg_error *err)
{
    if (is_auto(from->config)) {
        return open_probed(from, shard, err);
    }
    if (is_named(from->config, "raw")) {
        return fgi_raw_open(from, shard, err);
    }
    if (is_named(from->config, "shard")) {
        return fgi_fgs_open(from, shard, err);
    }
    return fgi_fail(err, FG_ERR_ARGUMENT,
                    "format: got \"%.40s\" wanted auto, raw or shard",
                    from->config->format);
}

enum fg_status fgi_shard_open(const char *path,
                              const struct fg_dataset_config *config,
                              struct fgi_shard *shard, struct fg_error *err)
{
    struct fgi_file file;
    struct fgi_shard made = {0};
    struct fgi_candidate from = {
        .path = path,
        .label = fgi_path_label(path),
        .file = &file,
        .config = config,
    };
    enum fg_status status = fgi_file_open(path, FGI_DIRECT_OFF, &file, err);

    if (status != FG_OK) {
        return status;
    }
    made.path = fgi_strdup(path);
    made.size_bytes = file.size_bytes;
    made.mtime_ns = file.mtime_ns;
    if (made.path == NULL) {
        status =
            fgi_fail(err, FG_ERR_MEMORY, "%s: open: out of memory", from.label);
    } else {
        status = open_format(&from, &made, err);
    }
    fgi_file_close(&file);
    if (status != FG_OK) {
        fgi_free(made.path);
        return status;
    }
    *shard = made;
    return FG_OK;
}

void fgi_shard_close(struct fgi_shard *shard)
{
    if (shard->ops == NULL) {
        return;
    }
    shard->ops->close(shard);
    if (!shard->is_schema_shared) {
        fgi_free(shard->schema);
    }
    fgi_free(shard->path);
    *shard = (struct fgi_shard){0};
}
