/* SPDX-License-Identifier: Apache-2.0 */
/* Spans told to a real feeder, right ones and wrong ones. No GPU is there. */
#include "tests/lib/feeder_fixture.h"

#define MS FGI_NS_PER_MS

/* Spans as the config's callback saw them. */
struct seen {
    uint64_t counts[FG_FEEDER_READ + 1];
    char path[256]; /* of the last READ */
};

static struct seen all_seen; /* of the test that runs */

static void see(const struct fg_feeder_span *span, void *context)
{
    struct seen *seen = context;

    seen->counts[span->kind]++;
    if (span->kind == FG_FEEDER_READ) {
        snprintf(seen->path, sizeof(seen->path), "%s", span->path);
    }
}

static int spans_setup(void **state)
{
    struct feed_fixture *fixture = calloc(1, sizeof(*fixture));
    struct fg_feeder_config config;

    memset(&all_seen, 0, sizeof(all_seen));
    feed_default(&config);
    config.span = see;
    config.span_context = &all_seen;
    feed_open(fixture, &config);
    *state = fixture;
    return 0;
}

/* What a recorder does first. */
static void begin_recorder(struct feed_fixture *fixture, const char *note)
{
    struct fgi_board *board = fixture->client.view.board;
    uint32_t index = atomic_fetch_add(&board->recorder_next, 1);
    struct fgi_recorder *recorder = &board->recorders[index];

    snprintf(recorder->note, sizeof(recorder->note), "%s", note);
    atomic_store(&recorder->pid, (int32_t)getpid());
    atomic_store(&recorder->state,
                 note[0] == '\0' ? FGI_RECORDER_ON : FGI_RECORDER_OFF);
}

static void add_gpu(struct feed_fixture *fixture, uint32_t index, uint8_t uuid)
{
    struct fgi_gpu *gpu = &fixture->client.view.board->gpus[index];

    gpu->uuid[0] = uuid;
    snprintf(gpu->bus_id, sizeof(gpu->bus_id), "0000:%02x:00.0", uuid);
    snprintf(gpu->name, sizeof(gpu->name), "no\tGPU");
    atomic_store(&gpu->state, FGI_GPU_THERE);
}

static void post(struct feed_fixture *fixture, const struct fgi_span *span)
{
    struct client *client = &fixture->client;
    uint64_t at = atomic_fetch_add(&client->view.board->span_tail, 1);
    struct fgi_span *slot = &client->view.spans[at & client->view.span_mask];
    size_t skip = offsetof(struct fgi_span, start_ns);

    atomic_store(&slot->sequence, 0);
    memcpy((char *)slot + skip, (const char *)span + skip,
           sizeof(*slot) - skip);
    atomic_store(&slot->sequence, at + 1);
}

static struct fgi_span make(uint32_t kind, uint64_t start_ns, uint64_t end_ns)
{
    return (struct fgi_span){
        .kind = kind,
        .pid = getpid(),
        .start_ns = start_ns,
        .end_ns = end_ns,
        .bytes = FGI_MIB(1),
        .detail = kind == FGI_SPAN_READ ? FGI_SPAN_NO_FILE : FGI_MEMORY_PINNED,
    };
}

static uint64_t sum(const struct fg_labels *labels)
{
    uint64_t total = 0;

    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        total += labels->ns[i];
    }
    return total;
}

static void get_gpus_labels_sum_to_the_window(void **state)
{
    struct feed_fixture *fixture = *state;
    uint64_t at = fgi_now_ns();
    struct fg_feeder_gpu gpu;
    struct fgi_span spans[] = {
        make(FGI_SPAN_KERNEL, at + 60 * MS, at + 100 * MS),
        make(FGI_SPAN_READ, at + 15 * MS, at + 35 * MS),
        make(FGI_SPAN_KERNEL, at, at + 20 * MS),
        make(FGI_SPAN_COPY_HTOD, at + 30 * MS, at + 50 * MS),
        make(FGI_SPAN_MEMSET, at + 45 * MS, at + 52 * MS),
    };

    begin_recorder(fixture, "");
    add_gpu(fixture, 0, 7);
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        post(fixture, &spans[i]);
    }
    assert_int_equal(fg_feeder_get_gpus(fixture->feeder, &gpu, 1), 1);
    assert_string_equal(gpu.bus_id, "0000:07:00.0");
    assert_string_equal(gpu.name, "no?GPU");
    assert_int_equal(gpu.first_ns, at);
    assert_int_equal(gpu.last_ns, at + 100 * MS);
    assert_int_equal(gpu.labels.ns[FG_LABEL_COMPUTE], 60 * MS);
    assert_int_equal(gpu.labels.ns[FG_LABEL_STORAGE_DEVICE], 10 * MS);
    assert_int_equal(gpu.labels.ns[FG_LABEL_H2D], 20 * MS);
    assert_int_equal(gpu.labels.ns[FG_LABEL_OTHER], 2 * MS);
    assert_int_equal(gpu.labels.ns[FG_LABEL_HOST], 8 * MS);
    assert_int_equal(gpu.idle_read_ns, 15 * MS);
    assert_int_equal(gpu.busy_read_ns, 5 * MS);
    assert_int_equal(sum(&gpu.labels), gpu.last_ns - gpu.first_ns);
    assert_int_equal(gpu.pinned.count, 1);
    assert_int_equal(gpu.pinned.bytes, FGI_MIB(1));
    assert_int_equal(gpu.pinned.alone, 1);
    assert_int_equal(gpu.pageable.count, 0);
    assert_int_equal(gpu.memsets, 1);
}

