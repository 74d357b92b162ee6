/* SPDX-License-Identifier: Apache-2.0 */
/* `feedgpu run`: what the numbers of a run are said to mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/feedgpu/run.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define GB UINT64_C(1000000000)

static struct options options;
static struct run run;
static struct fg_feeder_actor actors[2];
static struct fg_feeder_group groups[1];
static char *command[] = {"train", NULL};

/* A run of ten seconds that read one gigabyte, all of it from memory. */
static int set_up(void **state)
{
    (void)state;
    memset(&options, 0, sizeof(options));
    memset(&run, 0, sizeof(run));
    memset(actors, 0, sizeof(actors));
    memset(groups, 0, sizeof(groups));
    run.options = &options;
    run.feeder = (struct fg_feeder *)(void *)actors; /* never followed */
    run.actors = actors;
    run.groups = groups;
    run.actor_known = run.actor_count = 2;
    run.group_known = run.group_count = 1;
    run.launch.command = command;
    run.launch.unreached = "";
    run.launch.pid = 100;
    run.launch.start_ns = 5 * S;
    run.launch.end_ns = 15 * S;
    run.stats.files = 1;
    run.stats.reads = 10;
    run.stats.arena_bytes = GB;
    run.stats.memory_bytes = 4 * GB;
    strcpy(actors[0].name, "train");
    actors[0].tid = 100;
    strcpy(actors[1].name, "worker");
    actors[1].tid = 101;
    strcpy(groups[0].folder, "/data");
    strcpy(groups[0].pattern, "sequential");
    return 0;
}

static void expect(enum run_limit limit, const char *text, const char *advice)
{
    run.verdict.share = 0.0;
    run_judge(&run);
    assert_string_equal(run.verdict.text, text);
    assert_string_equal(run.verdict.advice, advice);
    assert_int_equal(run.verdict.limit, limit);
}

static void run_judge_little_blocked_is_not_input(void **state)
{
    (void)state;
    actors[0].copy_ns = 300 * MS;
    actors[1].wait_ns = 100 * MS;
    actors[1].open_ns = 250 * MS;
    expect(LIMIT_OTHER,
           "input is not what limits this program: no thread was blocked in "
           "reads and opens for more than 3.5 % of the wall time",
           "");
}

static void run_judge_little_blocked_but_much_unseen_is_not_known(void **state)
{
    (void)state;
    actors[0].copy_ns = 300 * MS;
    run.stats.kernel_bytes = GB / 2;
    run.stats.mapped_bytes = 2 * GB;
    run.launch.io.call_bytes = GB;
    expect(LIMIT_UNKNOWN,
           "not known: no thread was seen blocked in reads and opens for more "
           "than 3.0 % of the wall time, but 2.50 GB were read or mapped "
           "unseen",
           "");
    run.stats.mapped_bytes = GB / 2;
    run_judge(&run);
    assert_int_equal(run.verdict.limit, LIMIT_OTHER);
}

static void run_judge_first_thread_blocked_is_input(void **state)
{
    (void)state;
    actors[0].kernel_ns = S;
    actors[0].wait_ns = 2 * S;
    actors[0].copy_ns = 500 * MS;
    actors[0].open_ns = 500 * MS;
    expect(LIMIT_INPUT,
           "blocked in reads and opens for 40.0 % of the wall time (thread "
           "train, 100), most of it in /data",
           "the disk is slower than the program: faster storage, or a second "
           "epoch, which comes from memory");
    run.stats.kept_bytes = 4 * GB;
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "the disk is slower than the program and the memory "
                        "was full: more --memory, or faster storage");
}

static void run_judge_other_thread_blocked_may_read_ahead(void **state)
{
    (void)state;
    run.group_known = 0;
    run.stats.kernel_bytes = 2 * GB;
    actors[1].kernel_ns = 9 * S;
    expect(LIMIT_INPUT,
           "blocked in reads and opens for 90.0 % of the wall time (thread "
           "worker, 101). If it reads ahead for others, they waited less",
           "most bytes came from the kernel: see below which files, and "
           "whether --data or --min-file-bytes leaves them out");
}

