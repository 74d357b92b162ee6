/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu pack: makes shards out of files or of other shards. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "pack.h"
#include "report.h"
#include "signals.h"
#include "size.h"
#include "tables.h"

static bool fail_usage(const char *text)
{
    complain("pack: %s", text);
    complain("try 'feedgpu help pack'");
    return false;
}

/* What one row of the table alone cannot tell. */
static bool check_usage(const struct options *options)
{
    const struct fg_dataset_config *config = &options->loader.dataset_config;
    const struct pack_options *pack = &options->pack;
    if (pack->output == NULL) {
        return fail_usage("-o DIR: needed: where to put the shards");
    }
    if (config->record_bytes == 0 && config->stride_bytes != 0) {
        return fail_usage("--stride-bytes: needs --record-bytes");
    }
    if (config->record_bytes == 0 && pack->join) {
        return fail_usage("--join: needs --record-bytes, the size of a sample");
    }
    if (config->record_bytes == 0 && pack->tail != TAIL_AUTO) {
        return fail_usage("--tail: needs --record-bytes");
    }
    if (!pack->join && pack->separator != NO_SEPARATOR) {
        return fail_usage("--separator: needs --join");
    }
    return true;
}

static uint32_t thread_count(const struct pack_options *pack)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (pack->threads > 0) {
        return pack->threads;
    }
    return cores > 0 ? (uint32_t)cores : 1;
}

/* Sum of the shards' file sizes, once they are in place. */
static uint64_t stored_bytes(const struct pack_output *output, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        char *path = pack_output_path(output, i);
        struct stat info;
        if (path != NULL && stat(path, &info) == 0) {
            bytes += (uint64_t)info.st_size;
        }
        free(path);
    }
    return bytes;
}

struct summary {
    uint64_t samples;
    uint64_t bytes;         /* of the samples */
    uint64_t stored_bytes;  /* of the shards */
    uint64_t dropped_bytes; /* left out: --tail drop */
    size_t shards;
    uint64_t wall_ns;
};

static void print_json(const struct options *options,
                       const struct pack_source *source,
                       const struct summary *sum)
{
    json_t *object = json_begin("pack");
    json_put_text(object, "output", options->pack.output);
    json_put_count(object, "samples", sum->samples);
    json_put_count(object, "bytes", sum->bytes);
    json_put_count(object, "stored_bytes", sum->stored_bytes);
    json_put_count(object, "dropped_bytes", sum->dropped_bytes);
    json_put_count(object, "shards", sum->shards);
    json_put_real(object, "ratio",
                  (double)sum->bytes / (double)sum->stored_bytes);
    json_put_seconds(object, "wall_s", sum->wall_ns);
    json_put_real(object, "bytes_per_s",
                  (double)sum->bytes * 1e9 / (double)sum->wall_ns);
    json_put_fields(object, source->fields, source->field_count);
    json_emit(object);
}

static void print_text(const struct options *options, const struct summary *sum)
{
    char samples[COUNT_BYTES];
    char dropped[COUNT_BYTES];
    char size[SIZE_TEXT_BYTES];
    char stored[SIZE_TEXT_BYTES];
    char rate[SIZE_TEXT_BYTES];
    double seconds = (double)sum->wall_ns * 1e-9;
    printf("packed %s %s of %s into %zu %s of %s in %s\n",
           format_count(sum->samples, samples),
           sum->samples == 1 ? "sample" : "samples",
           size_format(sum->bytes, size), sum->shards,
           sum->shards == 1 ? "shard" : "shards",
           size_format(sum->stored_bytes, stored), options->pack.output);
    if (sum->dropped_bytes > 0) {
        printf("left out %s bytes that fill no record\n",
               format_count(sum->dropped_bytes, dropped));
    }
    printf("ratio %.2f, %.2f s, %s/s\n",
           (double)sum->bytes / (double)sum->stored_bytes, seconds,
           amount_format((double)sum->bytes / seconds, rate));
}

/* Write the shards of a plan and put them in place. */
static int write_all(const struct options *options, struct pack_source *source,
                     const struct pack_plan *plan, struct summary *sum)
{
    struct pack_output output;
    struct pack_job job = {
        .options = options, .source = source, .plan = plan, .output = &output};
    int status = STATUS_FAILED;
    if (pack_output_init(&output, options->pack.output, options->pack.force)) {
        status = pack_run(&job, thread_count(&options->pack));
    }
    if (status == STATUS_DONE) {
        sum->stored_bytes = stored_bytes(&output, plan->count);
        if (!pack_output_commit(&output, plan->count)) {
            status = STATUS_FAILED;
        }
    }
    pack_output_fini(&output);
    return status;
}