static void get_gpus_two_programs_on_one_gpu_are_one(void **state)
{
    struct feed_fixture *fixture = *state;
    uint64_t at = fgi_now_ns();
    struct fg_feeder_gpu gpus[4];

    begin_recorder(fixture, "");
    add_gpu(fixture, 0, 1);
    add_gpu(fixture, 1, 2);
    add_gpu(fixture, 2, 1);
    for (uint32_t i = 0; i < 3; i++) {
        struct fgi_span span =
            make(FGI_SPAN_KERNEL, at + i * MS, at + (i + 1) * MS);

        span.device = i;
        post(fixture, &span);
    }
    assert_int_equal(fg_feeder_get_gpus(fixture->feeder, gpus, 4), 2);
    assert_int_equal(gpus[0].kernels, 2);
    assert_int_equal(gpus[0].labels.ns[FG_LABEL_COMPUTE], 2 * MS);
    assert_int_equal(gpus[1].index, 1);
    assert_int_equal(gpus[1].kernels, 1);
    assert_int_equal(fg_feeder_get_gpus(fixture->feeder, gpus, 1), 2);
}

static void spans_hostile_are_counted_and_left(void **state)
{
    struct feed_fixture *fixture = *state;
    uint64_t at = fgi_now_ns();
    struct fg_feeder_stats stats = {.struct_size = sizeof(stats)};
    struct fgi_span span = make(FGI_SPAN_KERNEL, at, at + MS);
    struct fgi_span bad;
    uint32_t wrong = 0;

    begin_recorder(fixture, "");
    add_gpu(fixture, 0, 1);
#define BAD(change)                                                            \
    bad = span;                                                                \
    bad.change;                                                                \
    post(fixture, &bad);                                                       \
    wrong++
    BAD(kind = 0);
    BAD(kind = FGI_SPAN_READ + 1);
    BAD(start_ns = at + 2 * MS);
    BAD(start_ns = 0);
    BAD(end_ns = UINT64_MAX);
    BAD(end_ns = at + 3600 * FGI_NS_PER_S);
    BAD(device = 1); /* not there */
    BAD(device = UINT32_MAX);
    BAD(bytes = UINT64_MAX);
    span.kind = FGI_SPAN_COPY_HTOD;
    BAD(detail = 3);
#undef BAD
    assert_int_equal(fg_feeder_get_gpus(fixture->feeder, NULL, 0), 0);
    fg_feeder_get_stats(fixture->feeder, &stats);
    assert_int_equal(stats.spans_wrong, wrong);
    assert_int_equal(stats.spans, 0);
    /* A tail that cannot be is no place to wait at. */
    atomic_store(&fixture->client.view.board->span_tail, 1);
    fg_feeder_get_gpus(fixture->feeder, NULL, 0);
    atomic_store(&fixture->client.view.board->span_tail, UINT64_MAX / 2);
    fg_feeder_get_gpus(fixture->feeder, NULL, 0);
}

static void spans_of_a_dead_writer_are_passed_over(void **state)
{
    struct feed_fixture *fixture = *state;
    uint64_t at = fgi_now_ns();
    struct fgi_span span = make(FGI_SPAN_KERNEL, at, at + MS);
    struct fg_feeder_stats stats = {.struct_size = sizeof(stats)};

    begin_recorder(fixture, "");
    add_gpu(fixture, 0, 1);
    atomic_fetch_add(&fixture->client.view.board->span_tail, 1);
    post(fixture, &span);
    do { /* the feeder's own thread goes on after a while */
        fgi_sleep_ns(5 * MS);
        fg_feeder_get_stats(fixture->feeder, &stats);
    } while (stats.spans == 0);
    assert_int_equal(stats.spans_lost, 1);
}

