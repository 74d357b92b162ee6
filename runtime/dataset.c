/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datasets: open every shard's header, see that they agree, number the
 * samples.
 *
 *     name ─▶ paths ─▶ shards ─▶ one schema ─▶ first sample of each ─▶ info
 *
 * Shards are opened and closed again; what stays of each is its path and a few
 * numbers. All share the first one's schema.
 */
#include "runtime/dataset.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "io/formats/registry.h"
#include "runtime/base/config.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/dataset_cursor.h"
#include "runtime/dataset_open.h"
#include "runtime/dataset_paths.h"

/* Shards that are open with a schema of their own at any time. */
#define OPEN_BATCH 4096

/* Indexes in memory: those of about 8 TiB in blocks of 1 MiB. */
#define LOADED_BYTES_MAX FGI_MIB(256)

void fg_dataset_config_init(struct fg_dataset_config *config)
{
    *config = (struct fg_dataset_config){
        .struct_size = sizeof(*config),
        .format = "auto",
        .dtype = FG_UINT8,
    };
}

static enum fg_status check_config(const struct fg_dataset_config *config,
                                   struct fg_error *err)
{
    enum fg_status status =
        fgi_config_check(config, sizeof(*config), "dataset config", err);

    if (status == FG_OK && config->flags != 0) {
        status = fgi_fail(err, FG_ERR_ARGUMENT,
                          "dataset config: flags: got 0x%" PRIx32 " wanted 0",
                          config->flags);
    }
    return status;
}

static bool is_same_field(const struct fg_field *a, const struct fg_field *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype &&
           a->flags == b->flags && a->dims == b->dims &&
           memcmp(a->shape, b->shape, sizeof(a->shape)) == 0 &&
           a->max_bytes == b->max_bytes;
}

/* Name the first thing in which a shard differs from the dataset's first. */
static enum fg_status check_alike(const struct fg_dataset *dataset,
                                  const struct fgi_shard *shard,
                                  struct fg_error *err)
{
    const struct fgi_shard *first = &dataset->shards[0];
    const char *label = fgi_path_label(shard->path);
    const struct fgi_schema *got = shard->schema;
    const struct fgi_schema *wanted = &dataset->schema;

    if (shard->ops != first->ops || shard->codec != first->codec) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got format %s, codec %s wanted %s, %s as in the "
                        "dataset's first shard",
                        label, shard->ops->name, shard->codec, first->ops->name,
                        first->codec);
    }
    if (shard->block_samples != first->block_samples) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got %" PRIu64 " samples per block wanted %" PRIu64
                        " as in the dataset's first shard",
                        label, shard->block_samples, first->block_samples);
    }
    if (got->count != wanted->count) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got %" PRIu32 " fields wanted %" PRIu32
                        " as in the dataset's first shard",
                        label, got->count, wanted->count);
    }
    for (uint32_t i = 0; i < got->count; i++) {
        if (!is_same_field(&got->fields[i], &wanted->fields[i])) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "%s: field %" PRIu32 ": got \"%s\" (%s, %" PRIu64
                            " bytes) wanted \"%s\" (%s, %" PRIu64
                            " bytes) as in the dataset's first shard",
                            label, i, got->fields[i].name,
                            fg_dtype_name(got->fields[i].dtype),
                            got->fields[i].max_bytes, wanted->fields[i].name,
                            fg_dtype_name(wanted->fields[i].dtype),
                            wanted->fields[i].max_bytes);
        }
    }
    return FG_OK;
}

/* Take an open shard in: share the schema, number its samples. */
static enum fg_status admit(struct fg_dataset *dataset, uint64_t i,
                            struct fg_error *err)
{
    struct fgi_shard *shard = &dataset->shards[i];
    struct fg_dataset_info *info = &dataset->info;

    if (i == 0) {
        dataset->schema = *shard->schema;
    } else {
        enum fg_status status = check_alike(dataset, shard, err);

        if (status != FG_OK) {
            return status;
        }
    }
    fgi_free(shard->schema);
    shard->schema = &dataset->schema;
    shard->is_schema_shared = true;
    dataset->first_samples[i] = info->sample_count;
    if (!fgi_add(info->sample_count, shard->sample_count,
                 &info->sample_count) ||
        !fgi_add(info->raw_bytes, shard->raw_bytes, &info->raw_bytes)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: got more than 2^64 samples or bytes in the "
                        "dataset",
                        fgi_path_label(shard->path));
    }
    info->stored_bytes += shard->size_bytes;
    dataset->first_samples[i + 1] = info->sample_count;
    return FG_OK;
}

static enum fg_status open_shards(struct fg_dataset *dataset,
                                  const struct fgi_paths *paths,
                                  const struct fg_dataset_config *config,
                                  struct fg_error *err)
{
    dataset->shards = fgi_alloc(paths->count, sizeof(*dataset->shards));
    dataset->first_samples =
        fgi_alloc(paths->count + 1, sizeof(*dataset->first_samples));
    if (dataset->shards == NULL || dataset->first_samples == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "dataset: open %" PRIu64 " shards: out of memory",
                        paths->count);
    }
    for (uint64_t i = 0; i < paths->count; i += OPEN_BATCH) {
        uint64_t count = fgi_min(OPEN_BATCH, paths->count - i);
        enum fg_status status = fgi_shards_open(&paths->items[i], count, config,
                                                &dataset->shards[i], err);

        if (status != FG_OK) {
            return status;
        }
        dataset->info.shard_count = i + count;
        for (uint64_t j = i; j < i + count; j++) {
            status = admit(dataset, j, err);
            if (status != FG_OK) {
                return status;
            }
        }
    }
    return FG_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* The hash of what was hashed so far and these bytes. */
