/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes out of the loader is what is in the dataset, in the order that
 * the order says, for random combinations of everything that may be set. A
 * failing case names its seed; FEEDGPU_TEST_SEED runs that seed.
 */
#include "tests/lib/loader_fixture.h"

#include "runtime/base/math.h"
#include "runtime/loader.h"

#define CASES 300
#define BATCHES_MAX 150
#define SLOT_MEMORY FGI_MIB(48)
#define HELD_MAX 3

static struct source sources[16];
static uint32_t source_count;
static struct fg_device *emulated;
static fg_stream stream;
static bool can_direct = true;

static void add_raw(uint64_t record, uint64_t stride, uint64_t header,
                    const uint64_t *counts)
{
    struct raw_shape shape = {record, stride, header, {0}};
    char path[32];

    for (int i = 0; counts[i] != 0; i++) {
        shape.counts[i] = counts[i];
    }
    snprintf(path, sizeof(path), "content-%u", source_count);
    source_make_raw(&sources[source_count++], path, &shape);
}

static void add_shards(struct model *model, const uint64_t *counts)
{
    char path[32];

    snprintf(path, sizeof(path), "content-%u", source_count);
    model->seed = 500 + source_count;
    source_make_shards(&sources[source_count++], path, model, counts);
}

static struct model model_of(uint64_t block_samples, int32_t zstd_level)
{
    return (struct model){
        .block_samples = block_samples,
        .zstd_level = zstd_level,
    };
}

static void make_shard_sources(void)
{
    struct model model = model_of(16, 0);

    model.schema.count = 3;
    model.schema.fields[0] = field_of("image", FG_UINT8, 700, 0);
    model.schema.fields[1] = field_of("label", FG_INT64, 1, 0);
    model.schema.fields[2] = field_of("box", FG_FLOAT32, 4, 0);
    add_shards(&model, (uint64_t[]){100, 37, 5, 0});
    model.zstd_level = 3;
    add_shards(&model, (uint64_t[]){50, 50, 7, 0});
    model = model_of(10, 0);
    model.schema.count = 2;
    model.schema.fields[0] = field_of("text", FG_UINT8, 900, FG_FIELD_VARIABLE);
    model.schema.fields[1] =
        field_of("marks", FG_UINT16, 30, FG_FIELD_VARIABLE);
    add_shards(&model, (uint64_t[]){64, 1, 90, 3, 0});
    model.zstd_level = 1;
    model.block_samples = 33;
    add_shards(&model, (uint64_t[]){200, 150, 11, 0});
    model = model_of(12, 0);
    model.schema.count = 1;
    model.schema.fields[0] = field_of("page", FG_UINT8, 4096, 0);
    add_shards(&model, (uint64_t[]){30, 30, 4, 0});
}

