/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines where the system says no: io_uring forbidden, as containers do; no
 * memory to lock; no threads. Each case gives up its rights in a child.
 */
#include "tests/lib/io_fixture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NOBODY 65534

static struct fgi_file file;
static struct fgi_block block;

/* Let `call` fail with `sys_errno` in this process from now on. */
static int forbid(int call, int sys_errno)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the call's number */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)sys_errno),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {
        .len = sizeof(code) / sizeof(code[0]),
        .filter = code,
    };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return errno;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0
                                                                     : errno;
}

static struct fgi_engine_config config_of(struct fgi_region *region)
{
    *region = (struct fgi_region){block.base, block.bytes};
    return (struct fgi_engine_config){
        .depth = 4,
        .threads = 2,
        .node = -1,
        .region_count = 1,
        .regions = region,
    };
}

/* Whether the engine, which is destroyed, reads the file's first bytes. */
static bool reads_well(struct fgi_engine *engine)
{
    struct fgi_read read = fixture_read(&file, 0, 4096, 4096, block.base);
    struct fgi_read *done[1];

    memset(block.base, 0, 4096);
    engine->ops->submit(engine, &read);
    if (engine->ops->wait(engine, done, 1, FGI_NEVER) != 1) {
        return false;
    }
    engine->ops->destroy(engine);
    return read.error == 0 && fixture_matching(block.base, 0, 4096) == 4096;
}

struct denial {
    int call;              /* forbidden system call */
    int sys_errno;         /* what it answers */
    enum fg_status status; /* of making a uring engine */
    const char *message;   /* the same in words */
};

static int fall_back(void *context)
{
    const struct denial *denial = context;
    struct fgi_region region;
    const struct fgi_engine_config config = config_of(&region);
    struct fgi_engine *engine = NULL;
    struct fg_error err;
    char note[128]; /* what the loader has room for */
    char wanted[256];

    child_check(forbid(denial->call, denial->sys_errno) == 0);
    if (denial->message != NULL) {
        child_check(fgi_engine_create("uring", &config, -1, &engine, NULL, 0,
                                      &err) == denial->status);
        child_check(strcmp(err.message, denial->message) == 0);
        child_check(err.sys_errno == denial->sys_errno);
        child_check(engine == NULL);
    }
    child_check(fgi_engine_create("auto", &config, file.fd, &engine, note,
                                  sizeof(note), &err) == FG_OK);
    child_check(strcmp(engine->ops->name, "pread") == 0);
    snprintf(wanted, sizeof(wanted), "fell back to pread: %s",
             denial->message != NULL ? denial->message : "io_uring: ");
    child_check(strncmp(note, wanted, strlen(wanted)) == 0);
    child_check(reads_well(engine));
    return 0;
}

static void auto_where_io_uring_is_forbidden_falls_back_to_pread(void **state)
{
    struct denial denial = {
        SYS_io_uring_setup, EPERM, FG_ERR_UNSUPPORTED,
        "io_uring: set up: Operation not permitted (likely cause: "
        "container's seccomp, or kernel.io_uring_disabled)"};

    (void)state;
    fixture_in_child(fall_back, &denial);
}

static void auto_where_io_uring_is_missing_falls_back_to_pread(void **state)
{
    struct denial denial = {
        SYS_io_uring_setup, ENOSYS, FG_ERR_UNSUPPORTED,
        "io_uring: set up: Function not implemented (likely cause: the "
        "kernel or the sandbox has no io_uring)"};

    (void)state;
    fixture_in_child(fall_back, &denial);
}

static void auto_without_memory_for_a_ring_falls_back_to_pread(void **state)
{
    struct denial denial = {
        SYS_io_uring_setup, ENOMEM, FG_ERR_MEMORY,
        "io_uring: set up: Cannot allocate memory (likely cause: "
        "this user has used up RLIMIT_MEMLOCK)"};

    (void)state;
    fixture_in_child(fall_back, &denial);
}

/* A ring that can be made but not used: only the probe's read finds out. */
static void
auto_where_a_ring_cannot_be_entered_falls_back_to_pread(void **state)
{
    struct denial denial = {SYS_io_uring_enter, EPERM, FG_OK, NULL};

    (void)state;
    fixture_in_child(fall_back, &denial);
}

static bool has_uring(void)
{
    const struct fgi_engine_config config = {.depth = 1, .node = -1};
    struct fgi_engine *engine;
    struct fg_error err;

    if (fgi_engine_uring_create(&config, &engine, &err) != FG_OK) {
        print_message("skipped: %s\n", err.message);
        return false;
    }
    engine->ops->destroy(engine);
    return true;
}

static int break_ring(void *context)
{
    struct fgi_region region;
    const struct fgi_engine_config config = config_of(&region);
    struct fgi_read read = fixture_read(&file, 0, 4096, 4096, block.base);
    struct fgi_read *done[1];
    struct fgi_engine *engine;
    struct fg_error err;

    (void)context;
    child_check(fgi_engine_uring_create(&config, &engine, &err) == FG_OK);
    engine->ops->submit(engine, &read);
    child_check(engine->ops->wait(engine, done, 1, FGI_NEVER) == 1);
    child_check(read.error == 0);
    child_check(forbid(SYS_io_uring_enter, EPERM) == 0);
    for (int i = 0; i < 10; i++) {
        engine->ops->submit(engine, &read);
        child_check(engine->ops->wait(engine, done, 1, FGI_NEVER) == 1);
        child_check(done[0] == &read);
        child_check(read.error == EPERM);
    }
    engine->ops->wake(engine);
    child_check(engine->ops->wait(engine, done, 1, FGI_NEVER) == 0);
    engine->ops->destroy(engine);
    return 0;
}

