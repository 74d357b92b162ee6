/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are expected: so many, of so many bytes, for so long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/feeder/guess.h"

#define NOW_NS (100 * FGI_NS_PER_S)

static struct fgi_record record_of(uint32_t id, uint64_t bytes)
{
    return (struct fgi_record){.id = id, .key = {.size_bytes = bytes}};
}

static void opened_file_was_expected_once(void **state)
{
    struct fgi_guesses guesses = {0};
    struct fgi_record record = record_of(7, 1000);

    (void)state;
    assert_false(fgi_guess_settle(&guesses, &record));
    assert_true(fgi_guess_add(&guesses, &record, 1000, NOW_NS));
    assert_false(fgi_guess_add(&guesses, &record, 1000, NOW_NS));
    assert_non_null(fgi_guess_of(&guesses, &record));
    assert_int_equal(guesses.bytes, 1000);
    assert_true(fgi_guess_settle(&guesses, &record));
    assert_false(fgi_guess_settle(&guesses, &record));
    assert_int_equal(guesses.bytes + guesses.count, 0);
}

static void places_run_out_and_come_back(void **state)
{
    static struct fgi_record records[FGI_GUESSES + 1];
    struct fgi_guesses guesses = {0};

    (void)state;
    for (uint32_t i = 0; i <= FGI_GUESSES; i++) {
        records[i] = record_of(i + 1, 10);
        assert_int_equal(fgi_guess_room(&guesses, 3),
                         i + 3 < FGI_GUESSES ? FGI_GUESSES - i - 3 : 0);
        assert_int_equal(fgi_guess_add(&guesses, &records[i], 10, NOW_NS),
                         i < FGI_GUESSES);
    }
    assert_true(fgi_guess_settle(&guesses, &records[5]));
    assert_true(fgi_guess_add(&guesses, &records[FGI_GUESSES], 10, NOW_NS));
}

static void bytes_are_bounded_too(void **state)
{
    struct fgi_guesses guesses = {0};
    uint32_t id = 0;

    (void)state;
    while (fgi_guess_room(&guesses, 0) > 0) {
        struct fgi_record record = record_of(++id, UINT64_MAX);

        assert_true(
            fgi_guess_add(&guesses, &record, FGI_GUESS_BYTES / 16, NOW_NS));
    }
    assert_int_equal(guesses.bytes, FGI_GUESS_BYTES);
}

static void old_guess_is_forgotten_and_its_place_taken(void **state)
{
    struct fgi_guesses guesses = {0};
    struct fgi_record old = record_of(1, 10);
    struct fgi_record fresh = record_of(2, 20);
    uint64_t later_ns = NOW_NS + FGI_GUESS_NS + 1;

    (void)state;
    assert_true(fgi_guess_add(&guesses, &old, 10, NOW_NS));
    assert_true(fgi_guess_add(&guesses, &fresh, 20, NOW_NS + 1));
    fgi_guess_expire(&guesses, later_ns);
    assert_null(fgi_guess_of(&guesses, &old));
    assert_non_null(fgi_guess_of(&guesses, &fresh));
    assert_int_equal(guesses.bytes, 20);
    assert_false(fgi_guess_settle(&guesses, &old));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opened_file_was_expected_once),
        cmocka_unit_test(places_run_out_and_come_back),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(old_guess_is_forgotten_and_its_place_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
