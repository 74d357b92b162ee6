/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "io/buffers.h"
#include "io/refusal.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* Addresses only: nothing here touches the memory. */
static void *at(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

static void init_without_regions_is_empty(void **state)
{
    struct fgi_buffers buffers;
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_buffers_init(&buffers, NULL, 0, &err), FG_OK);
    assert_int_equal(buffers.count, 0);
    assert_int_equal(fgi_buffers_find(&buffers, at(4096), 1), UINT32_MAX);
    fgi_buffers_fini(&buffers);
}

static void init_cuts_regions_at_one_gib(void **state)
{
    const struct fgi_region regions[] = {
        {at(FGI_GIB(16)), FGI_GIB(2) + FGI_MIB(2)},
        {at(FGI_GIB(64)), 0},
        {at(FGI_GIB(32)), FGI_GIB(1)},
    };
    struct fgi_buffers buffers;
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_buffers_init(&buffers, regions, 3, &err), FG_OK);
    assert_int_equal(buffers.count, 4);
    assert_int_equal(buffers.bytes, FGI_GIB(3) + FGI_MIB(2));
    assert_ptr_equal(buffers.entries[1].iov_base, at(FGI_GIB(17)));
    assert_int_equal(buffers.entries[1].iov_len, FGI_GIB(1));
    assert_ptr_equal(buffers.entries[2].iov_base, at(FGI_GIB(18)));
    assert_int_equal(buffers.entries[2].iov_len, FGI_MIB(2));
    assert_ptr_equal(buffers.entries[3].iov_base, at(FGI_GIB(32)));
    fgi_buffers_fini(&buffers);
}

static void find_needs_the_whole_range_in_one_buffer(void **state)
{
    const struct fgi_region regions[] = {{at(FGI_GIB(16)), FGI_GIB(2)}};
    struct fgi_buffers b;
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_buffers_init(&b, regions, 1, &err), FG_OK);
    assert_int_equal(fgi_buffers_find(&b, at(FGI_GIB(16)), 1), 0);
    assert_int_equal(fgi_buffers_find(&b, at(FGI_GIB(17) - 8), 8), 0);
    assert_int_equal(fgi_buffers_find(&b, at(FGI_GIB(17) - 8), 9), UINT32_MAX);
    assert_int_equal(fgi_buffers_find(&b, at(FGI_GIB(17)), FGI_GIB(1)), 1);
    assert_int_equal(fgi_buffers_find(&b, at(FGI_GIB(18)), 1), UINT32_MAX);
    assert_int_equal(fgi_buffers_find(&b, at(FGI_GIB(18) - 1), 2), UINT32_MAX);
    assert_int_equal(fgi_buffers_find(&b, at(FGI_GIB(16) - 1), 1), UINT32_MAX);
    assert_int_equal(fgi_buffers_find(&b, at(1), 1), UINT32_MAX);
    fgi_buffers_fini(&b);
}

static void init_of_too_many_is_an_argument_error(void **state)
{
    const struct fgi_region region = {at(FGI_GIB(1)),
                                      FGI_GIB(FGI_BUFFERS_MAX) + 1};
    struct fgi_buffers buffers;
    struct fg_error err;

    (void)state;
    assert_int_equal(fgi_buffers_init(&buffers, &region, 1, &err),
                     FG_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        "registered buffers: got 16385 wanted at most 16384");
}

static void init_without_memory_says_so(void **state)
{
    const struct fgi_region region = {at(FGI_GIB(1)), FGI_MIB(2)};
    struct fgi_buffers buffers;
    struct fg_error err;

    (void)state;
    fgi_alloc_fail_after(1);
    assert_int_equal(fgi_buffers_init(&buffers, &region, 1, &err),
                     FG_ERR_MEMORY);
    assert_string_equal(err.message, "registered buffers: out of memory");
}

static void refusal_names_the_limit_only_when_it_was_the_limit(void **state)
{
    struct rlimit before;
    struct rlimit low;
    char text[96];

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
    low = (struct rlimit){64 << 10, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &low), 0);
    fgi_refusal_of_buffers(text, sizeof(text), ENOMEM, FGI_MIB(255) + 1);
    assert_string_equal(text, "registered buffers refused: RLIMIT_MEMLOCK is "
                              "64 KiB, 256 MiB wanted");
    fgi_refusal_of_buffers(text, sizeof(text), EOPNOTSUPP, FGI_MIB(256));
    assert_string_equal(text,
                        "registered buffers refused: Operation not supported");
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_without_regions_is_empty),
        cmocka_unit_test(init_cuts_regions_at_one_gib),
        cmocka_unit_test(find_needs_the_whole_range_in_one_buffer),
        cmocka_unit_test(init_of_too_many_is_an_argument_error),
        cmocka_unit_test(init_without_memory_says_so),
        cmocka_unit_test(refusal_names_the_limit_only_when_it_was_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
