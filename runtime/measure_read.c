/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files as the loader does: 1 MiB at a time, many reads under way, by
 * the engine that works here, past the page cache where that can be had.
 *
 * The files are cut into pieces. In sequence, each round goes on where the
 * last one stopped and begins again at the end; at random, pieces of all files
 * come in an order that is the same in each run. A round ends when its bytes
 * are asked for or its time is over, and counts until the last of its reads is
 * back. A read that fails ends the measurement; the engine waits for the
 * others before their memory goes.
 */
#include <string.h>

#include "io/engine.h"
#include "io/file.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/measure.h"

#define PIECE_BYTES FGI_MIB(1)
#define DEPTH 64u
#define ROUND_BYTES_DEFAULT FGI_GIB(1)
#define WAIT_NS (10 * FGI_NS_PER_MS)
#define SEED UINT64_C(0x9e3779b97f4a7c15)

struct input {
    struct fgi_file file;
    const char *path;     /* borrowed */
    uint64_t first_piece; /* of all pieces, in the files' order */
};

struct reading {
    struct fg_measure_config config;
    enum fg_measure_order order;
    struct input *inputs;      /* owned */
    uint32_t opened;           /* entries of inputs whose file is open */
    bool is_in_memory;         /* some are (tmpfs) */
    bool is_direct;            /* all of them are */
    struct fgi_block block;    /* owned: DEPTH pieces */
    struct fgi_engine *engine; /* owned */
    uint64_t piece_count;      /* of all files */
    uint64_t next_piece;       /* in sequence */
    uint64_t random;           /* state of the generator, never 0 */
    struct fgi_read reads[DEPTH];
    uint32_t idle[DEPTH]; /* indexes of reads that are not under way */
    uint32_t idle_count;
};

/* With O_DIRECT where the file system has it. */
static enum fg_status open_one(struct reading *reading, struct input *input,
                               struct fg_error *err)
{
    enum fg_status status =
        fgi_file_open(input->path, FGI_DIRECT_ON, &input->file, err);

    if (status == FG_ERR_UNSUPPORTED) {
        status = fgi_file_open(input->path, FGI_DIRECT_OFF, &input->file, err);
    }
    if (status != FG_OK) {
        fgi_prefix(err, "measure");
        return status;
    }
    reading->opened++;
    reading->is_direct = reading->is_direct && input->file.is_direct;
    reading->is_in_memory = reading->is_in_memory || input->file.is_tmpfs;
    input->first_piece = reading->piece_count;
    reading->piece_count += fgi_ceil_div(input->file.size_bytes, PIECE_BYTES);
    return FG_OK;
}

static enum fg_status open_inputs(struct reading *reading,
                                  const char *const *paths, uint32_t count,
                                  struct fg_error *err)
{
    if (count == 0 || count > FG_MEASURE_FILES_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: files: got %u, wanted 1 to %u", count,
                        FG_MEASURE_FILES_MAX);
    }
    reading->inputs = fgi_alloc(count, sizeof(*reading->inputs));
    if (reading->inputs == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "measure: %u files: got no memory",
                        count);
    }
    reading->is_direct = true;
    for (uint32_t i = 0; i < count; i++) {
        enum fg_status status;

        reading->inputs[i].path = paths[i];
        status = open_one(reading, &reading->inputs[i], err);
        if (status != FG_OK) {
            return status;
        }
    }
    if (reading->piece_count == 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "measure: %s: got 0 bytes, wanted some to read",
                        paths[0]);
    }
    return FG_OK;
}

static enum fg_status open_engine(struct reading *reading, struct fg_error *err)
{
    struct fgi_region region;
    struct fgi_engine_config config = {
        .depth = DEPTH, .node = -1, .region_count = 1, .regions = &region};
    enum fg_status status =
        fgi_block_map(&reading->block, DEPTH * PIECE_BYTES, -1, err);

    if (status == FG_OK) {
        region.base = reading->block.base;
        region.bytes = reading->block.bytes;
        status = fgi_engine_create("auto", &config, reading->inputs[0].file.fd,
                                   &reading->engine, NULL, 0, err);
    }
    if (status != FG_OK) {
        fgi_prefix(err, "measure");
    }
    for (uint32_t i = 0; i < DEPTH; i++) {
        reading->idle[i] = i;
    }
    reading->idle_count = DEPTH;
    return status;
}

/* The engine first: reads may still be under way. */
static void close_reading(struct reading *reading)
{
    if (reading->engine != NULL) {
        reading->engine->ops->destroy(reading->engine);
    }
    fgi_block_unmap(&reading->block);
    for (uint32_t i = 0; i < reading->opened; i++) {
        fgi_file_close(&reading->inputs[i].file);
    }
    fgi_free(reading->inputs);
    fgi_free(reading);
}