static void run_judge_advice_goes_by_what_blocked(void **state)
{
    (void)state;
    actors[0].copy_ns = S;
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "most of it is copying out of memory, as from a warm "
                        "page cache: more threads that read, or mmap, would "
                        "help");
    actors[0].open_ns = 3 * S;
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "most of it is opening files: fewer and larger ones "
                        "help most");
    actors[0].kernel_ns = 5 * S;
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "most of it is reads of files that were not read "
                        "ahead yet: a second epoch has less of that");
    strcpy(groups[0].pattern, "random");
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "random reads cannot be foreseen: larger ones, or "
                        "data in the order in which it is read, would help");
    run.stats.kept_bytes = 4 * GB;
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "the memory was full: with more --memory more would "
                        "stay");
    run.stats.kernel_bytes = 2 * GB;
    run.launch.io.call_bytes = 3 * GB;
    run.launch.io.storage_bytes = GB / 10;
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "the page cache had it already: there is nothing to "
                        "read ahead. Larger reads, more threads or mmap would "
                        "help");
    options.run.is_observing = true;
    run_judge(&run);
    assert_string_equal(run.verdict.advice,
                        "run it without --observe-only to have it fed");
}

static void run_judge_nothing_seen_is_not_known(void **state)
{
    (void)state;
    run.stats.reads = 0;
    expect(LIMIT_UNKNOWN, "not known: no read of a watched file was seen",
           "it reads by mmap or stdio: the files are read ahead into the page "
           "cache, and how long it waits for them is not seen");
    run.stats.files = 0;
    run.launch.unreached = "it is statically linked";
    expect(LIMIT_UNKNOWN, "not known: no read of a watched file was seen",
           "no library can be put into this program: it is statically linked");
}

static void run_judge_unfed_is_not_known(void **state)
{
    (void)state;
    run.feeder = NULL;
    run.actor_known = 0;
    expect(LIMIT_UNKNOWN, "not known: the program ran unfed and unseen", "");
}

static void run_judge_short_run_is_not_known(void **state)
{
    (void)state;
    run.launch.end_ns = run.launch.start_ns + 99 * MS;
    actors[0].kernel_ns = 90 * MS;
    expect(LIMIT_UNKNOWN, "not known: it ran for 0.099 s only", "");
}

static void run_command_text_is_one_line_that_fits(void **state)
{
    char *words[] = {"a b", "", "c\nd", "$x", "plain-1", NULL};
    char text[64];
    (void)state;
    run.launch.command = words;
    assert_string_equal(run_command_text(&run, text, sizeof(text)),
                        "'a b' '' 'c?d' '$x' plain-1");
    assert_string_equal(run_command_text(&run, text, 12), "'a b' ''...");
}

static void run_end_text_names_status_or_signal(void **state)
{
    char text[64];
    (void)state;
    run.launch.wait_status = 3 << 8;
    assert_string_equal(run_end_text(&run, text, sizeof(text)),
                        "exit status 3");
    run.launch.wait_status = 9;
    assert_string_equal(run_end_text(&run, text, sizeof(text)),
                        "killed by signal 9 (Killed)");
}

static void run_rank_is_a_launchers(void **state)
{
    const char *name = NULL;
    (void)state;
    unsetenv("RANK");
    unsetenv("SLURM_PROCID");
    setenv("OMPI_COMM_WORLD_RANK", "7", 1);
    assert_string_equal(run_rank(&name), "7");
    assert_string_equal(name, "OMPI_COMM_WORLD_RANK");
    unsetenv("OMPI_COMM_WORLD_RANK");
    assert_null(run_rank(&name));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(run_judge_little_blocked_is_not_input),
        TEST(run_judge_little_blocked_but_much_unseen_is_not_known),
        TEST(run_judge_first_thread_blocked_is_input),
        TEST(run_judge_other_thread_blocked_may_read_ahead),
        TEST(run_judge_advice_goes_by_what_blocked),
        TEST(run_judge_nothing_seen_is_not_known),
        TEST(run_judge_unfed_is_not_known),
        TEST(run_judge_short_run_is_not_known),
        TEST(run_command_text_is_one_line_that_fits),
        TEST(run_end_text_names_status_or_signal),
        TEST(run_rank_is_a_launchers),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
