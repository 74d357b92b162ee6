/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines under bad luck: the n-th read spoiled in every way, the n-th
 * allocation failing, files that shrink, memory that goes away. Whatever
 * happens, every read comes back exactly once and says the truth.
 */
#include "tests/lib/io_fixture.h"

#include <errno.h>

#include "runtime/base/mem.h"

#define READ_BYTES 32768
#define READS 24
#define DEPTH 6
#define MIB (1 << 20)

static const char *const engines[] = {"uring", "pread"};
static struct fgi_block block;

/* The engine by name; NULL, with a line, where this machine forbids it. */
static struct fgi_engine *make(const char *name, uint32_t depth)
{
    const struct fgi_region region = {block.base, block.bytes};
    const struct fgi_engine_config config = {
        .depth = depth,
        .threads = 3,
        .node = -1,
        .region_count = 1,
        .regions = &region,
    };
    struct fgi_engine *engine;
    struct fg_error err;

    if (fgi_engine_create(name, &config, -1, &engine, NULL, 0, &err) != FG_OK) {
        print_message("skipped: %s: %s\n", name, err.message);
        return NULL;
    }
    return engine;
}

static struct fgi_engine *make_faulty(const char *name,
                                      const struct fgi_fault *fault)
{
    struct fgi_engine *engine = make(name, DEPTH);
    struct fg_error err;

    if (engine != NULL) {
        assert_int_equal(fgi_engine_fault_create(engine, fault, &engine, &err),
                         FG_OK);
    }
    return engine;
}

/* Read the file once in READS pieces, DEPTH at a time. */
static void read_all(struct fgi_engine *engine, const struct fgi_file *file,
                     struct fgi_read reads[READS], int back[READS])
{
    memset(back, 0, READS * sizeof(back[0]));
    for (uint32_t first = 0; first < READS; first += DEPTH) {
        for (uint32_t i = first; i < first + DEPTH; i++) {
            uint8_t *to = block.base + (size_t)i * READ_BYTES;

            memset(to, 0, READ_BYTES);
            reads[i] = fixture_read(file, (uint64_t)i * READ_BYTES, READ_BYTES,
                                    READ_BYTES, to);
            reads[i].owner = &back[i];
            engine->ops->submit(engine, &reads[i]);
        }
        fixture_reap(engine, DEPTH);
    }
    for (uint32_t i = 0; i < READS; i++) {
        assert_int_equal(back[i], 1);
    }
}

static bool is_whole(const struct fgi_read *read)
{
    return fixture_matching(read->buffer, read->offset, READ_BYTES) ==
           READ_BYTES;
}

/* The read that the fault hit. */
static void check_spoiled(const struct fgi_read *read,
                          const struct fgi_fault *fault)
{
    switch (fault->kind) {
    case FGI_FAULT_ERROR:
        if (fault->sys_errno != EAGAIN && fault->sys_errno != EINTR) {
            assert_int_equal(read->error, fault->sys_errno);
            return;
        }
        break;
    case FGI_FAULT_EOF:
        assert_int_equal(read->error, FGI_READ_EOF);
        assert_true(read->done_bytes < read->wanted_bytes);
        return;
    case FGI_FAULT_LATE:
        assert_true(read->complete_ns - read->submit_ns >= fault->delay_ns);
        break;
    case FGI_FAULT_FLIP:
        assert_int_equal(read->error, 0);
        assert_false(is_whole(read));
        return;
    case FGI_FAULT_SHORT:
        break;
    }
    assert_int_equal(read->error, 0);
    assert_int_equal(read->done_bytes, READ_BYTES);
    assert_true(is_whole(read));
}

/* Spoil each read in turn; all the others must be well. */
static void sweep(const char *name, struct fgi_fault fault, bool is_retried)
{
    struct fgi_read reads[READS];
    struct fgi_engine_report report;
    struct fgi_file file;
    int back[READS];

    fixture_open("faults.data", true, &file);
    for (fault.nth = 1; fault.nth <= READS; fault.nth++) {
        struct fgi_engine *engine = make_faulty(name, &fault);

        if (engine == NULL) {
            break;
        }
        read_all(engine, &file, reads, back);
        for (uint32_t i = 0; i < READS; i++) {
            if (i + 1 == fault.nth) {
                check_spoiled(&reads[i], &fault);
            } else {
                assert_int_equal(reads[i].error, 0);
                assert_true(is_whole(&reads[i]));
            }
        }
        engine->ops->report(engine, &report);
        assert_int_equal(report.reads, READS);
        assert_int_equal(report.retries, is_retried ? 1 : 0);
        engine->ops->destroy(engine);
    }
    fgi_file_close(&file);
}

