/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of datasets share: a fresh folder and three small shards. */
#ifndef TESTS_DATASET_FIXTURE_H
#define TESTS_DATASET_FIXTURE_H

#include "tests/lib/shard_fixture.h"

#include "runtime/dataset.h"

#define FOLDER "data"

static inline int make_folder(void **state)
{
    (void)state;
    fresh_folder(FOLDER);
    return 0;
}

static inline struct fg_dataset_config records_of(uint64_t bytes)
{
    struct fg_dataset_config config;

    fg_dataset_config_init(&config);
    config.record_bytes = bytes;
    return config;
}

static inline struct fg_dataset *must_open(const char *path,
                                           uint64_t record_bytes)
{
    struct fg_dataset_config config = records_of(record_bytes);
    struct fg_dataset *dataset;
    struct fg_error err;

    if (fg_dataset_open(path, &config, &dataset, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
    return dataset;
}

static inline struct model small_model(void)
{
    return (struct model){
        .seed = 5,
        .samples = 10,
        .block_samples = 4,
        .schema = {.count = 2,
                   .fields = {field_of("id", FG_UINT32, 1, 0),
                              field_of("text", FG_UINT8, 50,
                                       FG_FIELD_VARIABLE)}},
    };
}

/* Three shards of 10, 1 and 7 samples. */
static inline void write_three(int32_t zstd_level)
{
    struct model model = small_model();

    model.zstd_level = zstd_level;
    model_must_write(&model, FOLDER "/0.fgs");
    model.samples = 1;
    model_must_write(&model, FOLDER "/1.fgs");
    model.samples = 7;
    model_must_write(&model, FOLDER "/2.fgs");
}

#define CASE(name) cmocka_unit_test_setup(name, make_folder)

#endif /* TESTS_DATASET_FIXTURE_H */
