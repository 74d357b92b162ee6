/* SPDX-License-Identifier: Apache-2.0 */
/* The C++ face: owners, moves, errors as exceptions. */
#include <cerrno>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>
#include <vector>

#include <unistd.h>

extern "C" {
#include <cmocka.h>
}

#include <feedgpu/feedgpu.hpp>

#define RECORDS 100u
#define RECORD_BYTES 64u
#define BATCH_SIZE 10u

template <typename T>
constexpr bool is_owner =
    std::is_nothrow_move_constructible_v<T> &&std::is_nothrow_move_assignable_v<
        T> &&std::is_nothrow_destructible_v<T> &&
    !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;

static_assert(is_owner<feedgpu::dataset>);
static_assert(is_owner<feedgpu::device>);
static_assert(is_owner<feedgpu::feeder>);
static_assert(is_owner<feedgpu::stream>);
static_assert(is_owner<feedgpu::batch>);
static_assert(is_owner<feedgpu::loader>);
static_assert(is_owner<feedgpu::shard_writer>);
static_assert(is_owner<feedgpu::process>);
static_assert(sizeof(feedgpu::loader_config) == sizeof(fg_loader_config));

static const char raw_path[] = "records.raw";
static const char moved_text[] =
    "feedgpu: used after it was moved from, finished or released";

/* Record i is RECORD_BYTES of the byte i. */
static int make_records(void **)
{
    FILE *file = fopen(raw_path, "wb");

    if (file == nullptr) {
        return -1;
    }
    for (unsigned i = 0; i < RECORDS * RECORD_BYTES; i++) {
        fputc(static_cast<int>(i / RECORD_BYTES), file);
    }
    return fclose(file);
}

static feedgpu::loader_config records_config(const char *device)
{
    feedgpu::loader_config config;

    config.dataset = raw_path;
    config.dataset_config.record_bytes = RECORD_BYTES;
    config.device = device;
    config.batch_size = BATCH_SIZE;
    config.epochs = 2;
    config.slots = 4;
    return config;
}

/* `call` throws an error of that status and, unless NULL, that text. */
template <typename Call>
static void expect_error(fg_status status, const char *text, Call call)
{
    bool has_thrown = false;

    try {
        call();
    } catch (const feedgpu::error &err) {
        has_thrown = true;
        assert_int_equal(err.status(), status);
        if (text != nullptr) {
            assert_string_equal(err.what(), text);
        }
    }
    assert_true(has_thrown);
}

/* The first byte of each sample of a host batch, summed. */
static unsigned sum_of(const feedgpu::batch &batch)
{
    const fg_batch_field &field = batch->fields[0];
    const auto *data = static_cast<const std::uint8_t *>(field.data);
    unsigned sum = 0;

    for (unsigned i = 0; i < batch->count; i++) {
        sum += data[i * field.stride_bytes];
    }
    return sum;
}

#define EPOCH_SUM (RECORDS * (RECORDS - 1) / 2)

static void dataset_missing_throws_with_all_parts(void **)
{
    try {
        feedgpu::dataset none("no/such/file");
        fail();
    } catch (const feedgpu::error &err) {
        assert_int_equal(err.status(), FG_ERR_NOT_FOUND);
        assert_int_equal(err.sys_errno(), ENOENT);
        assert_true(err.offset() == UINT64_MAX);
        assert_non_null(strstr(err.what(), "no/such/file"));
    }
}

static void dataset_open_reads_samples(void **)
{
    feedgpu::dataset_config config;

    config.record_bytes = RECORD_BYTES;
    feedgpu::dataset records(raw_path, config);
    assert_int_equal(records.info().sample_count, RECORDS);
    assert_int_equal(records.locate(7).offset, 7 * RECORD_BYTES);
    const std::vector<std::uint8_t> sample = records.read(7);
    assert_int_equal(sample.size(), RECORD_BYTES);
    assert_int_equal(sample[0], 7);
    assert_int_equal(sample[RECORD_BYTES - 1], 7);
    records.verify();
    expect_error(FG_ERR_ARGUMENT, nullptr, [&] { records.read(RECORDS); });
}