static void sweep_both(struct fgi_fault fault, bool is_retried)
{
    for (int i = 0; i < 2; i++) {
        sweep(engines[i], fault, is_retried);
    }
}

static void nth_read_fails_alone(void **state)
{
    (void)state;
    sweep_both((struct fgi_fault){FGI_FAULT_ERROR, .sys_errno = EIO}, false);
}

static void nth_read_busy_or_interrupted_is_asked_again(void **state)
{
    (void)state;
    sweep_both((struct fgi_fault){FGI_FAULT_ERROR, .sys_errno = EAGAIN}, true);
    sweep_both((struct fgi_fault){FGI_FAULT_ERROR, .sys_errno = EINTR}, true);
}

static void nth_read_short_is_asked_for_the_rest(void **state)
{
    (void)state;
    sweep_both((struct fgi_fault){FGI_FAULT_SHORT, .nth = 0}, true);
}

static void nth_read_at_the_end_of_the_file_says_so(void **state)
{
    (void)state;
    sweep_both((struct fgi_fault){FGI_FAULT_EOF, .nth = 0}, false);
}

static void nth_read_late_is_late_and_whole(void **state)
{
    (void)state;
    sweep_both(
        (struct fgi_fault){FGI_FAULT_LATE, .delay_ns = 2 * FGI_NS_PER_MS},
        false);
}

static void nth_read_with_a_flipped_bit_differs(void **state)
{
    (void)state;
    sweep_both((struct fgi_fault){FGI_FAULT_FLIP, .nth = 0}, false);
}

static void every_third_read_fails(void **state)
{
    const struct fgi_fault fault = {FGI_FAULT_ERROR, .nth = 2, .every = 3,
                                    .sys_errno = ENXIO};
    struct fgi_engine *engine = make_faulty("pread", &fault);
    struct fgi_read reads[READS];
    struct fgi_file file;
    int back[READS];

    (void)state;
    fixture_open("faults.data", false, &file);
    read_all(engine, &file, reads, back);
    for (uint32_t i = 0; i < READS; i++) {
        assert_int_equal(reads[i].error, i % 3 == 1 ? ENXIO : 0);
    }
    engine->ops->destroy(engine);
    fgi_file_close(&file);
}

static void destroy_with_late_and_unread_reads_leaks_nothing(void **state)
{
    const struct fgi_fault fault = {FGI_FAULT_LATE, .nth = 1, .every = 2,
                                    .delay_ns = FGI_NS_PER_S * 3600};
    struct fgi_file file;

    (void)state;
    fixture_open("faults.data", true, &file);
    for (int e = 0; e < 2; e++) {
        struct fgi_engine *engine = make_faulty(engines[e], &fault);
        struct fgi_read reads[DEPTH];
        struct fgi_read *done[1];

        if (engine == NULL) {
            continue;
        }
        for (uint32_t i = 0; i < DEPTH; i++) {
            reads[i] = fixture_read(&file, 0, READ_BYTES, READ_BYTES,
                                    block.base + (size_t)i * READ_BYTES);
            engine->ops->submit(engine, &reads[i]);
        }
        assert_int_equal(engine->ops->wait(engine, done, 1, FGI_NEVER), 1);
        engine->ops->destroy(engine);
    }
    fgi_file_close(&file);
}

