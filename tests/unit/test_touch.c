/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time box on huge pages: a kernel that pretends to be slow and to compact
 * must leave the rest of the block in small pages, all of it touched.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/base/touch.h"

#define CHUNKS 12
#define BLOCK_BYTES (CHUNKS * FGI_TOUCH_CHUNK_BYTES)
/* Chunks that threads may have taken before one of them says "small". */
#define THREADS_MAX 8

static void map_block(struct fgi_block *block, uint64_t slow_from,
                      bool is_compacting)
{
    struct fgi_touch_pretence pretence = {slow_from, is_compacting};

    fgi_touch_pretend(&pretence);
    assert_int_equal(fgi_block_map(block, BLOCK_BYTES, -1, NULL), FG_OK);
    fgi_touch_pretend(NULL);
    if (block->pages != FGI_PAGES_THP) {
        fgi_block_unmap(block);
        skip(); /* hugetlb is reserved, or huge pages are turned off */
    }
}

static void all_is_touched(const struct fgi_block *block)
{
    static unsigned char resident[BLOCK_BYTES / 4096];

    assert_int_equal(mincore(block->base, block->bytes, resident), 0);
    for (size_t i = 0; i < sizeof(resident); i++) {
        assert_int_equal(resident[i] & 1, 1);
    }
}

/* Bytes of the block in mappings that may not have huge pages ("nh"). */
static uint64_t bytes_without_huge_pages(const struct fgi_block *block)
{
    uint64_t first = (uintptr_t)block->base;
    uint64_t total = 0;
    uint64_t bytes = 0;
    char line[512];
    FILE *file = fopen("/proc/self/smaps", "re");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        char *end;
        uint64_t start = strtoull(line, &end, 16);

        if (*end == '-' && end != line) {
            uint64_t stop = strtoull(end + 1, NULL, 16);

            start = fgi_clamp(start, first, first + block->bytes);
            stop = fgi_clamp(stop, first, first + block->bytes);
            bytes = stop - start;
        } else if (strncmp(line, "VmFlags:", 8) == 0 &&
                   strstr(line, " nh") != NULL) {
            total += bytes;
        }
    }
    fclose(file);
    return total;
}

static void touch_that_is_slow_while_compacting_goes_on_small(void **state)
{
    struct fgi_block block;

    (void)state;
    map_block(&block, 2, true);
    /* Chunk 2 says it; others may have been taken meanwhile. */
    assert_true(block.small_bytes <= (CHUNKS - 3) * FGI_TOUCH_CHUNK_BYTES);
    assert_true(block.small_bytes >=
                (CHUNKS - 3 - THREADS_MAX) * FGI_TOUCH_CHUNK_BYTES);
    assert_int_equal(block.small_bytes, bytes_without_huge_pages(&block));
    all_is_touched(&block);
    fgi_block_unmap(&block);
}

static void touch_that_is_only_slow_stays_huge(void **state)
{
    struct fgi_block block;

    (void)state;
    map_block(&block, 1, false);
    assert_int_equal(block.small_bytes, 0);
    assert_int_equal(bytes_without_huge_pages(&block), 0);
    all_is_touched(&block);
    fgi_block_unmap(&block);
}

static void touch_that_is_slow_in_the_last_chunk_has_no_rest(void **state)
{
    struct fgi_block block;

    (void)state;
    map_block(&block, CHUNKS - 1, true);
    all_is_touched(&block);
    assert_int_equal(block.small_bytes, bytes_without_huge_pages(&block));
    fgi_block_unmap(&block);
}

static void touch_of_small_pages_has_no_time_box(void **state)
{
    struct fgi_touch_pretence pretence = {1, true};
    struct fgi_block block = {.bytes = BLOCK_BYTES, .pages = FGI_PAGES_SMALL};

    (void)state;
    block.base = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(block.base != MAP_FAILED);
    fgi_touch_pretend(&pretence);
    assert_int_equal(fgi_block_touch(&block, -1), 0);
    fgi_touch_pretend(NULL);
    assert_int_equal(block.small_bytes, 0);
    all_is_touched(&block);
    munmap(block.base, BLOCK_BYTES);
}

static void touch_of_what_is_not_mapped_gives_the_errno(void **state)
{
    struct fgi_block block = {.bytes = FGI_MIB(64), .pages = FGI_PAGES_SMALL};

    (void)state;
    block.base = mmap(NULL, block.bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(block.base != MAP_FAILED);
    munmap(block.base, block.bytes);
    assert_int_equal(fgi_block_touch(&block, -1), ENOMEM);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(touch_that_is_slow_while_compacting_goes_on_small),
        cmocka_unit_test(touch_that_is_only_slow_stays_huge),
        cmocka_unit_test(touch_that_is_slow_in_the_last_chunk_has_no_rest),
        cmocka_unit_test(touch_of_small_pages_has_no_time_box),
        cmocka_unit_test(touch_of_what_is_not_mapped_gives_the_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