static void dataset_moved_from_throws_until_assigned(void **)
{
    feedgpu::dataset_config config;

    config.record_bytes = RECORD_BYTES;
    feedgpu::dataset first(raw_path, config);
    fg_dataset *handle = first.get();
    feedgpu::dataset second(std::move(first));
    assert_ptr_equal(second.get(), handle);
    assert_null(first.get());
    expect_error(FG_ERR_STATE, moved_text, [&] { first.info(); });
    first = std::move(second);
    assert_int_equal(first.info().sample_count, RECORDS);
    assert_null(second.get());
}

static void device_unknown_name_throws(void **)
{
    expect_error(FG_ERR_ARGUMENT, nullptr,
                 [] { feedgpu::device none("abacus"); });
}

static void device_moved_keeps_its_streams(void **)
{
    feedgpu::device second("emulated"); /* first: it is to live longest */
    feedgpu::device first("host");
    feedgpu::stream stream(first);

    second = std::move(first);
    expect_error(FG_ERR_STATE, moved_text, [&] { first.info(); });
    assert_string_equal(second.info().kind, "host");
    stream.synchronize();
}

static void stream_without_device_throws(void **)
{
    expect_error(FG_ERR_ARGUMENT, "stream: device: got none",
                 [] { feedgpu::stream none(nullptr); });
}

static void stream_moved_from_throws(void **)
{
    feedgpu::device device("emulated");
    feedgpu::stream first(device);
    fg_stream handle = first.get();
    feedgpu::stream second(std::move(first));

    assert_ptr_equal(second.get(), handle);
    assert_null(first.get());
    expect_error(FG_ERR_STATE, "stream: used after it was moved from",
                 [&] { first.synchronize(); });
    first = std::move(second);
    assert_ptr_equal(first.get(), handle);
    assert_null(second.get());
    first.compute(1000, 0);
    const fg_span span = first.compute_span(0);
    assert_true(span.end_ns - span.start_ns == 1000);
}

static void loader_bad_config_throws(void **)
{
    feedgpu::loader_config config = records_config("host");

    config.batch_size = 0;
    expect_error(FG_ERR_ARGUMENT,
                 "config: batch_size: got 0, wanted 1 to 16777216",
                 [&] { feedgpu::loader loader(config); });
}

static void next_delivers_every_sample_and_ends(void **)
{
    feedgpu::loader loader(records_config("host"));
    unsigned sum = 0;
    unsigned count = 0;

    assert_int_equal(loader.steps_per_epoch(), RECORDS / BATCH_SIZE);
    assert_int_equal(loader.dataset_info().sample_count, RECORDS);
    while (feedgpu::batch batch = loader.next()) {
        sum += sum_of(batch);
        count += batch->count;
    }
    assert_int_equal(count, 2 * RECORDS);
    assert_int_equal(sum, 2 * EPOCH_SUM);
    assert_int_equal(loader.stats().samples, 2 * RECORDS);
    assert_false(static_cast<bool>(loader.next()));
}

static void batches_delivers_the_same(void **)
{
    feedgpu::loader loader(records_config("host"));
    unsigned sum = 0;
    std::uint64_t steps = 0;

    for (auto &batch : loader.batches()) {
        assert_int_equal(batch->sequence, steps);
        sum += sum_of(batch);
        steps++;
    }
    assert_int_equal(steps, 2 * RECORDS / BATCH_SIZE);
    assert_int_equal(sum, 2 * EPOCH_SUM);
    for (auto &batch : loader.batches()) {
        (void)batch;
        fail(); /* there are none left */
    }
}

static void batches_left_early_gives_the_batch_back(void **)
{
    feedgpu::loader loader(records_config("host"));

    for (unsigned i = 0; i < 8; i++) { /* more than there are slots */
        for (auto &batch : loader.batches()) {
            assert_int_equal(batch->sequence, i);
            break;
        }
    }
}