/* Create until no allocation is left to fail; returns how many there were. */
static unsigned sweep_allocations(const char *name)
{
    const struct fgi_region region = {block.base, block.bytes};
    const struct fgi_engine_config config = {
        .depth = 4, .node = -1, .region_count = 1, .regions = &region};
    int before = fixture_count_fds();

    for (unsigned n = 1;; n++) {
        struct fgi_engine *engine = NULL;
        struct fg_error err = {.message = ""};
        char note[128] = "";
        enum fg_status status;

        fgi_alloc_fail_after(n);
        status = fgi_engine_create(name, &config, -1, &engine, note,
                                   sizeof(note), &err);
        fgi_alloc_fail_after(0);
        if (status == FG_OK) {
            engine->ops->destroy(engine);
            assert_int_equal(fixture_count_fds(), before);
            return n - 1;
        }
        assert_int_equal(status, FG_ERR_MEMORY);
        assert_non_null(strstr(err.message, "out of memory"));
        assert_null(engine);
        assert_int_equal(fixture_count_fds(), before);
        assert_true(n < 100);
    }
}

static void nth_allocation_of_create_fails_cleanly(void **state)
{
    struct fgi_engine *engine;

    (void)state;
    assert_int_equal(sweep_allocations("null"), 1);
    assert_int_equal(sweep_allocations("pread"), 2);
    engine = make("uring", 1);
    if (engine != NULL) {
        engine->ops->destroy(engine);
        assert_int_equal(sweep_allocations("uring"), 2);
        assert_int_equal(sweep_allocations("auto"), 3);
    }
}

static void fault_without_memory_destroys_the_engine_below(void **state)
{
    const struct fgi_fault fault = {.nth = 0};
    int before = fixture_count_fds();
    struct fgi_engine *below = make("auto", 4);
    struct fgi_engine *engine = NULL;
    struct fg_error err;

    (void)state;
    fgi_alloc_fail_after(1);
    assert_int_equal(fgi_engine_fault_create(below, &fault, &engine, &err),
                     FG_ERR_MEMORY);
    assert_string_equal(err.message, "fault engine: out of memory");
    assert_null(engine);
    assert_int_equal(fixture_count_fds(), before);
}

static void read_that_finds_no_memory_comes_back_with_enomem(void **state)
{
    const struct fgi_fault none = {.nth = 0};
    struct fgi_engine *engine = make_faulty("pread", &none);
    struct fgi_file file;
    struct fgi_read read;

    (void)state;
    fixture_open("faults.data", false, &file);
    read = fixture_read(&file, 0, 100, 100, block.base);
    fgi_alloc_fail_after(1);
    fixture_do(engine, &read);
    assert_int_equal(read.error, ENOMEM);
    engine->ops->destroy(engine);
    fgi_file_close(&file);
}

/* The buffers are somebody else's right after destroy: a read still on its way
 * to one would spoil that. */
static void reuse_after_destroy_meets_no_late_read(void **state)
{
    const size_t bytes = (size_t)READS * READ_BYTES;
    struct fgi_file file;

    (void)state;
    fixture_open("faults.data", true, &file);
    for (int round = 0; round < 20; round++) {
        struct fgi_engine *engine = make(engines[round % 2], READS);
        struct fgi_read reads[READS];
        struct fgi_read *done[1];

        for (uint32_t i = 0; engine != NULL && i < READS; i++) {
            reads[i] =
                fixture_read(&file, (uint64_t)i * READ_BYTES, READ_BYTES,
                             READ_BYTES, block.base + (size_t)i * READ_BYTES);
            engine->ops->submit(engine, &reads[i]);
        }
        if (engine == NULL) {
            continue;
        }
        engine->ops->wait(engine, done, 1, 0);
        engine->ops->destroy(engine);
        memset(reads, 0xee, sizeof(reads));
        memset(block.base, 0xa5, bytes);
        fgi_sleep_ns(2 * FGI_NS_PER_MS);
        assert_true(fixture_is_all(block.base, bytes, 0xa5));
    }
    fgi_file_close(&file);
}

static void read_size_of_tail(struct fgi_engine *engine, uint32_t size,
                              bool is_direct)
{
    uint32_t room = (uint32_t)fgi_align_up(size, 4096) + 4096;
    struct fgi_file file;
    struct fgi_read read;

    fixture_make_file("tail.data", size);
    fixture_open("tail.data", is_direct, &file);
    memset(block.base, 0, room);
    if (size > 0) {
        read = fixture_read(&file, 0, room, size, block.base);
        fixture_do(engine, &read);
        assert_int_equal(read.error, 0);
        assert_int_equal(read.done_bytes, size);
        assert_int_equal(fixture_matching(block.base, 0, size), size);
    }
    read = fixture_read(&file, 0, room, size + 1, block.base);
    fixture_do(engine, &read);
    assert_int_equal(read.error, FGI_READ_EOF);
    assert_int_equal(read.done_bytes, size);
    assert_string_equal(fgi_read_error_text(read.error),
                        "unexpected end of file");
    fgi_file_close(&file);
}

