/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's config: defaults, every member's range, older and newer
 * structs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <feedgpu/version.h>

#include "runtime/loader.h"

static struct fg_loader_config sound_config(void)
{
    struct fg_loader_config config;

    fg_loader_config_init(&config);
    config.dataset = "somewhere";
    return config;
}

static void must_refuse(const struct fg_loader_config *config,
                        enum fg_status status, const char *message)
{
    struct fg_loader_config checked;
    struct fg_error err = {0};

    assert_int_equal(fgi_loader_config_check(config, &checked, &err), status);
    assert_string_equal(err.message, message);
}

static void must_accept(const struct fg_loader_config *config)
{
    struct fg_loader_config checked;
    struct fg_error err;

    if (fgi_loader_config_check(config, &checked, &err) != FG_OK) {
        fail_msg("%s", err.message);
    }
}

static void init_fills_what_the_header_says(void **state)
{
    struct fg_loader_config config;

    (void)state;
    fg_loader_config_init(&config);
    assert_int_equal(config.struct_size, sizeof(config));
    assert_string_equal(config.device, "auto");
    assert_string_equal(config.io, "auto");
    assert_int_equal(config.batch_size, 256);
    assert_int_equal(config.world_size, 1);
    assert_int_equal(config.epochs, 1);
    assert_int_equal(config.window_bytes, 128 << 20);
    assert_int_equal(config.read_bytes, 1 << 20);
    assert_int_equal(config.numa_node, FG_NODE_AUTO);
    assert_int_equal(config.shuffle, FG_SHUFFLE_NONE);
    assert_int_equal(config.remainder, FG_REMAINDER_PAD);
    assert_int_equal(config.on_bad_sample, FG_BAD_SAMPLE_FAIL);
    assert_string_equal(config.dataset_config.format, "auto");
}

static void check_zeros_become_defaults(void **state)
{
    struct fg_loader_config config = sound_config();
    struct fg_loader_config checked;

    (void)state;
    config.read_bytes = 0;
    config.window_bytes = 0;
    config.device = NULL;
    config.io = NULL;
    assert_int_equal(fgi_loader_config_check(&config, &checked, NULL), FG_OK);
    assert_int_equal(checked.read_bytes, 1 << 20);
    assert_int_equal(checked.window_bytes, 128 << 20);
    assert_string_equal(checked.device, "auto");
    assert_string_equal(checked.io, "auto");
    assert_in_range(checked.threads, 1, 8);
}

static void check_read_bytes_are_rounded_up_to_pages(void **state)
{
    struct fg_loader_config config = sound_config();
    struct fg_loader_config checked;

    (void)state;
    config.read_bytes = 1;
    assert_int_equal(fgi_loader_config_check(&config, &checked, NULL), FG_OK);
    assert_int_equal(checked.read_bytes, 4096);
    config.read_bytes = 4097;
    assert_int_equal(fgi_loader_config_check(&config, &checked, NULL), FG_OK);
    assert_int_equal(checked.read_bytes, 8192);
}

/* A member, its largest value, and the message beyond it. */
struct bound {
    size_t offset;
    size_t bytes;
    uint64_t high;
    const char *message;
};

#define BOUND(member, high, message)                                           \
    {                                                                          \
        offsetof(struct fg_loader_config, member),                             \
            sizeof(((struct fg_loader_config *)NULL)->member), high, message   \
    }

static const struct bound bounds[] = {
    BOUND(batch_size, 16777216,
          "config: batch_size: got 16777217, wanted 1 to 16777216"),
    BOUND(world_size, 16777216,
          "config: world_size: got 16777217, wanted 1 to 16777216"),
    BOUND(rank, 0, "config: rank: got 1, wanted 0 to 0"),
    BOUND(shuffle, 2, "config: shuffle: got 3, wanted 0 to 2"),
    BOUND(remainder, 2, "config: remainder: got 3, wanted 0 to 2"),
    BOUND(on_bad_sample, 2, "config: on_bad_sample: got 3, wanted 0 to 2"),
    BOUND(direct, 2, "config: direct: got 3, wanted 0 to 2"),
    BOUND(verify, 2, "config: verify: got 3, wanted 0 to 2"),
    BOUND(read_bytes, 67108864,
          "config: read_bytes: got 67108865, wanted 0 to 67108864"),
    BOUND(inflight_bytes, UINT64_C(4294967296),
          "config: inflight_bytes: got 4294967297, wanted 0 to 4294967296"),
    BOUND(slots, 4096, "config: slots: got 4097, wanted 0 to 4096"),
    BOUND(threads, 256, "config: threads: got 257, wanted 0 to 256"),
    BOUND(flags, 1, "config: flags: got 2, wanted 0 to 1"),
};

static void put(struct fg_loader_config *config, const struct bound *bound,
                uint64_t value)
{
    /* Little-endian, as every machine this runs on. */
    memcpy((uint8_t *)config + bound->offset, &value, bound->bytes);
}

static void check_each_member_has_its_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        struct fg_loader_config config = sound_config();

        put(&config, &bounds[i], bounds[i].high);
        must_accept(&config);
        put(&config, &bounds[i], bounds[i].high + 1);
        must_refuse(&config, FG_ERR_ARGUMENT, bounds[i].message);
    }
}

