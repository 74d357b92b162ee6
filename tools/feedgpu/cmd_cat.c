/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu cat: the samples in the order in which a training run sees them,
 * through the same loader, on the host device.
 *
 * Without --ids the samples' stored bytes follow one another on stdout,
 * without padding. With --ids there is a line for each sample, which says
 * where it came from and has a hash of its bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "json.h"
#include "progress.h"
#include "report.h"
#include "session.h"
#include "signals.h"
#include "tables.h"

#define STDOUT_BUFFER_BYTES (UINT32_C(1) << 18)

struct cat {
    const struct options *options;
    struct fg_loader *loader;
    struct fg_dataset *dataset; /* our own, to locate; the loader's is busy.
                                   NULL without --ids */
    bool is_ids;
    fg_stream stream;
    XXH3_state_t *hash;
    struct progress progress;
    uint64_t bytes; /* of the samples so far */
};

/* One field of one sample: its stored bytes. */
static uint64_t field_bytes(const struct fg_batch_field *field, uint32_t i)
{
    return field->lengths_bytes != NULL ? field->lengths_bytes[i]
                                        : field->field->max_bytes;
}

static const unsigned char *field_data(const struct fg_batch_field *field,
                                       uint32_t i)
{
    return (const unsigned char *)field->data + field->stride_bytes * i;
}

static bool put_sample(const struct fg_batch *batch, uint32_t i)
{
    for (uint32_t f = 0; f < batch->field_count; f++) {
        const struct fg_batch_field *field = &batch->fields[f];
        if (!put_bytes(field_data(field, i), field_bytes(field, i))) {
            return false;
        }
    }
    return true;
}

static uint64_t hash_sample(struct cat *cat, const struct fg_batch *batch,
                            uint32_t i, uint64_t *length_bytes)
{
    *length_bytes = 0;
    XXH3_64bits_reset(cat->hash);
    for (uint32_t f = 0; f < batch->field_count; f++) {
        const struct fg_batch_field *field = &batch->fields[f];
        XXH3_64bits_update(cat->hash, field_data(field, i),
                           field_bytes(field, i));
        *length_bytes += field_bytes(field, i);
    }
    return XXH3_64bits_digest(cat->hash);
}

static void put_json_id(const struct fg_batch *batch, uint32_t i,
                        const struct fg_sample_place *place, uint64_t length,
                        uint64_t hash)
{
    char text[24];
    json_t *object = json_begin("sample");
    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    json_put_count(object, "epoch", batch->epoch);
    json_put_count(object, "step", batch->step);
    json_put_count(object, "slot", i);
    json_put_count(object, "global_index", batch->sample_indices[i]);
    json_put_text(object, "shard_name", base_name(place->shard_path));
    json_put_count(object, "index_in_shard", place->index_in_shard);
    json_put_count(object, "length", length);
    json_put_text(object, "xxh3_64", text);
    json_emit(object);
}

static int put_id(struct cat *cat, const struct fg_batch *batch, uint32_t i)
{
    struct fg_sample_place place;
    struct fg_error err;
    uint64_t length;
    uint64_t hash = hash_sample(cat, batch, i, &length);
    if (fg_dataset_locate(cat->dataset, batch->sample_indices[i], &place,
                          &err) != FG_OK) {
        return complain_error(&err);
    }
    if (cat->options->json) {
        put_json_id(batch, i, &place, length, hash);
        return STATUS_DONE;
    }
    put_format("%" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu64 " %s %" PRIu64
               " %" PRIu64 " %016" PRIx64 "\n",
               batch->epoch, batch->step, i, batch->sample_indices[i],
               base_name(place.shard_path), place.index_in_shard, length, hash);
    return STATUS_DONE;
}

/* All samples of a batch. Ends early, with DONE, when stdout is broken. */
static int put_batch(struct cat *cat, const struct fg_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        if (cat->is_ids) {
            int status = put_id(cat, batch, i);
            if (status != STATUS_DONE) {
                return status;
            }
        } else if (!put_sample(batch, i)) {
            return STATUS_DONE;
        }
    }
    cat->bytes += batch->payload_bytes;
    progress_update(&cat->progress, now_ns(), cat->bytes);
    return STATUS_DONE;
}

