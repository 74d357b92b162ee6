/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu info: what a dataset is, from its headers alone. */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "report.h"
#include "size.h"
#include "tables.h"

static void print_size(const char *label, uint64_t bytes)
{
    char count[COUNT_BYTES];
    char size[SIZE_TEXT_BYTES];
    printf("%-10s %s bytes", label, format_count(bytes, count));
    if (bytes >= 1024) {
        printf(" (%s)", size_format(bytes, size));
    }
    putchar('\n');
}

static void print_fields(const struct fg_dataset_info *info)
{
    char shape[SHAPE_BYTES];
    char bytes[COUNT_BYTES];
    printf("\n%-16s %-10s %-24s %s\n", "field", "type", "shape", "bytes");
    for (uint32_t i = 0; i < info->field_count; i++) {
        const struct fg_field *field = &info->fields[i];
        printf("%-16s %-10s %-24s %s%s\n", field->name,
               fg_dtype_name(field->dtype), format_shape(field, shape),
               field->flags & FG_FIELD_VARIABLE ? "up to " : "",
               format_count(field->max_bytes, bytes));
    }
}

static void print_text(const char *path, const struct fg_dataset_info *info)
{
    char count[COUNT_BYTES];
    printf("%-10s %s\n", "dataset", path);
    printf("%-10s %s\n", "format", info->format);
    printf("%-10s %s\n", "shards", format_count(info->shard_count, count));
    printf("%-10s %s\n", "samples", format_count(info->sample_count, count));
    print_size("stored", info->stored_bytes);
    print_size("decoded", info->raw_bytes);
    printf("%-10s %s %s\n", "block", format_count(info->block_samples, count),
           info->block_samples == 1 ? "sample" : "samples");
    printf("%-10s %s\n", "codec", info->codec);
    printf("%-10s %016" PRIx64 "\n", "identity", info->identity);
    print_fields(info);
}

static void print_json(const char *path, const struct fg_dataset_info *info)
{
    char identity[24];
    json_t *object = json_begin("info");
    snprintf(identity, sizeof(identity), "%016" PRIx64, info->identity);
    json_put_text(object, "dataset", path);
    json_put_text(object, "format", info->format);
    json_put_count(object, "shards", info->shard_count);
    json_put_count(object, "samples", info->sample_count);
    json_put_count(object, "stored_bytes", info->stored_bytes);
    json_put_count(object, "raw_bytes", info->raw_bytes);
    json_put_count(object, "block_samples", info->block_samples);
    json_put_text(object, "codec", info->codec);
    json_put_text(object, "identity", identity);
    json_put_fields(object, info->fields, info->field_count);
    json_emit(object);
}

static int run(const struct options *options)
{
    const char *path = options->operands[0];
    struct fg_dataset *dataset;
    struct fg_dataset_info info;
    struct fg_error err;
    if (fg_dataset_open(path, &options->loader.dataset_config, &dataset,
                        &err) != FG_OK) {
        return complain_error(&err);
    }
    fg_dataset_get_info(dataset, &info);
    if (options->json) {
        print_json(path, &info);
    } else {
        print_text(path, &info);
    }
    fg_dataset_close(dataset);
    return STATUS_DONE;
}

const struct command info_command = {
    .name = "info",
    .synopsis = "[OPTION]... DATASET",
    .summary = "say what a dataset is: format, shards, samples, fields",
    .story =
        "Says how a dataset is stored and what one sample of it is made of. "
        "Only headers and indexes are read, so this is quick on any size; "
        "'feedgpu verify' reads everything.",
    .examples = "  feedgpu info /data/train\n"
                "  feedgpu info --record-bytes 150528 'images-*.bin'\n"
                "  feedgpu info --json shards | python3 -m json.tool\n",
    .operands_min = 1,
    .operands_max = 1,
    .operand = "DATASET",
    .groups = {&dataset_group, &general_group},
    .run = run,
};
