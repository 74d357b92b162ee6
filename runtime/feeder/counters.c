/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs and the feeder did. Programs count on the board, each thread
 * in its own place; sums are made here when somebody asks.
 */
#include "runtime/feeder/feeder.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"

static uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Actors that were claimed; a program may have written any number. */
static uint32_t actor_count(const struct fgi_board_view *view)
{
    return (uint32_t)fgi_min(atomic_load(&view->board->actor_next),
                             view->actor_count);
}

static void read_actor(const struct fgi_actor *from, struct fg_feeder_actor *to)
{
    to->pid = atomic_load_explicit(&from->pid, memory_order_relaxed);
    to->tid = atomic_load_explicit(&from->tid, memory_order_relaxed);
    to->reads = load(&from->reads);
    to->arena_bytes = load(&from->arena_bytes);
    to->kernel_bytes = load(&from->kernel_bytes);
    to->kernel_ns = load(&from->kernel_ns);
    to->wait_ns = load(&from->wait_ns);
    to->copy_ns = load(&from->copy_ns);
    to->opens = load(&from->opens);
    to->open_ns = load(&from->open_ns);
    to->first_ns = load(&from->first_ns);
    to->last_ns = load(&from->last_ns);
    memcpy(to->name, from->name, sizeof(to->name));
    to->name[sizeof(to->name) - 1] = '\0';
    for (char *c = to->name; *c != '\0'; c++) {
        /* It goes to a terminal. */
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
}

static void add_actors(struct fg_feeder *feeder, struct fg_feeder_stats *stats)
{
    const struct fgi_board_view *view = &feeder->share.view;

    for (uint32_t i = 0; i < actor_count(view); i++) {
        struct fg_feeder_actor actor;

        read_actor(&view->actors[i], &actor);
        stats->opens += actor.opens;
        stats->open_ns += actor.open_ns;
        stats->reads += actor.reads;
        stats->arena_bytes += actor.arena_bytes;
        stats->kernel_bytes += actor.kernel_bytes;
        stats->kernel_ns += actor.kernel_ns;
        stats->wait_ns += actor.wait_ns;
        stats->copy_ns += actor.copy_ns;
        stats->fallbacks += load(&view->actors[i].fallbacks);
    }
}

static void add_counts(struct fg_feeder *feeder, struct fg_feeder_stats *stats)
{
    const struct fgi_feed_counts *counts = &feeder->counts;

    stats->files = load(&counts->files);
    stats->stdio_files = load(&counts->stdio_files);
    stats->events = load(&counts->events);
    stats->events_lost = load(&counts->events_lost);
    stats->ahead_bytes = load(&counts->ahead_bytes);
    stats->warmed_bytes = load(&counts->warmed_bytes);
    stats->unused_bytes = load(&counts->unused_bytes);
    stats->predictions = load(&counts->predictions);
    stats->predictions_hit = load(&counts->predictions_hit);
    stats->changed_files = load(&counts->changed_files);
    stats->read_errors = load(&counts->read_errors);
    stats->spans = load(&feeder->spans.taken);
    stats->spans_lost = load(&feeder->spans.lost);
    stats->spans_wrong = load(&feeder->spans.wrong);
}

static bool is_shown(const struct fgi_record *record)
{
    return !record->is_retired;
}

static void add_mapped(struct fg_feeder *feeder, struct fg_feeder_stats *stats)
{
    const struct fgi_board_view *view = &feeder->share.view;

    for (uint32_t i = 0; i < actor_count(view); i++) {
        stats->mapped_bytes += load(&view->actors[i].mapped_bytes);
    }
    for (uint32_t i = 0; i < feeder->folders.count; i++) {
        stats->mapped_bytes += feeder->folders.folders[i].group.mapped_bytes;
    }
    for (uint32_t i = 0; i < feeder->files.used_count; i++) {
        const struct fgi_record *record =
            &feeder->files.records[feeder->files.used[i]];

        if (is_shown(record)) {
            stats->mapped_bytes +=
                load(&fgi_records_entry(&feeder->files, record)->mapped_bytes);
        }
    }
}

void fg_feeder_get_stats(struct fg_feeder *feeder,
                         struct fg_feeder_stats *stats)
{
    struct fg_feeder_stats filled = {.struct_size = stats->struct_size};
    size_t bytes = fgi_min(stats->struct_size, sizeof(filled));

    filled.flags = feeder->config.flags;
    filled.memory_bytes = feeder->memory_bytes;
    filled.engine = feeder->engine_name;
    memcpy(filled.engine_note, feeder->engine_note, sizeof(filled.engine_note));
    add_actors(feeder, &filled);
    add_counts(feeder, &filled);
    pthread_mutex_lock(&feeder->mutex);
    add_mapped(feeder, &filled);
    snprintf(filled.order, sizeof(filled.order), "%s%s%s",
             feeder->walk.was_folder ? "directory" : "",
             feeder->walk.was_folder && feeder->walk.was_chain ? ", " : "",
             feeder->walk.was_chain ? "earlier epoch" : "");
    filled.kept_bytes = feeder->arena.kept_bytes;
    pthread_mutex_unlock(&feeder->mutex);
    fgi_touch_report(&feeder->touch, &filled.placement);
    memcpy(stats, &filled, bytes);
}

static uint64_t blocked_ns(const struct fg_feeder_actor *actor)
{
    return actor->kernel_ns + actor->wait_ns + actor->copy_ns;
}

/* Put one among the `count` of `room`, the largest first. Actors and groups
 * alike: `bytes` is their size, `more` tells which one is larger. */
static uint32_t place(void *all, uint32_t count, uint32_t room, size_t bytes,
                      const void *one, bool (*more)(const void *, const void *))
{
    char *base = all;
    uint32_t at = count;

    while (at > 0 && more(one, base + (at - 1) * bytes)) {
        at--;
    }
    if (at >= room) {
        return count;
    }
    count = (uint32_t)fgi_min(count + 1, room);
    memmove(base + (at + 1) * bytes, base + at * bytes,
            (count - 1 - at) * bytes);
    memcpy(base + at * bytes, one, bytes);
    return count;
}

static bool actor_is_more(const void *a, const void *b)
{
    return blocked_ns(a) > blocked_ns(b);
}

uint32_t fg_feeder_get_actors(struct fg_feeder *feeder,
                              struct fg_feeder_actor *actors, uint32_t room)
{
    const struct fgi_board_view *view = &feeder->share.view;
    uint32_t count = actor_count(view);
    uint32_t filled = 0;
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct fg_feeder_actor actor;

        read_actor(&view->actors[i], &actor);
        if (actor.pid != 0 || actor.reads > 0 || actor.opens > 0) {
            filled = place(actors, filled, room, sizeof(actor), &actor,
                           actor_is_more);
            found++;
        }
    }
    return found;
}

