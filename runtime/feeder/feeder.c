/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing a feeder. Opened in this order, and each may use those
 * before it: settings, shared memory, tables, pool, fg-touch and fg-warm,
 * fg-feed with its engine, fg-event. Closed in this order: fg-feed's loop ends
 * and programs are let go, fg-event and the pool are joined, the engine goes,
 * then the memory.
 */
#include "runtime/feeder/feeder.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/config.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/base/numa.h"

#define THREADS_DEFAULT 8u
#define THREADS_MAX 64u
/* So long a file system far away may hold our threads at the end. */
#define HELD_NS (2 * FGI_NS_PER_S)
#define MEMORY_BYTES_MIN FGI_MIB(8)
#define MEMORY_BYTES_MAX (UINT64_C(1) << 44)
#define OBSERVE_BYTES FGI_MIB(2) /* nothing is put there */

void fg_feeder_config_init(struct fg_feeder_config *config)
{
    memset(config, 0, sizeof(*config));
    config->struct_size = sizeof(*config);
    config->numa_node = -1;
    config->file_bytes_min = FGI_FEED_FILE_BYTES_MIN;
    config->io = "auto";
}

static enum fg_status check_config(const struct fg_feeder_config *config,
                                   struct fg_error *err)
{
    if ((config->flags & ~FG_FEEDER_OBSERVE) != 0 || config->reserved != 0) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "feeder: flags: got 0x%x, of which some are unknown",
                        config->flags);
    }
    if (config->numa_node != -1 && !fgi_numa_node_exists(config->numa_node)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "feeder: numa_node: got %d wanted -1 or a node of this "
                        "machine",
                        config->numa_node);
    }
    if (config->threads > THREADS_MAX) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "feeder: threads: got %u wanted 1 to %u",
                        config->threads, THREADS_MAX);
    }
    if (config->memory_bytes != 0 &&
        (config->memory_bytes < MEMORY_BYTES_MIN ||
         config->memory_bytes > MEMORY_BYTES_MAX)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "feeder: memory_bytes: got %llu wanted at least %llu",
                        (unsigned long long)config->memory_bytes,
                        (unsigned long long)MEMORY_BYTES_MIN);
    }
    if (config->io == NULL ||
        (config->data_count > 0 && config->data == NULL)) {
        return fgi_fail(err, FG_ERR_ARGUMENT, "feeder: io or data: got NULL");
    }
    return FG_OK;
}

/* Copy the config and the strings that it points to. */
static enum fg_status keep_config(struct fg_feeder *feeder,
                                  const struct fg_feeder_config *config,
                                  struct fg_error *err)
{
    bool is_whole;

    feeder->config = *config;
    feeder->config.struct_size = sizeof(*config);
    feeder->config.data_count = 0;
    if (feeder->config.threads == 0) {
        feeder->config.threads = THREADS_DEFAULT;
    }
    feeder->io = fgi_strdup(config->io);
    feeder->globs =
        fgi_alloc((size_t)config->data_count + 1, sizeof(*feeder->globs));
    is_whole = feeder->io != NULL && feeder->globs != NULL;
    for (uint32_t i = 0; is_whole && i < config->data_count; i++) {
        feeder->globs[i] = fgi_strdup(config->data[i]);
        is_whole = feeder->globs[i] != NULL;
        feeder->config.data_count += is_whole ? 1 : 0;
    }
    feeder->config.io = feeder->io;
    feeder->config.data = (const char *const *)feeder->globs;
    return is_whole ? FG_OK : fgi_fail(err, FG_ERR_MEMORY, "feeder: settings");
}

static uint64_t choose_memory(const struct fg_feeder_config *config)
{
    if ((config->flags & FG_FEEDER_OBSERVE) != 0) {
        return OBSERVE_BYTES;
    }
    return config->memory_bytes != 0
               ? fgi_align_up(config->memory_bytes, FGI_MIB(2))
               : fgi_memory_default();
}

static enum fg_status make_memory(struct fg_feeder *feeder,
                                  struct fg_error *err)
{
    struct fgi_share_sizes sizes;
    enum fg_status status;

    feeder->memory_bytes = choose_memory(&feeder->config);
    fgi_share_sizes(feeder->memory_bytes, &sizes);
    status = fgi_share_init(&feeder->share, &sizes, err);
    if (status == FG_OK) {
        struct fgi_board *board = feeder->share.view.board;

        board->file_bytes_min = feeder->config.file_bytes_min;
        board->flags = (feeder->config.flags & FG_FEEDER_OBSERVE) != 0
                           ? FGI_BOARD_OBSERVE
                           : 0;
        status = fgi_rules_write(board->rules, feeder->config.data,
                                 feeder->config.data_count, err);
    }
    return status;
}

static enum fg_status make_tables(struct fg_feeder *feeder,
                                  struct fg_error *err)
{
    enum fg_status status =
        fgi_arena_init(&feeder->arena, feeder->share.arena_bytes, err);

