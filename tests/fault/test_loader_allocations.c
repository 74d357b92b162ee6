/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th allocation fails, for every n of opening a loader and of its first
 * epoch: a clear error, nothing leaked, nothing hangs.
 */
#include "tests/lib/io_fixture.h"
#include "tests/lib/loader_fixture.h"

#define AFTER_SUCCESS 8 /* go on, to meet what is allocated later */
#define FAILURES_MAX 2000

static struct source pages;  /* in place */
static struct source packed; /* zstd shards */

static int set_up(void **state)
{
    const struct raw_shape shape = {4096, 0, 0, {20, 3}};
    struct model model = {.seed = 3, .block_samples = 9, .zstd_level = 1};

    (void)state;
    fixture_watch(250);
    source_make_raw(&pages, "allocations-pages", &shape);
    model.schema.count = 1;
    model.schema.fields[0] = field_of("text", FG_UINT8, 900, FG_FIELD_VARIABLE);
    source_make_shards(&packed, "allocations-packed", &model,
                       (uint64_t[]){20, 9, 0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_fini(&pages);
    source_fini(&packed);
    return 0;
}

static void must_be_clear(const struct fg_error *err, enum fg_status status)
{
    check(status == FG_ERR_MEMORY);
    check(err->status == FG_ERR_MEMORY);
    check(strlen(err->message) > 10);
    check(strchr(err->message, '\n') == NULL);
}

/* Open and run to the end. Returns whether opening succeeded. */
static bool try_run(const struct fg_loader_config *config, unsigned n)
{
    struct fg_loader *loader = NULL;
    struct fg_error err = {0};
    struct fg_batch batch;
    enum fg_status status;

    fgi_alloc_fail_after(n);
    status = fg_loader_open(config, &loader, &err);
    if (status != FG_OK) {
        fgi_alloc_fail_after(0);
        must_be_clear(&err, status);
        check(loader == NULL);
        return false;
    }
    while ((status = fg_loader_acquire(loader, NULL, &batch, &err)) == FG_OK) {
        fg_loader_release(loader, &batch, NULL);
    }
    fgi_alloc_fail_after(0);
    if (status != FG_END) {
        must_be_clear(&err, status);
    }
    fg_loader_close(loader);
    return true;
}

static void sweep(const struct source *source, const char *device,
                  const char *io)
{
    struct fg_loader_config config = source_config(source);
    int descriptors;
    unsigned good = 0;
    unsigned n = 0;

    config.device = device;
    config.io = io;
    config.batch_size = 7;
    config.slots = 4;
    config.inflight_bytes = 65536;
    try_run(&config, 0); /* what is made once per process */
    descriptors = fixture_count_fds();
    while (good < AFTER_SUCCESS) {
        n++;
        check(n < FAILURES_MAX);
        snprintf(fixture_case, sizeof(fixture_case),
                 "%s on %s by %s, allocation %u", source->path, device, io, n);
        good += try_run(&config, n);
        check(fixture_count_fds() == descriptors);
    }
    check(n > 30);
}

static void open_in_place_on_host_any_allocation_fails_cleanly(void **state)
{
    (void)state;
    sweep(&pages, "host", "uring");
    sweep(&pages, "host", "pread");
}

static void open_in_place_on_a_device_any_allocation_fails_cleanly(void **state)
{
    (void)state;
    sweep(&pages, "emulated", "auto");
}

static void open_packed_on_host_any_allocation_fails_cleanly(void **state)
{
    (void)state;
    sweep(&packed, "host", "auto");
}

static void open_packed_on_a_device_any_allocation_fails_cleanly(void **state)
{
    (void)state;
    sweep(&packed, "emulated", "pread");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_in_place_on_host_any_allocation_fails_cleanly),
        cmocka_unit_test(
            open_in_place_on_a_device_any_allocation_fails_cleanly),
        cmocka_unit_test(open_packed_on_host_any_allocation_fails_cleanly),
        cmocka_unit_test(open_packed_on_a_device_any_allocation_fails_cleanly),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