static void batch_kept_holds_its_slot(void **)
{
    feedgpu::loader loader(records_config("host"));
    std::vector<feedgpu::batch> kept;

    for (unsigned i = 0; i < 4; i++) {
        kept.push_back(loader.next()); /* growing moves the others */
    }
    expect_error(FG_ERR_STATE, nullptr, [&] { loader.next(); });
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(kept[i]->sequence, i);
    }
    kept[2].release();
    kept[2].release();
    assert_false(static_cast<bool>(kept[2]));
    kept[2] = std::move(kept[1]);
    assert_false(static_cast<bool>(kept[1]));
    assert_int_equal(kept[2]->sequence, 1);
    kept.clear();
    assert_int_equal(loader.next()->sequence, 4);
}

static void batch_outlives_a_move_of_its_loader(void **)
{
    feedgpu::loader first(records_config("host"));
    feedgpu::batch batch = first.next();
    feedgpu::loader second(std::move(first));

    expect_error(FG_ERR_STATE, moved_text, [&] { first.next(); });
    first.cancel(); /* has nothing to cancel, and says nothing */
    assert_int_equal(sum_of(batch), BATCH_SIZE * (BATCH_SIZE - 1) / 2);
    batch.release();
    assert_int_equal(second.next()->sequence, 1);
}

static void batch_is_given_back_when_an_exception_passes(void **)
{
    feedgpu::loader loader(records_config("host"));

    for (unsigned i = 0; i < 8; i++) {
        try {
            feedgpu::batch batch = loader.next();
            throw 1;
        } catch (int) {
        }
    }
    assert_int_equal(loader.next()->sequence, 8);
}

static void cancel_ends_next_with_an_error(void **)
{
    feedgpu::loader loader(records_config("host"));

    loader.cancel();
    expect_error(FG_ERR_CANCELLED, "loader: cancelled", [&] { loader.next(); });
}

static void state_goes_on_where_it_was_taken(void **)
{
    feedgpu::loader_config config = records_config("host");
    fg_loader_state state;

    {
        feedgpu::loader loader(config);
        loader.next();
        loader.next();
        state = loader.state();
    }
    assert_int_equal(state.position, 2 * BATCH_SIZE);
    config.state = &state;
    feedgpu::loader loader(config);
    feedgpu::batch batch = loader.next();
    assert_int_equal(batch->step, 2);
    assert_int_equal(batch->sample_indices[0], 2 * BATCH_SIZE);
}

static void stream_of_the_loaders_device_reads_batches(void **)
{
    feedgpu::loader loader(records_config("emulated"));
    feedgpu::stream stream(loader.device());
    std::uint8_t bytes[RECORD_BYTES];

    for (auto &batch : loader.batches(stream)) {
        stream.read(bytes, batch->fields[0].data, sizeof(bytes));
        assert_int_equal(bytes[0], batch->step * BATCH_SIZE);
        assert_int_equal(bytes[RECORD_BYTES - 1], batch->step * BATCH_SIZE);
    }
}

static fg_field label_field()
{
    fg_field field = {};

    snprintf(field.name, sizeof(field.name), "label");
    field.dtype = FG_INT32;
    field.max_bytes = sizeof(std::int32_t);
    return field;
}

static void writer_without_finish_leaves_nothing(void **)
{
    const fg_field field = label_field();
    const std::int32_t label = 7;
    feedgpu::shard_config config;

    config.fields = &field;
    config.field_count = 1;
    {
        feedgpu::shard_writer writer("gone.fgs", config);
        writer.add({{&label, sizeof(label)}});
        assert_int_equal(writer.samples(), 1);
    }
    expect_error(FG_ERR_NOT_FOUND, nullptr,
                 [] { feedgpu::dataset gone("gone.fgs"); });
}