    if (status == FG_OK) {
        status = fgi_slots_init(&feeder->slots, &feeder->share.view, err);
    }
    if (status == FG_OK) {
        status = fgi_records_init(&feeder->files, &feeder->share.view, err);
    }
    if (status == FG_OK) {
        status = fgi_spans_init(&feeder->spans, err);
    }
    if (status == FG_OK) {
        status = fgi_folders_init(&feeder->folders, err);
    }
    return status == FG_OK ? fgi_walk_init(&feeder->walk, err) : status;
}

/* Those that fg-feed asks for something. */
static enum fg_status start_helpers(struct fg_feeder *feeder,
                                    struct fg_error *err)
{
    int node = feeder->config.numa_node;
    enum fg_status status = fgi_touch_start(
        &feeder->touch, feeder->share.arena, feeder->arena.keep_bytes,
        feeder->share.arena_bytes, node, err);

    if (status == FG_OK) {
        status = fgi_warm_start(&feeder->warm, node, &feeder->looker,
                                &feeder->counts.warmed_bytes, err);
    }
    return status;
}

static enum fg_status start_threads(struct fg_feeder *feeder,
                                    struct fg_error *err)
{
    enum fg_status status = FG_OK;

    if ((feeder->config.flags & FG_FEEDER_OBSERVE) == 0) {
        status = start_helpers(feeder, err);
    }
    if (status == FG_OK) {
        status = fgi_ahead_start(feeder, err);
    }
    if (status == FG_OK) {
        /* A program that starts now must not take us for closed. */
        atomic_store(&feeder->share.view.board->heartbeat_ns, fgi_now_ns());
        status = fgi_thread_start(&feeder->event_thread, "fg-event",
                                  feeder->config.numa_node, fgi_listen_main,
                                  feeder, err);
    }
    return status;
}

static enum fg_status open_parts(struct fg_feeder *feeder,
                                 const struct fg_feeder_config *config,
                                 struct fg_error *err)
{
    enum fg_status status = keep_config(feeder, config, err);

    if (status == FG_OK) {
        status = make_memory(feeder, err);
    }
    if (status == FG_OK) {
        status = make_tables(feeder, err);
    }
    if (status == FG_OK) {
        fgi_looker_init(&feeder->looker, &feeder->config);
        status = fgi_pool_init(&feeder->pool, feeder->config.threads,
                               feeder->config.numa_node, fgi_ahead_wake, feeder,
                               err);
    }
    return status == FG_OK ? start_threads(feeder, err) : status;
}

enum fg_status fg_feeder_open(const struct fg_feeder_config *config,
                              struct fg_feeder **feeder, struct fg_error *err)
{
    enum fg_status status =
        fgi_config_check(config, sizeof(*config), "feeder config", err);
    struct fg_feeder *opened;

    if (status == FG_OK) {
        status = check_config(config, err);
    }
    if (status != FG_OK) {
        return status;
    }
    opened = fgi_alloc(1, sizeof(*opened));
    if (opened == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder");
    }
    opened->share.board_fd = opened->share.arena_fd = -1;
    pthread_mutex_init(&opened->mutex, NULL);
    fgi_gate_init(&opened->gate);
    fgi_log_init(&opened->log, config->log, config->log_context);
    status = open_parts(opened, config, err);
    if (status != FG_OK) {
        fg_feeder_close(opened);
        return status;
    }
    *feeder = opened;
    return FG_OK;
}

const char *fg_feeder_environment(const struct fg_feeder *feeder)
{
    return feeder->share.environment;
}

/* Stop the threads. False: a file system far away does not let one go, and it
 * will use the feeder when it is back: all but the programs' memory stays. */
static bool stop_threads(struct fg_feeder *feeder)
{
    uint64_t deadline_ns = fgi_now_ns() + HELD_NS;
    bool is_stopped;

    fgi_ahead_stop(feeder);
    fgi_listen_stop(feeder);
    fgi_touch_stop(&feeder->touch);
    is_stopped = fgi_warm_stop(&feeder->warm, deadline_ns);
    is_stopped &= fgi_pool_fini(&feeder->pool, deadline_ns);
    if (is_stopped) {
        fgi_ahead_join(feeder);
    }
    return is_stopped;
}

void fg_feeder_close(struct fg_feeder *feeder)
{
    bool is_stopped;

    if (feeder == NULL) {
        return;
    }
    is_stopped = stop_threads(feeder);
    fgi_records_fini(&feeder->files);
    fgi_arena_fini(&feeder->arena);
    fgi_share_fini(&feeder->share);
    if (!is_stopped) {
        return;
    }
    fgi_looker_fini(&feeder->looker);
    fgi_spans_fini(&feeder->spans);
    fgi_walk_fini(&feeder->walk);
    fgi_folders_fini(&feeder->folders);
    fgi_slots_fini(&feeder->slots);
    for (uint32_t i = 0; i < feeder->config.data_count; i++) {
        fgi_free(feeder->globs[i]);
    }
    fgi_free(feeder->globs);
    fgi_free(feeder->io);
    fgi_log_fini(&feeder->log);
    pthread_mutex_destroy(&feeder->mutex);
    fgi_free(feeder);
}
