/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loader where the system says no: files that may not be read, no huge
 * pages, no memory to lock, no io_uring. Each case gives up its rights in a
 * child.
 */
#include "tests/lib/io_fixture.h"
#include "tests/lib/loader_fixture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NOBODY 65534

static struct source source;

static int set_up(void **state)
{
    const struct raw_shape shape = {4096, 0, 0, {200, 90}};

    (void)state;
    fixture_watch(100);
    snprintf(fixture_case, sizeof(fixture_case), "denied");
    source_make_raw(&source, "denied", &shape);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_fini(&source);
    return 0;
}

static bool become_nobody(void)
{
    return geteuid() != 0 || (setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
                              setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

/* Run a whole epoch; true when every sample came and `stats` are filled. */
static bool run_epoch(const char *io, struct fg_loader_stats *stats)
{
    struct fg_loader_config config = source_config(&source);
    struct fg_loader *loader;
    struct fg_batch batch;
    struct fg_error err;
    uint64_t next = 0;
    bool is_right = true;

    config.io = io;
    if (fg_loader_open(&config, &loader, &err) != FG_OK) {
        fprintf(stderr, "open: %s\n", err.message);
        return false;
    }
    while (fg_loader_acquire(loader, NULL, &batch, &err) == FG_OK) {
        for (uint32_t i = 0; i < batch.count; i++, next++) {
            is_right = is_right && batch.sample_indices[i] == next &&
                       memcmp((uint8_t *)batch.data + i * 4096,
                              source.data + next * 4096, 4096) == 0;
        }
        fg_loader_release(loader, &batch, NULL);
    }
    fg_loader_get_stats(loader, stats);
    fg_loader_close(loader);
    return is_right && next == source.samples;
}

static int open_unreadable(void *context)
{
    struct fg_loader_config config = source_config(&source);
    struct fg_loader *loader = NULL;
    struct fg_error err;

    (void)context;
    child_check(become_nobody());
    child_check(fg_loader_open(&config, &loader, &err) == FG_ERR_PERMISSION);
    child_check(loader == NULL);
    if (strcmp(err.message, "denied/part-01.bin: open: Permission denied") !=
        0) {
        fprintf(stderr, "got: %s\n", err.message);
        return __LINE__;
    }
    return 0;
}

static void open_of_an_unreadable_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(chmod("denied/part-01.bin", 0), 0);
    fixture_in_child(open_unreadable, NULL);
    assert_int_equal(chmod("denied/part-01.bin", 0644), 0);
}

/* There when the dataset is opened, not when its turn comes. */
static int lose_file(void *context)
{
    struct fg_loader_config config = source_config(&source);
    struct fg_loader *loader = NULL;
    struct fg_batch batch;
    struct fg_error err = {0};
    uint64_t batches = 0;

    (void)context;
    config.slots = 1;
    config.direct = FG_OFF;
    child_check(fg_loader_open(&config, &loader, &err) == FG_OK);
    child_check(fg_loader_acquire(loader, NULL, &batch, &err) == FG_OK);
    child_check(rename("denied/part-01.bin", "denied/part-01.away") == 0);
    fg_loader_release(loader, &batch, NULL);
    while (fg_loader_acquire(loader, NULL, &batch, &err) == FG_OK) {
        fg_loader_release(loader, &batch, NULL);
        batches++;
    }
    child_check(rename("denied/part-01.away", "denied/part-01.bin") == 0);
    child_check(batches == 5); /* six lie wholly in the first file */
    child_check(err.status == FG_ERR_NOT_FOUND);
    child_check(strcmp(err.message, "denied/part-01.bin: open: No such file "
                                    "or directory") == 0);
    fg_loader_close(loader);
    return 0;
}

static void acquire_of_a_file_that_went_away_is_not_found(void **state)
{
    (void)state;
    fixture_in_child(lose_file, NULL);
}

static int run_without_huge_pages(void *context)
{
    struct fg_loader_stats stats;

    (void)context;
    child_check(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
    child_check(run_epoch("auto", &stats));
    if (strcmp(stats.placement.page_kind, "hugetlb") != 0) {
        child_check(strcmp(stats.placement.page_kind, "small") == 0);
        child_check(stats.placement.page_bytes == 4096);
    }
    return 0;
}

static void run_without_huge_pages_says_so(void **state)
{
    (void)state;
    fixture_in_child(run_without_huge_pages, NULL);
}

static int run_without_locked_memory(void *context)
{
    const struct rlimit limit = {64 << 10, 64 << 10};
    struct fg_loader_stats stats;

    (void)context;
    child_check(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    child_check(become_nobody());
    child_check(run_epoch("auto", &stats));
    child_check(stats.engine_note[0] != '\0');
    return 0;
}

static void run_with_a_low_memlock_limit_goes_on(void **state)
{
    (void)state;
    fixture_in_child(run_without_locked_memory, NULL);
}

static bool forbid_io_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the call's number */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {
        .len = sizeof(code) / sizeof(code[0]),
        .filter = code,
    };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int run_without_io_uring(void *context)
{
    static const char refused[] =
        "io_uring: set up: Operation not permitted (likely cause: "
        "container's seccomp, or kernel.io_uring_disabled)";
    struct fg_loader_config config = source_config(&source);
    struct fg_loader_stats stats;
    struct fg_loader *loader = NULL;
    struct fg_error err;
    char note[256];

    (void)context;
    child_check(forbid_io_uring());
    child_check(run_epoch("auto", &stats));
    child_check(strcmp(stats.engine, "pread") == 0);
    snprintf(note, sizeof(note), "fell back to pread: %s", refused);
    note[sizeof(stats.engine_note) - 1] = '\0';
    child_check(strcmp(stats.engine_note, note) == 0);
    config.io = "uring";
    child_check(fg_loader_open(&config, &loader, &err) == FG_ERR_UNSUPPORTED);
    child_check(strcmp(err.message, refused) == 0);
    return 0;
}

static void run_without_io_uring_falls_back_and_says_why(void **state)
{
    (void)state;
    fixture_in_child(run_without_io_uring, NULL);
}

/* Fewer descriptors than shards: files are closed and opened again. */
static int run_with_few_descriptors(void *context)
{
    const struct rlimit limit = {64, 64};
    const enum fg_shuffle *shuffle = context;
    struct fg_loader_config config;
    struct fg_loader *loader;
    struct fg_batch batch;
    struct fg_error err;
    uint64_t samples = 0;

    fg_loader_config_init(&config);
    config.dataset = "denied-many";
    config.dataset_config.format = "raw";
    config.dataset_config.record_bytes = 512;
    config.device = "host";
    config.epochs = 3;
    config.shuffle = *shuffle;
    config.batch_size = 70;
    child_check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    child_check(fg_loader_open(&config, &loader, &err) == FG_OK);
    while (fg_loader_acquire(loader, NULL, &batch, &err) == FG_OK) {
        for (uint32_t i = 0; i < batch.count; i++) {
            const uint8_t *data = (uint8_t *)batch.data + i * 512;

            child_check(data[0] == batch.sample_indices[i]);
            child_check(data[511] == batch.sample_indices[i]);
        }
        samples += batch.count;
        fg_loader_release(loader, &batch, NULL);
    }
    child_check(samples == 3 * 200);
    fg_loader_close(loader);
    return 0;
}

static void run_over_more_shards_than_descriptors_is_whole(void **state)
{
    (void)state;
    fresh_folder("denied-many");
    for (int i = 0; i < 200; i++) {
        uint8_t data[512];
        char path[64];

        memset(data, i, sizeof(data));
        snprintf(path, sizeof(path), "denied-many/%03d", i);
        write_file(path, data, sizeof(data));
    }
    for (enum fg_shuffle shuffle = FG_SHUFFLE_NONE; shuffle <= FG_SHUFFLE_FULL;
         shuffle++) {
        fixture_in_child(run_with_few_descriptors, &shuffle);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_of_an_unreadable_file_is_refused),
        cmocka_unit_test(acquire_of_a_file_that_went_away_is_not_found),
        cmocka_unit_test(run_without_huge_pages_says_so),
        cmocka_unit_test(run_with_a_low_memlock_limit_goes_on),
        cmocka_unit_test(run_without_io_uring_falls_back_and_says_why),
        cmocka_unit_test(run_over_more_shards_than_descriptors_is_whole),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
