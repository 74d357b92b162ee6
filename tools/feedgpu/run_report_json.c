/* SPDX-License-Identifier: Apache-2.0 */
/* feedgpu run's report as one JSON object. Times are seconds. */
#include <sys/wait.h>

#include "json.h"
#include "run.h"

static void put_signed(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void put_bool(json_t *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}

static void put_program(json_t *object, const struct run *run)
{
    const struct launch *launch = &run->launch;
    json_t *words = json_array();
    const char *variable = NULL;
    const char *rank = run_rank(&variable);
    for (char *const *word = launch->command; *word != NULL; word++) {
        json_array_append_new(words, json_text(*word));
    }
    json_object_set_new(object, "command", words);
    json_put_seconds(object, "wall_s", run_wall_ns(run));
    if (rank != NULL) {
        json_put_text(object, "rank", rank);
        json_put_text(object, "rank_source", variable);
    }
    if (run->is_alone) {
        json_put_count(object, "processes", run->reader_count);
        return;
    }
    put_signed(object, "pid", launch->pid);
    json_put_seconds(object, "cpu_s", launch->cpu_ns);
    json_put_count(object, "resident_bytes", launch->resident_bytes);
    if (WIFSIGNALED(launch->wait_status)) {
        put_signed(object, "signal", WTERMSIG(launch->wait_status));
    } else {
        put_signed(object, "exit_status", WEXITSTATUS(launch->wait_status));
    }
}

static void put_verdict(json_t *object, const struct run *run)
{
    static const char *const names[] = {
        [LIMIT_UNKNOWN] = "unknown",
        [LIMIT_OTHER] = "other",
        [LIMIT_INPUT] = "input",
    };
    json_t *entry = json_object();
    json_put_text(entry, "limit", names[run->verdict.limit]);
    json_put_real(entry, "blocked_share", run->verdict.share);
    json_put_text(entry, "text", run->verdict.text);
    json_put_text(entry, "advice", run->verdict.advice);
    json_object_set_new(object, "verdict", entry);
}

static void put_actors(json_t *object, const struct run *run)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < run->actor_known; i++) {
        const struct fg_feeder_actor *actor = &run->actors[i];
        struct run_blocked blocked = run_actor_blocked(run, actor);
        json_t *entry = json_object();
        put_signed(entry, "pid", actor->pid);
        put_signed(entry, "tid", actor->tid);
        json_put_text(entry, "name", actor->name);
        json_put_seconds(entry, "blocked_s", blocked.ns);
        json_put_real(entry, "blocked_share", blocked.share);
        json_put_seconds(entry, "kernel_s", actor->kernel_ns);
        json_put_seconds(entry, "wait_s", actor->wait_ns);
        json_put_seconds(entry, "copy_s", actor->copy_ns);
        json_put_seconds(entry, "open_s", actor->open_ns);
        json_put_count(entry, "reads", actor->reads);
        json_put_count(entry, "opens", actor->opens);
        json_put_count(entry, "memory_bytes", actor->arena_bytes);
        json_put_count(entry, "kernel_bytes", actor->kernel_bytes);
        json_array_append_new(list, entry);
    }
    json_put_count(object, "thread_count", run->actor_count);
    json_object_set_new(object, "threads", list);
}

static void put_groups(json_t *object, const struct run *run)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < run->group_known; i++) {
        const struct fg_feeder_group *group = &run->groups[i];
        json_t *entry = json_object();
        json_put_text(entry, "folder", group->folder);
        json_put_text(entry, "pattern", group->pattern);
        json_put_count(entry, "files", group->files);
        json_put_count(entry, "opens", group->opens);
        json_put_count(entry, "reads", group->reads);
        json_put_seconds(entry, "read_s", group->blocked_ns);
        json_put_seconds(entry, "open_s", group->open_ns);
        json_put_count(entry, "memory_bytes", group->arena_bytes);
        json_put_count(entry, "kernel_bytes", group->kernel_bytes);
        json_put_count(entry, "mapped_bytes", group->mapped_bytes);
        json_array_append_new(list, entry);
    }
    json_put_count(object, "folder_count", run->group_count);
    json_object_set_new(object, "folders", list);
}

