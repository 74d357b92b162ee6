/* SPDX-License-Identifier: Apache-2.0 */
/* Slots as programs see them, and records of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/feeder/files.h"
#include "runtime/feeder/share.h"
#include "runtime/feeder/slots.h"

#define TAG fgi_slot_tag(7, 3)

struct fixture {
    struct fgi_share share;
    struct fgi_slots slots;
    struct fgi_records records;
};

static int setup(void **state)
{
    struct fixture *fixture = fgi_alloc(1, sizeof(*fixture));
    const struct fgi_share_sizes sizes = {
        .arena_bytes = FGI_MIB(2),
        .file_count = 32,
        .slot_count = 16,
        .event_count = 8,
        .actor_count = 2,
        .span_count = 8,
    };

    assert_int_equal(fgi_share_init(&fixture->share, &sizes, NULL), FG_OK);
    assert_int_equal(
        fgi_slots_init(&fixture->slots, &fixture->share.view, NULL), FG_OK);
    assert_int_equal(
        fgi_records_init(&fixture->records, &fixture->share.view, NULL), FG_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    fgi_records_fini(&fixture->records);
    fgi_slots_fini(&fixture->slots);
    fgi_share_fini(&fixture->share);
    fgi_free(fixture);
    return 0;
}

static struct fgi_slot *slot_of(struct fixture *fixture,
                                const struct fgi_feed_block *block)
{
    return &fixture->share.view.slots[block - fixture->slots.blocks];
}

static uint32_t state_of(const struct fgi_slot *slot)
{
    return atomic_load(&slot->word) & FGI_SLOT_STATE;
}

static struct fgi_feed_block *begin(struct fixture *fixture)
{
    struct fgi_feed_block *block = fgi_slots_pick(&fixture->slots, TAG);

    assert_non_null(block);
    block->tag = TAG;
    block->length_bytes = 1000;
    block->place = (struct fgi_place){.offset = 8192, .bytes = 4096};
    fgi_slots_begin(&fixture->slots, block);
    return block;
}

static void begin_then_ready_shows_the_block(void **state)
{
    struct fixture *fixture = *state;
    struct fgi_feed_block *block = begin(fixture);
    struct fgi_slot *slot = slot_of(fixture, block);
    uint32_t reading = atomic_load(&slot->word);

    assert_int_equal(state_of(slot), FGI_SLOT_READING);
    assert_ptr_equal(fgi_slots_find(&fixture->slots, TAG), block);
    fgi_slots_ready(&fixture->slots, block, 5);
    assert_int_equal(state_of(slot), FGI_SLOT_READY);
    assert_int_equal(atomic_load(&slot->tag), TAG);
    assert_int_equal(atomic_load(&slot->offset), 8192);
    assert_int_equal(atomic_load(&slot->length_bytes), 1000);
    assert_int_not_equal(atomic_load(&slot->word) / FGI_SLOT_STEP,
                         reading / FGI_SLOT_STEP);
}

static void ready_after_scribbling_shows_what_is_right(void **state)
{
    struct fixture *fixture = *state;
    struct fgi_feed_block *block = begin(fixture);
    struct fgi_slot *slot = slot_of(fixture, block);

    memset((void *)slot, 0xff, sizeof(*slot));
    fgi_slots_ready(&fixture->slots, block, 5);
    assert_int_equal(state_of(slot), FGI_SLOT_READY);
    assert_int_equal(atomic_load(&slot->tag), TAG);
    assert_int_equal(atomic_load(&slot->offset), 8192);
    assert_int_equal(atomic_load(&slot->length_bytes), 1000);
}

static void drop_while_reading_leaves_the_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct fgi_feed_block *block = begin(fixture);
    struct fgi_slot *slot = slot_of(fixture, block);

    fgi_slots_drop(&fixture->slots, block);
    assert_int_equal(state_of(slot), FGI_SLOT_EMPTY);
    assert_int_equal(atomic_load(&slot->tag), 0);
    assert_int_equal(block->state, FGI_BLOCK_LEAVING);
    assert_null(fgi_slots_find(&fixture->slots, TAG));
    assert_ptr_not_equal(fgi_slots_pick(&fixture->slots, TAG), block);
}

static void drop_when_ready_frees_it(void **state)
{
    struct fixture *fixture = *state;
    struct fgi_feed_block *block = begin(fixture);
    struct fgi_slot *slot = slot_of(fixture, block);
    uint32_t ready;

    fgi_slots_ready(&fixture->slots, block, 5);
    ready = atomic_load(&slot->word);
    fgi_slots_drop(&fixture->slots, block);
    assert_int_equal(state_of(slot), FGI_SLOT_EMPTY);
    assert_int_equal(block->state, FGI_BLOCK_FREE);
    assert_ptr_equal(begin(fixture), block);
    fgi_slots_ready(&fixture->slots, block, 5);
    assert_int_not_equal(atomic_load(&slot->word), ready);
}

static void pick_in_a_full_bucket_gives_none(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t i = 0; i < FGI_BUCKET_SLOTS; i++) {
        begin(fixture);
    }
    assert_null(fgi_slots_pick(&fixture->slots, TAG));
}

static struct fgi_feed_key key_of(uint64_t inode)
{
    return (struct fgi_feed_key){.device = 1, .inode = inode, .size_bytes = 9};
}

static void add_shows_the_file_until_it_is_removed(void **state)
{
    struct fixture *fixture = *state;
    struct fgi_feed_key key = key_of(5);
    struct fgi_record *record = fgi_records_pick(&fixture->records, &key);
    struct fgi_feed_file *entry = fgi_records_entry(&fixture->records, record);

    assert_true(fgi_records_add(&fixture->records, record, &key));
    assert_int_equal(atomic_load(&entry->id), 1);
    assert_int_equal(atomic_load(&entry->mode), FGI_FEED_LOOK);
    assert_int_equal(atomic_load(&entry->inode), 5);
    assert_ptr_equal(fgi_records_find(&fixture->records, &key), record);
    fgi_records_remove(&fixture->records, record);
    assert_int_equal(atomic_load(&entry->id), 0);
    assert_null(fgi_records_find(&fixture->records, &key));
    record = fgi_records_pick(&fixture->records, &key);
    assert_true(fgi_records_add(&fixture->records, record, &key));
    assert_int_equal(record->id, 2);
}

static void add_without_ids_left_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fgi_feed_key key = key_of(5);
    struct fgi_record *record = fgi_records_pick(&fixture->records, &key);

    fixture->records.next_id = UINT32_MAX;
    assert_true(fgi_records_add(&fixture->records, record, &key));
    key = key_of(6);
    record = fgi_records_pick(&fixture->records, &key);
    assert_false(fgi_records_add(&fixture->records, record, &key));
}

static void pick_among_taken_probes_gives_none(void **state)
{
    struct fixture *fixture = *state;
    struct fgi_feed_key key = key_of(5);
    struct fgi_record *record = fgi_records_pick(&fixture->records, &key);
    uint32_t count = 0;

    while (record != NULL) {
        assert_true(fgi_records_add(&fixture->records, record, &key));
        record = fgi_records_pick(&fixture->records, &key);
        count++;
    }
    assert_int_equal(count, FGI_FILE_PROBES);
}

static void share_sizes_are_powers_within_limits(void **state)
{
    (void)state;
    for (uint64_t bytes = FGI_MIB(8); bytes <= FGI_GIB(1024); bytes *= 2) {
        struct fgi_share_sizes sizes;

        fgi_share_sizes(bytes, &sizes);
        assert_true(fgi_board_is_power(sizes.file_count));
        assert_true(fgi_board_is_power(sizes.slot_count));
        assert_true(sizes.slot_count >= bytes / FGI_MIB(1));
        assert_int_equal(sizes.arena_bytes, bytes);
    }
}

#define slots_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        slots_test(begin_then_ready_shows_the_block),
        slots_test(ready_after_scribbling_shows_what_is_right),
        slots_test(drop_while_reading_leaves_the_bytes),
        slots_test(drop_when_ready_frees_it),
        slots_test(pick_in_a_full_bucket_gives_none),
        slots_test(add_shows_the_file_until_it_is_removed),
        slots_test(add_without_ids_left_is_refused),
        slots_test(pick_among_taken_probes_gives_none),
        cmocka_unit_test(share_sizes_are_powers_within_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
