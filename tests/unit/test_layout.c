/* SPDX-License-Identifier: Apache-2.0 */
/* What lies where in a slot. */
#include "tests/lib/shard_fixture.h"

#include "runtime/layout.h"

static void init_one_field_is_just_the_samples(void **state)
{
    struct fg_field field = field_of("data", FG_UINT8, 2049, 0);
    struct fgi_layout layout;

    (void)state;
    assert_int_equal(fgi_layout_init(&layout, 7, &field, 1, NULL), FG_OK);
    assert_int_equal(layout.offsets[0], 0);
    assert_true(layout.length_offsets[0] == FGI_NO_LENGTHS);
    assert_int_equal(layout.slot_bytes, 16384);
}

static void init_fields_and_lengths_follow_aligned(void **state)
{
    const struct fg_field fields[] = {
        field_of("a", FG_UINT8, 10, FG_FIELD_VARIABLE),
        field_of("b", FG_INT64, 1, 0),
        field_of("c", FG_FLOAT32, 3, FG_FIELD_VARIABLE),
    };
    struct fgi_layout layout;

    (void)state;
    assert_int_equal(fgi_layout_init(&layout, 30, fields, 3, NULL), FG_OK);
    assert_int_equal(layout.offsets[0], 0);           /* 300 bytes */
    assert_int_equal(layout.offsets[1], 512);         /* 240 */
    assert_int_equal(layout.offsets[2], 768);         /* 360 */
    assert_int_equal(layout.length_offsets[0], 1280); /* 120 */
    assert_true(layout.length_offsets[1] == FGI_NO_LENGTHS);
    assert_int_equal(layout.length_offsets[2], 1536); /* 120 */
    assert_int_equal(layout.slot_bytes, 4096);
}

static void init_random_fields_never_overlap(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct model model;
        struct fgi_layout layout;
        uint32_t batch = 1 + (uint32_t)(mix(seed, 99) % 300);
        uint64_t end = 0;

        model_random(&model, seed);
        assert_int_equal(fgi_layout_init(&layout, batch, model.schema.fields,
                                         model.schema.count, NULL),
                         FG_OK);
        for (uint32_t k = 0; k < model.schema.count; k++) {
            assert_true(layout.offsets[k] >= end);
            assert_int_equal(layout.offsets[k] % 256, 0);
            end = layout.offsets[k] + batch * model.schema.fields[k].max_bytes;
        }
        for (uint32_t k = 0; k < model.schema.count; k++) {
            bool is_variable =
                (model.schema.fields[k].flags & FG_FIELD_VARIABLE) != 0;

            assert_int_equal(layout.length_offsets[k] != FGI_NO_LENGTHS,
                             is_variable);
            if (is_variable) {
                assert_true(layout.length_offsets[k] >= end);
                end = layout.length_offsets[k] + batch * sizeof(uint32_t);
            }
        }
        assert_true(end <= layout.slot_bytes);
        assert_int_equal(layout.slot_bytes % 4096, 0);
    }
}

static void init_slot_over_a_tebibyte_is_refused(void **state)
{
    struct fg_field field = field_of("data", FG_UINT8, 1 << 30, 0);
    struct fgi_layout layout;
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_layout_init(&layout, 1024, &field, 1, &err), FG_OK);
    assert_int_equal(fgi_layout_init(&layout, 1025, &field, 1, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        "batch: got 1025 samples of up to 1073741824 bytes, "
                        "wanted at most 1 TiB per batch");
    field.max_bytes = UINT64_MAX / 2;
    assert_int_equal(fgi_layout_init(&layout, 3, &field, 1, &err),
                     FG_ERR_ARGUMENT);
}

static void describe_points_into_the_slot(void **state)
{
    const struct fg_field fields[] = {
        field_of("a", FG_UINT8, 10, FG_FIELD_VARIABLE),
        field_of("b", FG_INT64, 1, 0),
    };
    static _Alignas(4096) uint8_t slot[4096];
    struct fg_batch_field seen[2];
    struct fgi_layout layout;

    (void)state;
    assert_int_equal(fgi_layout_init(&layout, 4, fields, 2, NULL), FG_OK);
    fgi_layout_describe(&layout, slot, seen);
    assert_ptr_equal(seen[0].data, slot);
    assert_int_equal(seen[0].stride_bytes, 10);
    assert_ptr_equal(seen[0].lengths_bytes, slot + 512);
    assert_string_equal(seen[0].field->name, "a");
    assert_ptr_equal(seen[1].data, slot + 256);
    assert_int_equal(seen[1].stride_bytes, 8);
    assert_null(seen[1].lengths_bytes);
}

static void clear_zeroes_those_places_only(void **state)
{
    const struct fg_field fields[] = {
        field_of("a", FG_UINT8, 10, FG_FIELD_VARIABLE),
        field_of("b", FG_INT64, 1, 0),
    };
    static uint8_t slot[4096];
    struct fgi_layout layout;

    (void)state;
    assert_int_equal(fgi_layout_init(&layout, 4, fields, 2, NULL), FG_OK);
    memset(slot, 1, sizeof(slot));
    fgi_layout_clear(&layout, slot, 2, 2);
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(slot[i], 1);
    }
    fgi_layout_clear(&layout, slot, 1, 3);
    for (int i = 0; i < 4096; i++) {
        bool is_cleared = (i >= 10 && i < 30) || (i >= 264 && i < 280) ||
                          (i >= 516 && i < 524);

        assert_int_equal(slot[i], is_cleared ? 0 : 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_one_field_is_just_the_samples),
        cmocka_unit_test(init_fields_and_lengths_follow_aligned),
        cmocka_unit_test(init_random_fields_never_overlap),
        cmocka_unit_test(init_slot_over_a_tebibyte_is_refused),
        cmocka_unit_test(describe_points_into_the_slot),
        cmocka_unit_test(clear_zeroes_those_places_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