static void put_reads(json_t *entry, const struct fg_feeder_stats *stats)
{
    json_put_count(entry, "files", stats->files);
    json_put_count(entry, "opens", stats->opens);
    json_put_seconds(entry, "open_s", stats->open_ns);
    json_put_count(entry, "reads", stats->reads);
    json_put_count(entry, "memory_bytes", stats->arena_bytes);
    json_put_count(entry, "kernel_bytes", stats->kernel_bytes);
    json_put_seconds(entry, "kernel_s", stats->kernel_ns);
    json_put_seconds(entry, "wait_s", stats->wait_ns);
    json_put_seconds(entry, "copy_s", stats->copy_ns);
    json_put_count(entry, "fallbacks", stats->fallbacks);
    json_put_count(entry, "mapped_bytes", stats->mapped_bytes);
    json_put_count(entry, "stdio_files", stats->stdio_files);
}

static void put_feeder(json_t *object, const struct run *run)
{
    const struct fg_feeder_stats *stats = &run->stats;
    json_t *entry = json_object();
    put_reads(entry, stats);
    put_bool(entry, "observe_only", run->options->run.is_observing);
    json_put_count(entry, "events", stats->events);
    json_put_count(entry, "events_lost", stats->events_lost);
    json_put_count(entry, "ahead_bytes", stats->ahead_bytes);
    json_put_count(entry, "warmed_bytes", stats->warmed_bytes);
    json_put_count(entry, "unused_bytes", stats->unused_bytes);
    json_put_count(entry, "kept_bytes", stats->kept_bytes);
    json_put_count(entry, "budget_bytes", stats->memory_bytes);
    json_put_text(entry, "order", stats->order);
    json_put_count(entry, "predictions", stats->predictions);
    json_put_count(entry, "predictions_hit", stats->predictions_hit);
    json_put_count(entry, "changed_files", stats->changed_files);
    json_put_count(entry, "read_errors", stats->read_errors);
    json_put_text(entry, "engine", stats->engine != NULL ? stats->engine : "");
    json_put_text(entry, "engine_note", stats->engine_note);
    json_object_set_new(object, "feeder", entry);
    json_put_placement(object, &stats->placement);
}

static void put_node(json_t *object, const struct run *run)
{
    const struct launch_bind *bind = &run->bind;
    json_t *entry = json_object();
    put_signed(entry, "node", bind->node);
    json_put_text(entry, "why", bind->why);
    put_bool(entry, "bind", run->options->run.is_binding);
    put_bool(entry, "bound", bind->is_bound);
    put_bool(entry, "undone", bind->is_undone);
    json_put_text(entry, "cpus", bind->cpus);
    json_put_text(entry, "cpus_seen", bind->now);
    json_put_text(entry, "note", bind->note);
    json_object_set_new(object, "home", entry);
}

static void put_kernel(json_t *object, const struct launch *launch)
{
    json_t *entry = json_object();
    json_put_count(entry, "call_bytes", launch->io.call_bytes);
    json_put_count(entry, "storage_bytes", launch->io.storage_bytes);
    json_put_count(entry, "calls", launch->io.calls);
    json_put_count(entry, "processes", launch->io.processes);
    json_put_count(entry, "unknown", launch->io.unknown);
    json_put_count(entry, "major_faults", launch->major_faults);
    json_put_count(entry, "left_behind", launch->left_behind);
    json_object_set_new(object, "kernel", entry);
}

static void put_copies(json_t *object, const char *key,
                       const struct fg_feeder_copies *copies)
{
    json_t *entry = json_object();
    json_put_count(entry, "count", copies->count);
    json_put_count(entry, "bytes", copies->bytes);
    json_put_seconds(entry, "s", copies->ns);
    json_put_real(entry, "bytes_per_s",
                  copies->ns > 0
                      ? (double)copies->bytes * 1e9 / (double)copies->ns
                      : 0.0);
    json_put_count(entry, "small", copies->small);
    json_put_count(entry, "alone", copies->alone);
    json_put_seconds(entry, "alone_s", copies->alone_ns);
    json_object_set_new(object, key, entry);
}

static void put_labels(json_t *object, const struct fg_labels *labels)
{
    json_t *entry = json_object();
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        json_put_seconds(entry, fg_label_name((enum fg_label)i), labels->ns[i]);
    }
    json_object_set_new(object, "labels", entry);
}