static void check_sizes_of_zero_are_refused(void **state)
{
    struct fg_loader_config config = sound_config();

    (void)state;
    config.batch_size = 0;
    must_refuse(&config, FG_ERR_ARGUMENT,
                "config: batch_size: got 0, wanted 1 to 16777216");
    config = sound_config();
    config.world_size = 0;
    must_refuse(&config, FG_ERR_ARGUMENT,
                "config: world_size: got 0, wanted 1 to 16777216");
    config = sound_config();
    config.world_size = 4;
    config.rank = 3;
    must_accept(&config);
    config.rank = 4;
    must_refuse(&config, FG_ERR_ARGUMENT, "config: rank: got 4, wanted 0 to 3");
}

static void check_without_a_dataset_is_refused(void **state)
{
    struct fg_loader_config config = sound_config();

    (void)state;
    config.dataset = NULL;
    must_refuse(&config, FG_ERR_ARGUMENT, "config: dataset: got none");
    config.dataset = "";
    must_refuse(&config, FG_ERR_ARGUMENT, "config: dataset: got none");
}

static void check_node_that_is_not_there_is_refused(void **state)
{
    struct fg_loader_config config = sound_config();

    (void)state;
    config.numa_node = 1023;
    must_refuse(&config, FG_ERR_ARGUMENT,
                "config: numa_node: got 1023, which this machine does not "
                "have");
    config.numa_node = -3;
    must_refuse(&config, FG_ERR_ARGUMENT,
                "config: numa_node: got -3, which this machine does not have");
    config.numa_node = FG_NODE_NONE;
    must_accept(&config);
    config.numa_node = 0;
    must_accept(&config);
}

static int hook(const void *stored, uint64_t stored_bytes,
                uint64_t sample_index, void *out, uint64_t out_bytes,
                void *context)
{
    (void)stored;
    (void)stored_bytes;
    (void)sample_index;
    (void)out;
    (void)out_bytes;
    (void)context;
    return 0;
}

static void check_hook_needs_a_fixed_field(void **state)
{
    static const char message[] = "config: decode_field: wanted a field of "
                                  "fixed size that decode makes";
    struct fg_field field = {.name = "rgb",
                             .dtype = FG_UINT8,
                             .dims = 1,
                             .shape = {3},
                             .max_bytes = 3};
    struct fg_loader_config config = sound_config();

    (void)state;
    config.decode = hook;
    must_refuse(&config, FG_ERR_ARGUMENT, message);
    config.decode_field = &field;
    must_accept(&config);
    field.flags = FG_FIELD_VARIABLE;
    must_refuse(&config, FG_ERR_ARGUMENT, message);
    field.flags = 0;
    field.max_bytes = 0;
    must_refuse(&config, FG_ERR_ARGUMENT, message);
}

static void check_state_of_another_version_is_refused(void **state)
{
    struct fg_loader_config config = sound_config();
    struct fg_loader_state saved = {.version = 2};

    (void)state;
    config.state = &saved;
    must_refuse(&config, FG_ERR_ARGUMENT, "state: version: got 2, wanted 1");
    saved.version = 1;
    must_accept(&config);
}

static void check_struct_without_init_is_refused(void **state)
{
    struct fg_loader_config config = {.dataset = "somewhere"};

    (void)state;
    must_refuse(&config, FG_ERR_ARGUMENT,
                "config: struct_size: got 0 (likely cause: "
                "fg_loader_config_init was not called)");
}

/* A program built with a newer header: more bytes, zero or not. */
static void check_newer_struct_is_fine_while_the_news_are_zero(void **state)
{
    struct {
        struct fg_loader_config config;
        uint64_t news[2];
    } newer = {.config = sound_config()};
    char message[128];

    (void)state;
    newer.config.struct_size = sizeof(newer);
    must_accept(&newer.config);
    newer.news[1] = 1;
    snprintf(message, sizeof(message),
             "config: byte %zu: got an option that libfeedgpu " FG_VERSION_TEXT
             " does not know",
             sizeof(newer.config) + 8);
    must_refuse(&newer.config, FG_ERR_UNSUPPORTED, message);
}

/* A program built with an older header: what it lacks has its default. */
static void check_older_struct_gets_defaults_for_the_rest(void **state)
{
    struct fg_loader_config config = sound_config();
    struct fg_loader_config checked;

    (void)state;
    config.io = "pread";
    config.read_bytes = 8192;
    config.struct_size = offsetof(struct fg_loader_config, read_bytes);
    assert_int_equal(fgi_loader_config_check(&config, &checked, NULL), FG_OK);
    assert_string_equal(checked.io, "pread");
    assert_int_equal(checked.read_bytes, 1 << 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_fills_what_the_header_says),
        cmocka_unit_test(check_zeros_become_defaults),
        cmocka_unit_test(check_read_bytes_are_rounded_up_to_pages),
        cmocka_unit_test(check_each_member_has_its_range),
        cmocka_unit_test(check_sizes_of_zero_are_refused),
        cmocka_unit_test(check_without_a_dataset_is_refused),
        cmocka_unit_test(check_node_that_is_not_there_is_refused),
        cmocka_unit_test(check_hook_needs_a_fixed_field),
        cmocka_unit_test(check_state_of_another_version_is_refused),
        cmocka_unit_test(check_struct_without_init_is_refused),
        cmocka_unit_test(check_newer_struct_is_fine_while_the_news_are_zero),
        cmocka_unit_test(check_older_struct_gets_defaults_for_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