/* A folder with the counters of its files, those that are gone included. */
struct sum {
    struct fg_feeder_group group;
    uint64_t patterns[5]; /* files of each */
};

static void sum_folders(struct fg_feeder *feeder, struct sum *sums)
{
    for (uint32_t i = 0; i < feeder->folders.count; i++) {
        sums[i].group = feeder->folders.folders[i].group;
        memcpy(sums[i].patterns, feeder->folders.folders[i].patterns,
               sizeof(sums[i].patterns));
    }
    for (uint32_t i = 0; i < feeder->files.used_count; i++) {
        const struct fgi_record *record =
            &feeder->files.records[feeder->files.used[i]];
        struct sum *sum;

        if (!is_shown(record) || record->folder == FGI_NO_INDEX) {
            continue;
        }
        sum = &sums[record->folder];
        fgi_group_add(&sum->group, fgi_records_entry(&feeder->files, record));
        if (record->pattern != NULL) {
            sum->patterns[record->pattern->kind]++;
        } else if (record->is_opened) {
            sum->patterns[FGI_PATTERN_WHOLE]++;
        }
    }
}

/* How most of a folder's files are read. */
static void name_pattern(struct sum *sum)
{
    uint32_t most = FGI_PATTERN_UNKNOWN;

    for (uint32_t i = FGI_PATTERN_UNKNOWN + 1; i < 5; i++) {
        if (sum->patterns[i] > 0 && (most == FGI_PATTERN_UNKNOWN ||
                                     sum->patterns[i] > sum->patterns[most])) {
            most = i;
        }
    }
    snprintf(sum->group.pattern, sizeof(sum->group.pattern), "%s",
             fgi_pattern_name(most));
}

static bool group_is_more(const void *a, const void *b)
{
    return ((const struct fg_feeder_group *)a)->blocked_ns >
           ((const struct fg_feeder_group *)b)->blocked_ns;
}

uint32_t fg_feeder_get_groups(struct fg_feeder *feeder,
                              struct fg_feeder_group *groups, uint32_t room)
{
    struct sum *sums = fgi_alloc(FGI_FOLDERS_MAX, sizeof(*sums));
    uint32_t count = 0;
    uint32_t filled = 0;
    uint32_t found = 0;

    if (sums == NULL) {
        return 0;
    }
    pthread_mutex_lock(&feeder->mutex);
    count = feeder->folders.count;
    sum_folders(feeder, sums);
    pthread_mutex_unlock(&feeder->mutex);
    for (uint32_t i = 0; i < count; i++) {
        if (sums[i].group.opens > 0 || sums[i].group.reads > 0) {
            name_pattern(&sums[i]);
            filled = place(groups, filled, room, sizeof(*groups),
                           &sums[i].group, group_is_more);
            found++;
        }
    }
    fgi_free(sums);
    return found;
}
