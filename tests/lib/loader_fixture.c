/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/loader_fixture.h"

#include <signal.h>

#include "runtime/base/math.h"

#define ORDER_BLOCK_BYTES FGI_MIB(1) /* raw: part of the order's definition */

char fixture_case[256] = "no case";

static void start_source(struct source *source, const char *path,
                         uint32_t fields)
{
    memset(source, 0, sizeof(*source));
    snprintf(source->path, sizeof(source->path), "%s", path);
    fg_dataset_config_init(&source->config);
    source->fields = fields;
    fresh_folder(path);
}

/* Take one more field in. */
static void append(struct source *source, uint64_t number, const void *data,
                   uint64_t bytes)
{
    uint64_t start = number == 0 ? 0 : source->starts[number];

    if (start + bytes >= source->data_room) {
        source->data_room = 2 * (start + bytes) + 4096;
        source->data = realloc(source->data, source->data_room);
    }
    if (number + 2 > source->starts_room) {
        source->starts_room = 2 * number + 64;
        source->starts =
            realloc(source->starts, source->starts_room * sizeof(uint64_t));
    }
    assert_true(source->data != NULL && source->starts != NULL);
    memcpy(source->data + start, data, bytes);
    source->starts[number] = start;
    source->starts[number + 1] = start + bytes;
}

static void make_raw_file(struct source *source, const struct raw_shape *shape,
                          const char *name, uint64_t count)
{
    uint64_t stride =
        shape->stride_bytes != 0 ? shape->stride_bytes : shape->record_bytes;
    uint64_t bytes =
        shape->header_bytes + (count - 1) * stride + shape->record_bytes;
    uint8_t *data = malloc(bytes);
    uint64_t word = 0;

    assert_non_null(data);
    for (uint64_t i = 0; i < bytes; i++) {
        if (i % 8 == 0) {
            word = mix(source->samples + 77, i);
        }
        data[i] = (uint8_t)(word >> (8 * (i % 8)));
    }
    write_file(name, data, bytes);
    for (uint64_t i = 0; i < count; i++) {
        append(source, source->samples + i,
               data + shape->header_bytes + i * stride, shape->record_bytes);
    }
    source->samples += count;
    free(data);
}

void source_make_raw(struct source *source, const char *path,
                     const struct raw_shape *shape)
{
    start_source(source, path, 1);
    source->config.format = "raw";
    source->config.record_bytes = shape->record_bytes;
    source->config.stride_bytes = shape->stride_bytes;
    source->config.header_bytes = shape->header_bytes;
    for (int f = 0; shape->counts[f] != 0; f++) {
        char name[96];

        snprintf(name, sizeof(name), "%s/part-%02d.bin", path, f);
        make_raw_file(source, shape, name, shape->counts[f]);
    }
    source->average_bytes = shape->record_bytes;
    source->block_samples = fgi_max(ORDER_BLOCK_BYTES / shape->record_bytes, 1);
}

void source_make_shards(struct source *source, const char *path,
                        const struct model *model, const uint64_t *counts)
{
    struct model one = *model;

    start_source(source, path, model->schema.count);
    source->config.format = "shard";
    for (uint64_t f = 0; counts[f] != 0; f++) {
        char name[96];

        snprintf(name, sizeof(name), "%s/shard-%02d.fgs", path, (int)f);
        one.seed = model->seed + 1000 * f;
        one.samples = counts[f];
        model_must_write(&one, name);
        for (uint64_t i = 0; i < one.samples; i++) {
            uint64_t lengths[FG_FIELDS_MAX];
            const void *fields[FG_FIELDS_MAX];
            uint8_t *data = model_sample(&one, i, lengths, fields);

            for (uint32_t k = 0; k < source->fields; k++) {
                append(source, (source->samples + i) * source->fields + k,
                       fields[k], lengths[k]);
            }
            free(data);
        }
        source->samples += one.samples;
    }
    source->block_samples = model->block_samples;
    source->average_bytes = fgi_max(
        source->starts[source->samples * source->fields] / source->samples, 1);
}

void source_fini(struct source *source)
{
    free(source->data);
    free(source->starts);
    memset(source, 0, sizeof(*source));
}

struct fg_loader_config source_config(const struct source *source)
{
    struct fg_loader_config config;

    fg_loader_config_init(&config);
    config.dataset = source->path;
    config.dataset_config = source->config;
    config.device = "host";
    config.batch_size = 32;
    config.inflight_bytes = FGI_MIB(1);
    config.threads = 2;
    return config;
}

struct fg_loader *must_open(const struct fg_loader_config *config)
{
    struct fg_loader *loader;
    struct fg_error err;

    if (fg_loader_open(config, &loader, &err) != FG_OK) {
        fail_msg("%s: open: %s", fixture_case, err.message);
    }
    return loader;
}

void must_acquire(struct fg_loader *loader, fg_stream stream,
                  struct fg_batch *batch)
{
    struct fg_error err;
    enum fg_status status = fg_loader_acquire(loader, stream, batch, &err);

    if (status == FG_END) {
        fail_msg("%s: acquire: it has ended", fixture_case);
    }
    if (status != FG_OK) {
        fail_msg("%s: acquire: %s", fixture_case, err.message);
    }
}

void must_fail(struct fg_loader *loader, enum fg_status status,
               const char *message)
{
    struct fg_batch batch;
    struct fg_error err;
    enum fg_status got = fg_loader_acquire(loader, NULL, &batch, &err);

    if (got == FG_OK || got == FG_END) {
        fail_msg("%s: acquire: got %s", fixture_case, fg_status_name(got));
    }
    assert_string_equal(err.message, message);
    assert_int_equal(got, status);
    assert_int_equal(err.status, status);
}

