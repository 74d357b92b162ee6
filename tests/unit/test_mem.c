/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/copy.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/base/thread.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static void alloc_gives_zeroed_memory(void **state)
{
    uint8_t *block = fgi_alloc(100, 7);

    (void)state;
    assert_non_null(block);
    for (int i = 0; i < 700; i++) {
        assert_int_equal(block[i], 0);
    }
    fgi_free(block);
    fgi_free(NULL);
}

static void alloc_of_too_much_returns_null(void **state)
{
    volatile size_t huge = SIZE_MAX / 2;

    (void)state;
    assert_null(fgi_alloc(huge, 4));
    assert_null(fgi_grow(NULL, huge, 4));
}

static void alloc_of_nothing_is_not_a_failure(void **state)
{
    void *none = fgi_alloc(0, 8);
    void *grown;

    (void)state;
    assert_non_null(none);
    grown = fgi_grow(none, 0, 8);
    assert_non_null(grown);
    fgi_free(grown);
}

static void grow_keeps_the_bytes(void **state)
{
    char *text = fgi_strdup("shard");

    (void)state;
    text = fgi_grow(text, 100000, 1);
    assert_non_null(text);
    assert_string_equal(text, "shard");
    fgi_free(text);
}

static void alloc_fail_after_fails_the_nth_only(void **state)
{
    void *blocks[4];

    (void)state;
    fgi_alloc_fail_after(3);
    for (int i = 0; i < 4; i++) {
        blocks[i] = fgi_alloc(1, 1);
        assert_true((blocks[i] == NULL) == (i == 2));
    }
    for (int i = 0; i < 4; i++) {
        fgi_free(blocks[i]);
    }
    fgi_alloc_fail_after(1);
    assert_null(fgi_strdup("x"));
    fgi_alloc_fail_after(1);
    assert_null(fgi_grow(NULL, 1, 1));
    fgi_alloc_fail_after(0);
}

/* How many of a thread's allocations failed. */
struct tries {
    struct fgi_thread thread;
    unsigned failed;
};

static void allocate_often(void *context)
{
    struct tries *tries = context;

    for (int i = 0; i < 2000; i++) {
        void *block = fgi_alloc(1, 1);

        tries->failed += block == NULL;
        fgi_free(block);
    }
}

static void alloc_fail_after_on_many_threads_fails_once(void **state)
{
    struct tries tries[4] = {{.failed = 0}};
    unsigned failed = 0;

    (void)state;
    fgi_alloc_fail_after(3000);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(fgi_thread_start(&tries[i].thread, "tries", -1,
                                          allocate_often, &tries[i], NULL),
                         FG_OK);
    }
    for (int i = 0; i < 4; i++) {
        fgi_thread_join(&tries[i].thread);
        failed += tries[i].failed;
    }
    assert_int_equal(failed, 1);
}

static void check_block(const struct fgi_block *block, uint64_t bytes)
{
    static unsigned char resident[FGI_MIB(96) / 4096];

    assert_non_null(block->base);
    assert_true(((uintptr_t)block->base & (FGI_MIB(2) - 1)) == 0);
    assert_true(block->bytes >= bytes);
    assert_true(block->bytes % FGI_MIB(2) == 0);
    assert_true(block->base >= (uint8_t *)block->mapping);
    assert_true(block->base + block->bytes <=
                (uint8_t *)block->mapping + block->mapping_bytes);
    assert_int_equal(mincore(block->base, block->bytes, resident), 0);
    for (size_t i = 0; i < block->bytes / 4096; i++) {
        assert_int_equal(resident[i] & 1, 1); /* every page was touched */
    }
    assert_int_equal(block->base[0], 0);
    assert_int_equal(block->base[block->bytes - 1], 0);
    memset(block->base, 0xa5, block->bytes);
}

static void block_map_of_each_size_is_aligned_touched_and_writable(void **state)
{
    static const uint64_t sizes[] = {
        1,           4096, FGI_MIB(2), FGI_MIB(2) + 1,
        FGI_MIB(96), /* touched by several threads */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int node = -1; node <= 0; node++) {
            struct fgi_block block;

            assert_int_equal(fgi_block_map(&block, sizes[i], node, NULL),
                             FG_OK);
            assert_int_equal(block.node, node);
            check_block(&block, sizes[i]);
            fgi_block_unmap(&block);
            assert_null(block.mapping);
            fgi_block_unmap(&block);
        }
    }
}

static void block_map_on_an_absent_node_says_so(void **state)
{
    struct fgi_block block;

    (void)state;
    assert_int_equal(fgi_block_map(&block, 1, 977, NULL), FG_OK);
    assert_int_not_equal(block.policy_errno, 0);
    fgi_block_unmap(&block);
}

static void block_map_of_no_or_absurd_bytes_is_an_argument_error(void **state)
{
    struct fg_error err;
    struct fgi_block block;

    (void)state;
    assert_int_equal(fgi_block_map(&block, 0, -1, &err), FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        "memory: map: got 0 bytes, wanted 1 to 2^62");
    assert_int_equal(fgi_block_map(&block, UINT64_MAX, -1, &err),
                     FG_ERR_ARGUMENT);
    fgi_block_unmap(&block);
}

static void block_map_of_too_much_says_how_much(void **state)
{
    struct fg_error err;
    struct fgi_block block;

    (void)state;
    assert_int_equal(fgi_block_map(&block, UINT64_C(1) << 60, -1, &err),
                     FG_ERR_MEMORY);
    assert_int_equal(err.status, FG_ERR_MEMORY);
    assert_string_equal(err.message,
                        "memory: map 1099511627776 MiB: Cannot allocate memory "
                        "(likely cause: more than the machine, ulimit -v or "
                        "the cgroup allows)");
    assert_null(block.mapping);
}