static void tails_of_every_kind_arrive_whole(void **state)
{
    static const uint32_t sizes[] = {0,    1,    511,     512, 513,    4095,
                                     4096, 4097, MIB - 1, MIB, MIB + 1};

    (void)state;
    for (int e = 0; e < 4; e++) {
        struct fgi_engine *engine = make(engines[e % 2], 4);

        for (size_t i = 0;
             engine != NULL && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            read_size_of_tail(engine, sizes[i], e >= 2);
        }
        if (engine != NULL) {
            engine->ops->destroy(engine);
        }
    }
}

/* A file that shrinks under its readers: what lies behind its new end is an
 * end of file, what lies before is whole. */
static void file_truncated_while_read_ends_early(void **state)
{
    const uint64_t keep = 10 * READ_BYTES + 700;

    (void)state;
    for (int e = 0; e < 4; e++) {
        struct fgi_engine *engine = make(engines[e % 2], READS);
        struct fgi_read reads[READS];
        int back[READS] = {0};
        struct fgi_file file;
        struct fg_error err;

        if (engine == NULL) {
            continue;
        }
        fixture_make_file("shrinking.data", (uint64_t)READS * READ_BYTES);
        fixture_open("shrinking.data", e >= 2, &file);
        for (uint32_t i = 0; i < READS; i++) {
            reads[i] =
                fixture_read(&file, (uint64_t)i * READ_BYTES, READ_BYTES,
                             READ_BYTES, block.base + (size_t)i * READ_BYTES);
            reads[i].owner = &back[i];
            if (i == READS / 2) {
                assert_int_equal(truncate("shrinking.data", (off_t)keep), 0);
            }
            engine->ops->submit(engine, &reads[i]);
        }
        fixture_reap(engine, READS);
        for (uint32_t i = 0; i < READS; i++) {
            assert_int_equal(back[i], 1);
            assert_true(reads[i].error == 0 || reads[i].error == FGI_READ_EOF);
            assert_true((reads[i].error == 0) ==
                        (reads[i].done_bytes == READ_BYTES));
            if (i < 10) {
                assert_int_equal(reads[i].error, 0);
                assert_true(is_whole(&reads[i]));
            }
            if (i >= READS / 2) {
                assert_int_equal(reads[i].error, FGI_READ_EOF);
            }
        }
        assert_int_equal(fgi_file_check(&file, "shrinking.data", &err),
                         FG_ERR_CHANGED);
        engine->ops->destroy(engine);
        fgi_file_close(&file);
    }
}

static int set_up(void **state)
{
    struct fg_error err;

    (void)state;
    fixture_make_file("faults.data", (uint64_t)READS * READ_BYTES);
    return fgi_block_map(&block, FGI_MIB(4), -1, &err) == FG_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    fgi_block_unmap(&block);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nth_read_fails_alone),
        cmocka_unit_test(nth_read_busy_or_interrupted_is_asked_again),
        cmocka_unit_test(nth_read_short_is_asked_for_the_rest),
        cmocka_unit_test(nth_read_at_the_end_of_the_file_says_so),
        cmocka_unit_test(nth_read_late_is_late_and_whole),
        cmocka_unit_test(nth_read_with_a_flipped_bit_differs),
        cmocka_unit_test(every_third_read_fails),
        cmocka_unit_test(destroy_with_late_and_unread_reads_leaks_nothing),
        cmocka_unit_test(nth_allocation_of_create_fails_cleanly),
        cmocka_unit_test(fault_without_memory_destroys_the_engine_below),
        cmocka_unit_test(read_that_finds_no_memory_comes_back_with_enomem),
        cmocka_unit_test(reuse_after_destroy_meets_no_late_read),
        cmocka_unit_test(tails_of_every_kind_arrive_whole),
        cmocka_unit_test(file_truncated_while_read_ends_early),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