void source_order(const struct source *source,
                  const struct fg_loader_config *config,
                  struct fgi_order *order)
{
    uint64_t window_bytes =
        config->window_bytes != 0 ? config->window_bytes : FGI_MIB(128);
    uint64_t block_bytes = source->block_samples * source->average_bytes;

    fgi_order_init(order, config->shuffle, config->seed, source->samples,
                   source->block_samples,
                   fgi_max(window_bytes / block_bytes, 1));
}

uint64_t source_steps(const struct source *source,
                      const struct fg_loader_config *config)
{
    uint64_t global = (uint64_t)config->batch_size * config->world_size;

    if (config->remainder == FG_REMAINDER_PAD) {
        return fgi_ceil_div(source->samples, global);
    }
    if (global > source->samples) {
        return 0;
    }
    return config->remainder == FG_REMAINDER_DROP
               ? source->samples / global
               : fgi_ceil_div(source->samples, global);
}

uint32_t source_ids(const struct fgi_order *order,
                    const struct fg_loader_config *config, uint64_t epoch,
                    uint64_t step, uint64_t *ids)
{
    uint64_t global = (uint64_t)config->batch_size * config->world_size;
    uint64_t at = step * global + (uint64_t)config->rank * config->batch_size;
    struct fgi_order_epoch keys;
    uint32_t count = 0;

    fgi_order_epoch_init(&keys, order, epoch);
    for (uint32_t i = 0; i < config->batch_size; i++) {
        if (config->remainder == FG_REMAINDER_WRAP) {
            ids[count++] =
                fgi_order_sample(&keys, (at + i) % order->sample_count);
        } else if (at + i < order->sample_count) {
            ids[count++] = fgi_order_sample(&keys, at + i);
        }
    }
    return count;
}

static bool is_zero(const uint8_t *data, uint64_t bytes)
{
    return bytes == 0 ||
           (data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0);
}

static void must_match_field(const struct source *source,
                             const struct fg_batch *batch, uint32_t k,
                             const uint8_t *slot, const uint64_t *ids)
{
    const struct fg_batch_field *field = &batch->fields[k];
    const uint8_t *data =
        slot + ((uint8_t *)field->data - (uint8_t *)batch->data);
    bool is_variable = (field->field->flags & FG_FIELD_VARIABLE) != 0;
    const uint8_t *lengths = NULL;

    check((field->lengths_bytes != NULL) == is_variable);
    check(field->stride_bytes == field->field->max_bytes);
    if (is_variable) {
        lengths =
            slot + ((uint8_t *)field->lengths_bytes - (uint8_t *)batch->data);
    }
    for (uint32_t i = 0; i < batch->capacity; i++) {
        const uint8_t *place = data + i * field->stride_bytes;
        uint32_t length32;
        uint64_t length = 0;

        if (i < batch->count) {
            const uint64_t *start =
                &source->starts[ids[i] * source->fields + k];

            length = start[1] - start[0];
            check(memcmp(place, source->data + start[0], length) == 0);
        }
        check(is_zero(place + length, field->stride_bytes - length));
        if (is_variable) {
            memcpy(&length32, lengths + i * sizeof(length32), sizeof(length32));
            check(length32 == length);
        }
    }
}

void source_must_match(const struct source *source,
                       const struct fg_batch *batch, const uint8_t *slot,
                       const uint64_t *ids, uint32_t count)
{
    uint64_t payload = 0;

    check(batch->count == count);
    check(batch->field_count == source->fields);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t *start = &source->starts[ids[i] * source->fields];
        uint64_t length = start[source->fields] - start[0];

        check(batch->sample_indices[i] == ids[i]);
        check(batch->sample_lengths[i] == length);
        payload += length;
    }
    check(batch->payload_bytes == payload);
    for (uint32_t k = 0; k < source->fields; k++) {
        must_match_field(source, batch, k, slot, ids);
    }
}

uint64_t source_must_run(const struct source *source,
                         const struct fg_loader_config *config,
                         struct fg_loader *loader)
{
    uint64_t *ids = calloc(config->batch_size, sizeof(*ids));
    struct fgi_order order;
    struct fg_batch batch;
    uint64_t batches = 0;

    assert_non_null(ids);
    source_order(source, config, &order);
    while (fg_loader_acquire(loader, NULL, &batch, NULL) == FG_OK) {
        uint32_t count =
            source_ids(&order, config, batch.epoch, batch.step, ids);

        check(batch.sequence == batches);
        source_must_match(source, &batch, batch.data, ids, count);
        fg_loader_release(loader, &batch, NULL);
        batches++;
    }
    check(fg_loader_acquire(loader, NULL, &batch, NULL) == FG_END);
    free(ids);
    return batches;
}

static void out_of_time(int number)
{
    static const char text[] = "hangs: ";

    (void)number;
    if (write(2, text, sizeof(text) - 1) < 0 ||
        write(2, fixture_case, strlen(fixture_case)) < 0 ||
        write(2, "\n", 1) < 0) {
        _exit(125);
    }
    abort();
}

void fixture_watch(unsigned seconds)
{
    signal(SIGALRM, out_of_time);
    alarm(seconds);
}

uint64_t fixture_seed(void)
{
    const char *text = getenv("FEEDGPU_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20260101;

    print_message("FEEDGPU_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}
