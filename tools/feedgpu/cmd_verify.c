/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu verify: reads every byte of a dataset and checks every checksum.
 *
 * Normally the dataset is opened as a whole. When a shard's header is so
 * damaged that this fails, each file is opened by itself, so that the report
 * still names every damaged shard and not only the first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "inputs.h"
#include "json.h"
#include "progress.h"
#include "report.h"
#include "signals.h"
#include "size.h"
#include "tables.h"

struct verification {
    const struct options *options;
    struct progress progress;
    uint64_t shards;  /* looked at */
    uint64_t damaged; /* of these */
    uint64_t failed;  /* of these, for another reason than damage */
    uint64_t bytes;   /* of files that were read */
    uint64_t samples; /* in what could be opened */
};

static void say_bad(const struct verification *all, const char *path,
                    const struct fg_error *err)
{
    complain("%s", err->message);
    if (!all->options->json) {
        return;
    }
    json_t *object = json_begin("damaged_shard");
    json_put_text(object, "shard", path);
    json_put_text(object, "status", fg_status_name(err->status));
    if (err->offset != UINT64_MAX) {
        json_put_count(object, "offset", err->offset);
    }
    json_put_text(object, "message", err->message);
    json_emit(object);
}

static void count_bad(struct verification *all, const char *path,
                      const struct fg_error *err)
{
    if (err->status == FG_ERR_DAMAGED) {
        all->damaged++;
    } else {
        all->failed++;
    }
    say_bad(all, path, err);
}

static void on_shard(const char *path, uint64_t stored_bytes,
                     const struct fg_error *err, void *context)
{
    struct verification *all = context;
    all->shards++;
    all->bytes += stored_bytes;
    if (err != NULL) {
        count_bad(all, path, err);
    }
    progress_update(&all->progress, now_ns(), all->bytes);
    if (is_interrupted()) {
        progress_clear();
        complain("interrupted after %" PRIu64 " shards", all->shards);
        exit(status_of_signal());
    }
}

static void check_dataset(struct verification *all, struct fg_dataset *dataset)
{
    struct fg_dataset_info info;
    struct fg_error err;
    uint64_t bad = all->damaged + all->failed;
    fg_dataset_get_info(dataset, &info);
    all->samples += info.sample_count;
    enum fg_status status = fg_dataset_verify(dataset, on_shard, all, &err);
    if (status != FG_OK && all->damaged + all->failed == bad) {
        count_bad(all, "", &err);
    }
}

/* Open and check each file by itself. */
static void check_files(struct verification *all, const struct inputs *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct fg_dataset *dataset;
        struct fg_error err;
        const struct input_file *file = &files->files[i];
        if (fg_dataset_open(file->path, &all->options->loader.dataset_config,
                            &dataset, &err) != FG_OK) {
            on_shard(file->path, file->size, &err, all);
            continue;
        }
        check_dataset(all, dataset);
        fg_dataset_close(dataset);
    }
}

/* False when there is nothing to take apart: a file, or a glob pattern. */
static bool check_apart(struct verification *all, const char *path)
{
    struct stat info;
    struct inputs files;
    bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    if (!is_folder && path[0] != '@') {
        return false;
    }
    inputs_init(&files);
    bool is_listed = inputs_add(&files, path);
    if (is_listed) {
        check_files(all, &files);
    }
    inputs_fini(&files);
    return is_listed;
}

static void print_result(const struct verification *all, uint64_t wall_ns)
{
    uint64_t bad = all->damaged + all->failed;
    if (all->options->json) {
        json_t *object = json_begin("verify");
        json_put_text(object, "dataset", all->options->operands[0]);
        json_put_count(object, "shards", all->shards);
        json_put_count(object, "damaged_shards", all->damaged);
        json_put_count(object, "unreadable_shards", all->failed);
        json_put_count(object, "samples", all->samples);
        json_put_count(object, "bytes", all->bytes);
        json_put_seconds(object, "wall_s", wall_ns);
        json_emit(object);
        return;
    }
    char shards[COUNT_BYTES];
    char size[SIZE_TEXT_BYTES];
    char rate[SIZE_TEXT_BYTES];
    double seconds = (double)(wall_ns + 1) * 1e-9;
    printf("%s %s checked, ", format_count(all->shards, shards),
           all->shards == 1 ? "shard" : "shards");
    if (bad == 0) {
        printf("all whole");
    } else {
        printf("%" PRIu64 " damaged", bad);
    }
    printf(": %s in %.2f s, %s/s\n", size_format(all->bytes, size), seconds,
           amount_format((double)all->bytes / seconds, rate));
}

static int run(const struct options *options)
{
    struct verification all = {.options = options};
    const char *path = options->operands[0];
    struct fg_dataset *dataset;
    struct fg_error err;
    uint64_t start = now_ns();
    enum fg_status status =
        fg_dataset_open(path, &options->loader.dataset_config, &dataset, &err);
    if (status == FG_OK) {
        struct fg_dataset_info info;
        fg_dataset_get_info(dataset, &info);
        progress_start(&all.progress, "verifying", info.stored_bytes);
        check_dataset(&all, dataset);
        fg_dataset_close(dataset);
    } else {
        progress_start(&all.progress, "verifying", 0);
        if (status != FG_ERR_DAMAGED || !check_apart(&all, path)) {
            return complain_error(&err);
        }
    }
    progress_clear();
    print_result(&all, now_ns() - start);
    if (all.damaged > 0) {
        return STATUS_DAMAGED;
    }
    return all.failed > 0 ? STATUS_FAILED : STATUS_DONE;
}

const struct command verify_command = {
    .name = "verify",
    .synopsis = "[OPTION]... DATASET",
    .summary = "read everything and check every checksum",
    .story =
        "Reads every shard of a dataset and checks its header, its index and "
        "every block's checksum. Each damaged shard is named on stderr with "
        "the byte where the damage was found; the rest is still checked. The "
        "exit status is 0 when all is whole and 3 when anything is damaged.",
    .examples = "  feedgpu verify /data/train\n"
                "  feedgpu verify --json shards\n",
    .operands_min = 1,
    .operands_max = 1,
    .operand = "DATASET",
    .groups = {&dataset_group, &general_group},
    .run = run,
};