static json_t *make_gpu(const struct run *run, uint32_t index)
{
    const struct fg_feeder_gpu *gpu = &run->gpu.gpus[index];
    json_t *entry = json_object();
    uint64_t window_ns = gpu->last_ns - gpu->first_ns;
    json_put_count(entry, "index", gpu->index);
    json_put_text(entry, "bus_id", gpu->bus_id);
    json_put_text(entry, "name", gpu->name);
    json_put_seconds(entry, "window_s", window_ns);
    json_put_real(entry, "au",
                  window_ns > 0 ? (double)gpu->labels.ns[FG_LABEL_COMPUTE] /
                                      (double)window_ns
                                : 0.0);
    put_labels(entry, &gpu->labels);
    json_put_seconds(entry, "idle_read_s", gpu->idle_read_ns);
    json_put_seconds(entry, "busy_read_s", gpu->busy_read_ns);
    json_put_count(entry, "kernels", gpu->kernels);
    json_put_seconds(entry, "kernel_s", gpu->kernel_ns);
    json_put_count(entry, "link_bytes_per_s", run->gpu.link_bytes_per_s[index]);
    put_copies(entry, "pinned", &gpu->pinned);
    put_copies(entry, "pageable", &gpu->pageable);
    put_copies(entry, "unknown", &gpu->unknown);
    put_copies(entry, "other", &gpu->other);
    json_put_count(entry, "memsets", gpu->memsets);
    json_put_seconds(entry, "memset_s", gpu->memset_ns);
    json_put_count(entry, "late", gpu->late);
    return entry;
}

static json_t *make_recorder(const struct fg_feeder_recorder *recorder)
{
    json_t *entry = json_object();
    put_signed(entry, "pid", recorder->pid);
    put_bool(entry, "on", recorder->is_on != 0);
    put_bool(entry, "whole", recorder->is_whole != 0);
    json_put_text(entry, "note", recorder->note);
    json_put_count(entry, "cupti", recorder->version);
    json_put_count(entry, "records", recorder->records);
    json_put_count(entry, "dropped", recorder->dropped);
    json_put_count(entry, "untimed", recorder->untimed);
    json_put_count(entry, "unknown", recorder->unknown);
    return entry;
}

/* null, and why, when no recorder has started. */
static void put_gpus(json_t *object, const struct run *run)
{
    const struct run_gpus *gpu = &run->gpu;
    if (gpu->recorder_count == 0) {
        json_object_set_new(object, "gpu", json_null());
        json_put_text(object, "gpu_why", run_gpu_why(run));
        return;
    }
    json_t *entry = json_object();
    json_t *gpus = json_array();
    json_t *recorders = json_array();
    for (uint32_t i = 0; i < gpu->count; i++) {
        json_array_append_new(gpus, make_gpu(run, i));
    }
    for (uint32_t i = 0; i < gpu->recorder_count; i++) {
        json_array_append_new(recorders, make_recorder(&gpu->recorders[i]));
    }
    json_object_set_new(entry, "gpus", gpus);
    json_object_set_new(entry, "recorders", recorders);
    json_put_text(entry, "fix_first",
                  gpu->window_ns > 0 && gpu->worst != FG_LABEL_COUNT
                      ? fg_label_name(gpu->worst)
                      : "");
    json_put_text(entry, "fix", gpu->fix);
    json_put_count(entry, "spans", run->stats.spans);
    json_put_count(entry, "spans_lost", run->stats.spans_lost);
    json_put_count(entry, "spans_wrong", run->stats.spans_wrong);
    json_object_set_new(object, "gpu", entry);
}

void run_report_json(const struct run *run, FILE *out)
{
    json_t *object = json_begin(run->is_alone ? "feed" : "run");
    json_put_text(object, "version", fg_version());
    put_program(object, run);
    put_verdict(object, run);
    put_bool(object, "fed", run->feeder != NULL);
    json_put_text(object, "unfed", run->unfed);
    json_put_text(object, "unreached", run->launch.unreached);
    put_actors(object, run);
    put_groups(object, run);
    if (run->feeder != NULL) {
        put_feeder(object, run);
    }
    put_node(object, run);
    if (!run->is_alone) {
        put_kernel(object, &run->launch);
    }
    put_gpus(object, run);
    json_write(object, out);
}