/* xorshift64*: good enough to leave no order. */
static uint64_t draw(struct reading *reading)
{
    reading->random ^= reading->random >> 12;
    reading->random ^= reading->random << 25;
    reading->random ^= reading->random >> 27;
    return reading->random * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t choose_piece(struct reading *reading)
{
    if (reading->order == FG_MEASURE_RANDOM) {
        return draw(reading) % reading->piece_count;
    }
    reading->next_piece %= reading->piece_count;
    return reading->next_piece++;
}

/* The input that a piece is of: the last that does not begin behind it. */
static const struct input *input_of(const struct reading *reading,
                                    uint64_t piece)
{
    uint32_t low = 0;
    uint32_t high = reading->opened;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (reading->inputs[middle].first_piece <= piece) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &reading->inputs[low];
}

/* Submit the next piece. Returns its bytes. */
static uint64_t submit(struct reading *reading)
{
    uint64_t piece = choose_piece(reading);
    const struct input *input = input_of(reading, piece);
    uint32_t index = reading->idle[--reading->idle_count];
    struct fgi_read *read = &reading->reads[index];
    uint64_t offset = (piece - input->first_piece) * PIECE_BYTES;
    uint64_t wanted = fgi_min(PIECE_BYTES, input->file.size_bytes - offset);

    *read = (struct fgi_read){
        .fd = input->file.fd,
        .length_bytes =
            (uint32_t)fgi_align_up(wanted, input->file.offset_align),
        .wanted_bytes = (uint32_t)wanted,
        .align_bytes = input->file.offset_align,
        .offset = offset,
        .buffer = reading->block.base + index * PIECE_BYTES,
        .owner = (void *)(uintptr_t)input,
    };
    reading->engine->ops->submit(reading->engine, read);
    return wanted;
}

/* Take back what is done. Errors: READ. */
static enum fg_status collect(struct reading *reading, struct fg_error *err)
{
    struct fgi_read *done[DEPTH];
    size_t count = reading->engine->ops->wait(reading->engine, done, DEPTH,
                                              fgi_now_ns() + WAIT_NS);
    enum fg_status status = FG_OK;

    for (size_t i = 0; i < count; i++) {
        const struct fgi_read *read = done[i];
        const struct input *input = read->owner;

        if (read->error != 0 && status == FG_OK) {
            status = fgi_fail_at(err, FG_ERR_READ, read->offset,
                                 "measure: %s: offset %llu: read: %s",
                                 input->path, (unsigned long long)read->offset,
                                 fgi_read_error_text(read->error));
        }
        reading->idle[reading->idle_count++] =
            (uint32_t)(read - reading->reads);
    }
    return status;
}

static enum fg_status read_round(struct reading *reading, uint64_t *bytes,
                                 uint64_t *duration_ns, struct fg_error *err)
{
    const struct fg_measure_config *config = &reading->config;
    uint64_t start_ns = fgi_now_ns();
    uint64_t asked_bytes = 0;

    do {
        bool is_over = false;
        enum fg_status status;

        while (reading->idle_count > 0 && !is_over) {
            asked_bytes += submit(reading);
            is_over = asked_bytes >= config->bytes ||
                      fgi_now_ns() - start_ns >= config->round_ns;
        }
        status = collect(reading, err);
        if (status == FG_OK) {
            status = fgi_measure_poll(config, err);
        }
        if (status != FG_OK) {
            return status;
        }
    } while (asked_bytes < config->bytes &&
             fgi_now_ns() - start_ns < config->round_ns);
    while (reading->idle_count < DEPTH) {
        enum fg_status status = collect(reading, err);

        if (status == FG_OK) {
            status = fgi_measure_poll(config, err);
        }
        if (status != FG_OK) {
            return status;
        }
    }
    *bytes = asked_bytes;
    *duration_ns = fgi_now_ns() - start_ns;
    return FG_OK;
}

static enum fg_status read_rounds(struct reading *reading, struct fg_rate *rate,
                                  struct fg_error *err)
{
    struct fgi_engine_report report;
    struct fgi_samples samples = {.count = 0};
    uint64_t bytes = 0;
    uint64_t duration_ns = 0;

    for (uint32_t i = 0; i < reading->config.rounds; i++) {
        enum fg_status status = read_round(reading, &bytes, &duration_ns, err);

        if (status != FG_OK) {
            return status;
        }
        fgi_samples_add(&samples, bytes, duration_ns);
    }
    reading->engine->ops->report(reading->engine, &report);
    *rate = (struct fg_rate){
        .bytes = bytes,
        .workers = DEPTH,
        .page_kind = "",
        .verified_by = "nothing",
        .engine = report.name,
        .flags = (reading->is_direct ? FG_RATE_DIRECT : 0) |
                 (reading->is_in_memory ? FG_RATE_MEMORY : 0),
    };
    fgi_samples_sum_up(&samples, rate);
    return FG_OK;
}

enum fg_status fg_measure_read(const char *const *paths, uint32_t path_count,
                               enum fg_measure_order order,
                               const struct fg_measure_config *config,
                               struct fg_rate *rate, struct fg_error *err)
{
    struct reading *reading = fgi_alloc(1, sizeof(*reading));
    enum fg_status status;

    if (reading == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "measure: files: got no memory");
    }
    reading->order = order;
    reading->random = SEED;
    status = fgi_measure_config_read(config, &reading->config, err);
    if (status == FG_OK && reading->config.bytes == 0) {
        reading->config.bytes = ROUND_BYTES_DEFAULT;
    }
    if (status == FG_OK) {
        status = open_inputs(reading, paths, path_count, err);
    }
    if (status == FG_OK) {
        status = open_engine(reading, err);
    }
    if (status == FG_OK) {
        status = read_rounds(reading, rate, err);
    }
    close_reading(reading);
    return status;
}