static uint64_t hash_on(uint64_t hash, const void *data, size_t bytes)
{
    return XXH3_64bits_withSeed(data, bytes, hash);
}

/*
 * What a training state must find again to go on: names, sizes and counts of
 * the shards in their order, and how bytes become samples. Not the folder, so
 * that a dataset may be moved.
 */
static uint64_t identify(const struct fg_dataset *dataset)
{
    const struct fgi_shard *first = &dataset->shards[0];
    const uint64_t layout[3] = {first->block_samples, first->linear_stride,
                                dataset->schema.count};
    uint64_t hash = hash_on(0, first->ops->name, strlen(first->ops->name));

    hash = hash_on(hash, first->codec, strlen(first->codec));
    hash = hash_on(hash, layout, sizeof(layout));
    hash = hash_on(hash, dataset->schema.fields,
                   dataset->schema.count * sizeof(struct fg_field));
    for (uint64_t i = 0; i < dataset->info.shard_count; i++) {
        const struct fgi_shard *shard = &dataset->shards[i];
        const char *name = base_name(shard->path);
        const uint64_t numbers[2] = {shard->size_bytes, shard->sample_count};

        hash = hash_on(hash, name, strlen(name));
        hash = hash_on(hash, numbers, sizeof(numbers));
    }
    return hash;
}

static void fill_info(struct fg_dataset *dataset)
{
    const struct fgi_shard *first = &dataset->shards[0];
    struct fg_dataset_info *info = &dataset->info;

    info->format = first->ops->name;
    info->block_samples = first->block_samples;
    info->field_count = dataset->schema.count;
    info->fields = dataset->schema.fields;
    info->codec = first->codec;
    info->identity = identify(dataset);
}

/* Say more about a stranger among shards: it is often a README. */
static void explain_stranger(const struct fgi_paths *paths,
                             struct fg_error *err)
{
    if (err != NULL && err->status == FG_ERR_ARGUMENT && paths->count > 1 &&
        strstr(err->message, "(likely cause") == NULL) {
        fgi_likely(err, "a file that does not belong to the dataset");
    }
}

enum fg_status fg_dataset_open(const char *path,
                               const struct fg_dataset_config *config,
                               struct fg_dataset **dataset,
                               struct fg_error *err)
{
    struct fg_dataset_config defaults;
    struct fgi_paths paths = {0};
    struct fg_dataset *made;
    enum fg_status status;

    if (config == NULL) {
        fg_dataset_config_init(&defaults);
        config = &defaults;
    }
    status = check_config(config, err);
    if (status == FG_OK) {
        status = fgi_paths_collect(path, &paths, err);
    }
    if (status != FG_OK) {
        return status;
    }
    made = fgi_alloc(1, sizeof(*made));
    if (made == NULL) {
        status = fgi_fail(err, FG_ERR_MEMORY, "dataset: open: out of memory");
    } else {
        pthread_mutex_init(&made->mutex, NULL);
        made->loaded_bytes_max = LOADED_BYTES_MAX;
        status = open_shards(made, &paths, config, err);
    }
    if (status != FG_OK && made != NULL) {
        explain_stranger(&paths, err);
    }
    fgi_paths_fini(&paths);
    if (status != FG_OK) {
        fg_dataset_close(made);
        return status;
    }
    fill_info(made);
    *dataset = made;
    return FG_OK;
}

void fg_dataset_close(struct fg_dataset *dataset)
{
    if (dataset == NULL) {
        return;
    }
    fgi_cursor_destroy(dataset->cursor);
    for (uint64_t i = 0; i < dataset->info.shard_count; i++) {
        fgi_shard_close(&dataset->shards[i]);
    }
    fgi_free(dataset->shards);
    fgi_free(dataset->first_samples);
    pthread_mutex_destroy(&dataset->mutex);
    fgi_free(dataset);
}

void fg_dataset_get_info(const struct fg_dataset *dataset,
                         struct fg_dataset_info *info)
{
    *info = dataset->info;
}

uint64_t fgi_dataset_find(const struct fg_dataset *dataset, uint64_t index)
{
    uint64_t low = 0;
    uint64_t high = dataset->info.shard_count;

    assert(index < dataset->info.sample_count);
    /* first_samples[low] <= index < first_samples[high] */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (dataset->first_samples[middle] <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Forget the index of one shard after the other, but not that of `keep`. */
static void forget_indexes(struct fg_dataset *dataset, uint64_t keep)
{
    while (dataset->loaded_bytes > dataset->loaded_bytes_max &&
           dataset->loaded_bytes > dataset->shards[keep].loaded_bytes) {
        uint64_t i = dataset->forget_next;
        struct fgi_shard *shard = &dataset->shards[i];

        dataset->forget_next = (i + 1) % dataset->info.shard_count;
        if (i != keep && shard->loaded_bytes > 0) {
            dataset->loaded_bytes -= shard->loaded_bytes;
            shard->ops->forget(shard);
        }
    }
}

enum fg_status fgi_dataset_extent(struct fg_dataset *dataset, uint64_t index,
                                  uint64_t count, uint64_t *shard_index,
                                  struct fgi_extent *extent,
                                  struct fg_error *err)
{
    uint64_t found = fgi_dataset_find(dataset, index);
    struct fgi_shard *shard = &dataset->shards[found];
    uint64_t loaded_before;
    enum fg_status status;

    pthread_mutex_lock(&dataset->mutex);
    loaded_before = shard->loaded_bytes;
    status = shard->ops->extent(shard, index - dataset->first_samples[found],
                                count, extent, err);
    dataset->loaded_bytes += shard->loaded_bytes - loaded_before;
    forget_indexes(dataset, found);
    pthread_mutex_unlock(&dataset->mutex);
    if (status == FG_OK) {
        *shard_index = found;
    }
    return status;
}