static void block_map_with_an_injected_failure_fails(void **state)
{
    struct fg_error err;
    struct fgi_block block;

    (void)state;
    fgi_alloc_fail_after(1);
    assert_int_equal(fgi_block_map(&block, 1, -1, &err), FG_ERR_MEMORY);
    fgi_alloc_fail_after(0);
    assert_null(block.mapping);
    assert_memory_equal(err.message, "memory: map 1 MiB: ", 19);
}

/* Run check in a child; its exit status is the result. */
static int in_child(int (*check)(void *context), void *context)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        _exit(check(context));
    }
    assert_true(child > 0);
    assert_true(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static int is_unmapped(void *context)
{
    unsigned char resident;

    return mincore(context, 4096, &resident) != 0 ? 0 : 1;
}

static void block_map_is_not_seen_by_a_forked_child(void **state)
{
    struct fgi_block block;

    (void)state;
    assert_int_equal(fgi_block_map(&block, 1, -1, NULL), FG_OK);
    assert_int_equal(in_child(is_unmapped, block.base), 0);
    fgi_block_unmap(&block);
}

static int maps_small_pages(void *context)
{
    struct fgi_block block;

    (void)context;
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (fgi_block_map(&block, 1, -1, NULL) != FG_OK) {
        return 2;
    }
    return block.pages == FGI_PAGES_THP ? 1 : 0;
}

static void block_map_with_thp_disabled_does_not_claim_thp(void **state)
{
    (void)state;
    assert_int_equal(in_child(maps_small_pages, NULL), 0);
}

static int maps_under_a_limit(void *context)
{
    struct rlimit limit = {FGI_MIB(64), FGI_MIB(64)};
    struct fgi_block block;
    struct fg_error err;

    (void)context;
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        return 2;
    }
    return fgi_block_map(&block, FGI_GIB(1), -1, &err) == FG_ERR_MEMORY ? 0 : 1;
}

static void block_map_under_an_address_limit_fails_cleanly(void **state)
{
    (void)state;
    if (SANITIZED) {
        skip(); /* the sanitizer's own shadow exceeds any limit */
    }
    assert_int_equal(in_child(maps_under_a_limit, NULL), 0);
}

static void pages_have_names_and_sizes(void **state)
{
    (void)state;
    assert_string_equal(fgi_pages_name(FGI_PAGES_SMALL), "small");
    assert_string_equal(fgi_pages_name(FGI_PAGES_THP), "thp");
    assert_string_equal(fgi_pages_name(FGI_PAGES_HUGETLB), "hugetlb");
    assert_int_equal(fgi_page_bytes(FGI_PAGES_SMALL), 4096);
    assert_int_equal(fgi_page_bytes(FGI_PAGES_THP), FGI_MIB(2));
    assert_int_equal(fgi_page_bytes(FGI_PAGES_HUGETLB), FGI_MIB(2));
}

/* Odd sizes and alignments around every boundary, with guards beside; also
 * targets a little further in their page than the source. */
static void check_copy(void (*copy)(void *, const void *, size_t))
{
    static const size_t sizes[] = {0,     1,     31,    127,   2047,  2049,
                                   16383, 16384, 16385, 16511, 40000, 65613};
    static _Alignas(4096) uint8_t from[70000];
    static _Alignas(4096) uint8_t to[70200];
    const size_t start = 64;

    for (size_t i = 0; i < sizeof(from); i++) {
        from[i] = (uint8_t)(i * 131 + (i >> 8));
    }
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        for (size_t at = 1; at < 140; at += 5) {
            memset(to, 0xee, sizeof(to));
            copy(to + at, from + start, sizes[s]);
            assert_memory_equal(to + at, from + start, sizes[s]);
            assert_int_equal(to[at - 1], 0xee);
            assert_int_equal(to[at + sizes[s]], 0xee);
        }
    }
}

static void copy_copies_exactly(void **state)
{
    (void)state;
    check_copy(fgi_copy);
}

static void copy_streaming_copies_exactly(void **state)
{
    (void)state;
    check_copy(fgi_copy_streaming);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_gives_zeroed_memory),
        cmocka_unit_test(alloc_of_too_much_returns_null),
        cmocka_unit_test(alloc_of_nothing_is_not_a_failure),
        cmocka_unit_test(grow_keeps_the_bytes),
        cmocka_unit_test(alloc_fail_after_fails_the_nth_only),
        cmocka_unit_test(alloc_fail_after_on_many_threads_fails_once),
        cmocka_unit_test(
            block_map_of_each_size_is_aligned_touched_and_writable),
        cmocka_unit_test(block_map_on_an_absent_node_says_so),
        cmocka_unit_test(block_map_of_no_or_absurd_bytes_is_an_argument_error),
        cmocka_unit_test(block_map_of_too_much_says_how_much),
        cmocka_unit_test(block_map_with_an_injected_failure_fails),
        cmocka_unit_test(block_map_is_not_seen_by_a_forked_child),
        cmocka_unit_test(block_map_with_thp_disabled_does_not_claim_thp),
        cmocka_unit_test(block_map_under_an_address_limit_fails_cleanly),
        cmocka_unit_test(pages_have_names_and_sizes),
        cmocka_unit_test(copy_copies_exactly),
        cmocka_unit_test(copy_streaming_copies_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