static void writer_finished_can_be_read(void **)
{
    const fg_field field = label_field();
    const std::int32_t labels[] = {7, -1};
    feedgpu::shard_config config;

    config.fields = &field;
    config.field_count = 1;
    std::remove("labels.fgs");
    feedgpu::shard_writer first("labels.fgs", config);
    feedgpu::shard_writer writer(std::move(first));
    expect_error(FG_ERR_STATE, moved_text, [&] {
        first.add({{labels, sizeof(labels[0])}});
    });
    writer.add({{&labels[0], sizeof(labels[0])}});
    writer.add({{&labels[1], sizeof(labels[1])}});
    expect_error(FG_ERR_ARGUMENT,
                 "shard writer: add: wanted an entry for each field of the "
                 "config",
                 [&] { writer.add({}); });
    writer.finish();
    expect_error(FG_ERR_STATE, moved_text, [&] { writer.finish(); });
    expect_error(FG_ERR_EXISTS, nullptr,
                 [&] { feedgpu::shard_writer again("labels.fgs", config); });
    feedgpu::dataset dataset("labels.fgs");
    assert_int_equal(dataset.info().sample_count, 2);
    assert_memory_equal(dataset.read(1).data(), &labels[1], sizeof(labels[1]));
}

static void process_of_this_program_is_shown(void **)
{
    feedgpu::topology machine;
    feedgpu::process mine(machine, getpid());
    feedgpu::process kept(std::move(mine));

    assert_int_equal(kept.info().pid, getpid());
    expect_error(FG_ERR_STATE, moved_text, [&] { mine.info(); });
    expect_error(FG_ERR_NOT_FOUND, nullptr, [&] { kept.move(4000); });
    expect_error(FG_ERR_ARGUMENT, "process 0: wanted a number of at least 1",
                 [&] { feedgpu::process none(machine, 0); });
}

static void feeder_opened_tells_its_environment(void **)
{
    feedgpu::feeder_config config;

    config.memory_bytes = 64u << 20;
    feedgpu::feeder feeder(config);
    assert_memory_equal(feeder.environment().data(), "FEEDGPU_BOARD=", 14);
    assert_int_equal(feeder.stats().memory_bytes, 64u << 20);
    assert_true(feeder.actors(4).empty());
    assert_true(feeder.groups(4).empty());
    config.threads = 1000;
    try {
        feedgpu::feeder refused(config);
        fail();
    } catch (const feedgpu::error &err) {
        assert_int_equal(err.status(), FG_ERR_ARGUMENT);
        assert_string_equal(err.what(),
                            "feeder: threads: got 1000 wanted 1 to 64");
    }
}

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(dataset_missing_throws_with_all_parts),
        cmocka_unit_test(dataset_open_reads_samples),
        cmocka_unit_test(dataset_moved_from_throws_until_assigned),
        cmocka_unit_test(device_unknown_name_throws),
        cmocka_unit_test(device_moved_keeps_its_streams),
        cmocka_unit_test(stream_without_device_throws),
        cmocka_unit_test(stream_moved_from_throws),
        cmocka_unit_test(loader_bad_config_throws),
        cmocka_unit_test(next_delivers_every_sample_and_ends),
        cmocka_unit_test(batches_delivers_the_same),
        cmocka_unit_test(batches_left_early_gives_the_batch_back),
        cmocka_unit_test(batch_kept_holds_its_slot),
        cmocka_unit_test(batch_outlives_a_move_of_its_loader),
        cmocka_unit_test(batch_is_given_back_when_an_exception_passes),
        cmocka_unit_test(cancel_ends_next_with_an_error),
        cmocka_unit_test(state_goes_on_where_it_was_taken),
        cmocka_unit_test(stream_of_the_loaders_device_reads_batches),
        cmocka_unit_test(writer_without_finish_leaves_nothing),
        cmocka_unit_test(writer_finished_can_be_read),
        cmocka_unit_test(process_of_this_program_is_shown),
        cmocka_unit_test(feeder_opened_tells_its_environment),
    };

    return cmocka_run_group_tests(tests, make_records, nullptr);
}
