/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the steady state nothing is allocated, no file is opened, and memory does
 * not grow. The program's own malloc, mmap and open stand in front of the C
 * library's and count, for all threads.
 */
#include "tests/lib/io_fixture.h"
#include "tests/lib/loader_fixture.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "runtime/base/math.h"

static atomic_bool is_counting;
static atomic_uint allocations;
static atomic_uint mappings;
static atomic_uint opens;

#if !FIXTURE_SANITIZED
static void count_up(atomic_uint *counter)
{
    if (atomic_load_explicit(&is_counting, memory_order_relaxed)) {
        atomic_fetch_add(counter, 1);
    }
}

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

void *malloc(size_t bytes)
{
    count_up(&allocations);
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    count_up(&allocations);
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    count_up(&allocations);
    return __libc_realloc(block, bytes);
}

int posix_memalign(void **block, size_t align, size_t bytes)
{
    count_up(&allocations);
    *block = __libc_memalign(align, bytes);
    return *block == NULL ? 12 : 0;
}

void *aligned_alloc(size_t align, size_t bytes)
{
    count_up(&allocations);
    return __libc_memalign(align, bytes);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd,
           off_t offset)
{
    count_up(&mappings);
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd,
                           offset);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    int mode;

    va_start(arguments, flags);
    mode = va_arg(arguments, int);
    va_end(arguments);
    if (strncmp(path, "heap-", 5) == 0) {
        count_up(&opens);
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
#endif

static struct source pages;   /* in place */
static struct source records; /* staged */
static struct source blocks;  /* shards, raw */
static struct source packed;  /* shards, zstd */

static int set_up(void **state)
{
    const struct raw_shape page_shape = {4096, 0, 0, {50, 3, 20}};
    const struct raw_shape record_shape = {700, 0, 0, {90, 1, 99}};
    struct model model = {.seed = 3, .block_samples = 9};

    (void)state;
    fixture_watch(200);
    source_make_raw(&pages, "heap-pages", &page_shape);
    source_make_raw(&records, "heap-records", &record_shape);
    model.schema.count = 2;
    model.schema.fields[0] = field_of("text", FG_UINT8, 900, FG_FIELD_VARIABLE);
    model.schema.fields[1] = field_of("label", FG_INT64, 1, 0);
    source_make_shards(&blocks, "heap-blocks", &model,
                       (uint64_t[]){80, 50, 9, 0});
    model.zstd_level = 1;
    source_make_shards(&packed, "heap-packed", &model,
                       (uint64_t[]){80, 50, 9, 0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_fini(&pages);
    source_fini(&records);
    source_fini(&blocks);
    source_fini(&packed);
    return 0;
}

struct setting {
    const struct source *source;
    const char *io;
    enum fg_shuffle shuffle;
    bool is_emulated;
};

static const struct setting settings[] = {
    {&pages, "uring", FG_SHUFFLE_NONE, false},
    {&pages, "pread", FG_SHUFFLE_NONE, true},
    {&pages, "uring", FG_SHUFFLE_BLOCK, true},
    {&records, "uring", FG_SHUFFLE_BLOCK, false},
    {&records, "pread", FG_SHUFFLE_FULL, true},
    {&blocks, "uring", FG_SHUFFLE_BLOCK, true},
    {&packed, "uring", FG_SHUFFLE_NONE, false},
    {&packed, "pread", FG_SHUFFLE_BLOCK, true},
    {&packed, "uring", FG_SHUFFLE_FULL, false},
};

static void run_epochs(struct fg_loader *loader, fg_stream stream,
                       uint64_t epochs)
{
    uint64_t batches = epochs * fg_loader_steps_per_epoch(loader);

    for (uint64_t i = 0; i < batches; i++) {
        struct fg_batch batch;

        must_acquire(loader, stream, &batch);
        if (stream != NULL) {
            check(fg_stream_compute(fg_loader_device(loader), stream, 1000, i,
                                    NULL) == FG_OK);
        }
        fg_loader_release(loader, &batch, stream);
    }
}

/* A running loader of that setting; *device and *stream may stay NULL. */
static struct fg_loader *start(const struct setting *setting,
                               struct fg_device **device, fg_stream *stream)
{
    struct fg_loader_config config = source_config(setting->source);

    snprintf(fixture_case, sizeof(fixture_case), "%s %s shuffle %d %s",
             setting->source->path, setting->io, (int)setting->shuffle,
             setting->is_emulated ? "emulated" : "host");
    *device = NULL;
    *stream = NULL;
    if (setting->is_emulated) {
        check(fg_device_open("emulated", FG_DEVICE_TIME_ONLY, device, NULL) ==
              FG_OK);
        check(fg_stream_open(*device, stream, NULL) == FG_OK);
    }
    config.use_device = *device;
    config.io = setting->io;
    config.shuffle = setting->shuffle;
    config.epochs = 0;
    config.window_bytes = 20000;
    return must_open(&config);
}

static void stop(struct fg_loader *loader, struct fg_device *device,
                 fg_stream stream)
{
    fg_loader_close(loader);
    if (device != NULL) {
        fg_stream_close(device, stream);
        fg_device_close(device);
    }
}

static void counters_do_count(void **state)
{
    void *volatile block;

    (void)state;
    if (FIXTURE_SANITIZED) {
        print_message("skipped: the sanitizer has its own malloc\n");
        skip();
    }
    atomic_store(&is_counting, true);
    block = malloc(100);
    free(block);
    block = calloc(3, 100);
    free(block);
    close(open("heap-pages/part-00.bin", O_RDONLY));
    block = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(block, 4096);
    atomic_store(&is_counting, false);
    assert_int_equal(atomic_exchange(&allocations, 0), 2);
    assert_int_equal(atomic_exchange(&opens, 0), 1);
    assert_int_equal(atomic_exchange(&mappings, 0), 1);
}

static void steady_state_allocates_and_opens_nothing(void **state)
{
    (void)state;
    if (FIXTURE_SANITIZED) {
        print_message("skipped: the sanitizer has its own malloc\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        struct fg_device *device;
        fg_stream stream;
        struct fg_loader *loader = start(&settings[i], &device, &stream);

        /* Files are opened, and indexes loaded, when first needed. */
        run_epochs(loader, stream, 3);
        atomic_store(&is_counting, true);
        run_epochs(loader, stream, 20);
        atomic_store(&is_counting, false);
        check(atomic_exchange(&allocations, 0) == 0);
        check(atomic_exchange(&mappings, 0) == 0);
        check(atomic_exchange(&opens, 0) == 0);
        stop(loader, device, stream);
    }
}

/* Once when the dataset is opened, once for its bytes, and once for its index
 * if it has one: three files each. */
static void each_file_is_opened_once_for_its_bytes(void **state)
{
    (void)state;
    if (FIXTURE_SANITIZED) {
        print_message("skipped: the sanitizer has its own malloc\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        bool has_index =
            settings[i].source == &blocks || settings[i].source == &packed;
        struct fg_device *device;
        fg_stream stream;
        struct fg_loader *loader;

        atomic_store(&is_counting, true);
        loader = start(&settings[i], &device, &stream);
        run_epochs(loader, stream, 4);
        atomic_store(&is_counting, false);
        atomic_store(&allocations, 0);
        atomic_store(&mappings, 0);
        check(atomic_exchange(&opens, 0) == (has_index ? 9 : 6));
        stop(loader, device, stream);
    }
}

static uint64_t resident_bytes(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY);
    char *end;

    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void resident_memory_of_a_thousand_epochs_is_flat(void **state)
{
    (void)state;
    if (FIXTURE_SANITIZED) {
        print_message("skipped: a sanitizer keeps what was freed\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i += 3) {
        struct fg_device *device;
        fg_stream stream;
        struct fg_loader *loader = start(&settings[i], &device, &stream);
        uint64_t before;

        run_epochs(loader, stream, 100);
        before = resident_bytes();
        run_epochs(loader, stream, 1000);
        check(resident_bytes() <= before + FGI_MIB(1));
        stop(loader, device, stream);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_do_count),
        cmocka_unit_test(steady_state_allocates_and_opens_nothing),
        cmocka_unit_test(each_file_is_opened_once_for_its_bytes),
        cmocka_unit_test(resident_memory_of_a_thousand_epochs_is_flat),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
