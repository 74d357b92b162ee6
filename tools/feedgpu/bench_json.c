/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu bench --json: an object per epoch, then one for the run. */
#include "bench.h"
#include "json.h"
#include "report.h"

static double per_second(uint64_t amount, uint64_t ns)
{
    return ns > 0 ? (double)amount * 1e9 / (double)ns : 0.0;
}

static void put_labels(json_t *object, const struct fg_labels *labels)
{
    json_t *entry = json_object();
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        json_put_seconds(entry, fg_label_name((enum fg_label)i), labels->ns[i]);
    }
    json_object_set_new(object, "labels", entry);
}

static void put_tally(json_t *object, const struct tally *tally)
{
    uint64_t wall_ns = tally_wall_ns(tally);
    json_put_real(object, "au", tally_au(tally));
    json_put_count(object, "steps", tally->steps);
    json_put_count(object, "samples", tally->samples);
    json_put_count(object, "bytes", tally->bytes);
    json_put_seconds(object, "wall_s", wall_ns);
    json_put_real(object, "bytes_per_s", per_second(tally->bytes, wall_ns));
    json_put_real(object, "samples_per_s", per_second(tally->samples, wall_ns));
    put_labels(object, &tally->labels);
}

void bench_json_epoch(const struct bench *bench)
{
    json_t *object = json_begin("epoch");
    json_put_count(object, "epoch", bench->epoch_index);
    put_tally(object, &bench->epoch);
    json_put_count(object, "rss_bytes", bench->after.rss_bytes);
    json_emit(object);
}

static void put_ms(json_t *object, const char *key, uint64_t ns)
{
    json_put_real(object, key, (double)ns / 1e6);
}

static void put_step_times(json_t *object, const struct histogram *times)
{
    json_t *entry = json_object();
    put_ms(entry, "p50", histogram_percentile(times, 50.0));
    put_ms(entry, "p90", histogram_percentile(times, 90.0));
    put_ms(entry, "p99", histogram_percentile(times, 99.0));
    put_ms(entry, "max", times->max_ns);
    json_object_set_new(object, "step_ms", entry);
}

static void put_engine(json_t *object, const struct bench *bench)
{
    const struct fg_loader_stats *stats = &bench->stats;
    json_put_text(object, "engine", stats->engine);
    json_put_text(object, "engine_note", stats->engine_note);
    json_put_text(object, "direct", stats->direct);
    json_put_text(object, "device", stats->device);
    json_put_text(object, "device_name", bench->device_info.name);
    json_put_count(object, "slots", stats->slots);
    json_put_count(object, "threads", stats->threads);
    json_put_count(object, "read_bytes", stats->read_bytes);
    json_put_count(object, "reads", stats->reads);
    json_put_count(object, "read_retries", stats->read_retries);
    json_put_count(object, "inflight_bytes", stats->inflight_bytes);
    json_put_count(object, "bad_samples", stats->bad_samples);
}

void bench_json_run(const struct bench *bench)
{
    const struct fg_loader_config *config = &bench->options->loader;
    json_t *object = json_begin("bench");
    json_put_text(object, "version", fg_version());
    json_put_text(object, "dataset", bench->options->operands[0]);
    json_object_set_new(object, "interrupted",
                        json_boolean(bench->is_interrupted));
    put_tally(object, &bench->run);
    json_put_real(object, "au_nominal", bench_au_nominal(bench));
    json_put_real(object, "au_dlio", bench_au_dlio(bench));
    json_put_real(object, "compute_ms", (double)bench->compute_ns / 1e6);
    json_put_count(object, "batch_size", config->batch_size);
    json_put_count(object, "rank", config->rank);
    json_put_count(object, "world_size", config->world_size);
    json_put_real(object, "cpu_s_per_gb", bench_cpu_s_per_gb(bench));
    json_put_seconds(object, "cpu_s",
                     bench->after.cpu_ns - bench->before.cpu_ns);
    json_put_seconds(object, "cpu_total_s", bench->after.cpu_ns);
    json_put_seconds(object, "open_s", bench->open_ns);
    json_put_seconds(object, "first_batch_s", bench->stats.first_batch_ns);
    put_step_times(object, &bench->step_times);
    json_put_placement(object, &bench->stats.placement);
    put_engine(object, bench);
    json_put_count(object, "rss_bytes", bench->after.rss_bytes);
    json_emit(object);
}
