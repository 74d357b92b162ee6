/* SPDX-License-Identifier: Apache-2.0 */
/* Where in the arena what lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/feeder/arena.h"

#define BYTES FGI_MIB(256)

static int setup(void **state)
{
    struct fgi_arena *arena = fgi_alloc(1, sizeof(*arena));

    assert_int_equal(fgi_arena_init(arena, BYTES, NULL), FG_OK);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    fgi_arena_fini(*state);
    fgi_free(*state);
    return 0;
}

static void init_splits_into_kept_and_ring(void **state)
{
    struct fgi_arena *arena = *state;
    struct fgi_arena small;

    assert_int_equal(arena->ring_bytes, FGI_MIB(64));
    assert_int_equal(arena->keep_bytes + arena->ring_bytes, BYTES);
    assert_int_equal(fgi_arena_init(&small, FGI_MIB(64), NULL), FG_OK);
    assert_int_equal(small.ring_bytes, FGI_MIB(32));
    fgi_arena_fini(&small);
}

static void init_without_memory_says_so(void **state)
{
    struct fgi_arena arena;
    struct fg_error err;

    (void)state;
    fgi_alloc_fail_after(1);
    assert_int_equal(fgi_arena_init(&arena, BYTES, &err), FG_ERR_MEMORY);
    fgi_alloc_fail_after(0);
    assert_string_equal(err.message, "feeder: arena's tables");
    fgi_arena_fini(&arena);
}

static void keep_until_full_gives_places_that_do_not_overlap(void **state)
{
    struct fgi_arena *arena = *state;
    struct fgi_place place;
    uint64_t end = 0;

    while (fgi_arena_keep(arena, FGI_KIB(604), &place)) {
        assert_int_equal(place.offset, end);
        assert_int_equal(place.turn, FGI_PLACE_KEPT);
        end += FGI_KIB(604);
    }
    assert_true(end <= arena->keep_bytes);
    assert_true(arena->keep_bytes - end < FGI_KIB(604));
    assert_int_equal(arena->kept_bytes, end);
}

static void keep_after_a_free_takes_the_hole(void **state)
{
    struct fgi_arena *arena = *state;
    struct fgi_place a;
    struct fgi_place b;
    struct fgi_place c;

    assert_true(fgi_arena_keep(arena, FGI_MIB(1), &a));
    assert_true(fgi_arena_keep(arena, FGI_MIB(1), &b));
    fgi_arena_free(arena, &a);
    assert_true(fgi_arena_keep(arena, FGI_KIB(8), &c));
    assert_int_equal(c.offset, a.offset);
    assert_int_equal(arena->kept_bytes, FGI_MIB(1) + FGI_KIB(8));
}

static void free_of_neighbours_gives_one_hole(void **state)
{
    struct fgi_arena *arena = *state;
    struct fgi_place places[4];

    for (int i = 0; i < 4; i++) {
        assert_true(fgi_arena_keep(arena, FGI_MIB(1), &places[i]));
    }
    fgi_arena_free(arena, &places[0]);
    fgi_arena_free(arena, &places[2]);
    fgi_arena_free(arena, &places[1]);
    assert_int_equal(arena->hole_count, 1);
    assert_int_equal(arena->holes[0].bytes, FGI_MIB(3));
    fgi_arena_free(arena, &places[3]);
    assert_int_equal(arena->hole_count, 0);
    assert_int_equal(arena->keep_top, 0);
    assert_int_equal(arena->kept_bytes, 0);
}

static void stream_when_full_waits_for_the_oldest(void **state)
{
    struct fgi_arena *arena = *state;
    struct fgi_place places[65];
    uint32_t owner;

    for (uint32_t i = 0; i < 64; i++) {
        assert_true(fgi_arena_stream(arena, FGI_MIB(1), i, &places[i]));
        assert_int_equal(places[i].offset, arena->keep_bytes + FGI_MIB(i));
    }
    assert_false(fgi_arena_stream(arena, FGI_MIB(1), 64, &places[64]));
    fgi_arena_free(arena, &places[1]); /* not the oldest: no room yet */
    assert_false(fgi_arena_stream(arena, FGI_MIB(1), 64, &places[64]));
    assert_true(fgi_arena_oldest(arena, &owner));
    assert_int_equal(owner, 0);
    fgi_arena_free(arena, &places[0]);
    assert_true(fgi_arena_oldest(arena, &owner));
    assert_int_equal(owner, 2);
    assert_true(fgi_arena_stream(arena, FGI_MIB(1), 64, &places[64]));
    assert_int_equal(places[64].offset, arena->keep_bytes);
}

static void stream_over_the_end_begins_at_the_front(void **state)
{
    struct fgi_arena *arena = *state;
    struct fgi_place first;
    struct fgi_place second;
    struct fgi_place third;

    assert_true(fgi_arena_stream(arena, FGI_MIB(40), 0, &first));
    assert_true(fgi_arena_stream(arena, FGI_MIB(20), 1, &second));
    fgi_arena_free(arena, &first);
    assert_true(fgi_arena_stream(arena, FGI_MIB(8), 2, &third));
    assert_int_equal(third.offset, arena->keep_bytes);
    fgi_arena_free(arena, &second);
    fgi_arena_free(arena, &third);
    assert_int_equal(arena->ring_head, arena->ring_tail);
    assert_false(fgi_arena_oldest(arena, &(uint32_t){0}));
}

static void stream_of_more_than_the_ring_is_refused(void **state)
{
    struct fgi_arena *arena = *state;
    struct fgi_place place;

    assert_false(fgi_arena_stream(arena, FGI_MIB(65), 0, &place));
}

/* Random takes and frees; no two live pieces ever share a byte. */
static void take_and_free_at_random_never_overlap(void **state)
{
    enum { LIVE = 64 };
    struct fgi_arena *arena = *state;
    struct fgi_place live[LIVE] = {{0}};
    uint64_t seed = 1;

    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)(seed >> 8) % LIVE;
        struct fgi_place place;
        uint64_t bytes;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (live[i].bytes > 0) {
            fgi_arena_free(arena, &live[i]);
            live[i].bytes = 0;
            continue;
        }
        bytes = (1 + (seed >> 40) % 512) * FGI_ARENA_UNIT_BYTES;
        if (!((seed >> 20) % 2 == 0
                  ? fgi_arena_keep(arena, bytes, &place)
                  : fgi_arena_stream(arena, bytes, i, &place))) {
            continue;
        }
        for (uint32_t other = 0; other < LIVE; other++) {
            assert_true(live[other].bytes == 0 ||
                        place.offset + bytes <= live[other].offset ||
                        live[other].offset + live[other].bytes <= place.offset);
        }
        assert_true(place.offset + bytes <= BYTES);
        live[i] = place;
    }
}

#define arena_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        arena_test(init_splits_into_kept_and_ring),
        cmocka_unit_test(init_without_memory_says_so),
        arena_test(keep_until_full_gives_places_that_do_not_overlap),
        arena_test(keep_after_a_free_takes_the_hole),
        arena_test(free_of_neighbours_gives_one_hole),
        arena_test(stream_when_full_waits_for_the_oldest),
        arena_test(stream_over_the_end_begins_at_the_front),
        arena_test(stream_of_more_than_the_ring_is_refused),
        arena_test(take_and_free_at_random_never_overlap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
