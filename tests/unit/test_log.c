/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/log.h"
#include "runtime/base/thread.h"

#define THREADS 4
#define LINES 500

/* What a callback saw. */
struct seen {
    char line[600];          /* the last one */
    enum fg_log_level level; /* of the last one */
    unsigned count;          /* lines; plain, so that TSan sees a race */
};

static void keep(enum fg_log_level level, const char *line, void *context)
{
    struct seen *seen = context;

    snprintf(seen->line, sizeof(seen->line), "%s", line);
    seen->level = level;
    seen->count++;
}

static void log_hands_on_level_and_line(void **state)
{
    struct seen seen = {.count = 0};
    struct fgi_log log;

    (void)state;
    fgi_log_init(&log, keep, &seen);
    fgi_log(&log, FG_LOG_WARN, "direct I/O is off: %s", "tmpfs");
    assert_string_equal(seen.line, "direct I/O is off: tmpfs");
    assert_int_equal(seen.level, FG_LOG_WARN);
    assert_int_equal(seen.count, 1);
    fgi_log_fini(&log);
}

static void log_without_a_callback_drops_the_line(void **state)
{
    struct fgi_log log;

    (void)state;
    fgi_log(NULL, FG_LOG_INFO, "nobody");
    fgi_log_init(&log, NULL, NULL);
    fgi_log(&log, FG_LOG_INFO, "nobody");
    fgi_log_fini(&log);
}

static void log_with_too_long_a_line_cuts_it(void **state)
{
    struct seen seen = {.count = 0};
    struct fgi_log log;
    char text[900];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fgi_log_init(&log, keep, &seen);
    fgi_log(&log, FG_LOG_INFO, "%s", text);
    assert_int_equal(strlen(seen.line), 511);
    fgi_log_fini(&log);
}

static void write_lines(void *context)
{
    for (int i = 0; i < LINES; i++) {
        fgi_log(context, FG_LOG_DEBUG, "line %d", i);
    }
}

static void log_from_many_threads_calls_one_at_a_time(void **state)
{
    struct seen seen = {.count = 0};
    struct fgi_thread threads[THREADS];
    struct fgi_log log;

    (void)state;
    fgi_log_init(&log, keep, &seen);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(
            fgi_thread_start(&threads[i], "log", -1, write_lines, &log, NULL),
            FG_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        fgi_thread_join(&threads[i]);
    }
    assert_int_equal(seen.count, THREADS * LINES);
    fgi_log_fini(&log);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_hands_on_level_and_line),
        cmocka_unit_test(log_without_a_callback_drops_the_line),
        cmocka_unit_test(log_with_too_long_a_line_cuts_it),
        cmocka_unit_test(log_from_many_threads_calls_one_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