static void spans_more_than_the_ring_holds_are_counted_as_lost(void **state)
{
    struct feed_fixture *fixture = *state;
    uint64_t at = fgi_now_ns();
    uint64_t count = ((uint64_t)fixture->client.view.span_mask + 1) * 3;
    struct fgi_span span = make(FGI_SPAN_KERNEL, at, at + MS);
    struct fg_feeder_stats stats = {.struct_size = sizeof(stats)};
    struct fg_feeder_gpu gpu;

    begin_recorder(fixture, "");
    add_gpu(fixture, 0, 1);
    for (uint64_t i = 0; i < count; i++) {
        post(fixture, &span);
    }
    assert_int_equal(fg_feeder_get_gpus(fixture->feeder, &gpu, 1), 1);
    fg_feeder_get_stats(fixture->feeder, &stats);
    assert_int_equal(stats.spans + stats.spans_lost, count);
    assert_int_equal(gpu.kernels, stats.spans);
    assert_int_equal(gpu.labels.ns[FG_LABEL_COMPUTE], MS);
}

static void spans_are_shown_with_their_paths(void **state)
{
    struct feed_fixture *fixture = *state;
    const struct fgi_board_view *view = &fixture->client.view;
    uint64_t at = fgi_now_ns();
    struct fgi_span span = make(FGI_SPAN_READ, at, at + MS);
    struct client_file file;
    struct fgi_feed_key key;
    uint64_t told = 0;

    feed_file(fixture, "shown", FGI_MIB(2));
    client_open(&fixture->client, &file, "shown");
    assert_true(client_key(file.fd, &key));
    while (client_entry(&fixture->client, &key) == NULL) {
        fgi_sleep_ns(MS);
    }
    span.detail =
        (uint32_t)(client_entry(&fixture->client, &key) - view->files);
    do { /* it is told once the file has been looked at */
        fgi_sleep_ns(MS);
        post(fixture, &span);
        fg_feeder_get_gpus(fixture->feeder, NULL, 0);
        assert_int_equal(all_seen.counts[FG_FEEDER_READ], ++told);
    } while (strstr(all_seen.path, "shown") == NULL);
    span.detail = FGI_SPAN_NO_FILE;
    post(fixture, &span);
    fg_feeder_get_gpus(fixture->feeder, NULL, 0);
    assert_int_equal(all_seen.counts[FG_FEEDER_READ], told + 1);
    assert_string_equal(all_seen.path, "");
    client_close(&file);
}

static void get_recorders_says_why_it_is_off(void **state)
{
    struct feed_fixture *fixture = *state;
    struct fg_feeder_recorder recorders[2];

    begin_recorder(fixture, "CUPTI: not\nfound");
    begin_recorder(fixture, "");
    assert_int_equal(fg_feeder_get_recorders(fixture->feeder, recorders, 2), 2);
    assert_string_equal(recorders[0].note, "CUPTI: not?found");
    assert_int_equal(recorders[0].is_on, 0);
    assert_int_equal(recorders[0].pid, getpid());
    assert_int_equal(recorders[1].is_on, 1);
    assert_int_equal(recorders[1].is_whole, 0);
    assert_int_equal(fg_feeder_get_recorders(fixture->feeder, NULL, 0), 2);
}

static void span_name_of_each_kind_is_told(void **state)
{
    (void)state;
    assert_string_equal(fg_feeder_span_name(FG_FEEDER_KERNEL), "kernel");
    assert_string_equal(fg_feeder_span_name(FG_FEEDER_READ), "read call");
    assert_string_equal(fg_feeder_span_name((enum fg_feeder_span_kind)99), "?");
}

#define spans_test(name)                                                       \
    cmocka_unit_test_setup_teardown(name, spans_setup, feed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        spans_test(get_gpus_labels_sum_to_the_window),
        spans_test(get_gpus_two_programs_on_one_gpu_are_one),
        spans_test(spans_hostile_are_counted_and_left),
        spans_test(spans_of_a_dead_writer_are_passed_over),
        spans_test(spans_more_than_the_ring_holds_are_counted_as_lost),
        spans_test(spans_are_shown_with_their_paths),
        spans_test(get_recorders_says_why_it_is_off),
        cmocka_unit_test(span_name_of_each_kind_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