static int set_up(void **state)
{
    struct fgi_file file;

    (void)state;
    fixture_watch(240);
    add_raw(1, 0, 0, (uint64_t[]){3000, 1, 2000, 0});
    add_raw(512, 0, 0, (uint64_t[]){300, 1, 2, 77, 320, 0});
    add_raw(2048, 0, 0, (uint64_t[]){100, 50, 3, 0});
    add_raw(2049, 2048, 0, (uint64_t[]){300, 1, 99, 0});
    add_raw(150528, 0, 0, (uint64_t[]){5, 1, 7, 0});
    add_raw(5000, 0, 128, (uint64_t[]){60, 1, 1, 30, 0});
    add_raw(100, 4096, 512, (uint64_t[]){40, 25, 0});
    add_raw(700, 300, 4096, (uint64_t[]){400, 0});
    add_raw(4096, 0, 4096, (uint64_t[]){90, 10, 1, 0});
    make_shard_sources();
    if (fgi_file_open("content-1/part-00.bin", FGI_DIRECT_ON, &file, NULL) ==
        FG_OK) {
        fgi_file_close(&file);
    } else {
        can_direct = false;
        print_message("no direct I/O here\n");
    }
    assert_int_equal(
        fg_device_open("emulated:copy=100,latency=0", 0, &emulated, NULL),
        FG_OK);
    assert_int_equal(fg_stream_open(emulated, &stream, NULL), FG_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fg_stream_close(emulated, stream);
    fg_device_close(emulated);
    for (uint32_t i = 0; i < source_count; i++) {
        source_fini(&sources[i]);
    }
    return 0;
}

static uint64_t pick(uint64_t seed, uint64_t which, const uint64_t *from)
{
    uint64_t count = 0;

    while (from[count] != UINT64_MAX) {
        count++;
    }
    return from[mix(seed, which) % count];
}

#define PICK(seed, which, ...)                                                 \
    pick((seed), (which), (const uint64_t[]){__VA_ARGS__, UINT64_MAX})

/* About as many slots as there is memory for, at least four. */
static uint32_t pick_slots(const struct source *source, uint32_t batch_size,
                           uint64_t seed)
{
    uint64_t slot = batch_size * (source->average_bytes + 256) + 4096;
    uint64_t most = fgi_clamp(SLOT_MEMORY / slot, 4, 32);

    return (uint32_t)fgi_min(PICK(seed, 10, 1, 2, 4, 5, 7, 8, 16, 32), most);
}

static struct fg_loader_config pick_config(const struct source *source,
                                           uint64_t seed)
{
    static const char *const engines[] = {"uring", "pread"};
    struct fg_loader_config config = source_config(source);
    uint64_t batch_size =
        PICK(seed, 1, 1, 7, 32, 256, source->samples, source->samples + 3);

    config.batch_size =
        (uint32_t)fgi_min(batch_size, FGI_MIB(12) / source->average_bytes);
    config.shuffle = (enum fg_shuffle)(mix(seed, 2) % 3);
    config.remainder = (enum fg_remainder)(mix(seed, 3) % 3);
    config.seed = mix(seed, 4) % 5;
    config.io = engines[mix(seed, 5) % 2];
    config.threads = (uint32_t)PICK(seed, 6, 1, 2, 4);
    config.direct = (enum fg_choice)(mix(seed, 7) % 3);
    config.read_bytes =
        PICK(seed, 8, 1, 4096, 8192, 65536, FGI_KIB(256), FGI_MIB(1));
    config.inflight_bytes =
        PICK(seed, 9, FGI_KIB(16), FGI_KIB(100), FGI_MIB(1), FGI_MIB(16));
    config.slots = pick_slots(source, config.batch_size, seed);
    config.window_bytes =
        PICK(seed, 11, 1, 4000, FGI_KIB(64), FGI_MIB(1), FGI_MIB(128));
    config.verify = (enum fg_choice)(mix(seed, 12) % 3);
    config.world_size = (uint32_t)PICK(seed, 13, 1, 1, 1, 2, 3);
    config.rank = (uint32_t)(mix(seed, 14) % config.world_size);
    config.epochs = PICK(seed, 15, 1, 2, 3);
    config.numa_node = mix(seed, 16) % 2 == 0 ? FG_NODE_AUTO : FG_NODE_NONE;
    if (mix(seed, 17) % 3 == 0) {
        config.use_device = emulated;
    }
    if (!can_direct && config.direct == FG_ON) {
        config.direct = FG_AUTO;
    }
    return config;
}

/* One run: what was asked for, and what is on loan. */
struct run {
    const struct source *source;
    struct fg_loader_config config;
    struct fg_loader *loader;
    struct fgi_order order;
    uint64_t seed;
    uint64_t acquired;
    uint8_t *copy; /* of a slot */
    uint64_t *ids;
    struct fg_batch held[HELD_MAX];
    uint32_t held_count;
    uint32_t held_max; /* at most HELD_MAX, and as many as may be */
};

static void match(struct run *run, const struct fg_batch *batch)
{
    uint64_t steps = source_steps(run->source, &run->config);
    const uint8_t *slot = batch->data;
    uint32_t count = source_ids(&run->order, &run->config, batch->epoch,
                                batch->step, run->ids);

    check(batch->epoch == batch->sequence / steps);
    check(batch->step == batch->sequence % steps);
    check(batch->times.planned_ns <= batch->times.read_ns);
    check(batch->times.read_ns <= batch->times.assembled_ns);
    check(batch->times.assembled_ns <= batch->times.copied_ns);
    if (run->config.use_device != NULL) {
        check(fg_device_read(emulated, stream, run->copy, batch->data,
                             batch->bytes, NULL) == FG_OK);
        slot = run->copy;
    }
    source_must_match(run->source, batch, slot, run->ids, count);
}

static void release_one(struct run *run)
{
    uint32_t which =
        (uint32_t)(mix(run->seed, 1000 + run->acquired) % run->held_count);

    /* The oldest must go when the next batch takes its slot. */
    for (uint32_t i = 0; i < run->held_count; i++) {
        if (run->held[i].sequence + run->held_max == run->acquired) {
            which = i;
        }
    }
    /* It is still what it was, however long it was held. */
    match(run, &run->held[which]);
    fg_loader_release(run->loader, &run->held[which], stream);
    run->held[which] = run->held[--run->held_count];
}

static bool holds_too_old(const struct run *run)
{
    for (uint32_t i = 0; i < run->held_count; i++) {
        if (run->held[i].sequence + run->held_max == run->acquired) {
            return true;
        }
    }
    return false;
}

static void take_all(struct run *run)
{
    uint64_t wanted =
        source_steps(run->source, &run->config) * run->config.epochs;
    uint64_t most = fgi_min(wanted, BATCHES_MAX);
    struct fg_batch batch;

    while (run->acquired < most) {
        must_acquire(run->loader, stream, &batch);
        check(batch.sequence == run->acquired);
        run->held[run->held_count++] = batch;
        run->acquired++;
        while (holds_too_old(run) ||
               (run->held_count > 0 &&
                mix(run->seed, 2000 + run->acquired) % 2 == 0)) {
            release_one(run);
        }
    }
    if (most < wanted) {
        return; /* closed in the middle, with batches held */
    }
    check(fg_loader_acquire(run->loader, stream, &batch, NULL) == FG_END);
    while (run->held_count > 0) {
        release_one(run);
    }
    check(fg_loader_acquire(run->loader, stream, &batch, NULL) == FG_END);
}

static void name_case(const struct source *source,
                      const struct fg_loader_config *config, uint64_t seed)
{
    snprintf(
        fixture_case, sizeof(fixture_case),
        "seed %llu: %.64s batch %u shuffle %d remainder %d io %.8s threads %u "
        "direct %d read %llu inflight %llu slots %u window %llu verify "
        "%d rank %u/%u epochs %llu %s",
        (unsigned long long)seed, source->path, config->batch_size,
        (int)config->shuffle, (int)config->remainder, config->io,
        config->threads, (int)config->direct,
        (unsigned long long)config->read_bytes,
        (unsigned long long)config->inflight_bytes, config->slots,
        (unsigned long long)config->window_bytes, (int)config->verify,
        config->rank, config->world_size, (unsigned long long)config->epochs,
        config->use_device != NULL ? "emulated" : "host");
}

static void must_refuse(const struct run *run)
{
    struct fg_loader *loader;
    struct fg_error err;
    char wanted[FG_ERROR_MESSAGE_BYTES];

    snprintf(wanted, sizeof(wanted),
             "batch: got %llu samples per global batch, wanted at most the "
             "dataset's %llu with remainder %s (likely cause: batch size too "
             "large; remainder pad would deliver it)",
             (unsigned long long)run->config.batch_size *
                 run->config.world_size,
             (unsigned long long)run->source->samples,
             run->config.remainder == FG_REMAINDER_DROP ? "drop" : "wrap");
    check(fg_loader_open(&run->config, &loader, &err) == FG_ERR_ARGUMENT);
    assert_string_equal(err.message, wanted);
}

static void run_case(uint64_t seed)
{
    struct run run = {
        .source = &sources[mix(seed, 0) % source_count],
        .seed = seed,
    };
    struct fg_loader_stats stats;

    run.config = pick_config(run.source, seed);
    name_case(run.source, &run.config, seed);
    fixture_watch(100);
    if (source_steps(run.source, &run.config) == 0) {
        must_refuse(&run);
        return;
    }
    source_order(run.source, &run.config, &run.order);
    run.loader = must_open(&run.config);
    run.held_max = run.config.use_device != NULL
                       ? HELD_MAX
                       : (uint32_t)fgi_min(HELD_MAX, run.config.slots);
    run.ids = calloc(run.config.batch_size, sizeof(*run.ids));
    run.copy = malloc(run.loader->pipeline.layout.slot_bytes);
    assert_true(run.ids != NULL && run.copy != NULL);
    take_all(&run);
    fg_loader_get_stats(run.loader, &stats);
    check(stats.batches == run.acquired);
    check(stats.bad_samples == 0);
    check(strcmp(stats.engine, run.config.io) == 0);
    fg_loader_close(run.loader);
    free(run.copy);
    free(run.ids);
}

static void content_of_random_runs_is_the_datasets(void **state)
{
    uint64_t seed = fixture_seed();

    (void)state;
    for (uint64_t i = 0; i < CASES; i++) {
        run_case(seed + i);
    }
}

/* A run whose every sample is counted. */
static void content_of_an_epoch_is_every_sample_once(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < source_count; s++) {
        for (int shuffle = 0; shuffle < 3; shuffle++) {
            struct fg_loader_config config = source_config(&sources[s]);
            uint8_t *seen = calloc(sources[s].samples, 1);
            struct fg_loader *loader;
            struct fg_batch batch;

            assert_non_null(seen);
            config.batch_size = 100;
            config.epochs = 2;
            config.shuffle = (enum fg_shuffle)shuffle;
            config.window_bytes = FGI_KIB(64);
            name_case(&sources[s], &config, 0);
            loader = must_open(&config);
            while (fg_loader_acquire(loader, NULL, &batch, NULL) == FG_OK) {
                for (uint32_t i = 0; i < batch.count; i++) {
                    check(seen[batch.sample_indices[i]]++ == batch.epoch);
                }
                fg_loader_release(loader, &batch, NULL);
            }
            fg_loader_close(loader);
            for (uint64_t i = 0; i < sources[s].samples; i++) {
                check(seen[i] == 2);
            }
            free(seen);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_of_random_runs_is_the_datasets),
        cmocka_unit_test(content_of_an_epoch_is_every_sample_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