static int pack_samples(const struct options *options,
                        struct pack_source *source)
{
    struct summary sum = {.samples = source->sample_count,
                          .dropped_bytes = source->dropped_bytes};
    struct pack_plan plan;
    uint64_t start = now_ns();
    if (source->sample_count == 0 || source->fields[0].max_bytes == 0) {
        complain("pack: the inputs hold no sample: nothing to pack");
        return STATUS_FAILED;
    }
    int status = STATUS_FAILED;
    if (pack_plan_init(&plan, source, options->pack.shard_bytes,
                       options->pack.block_samples)) {
        status = write_all(options, source, &plan, &sum);
    }
    sum.bytes = plan.bytes;
    sum.shards = plan.count;
    sum.wall_ns = now_ns() - start + 1;
    pack_plan_fini(&plan);
    if (status == STATUS_DONE && options->json) {
        print_json(options, source, &sum);
    } else if (status == STATUS_DONE) {
        print_text(options, &sum);
    }
    return status;
}

static int run(const struct options *options)
{
    struct inputs inputs;
    struct pack_source source;
    int status = STATUS_FAILED;
    if (!check_usage(options)) {
        return STATUS_USAGE;
    }
    memset(&source, 0, sizeof(source));
    inputs_init(&inputs);
    bool is_listed = true;
    for (int i = 0; is_listed && i < options->operand_count; i++) {
        is_listed = inputs_add(&inputs, options->operands[i]);
    }
    if (is_listed && pack_source_init(&source, options, &inputs)) {
        status = pack_samples(options, &source);
    }
    pack_source_fini(&source);
    inputs_fini(&inputs);
    return status;
}

#define AT(member) offsetof(struct options, member)
#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct option sample_options[] = {
    {"record-bytes", 0, OPTION_U64, AT(loader.dataset_config.record_bytes), "N",
     1, 0, "a file is a sample", "a sample is N bytes of a file"},
    {"stride-bytes", 0, OPTION_U64, AT(loader.dataset_config.stride_bytes), "N",
     1, 0, "as --record-bytes",
     "from the start of one sample to the next; smaller than the record, the "
     "samples overlap"},
    {"join", 0, OPTION_FLAG, AT(pack.join), NULL, 0, 0, NULL,
     "cut the records out of all inputs as one long stream, across files"},
    {"separator", 0, OPTION_BYTE, AT(pack.separator), "BYTE", 0, 0, "none",
     "with --join: a byte (0 to 255) after each file"},
    {"tail", 0, OPTION_CHOICE, AT(pack.tail), "auto|fail|drop", 0, 0, NULL,
     "what to do with last bytes that fill no record; auto: fail, but drop "
     "with --join"},
    {"dtype", 0, OPTION_DTYPE, AT(loader.dataset_config.dtype), "TYPE", 0, 0,
     NULL, "element type, such as uint16 or float32"},
};

static const struct option output_options[] = {
    {"output", 'o', OPTION_TEXT, AT(pack.output), "DIR", 0, 0, NULL,
     "folder for the shards, made if missing; must be empty without --force"},
    {"force", 'f', OPTION_FLAG, AT(pack.force), NULL, 0, 0, NULL,
     "replace the shards in the folder, once the new ones are complete"},
    {"shard-bytes", 0, OPTION_SIZE, AT(pack.shard_bytes), "SIZE", 1, 0, NULL,
     "most sample bytes in a shard, which ends with a whole block"},
    {"block-samples", 0, OPTION_U64, AT(pack.block_samples), "N", 1, 0,
     "about 1 MiB of them", "samples that are stored and checked together"},
    {"zstd", 0, OPTION_U32, AT(pack.zstd_level), "LEVEL", 0, 19,
     "0, not compressed", "compress blocks with zstd, 1 (fast) to 19 (small)"},
    {"threads", 0, OPTION_U32, AT(pack.threads), "N", 1, 1024, "one per core",
     "shards that are written at once; the result is the same for any number"},
};

static const struct option_group sample_group = {"What a sample is",
                                                 ROWS(sample_options)};
static const struct option_group output_group = {"What is written",
                                                 ROWS(output_options)};

const struct command pack_command = {
    .name = "pack",
    .synopsis = "-o DIR [OPTION]... INPUT...",
    .summary = "make shards out of files",
    .story =
        "Turns files into feedgpu's own shards, shard-00000.fgs and so on, "
        "which open in milliseconds, carry checksums and can be compressed. An "
        "INPUT is a file, a folder (all files below it, sorted by name), or "
        "@LIST: a text file with one path per line.\n\n"
        "Without further options each file is one sample of its own length. "
        "--record-bytes cuts files into samples of one size; with --join all "
        "inputs are one stream first, which is how text becomes training "
        "windows. Inputs that are shards (.fgs) are packed again, with their "
        "fields, for another shard size, block size or compression.\n\n"
        "Nothing is overwritten without --force, and nothing appears in DIR "
        "before all of it is complete.",
    .examples =
        "  feedgpu pack -o shards photos/\n"
        "  feedgpu pack -o shards --record-bytes 150528 images.bin\n"
        "  feedgpu pack -o shards --join --separator 0 --record-bytes 2049 \\\n"
        "      --stride-bytes 2048 texts/\n"
        "  feedgpu pack -o smaller --zstd 3 shards\n",
    .operands_min = 1,
    .operands_max = INT32_MAX,
    .operand = "INPUT",
    .groups = {&sample_group, &output_group, &general_group},
    .run = run,
};