static void ring_forbidden_in_use_gives_its_reads_back(void **state)
{
    (void)state;
    if (!has_uring()) {
        skip();
    }
    fixture_in_child(break_ring, NULL);
}

static int register_as_nobody(void *context)
{
    struct rlimit limit = {64 << 10, 64 << 10};
    struct fgi_region region;
    const struct fgi_engine_config config = config_of(&region);
    struct fgi_engine_report report;
    struct fgi_engine *engine;
    struct fg_error err;

    (void)context;
    child_check(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    if (geteuid() == 0) {
        child_check(setresgid(NOBODY, NOBODY, NOBODY) == 0);
        child_check(setresuid(NOBODY, NOBODY, NOBODY) == 0);
    }
    child_check(fgi_engine_create("uring", &config, file.fd, &engine, NULL, 0,
                                  &err) == FG_OK);
    engine->ops->report(engine, &report);
    child_check(!report.is_registered);
    child_check(strstr(report.note,
                       ", registered buffers refused: RLIMIT_MEMLOCK is 64 "
                       "KiB, 4 MiB wanted") != NULL);
    child_check(reads_well(engine));
    return 0;
}

static void uring_under_a_low_memlock_limit_reads_unregistered(void **state)
{
    (void)state;
    if (!has_uring()) {
        skip();
    }
    if (geteuid() != 0) {
        /* What this user's other processes have locked counts, too. */
        print_message("skipped: needs root, to be a user of its own\n");
        skip();
    }
    fixture_in_child(register_as_nobody, NULL);
}

static int make_without_threads(void *context)
{
    struct rlimit none = {0, 0};
    struct fgi_region region;
    const struct fgi_engine_config config = config_of(&region);
    struct fgi_engine *engine = NULL;
    struct fg_error err;

    (void)context;
    child_check(setrlimit(RLIMIT_NPROC, &none) == 0);
    if (geteuid() == 0) {
        child_check(setresgid(NOBODY, NOBODY, NOBODY) == 0);
        child_check(setresuid(NOBODY, NOBODY, NOBODY) == 0);
    }
    child_check(fgi_engine_create("pread", &config, file.fd, &engine, NULL, 0,
                                  &err) == FG_ERR_SYSTEM);
    child_check(strcmp(err.message,
                       "pread engine: thread fg-read: start: Resource "
                       "temporarily unavailable") == 0);
    child_check(engine == NULL);
    return 0;
}

static void pread_without_threads_says_so(void **state)
{
    (void)state;
    if (FIXTURE_SANITIZED) {
        print_message("skipped: a sanitizer ends a process without threads\n");
        skip();
    }
    fixture_in_child(make_without_threads, NULL);
}

static void create_of_an_unknown_name_lists_the_known(void **state)
{
    const struct fgi_engine_config config = {.depth = 1, .node = -1};
    struct fgi_engine *engine = NULL;
    struct fg_error err;

    (void)state;
    assert_int_equal(
        fgi_engine_create("libaio", &config, -1, &engine, NULL, 0, &err),
        FG_ERR_ARGUMENT);
    assert_string_equal(err.message, "engine: got \"libaio\" wanted auto, "
                                     "uring, pread or null");
    assert_null(engine);
}

static void create_auto_notes_what_it_made(void **state)
{
    const struct fgi_engine_config config = {.depth = 1, .node = -1};
    struct fgi_engine *engine;
    struct fgi_engine_report report;
    char note[128];

    (void)state;
    assert_int_equal(fgi_engine_create("auto", &config, -1, &engine, note,
                                       sizeof(note), NULL),
                     FG_OK);
    engine->ops->report(engine, &report);
    if (strcmp(report.name, "uring") == 0) {
        assert_string_equal(note, report.note);
    }
    assert_true(note[0] != '\0');
    engine->ops->destroy(engine);
}

static int set_up(void **state)
{
    static _Alignas(4096) uint8_t memory[4 << 20];

    (void)state;
    /* Not fgi_block_map: its memory is not there in a forked child. */
    block = (struct fgi_block){.base = memory, .bytes = sizeof(memory)};
    fixture_make_file("denied.data", 100000);
    fixture_open("denied.data", true, &file);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fgi_file_close(&file);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_where_io_uring_is_forbidden_falls_back_to_pread),
        cmocka_unit_test(auto_where_io_uring_is_missing_falls_back_to_pread),
        cmocka_unit_test(auto_without_memory_for_a_ring_falls_back_to_pread),
        cmocka_unit_test(
            auto_where_a_ring_cannot_be_entered_falls_back_to_pread),
        cmocka_unit_test(ring_forbidden_in_use_gives_its_reads_back),
        cmocka_unit_test(uring_under_a_low_memlock_limit_reads_unregistered),
        cmocka_unit_test(pread_without_threads_says_so),
        cmocka_unit_test(create_of_an_unknown_name_lists_the_known),
        cmocka_unit_test(create_auto_notes_what_it_made),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