static int copy_all(struct cat *cat)
{
    struct fg_batch batch;
    struct fg_error err;
    int status = STATUS_DONE;
    while (status == STATUS_DONE && !is_stdout_broken()) {
        enum fg_status got =
            fg_loader_acquire(cat->loader, cat->stream, &batch, &err);
        if (got == FG_END) {
            break;
        }
        if (got == FG_ERR_CANCELLED) {
            return status_of_signal();
        }
        if (got != FG_OK) {
            return complain_error(&err);
        }
        status = put_batch(cat, &batch);
        fg_loader_release(cat->loader, &batch, cat->stream);
    }
    if (status == STATUS_DONE && flush_stdout() &&
        !session_save_state(cat->options, cat->loader)) {
        status = STATUS_FAILED;
    }
    return status;
}

/* What cat needs beside the loader: a stream, a dataset and a hash. */
static int open_rest(struct cat *cat)
{
    struct fg_error err;
    cat->hash = XXH3_createState();
    if (cat->hash == NULL) {
        complain("out of memory");
        return STATUS_FAILED;
    }
    if (cat->is_ids && fg_dataset_open(cat->options->operands[0],
                                       &cat->options->loader.dataset_config,
                                       &cat->dataset, &err) != FG_OK) {
        return complain_error(&err);
    }
    if (fg_stream_open(fg_loader_device(cat->loader), &cat->stream, &err) !=
        FG_OK) {
        return complain_error(&err);
    }
    return STATUS_DONE;
}

static int run(const struct options *options)
{
    struct options host = *options;
    struct cat cat = {.options = options,
                      .is_ids = options->ids || options->json};
    host.loader.device = "host";
    int status = session_open(&host, NULL, &cat.loader);
    if (status != STATUS_DONE) {
        return status;
    }
    setvbuf(stdout, NULL, _IOFBF, STDOUT_BUFFER_BYTES);
    progress_start(&cat.progress, "writing", 0);
    status = open_rest(&cat);
    if (status == STATUS_DONE) {
        status = copy_all(&cat);
    }
    progress_clear();
    if (cat.stream != NULL) {
        fg_stream_close(fg_loader_device(cat.loader), cat.stream);
    }
    fg_dataset_close(cat.dataset);
    XXH3_freeState(cat.hash);
    session_close(cat.loader);
    return status;
}

#define AT(member) offsetof(struct options, member)

static const struct option cat_options[] = {
    {"ids", 0, OPTION_FLAG, AT(ids), NULL, 0, 0, NULL,
     "a line per sample instead of its bytes (with --json: an object)"},
};

static const struct option_group cat_group = {"Output", cat_options, 1};

const struct command cat_command = {
    .name = "cat",
    .synopsis = "[OPTION]... DATASET",
    .summary = "write samples in the order a training run sees them",
    .story =
        "Runs the loader and writes each sample's stored bytes to stdout, one "
        "after another, in exactly the order in which a training run with the "
        "same options would get them. With --ids it writes a line per sample "
        "instead:\n\n  epoch step slot global_index shard_name index_in_shard "
        "length xxh3_64\n\nwhere slot is the position in the batch and "
        "xxh3_64 a hash of the bytes. The order depends on the dataset, the "
        "seed, the shuffle, the batch size and the ranks; never on threads, "
        "queue depth or the engine.",
    .examples =
        "  feedgpu cat --ids --shuffle block --seed 7 --steps 2 shards\n"
        "  feedgpu cat --record-bytes 2048 tokens.bin | sha256sum\n"
        "  feedgpu cat --ids --rank 1 --world-size 4 --batch-size 64 shards\n",
    .operands_min = 1,
    .operands_max = 1,
    .operand = "DATASET",
    .groups = {&cat_group, &dataset_group, &order_group, &engine_group,
               &general_group},
    .run = run,
};
