/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs tell of their files, and what is done about it: a record, a
 * look at the file, its pattern, the page cache.
 */
#include "runtime/feeder/feeder.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* Descriptors that no read needs are closed after that, or if there are too
 * many: an open file keeps its file system busy. */
#define IDLE_NS (FGI_NS_PER_S / 2)
/* Who reads further than that reads the rest so too; a header may be read and
 * what follows mapped. */
#define HEADER_BYTES FGI_KIB(256)
/* A file no larger than that is on its way when we hear of it. */
#define WARM_BYTES_MIN FGI_KIB(256)
/* A file that large is worth serving its first reads once more. */
#define TRY_BYTES_MIN FGI_MIB(64)
/* An entry whose file was not used for so long may make place for another. */
#define UNUSED_NS (2 * FGI_NS_PER_S)

/* Make place for another file: the one that was not used for longest. */
static struct fgi_record *make_place(struct fg_feeder *feeder,
                                     const struct fgi_feed_key *key,
                                     uint64_t now_ns)
{
    struct fgi_record *oldest = NULL;

    for (uint32_t i = 0; i < FGI_FILE_PROBES; i++) {
        struct fgi_record *record = fgi_records_at(&feeder->files, key, i);

        if (record->blocks == 0 && record->reading == 0 && !record->is_active &&
            !record->is_retired && record->look != FGI_LOOK_WAITING &&
            now_ns - record->used_ns > UNUSED_NS &&
            (oldest == NULL || record->used_ns < oldest->used_ns)) {
            oldest = record;
        }
    }
    if (oldest != NULL) {
        fgi_file_retire(feeder, oldest);
    }
    return oldest;
}

struct fgi_record *fgi_watch_add(struct fg_feeder *feeder,
                                 const struct fgi_feed_key *key,
                                 uint64_t now_ns)
{
    struct fgi_record *record = fgi_records_pick(&feeder->files, key);

    if (record == NULL) {
        record = make_place(feeder, key, now_ns);
    }
    if (record == NULL || !fgi_records_add(&feeder->files, record, key)) {
        return NULL;
    }
    record->used_ns = now_ns;
    fgi_count(&feeder->counts.files, 1);
    return record;
}

struct fgi_pattern *fgi_watch_pattern(struct fgi_record *record)
{
    if (record->pattern == NULL && fgi_block_count(record) > 1) {
        record->pattern = fgi_alloc(1, sizeof(*record->pattern));
    }
    return record->pattern;
}

bool fgi_watch_may_look(const struct fgi_record *record, uint64_t now_ns)
{
    switch ((enum fgi_look)record->look) {
    case FGI_LOOK_NONE:
        return true;
    case FGI_LOOK_CACHED:
    case FGI_LOOK_UNSETTLED:
    case FGI_LOOK_WRITER:
    case FGI_LOOK_GONE:
        return now_ns >= record->retry_ns;
    case FGI_LOOK_WAITING:
    case FGI_LOOK_FED:
    case FGI_LOOK_UNFIT:
    case FGI_LOOK_UNWANTED:
        break;
    }
    return false;
}

void fgi_watch_decide(struct fg_feeder *feeder, struct fgi_record *record)
{
    enum fgi_feed_mode mode = FGI_FEED_WATCH;

    if (record->look == FGI_LOOK_FED && !record->is_in_pieces) {
        mode = FGI_FEED_COPY;
    } else if (record->look == FGI_LOOK_UNFIT &&
               fgi_looker_rule(&feeder->looker, record->key.device) ==
                   FGI_DEVICE_WARMED) {
        mode = FGI_FEED_WARM;
    }
    fgi_records_set_mode(&feeder->files, record, mode);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Tell the folder how the file is read, and take its word for whether the
 * shim will see the file's reads. */
static void tell_way(struct fg_feeder *feeder, struct fgi_record *record)
{
    struct fgi_ways *ways = fgi_walk_ways(&feeder->walk, record->path);

    fgi_ways_move(ways, (enum fgi_way)record->told_way,
                  (enum fgi_way)record->way);
    record->told_way = record->way;
    record->is_unseen =
        record->way == FGI_WAY_UNSEEN || fgi_ways_are_unseen(ways);
}

static void note_way(struct fg_feeder *feeder, struct fgi_record *record,
                     enum fgi_way way)
{
    if (record->way == way) {
        return;
    }
    record->way = way;
    record->is_unseen = way == FGI_WAY_UNSEEN;
    if (record->path != NULL) {
        tell_way(feeder, record);
    }
}

/* What was told before counts on: this is another time. */
static void begin_way(struct fg_feeder *feeder, struct fgi_record *record)
{
    record->way = FGI_WAY_NONE;
    record->told_way = FGI_WAY_NONE;
    record->is_unseen = false;
    if (record->path != NULL) {
        tell_way(feeder, record);
    }
}

/* How it was read since it was opened; at first as its folder's last file. A
 * file of one block is read at one go, or as good as. */
static void judge_pieces(struct fg_feeder *feeder, struct fgi_record *record)
{
    const struct fgi_feed_file *entry =
        fgi_records_entry(&feeder->files, record);
    uint64_t reads = read_counter(&entry->reads) - record->reads_before;
    uint64_t bytes = read_counter(&entry->arena_bytes) +
                     read_counter(&entry->kernel_bytes) - record->bytes_before;
    struct fgi_ways *ways;

    if (record->pattern == NULL || record->path == NULL) {
        return;
    }
    ways = fgi_walk_ways(&feeder->walk, record->path);
    if (reads >= FGI_PIECES_MIN) {
        ways->in_pieces =
            record->pattern->kind == FGI_PATTERN_SEQUENTIAL &&
            fgi_ways_are_pieces(reads, bytes, fgi_pace_rate(&feeder->pace));
    }
    record->is_in_pieces = ways->in_pieces;
}

/* Count its reads anew. Small reads that are left to the kernel are not told:
 * of a large file some are served each time, and show whether all is as ever.
 */
static void begin_pieces(struct fg_feeder *feeder, struct fgi_record *record)
{
    const struct fgi_feed_file *entry =
        fgi_records_entry(&feeder->files, record);

    judge_pieces(feeder, record);
    record->reads_before = read_counter(&entry->reads);
    record->bytes_before =
        read_counter(&entry->arena_bytes) + read_counter(&entry->kernel_bytes);
    if (record->key.size_bytes >= TRY_BYTES_MIN) {
        record->is_in_pieces = false;
    }
}

static void note_open(struct fg_feeder *feeder, struct fgi_record *record,
                      const struct fgi_event *event, uint64_t now_ns)
{
    struct fgi_pattern *pattern = fgi_watch_pattern(record);

    record->is_opened = true;
    record->is_missed = false;
    begin_way(feeder, record);
    begin_pieces(feeder, record);
    if (event->kind == FGI_EVENT_STDIO) {
        note_way(feeder, record, FGI_WAY_UNSEEN);
    }
    if (record->path != NULL) {
        fgi_walk_open(feeder, record, now_ns);
    } else {
        record->is_open_due = true;
    }
    if (pattern != NULL) {
        fgi_pattern_start(pattern, now_ns);
    }
    fgi_ahead_activate(feeder, record);
}

/* The program could not count it: the entry may have come later. Without a
 * time it is no new open, but a descriptor that was inherited, or fdopen's. */
static void count_open(struct fg_feeder *feeder,
                       const struct fgi_record *record, uint64_t open_ns)
{
    struct fgi_feed_file *entry = fgi_records_entry(&feeder->files, record);

    atomic_fetch_add_explicit(&entry->opens, open_ns > 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->open_ns, open_ns, memory_order_relaxed);
}

/* As above: it came before the entry. */
static void count_map(struct fg_feeder *feeder, const struct fgi_record *record,
                      const struct fgi_event *event)
{
    struct fgi_feed_file *entry = fgi_records_entry(&feeder->files, record);

    if (event->kind == FGI_EVENT_MAP && event->file_id == 0) {
        atomic_fetch_add_explicit(&entry->mapped_bytes, event->bytes,
                                  memory_order_relaxed);
    }
}

static void note_used(struct fg_feeder *feeder, const struct fgi_record *record,
                      uint64_t offset, uint64_t bytes)
{
    uint64_t block = offset / FGI_FEED_BLOCK_BYTES;
    uint64_t last = (offset + bytes) / FGI_FEED_BLOCK_BYTES;
    uint64_t end = fgi_min(last + 1, fgi_block_count(record));

    for (; block < end && block <= UINT32_MAX; block++) {
        struct fgi_feed_block *found = fgi_slots_find(
            &feeder->slots, fgi_slot_tag(record->id, (uint32_t)block));

        if (found != NULL) {
            found->is_used = true;
            found->is_wanted = false;
        }
    }
}

static void note_read(struct fg_feeder *feeder, struct fgi_record *record,
                      const struct fgi_event *event, uint64_t now_ns)
{
    const struct fgi_feed_read read = {
        .offset = event->offset,
        .bytes = fgi_min(event->bytes, record->key.size_bytes),
        .reader = (uint64_t)(uint32_t)event->pid << 32 | (uint32_t)event->fd,
        .now_ns = now_ns,
    };
    struct fgi_pattern *pattern = fgi_watch_pattern(record);

    note_way(feeder, record, FGI_WAY_SEEN);
    if (read.offset >= HEADER_BYTES || read.bytes > HEADER_BYTES) {
        record->is_unseen = false;
    }
    note_used(feeder, record, read.offset, read.bytes);
    if (pattern != NULL) {
        fgi_pattern_read(pattern, &read);
        judge_pieces(feeder, record);
    } else {
        record->is_missed = !fgi_block_is_there(feeder, record, 0);
        fgi_doubt_add(feeder, record, now_ns);
    }
    fgi_ahead_activate(feeder, record);
}

static void ask_warm(struct fg_feeder *feeder, enum fgi_warm_kind kind,
                     const struct fgi_event *event, uint64_t offset,
                     uint64_t bytes)
{
    if (event->key.size_bytes > WARM_BYTES_MIN &&
        fgi_looker_rule(&feeder->looker, event->key.device) !=
            FGI_DEVICE_LEFT) {
        fgi_warm_ask(&feeder->warm, kind, event, offset, bytes);
    }
}

/* Ahead of a sequential reader, half a window at a time. */
static void warm_stream(struct fg_feeder *feeder, struct fgi_record *record,
                        const struct fgi_event *event)
{
    struct fgi_stream *stream =
        fgi_pattern_last(record->pattern, event->offset);
    uint64_t from;
    uint64_t to;

    if (stream == NULL) {
        return;
    }
    from = fgi_max(stream->next_offset, stream->ahead * FGI_FEED_BLOCK_BYTES);
    to = fgi_align_up(stream->next_offset + stream->window_bytes,
                      FGI_FEED_BLOCK_BYTES);
    if (to > from && to - from >= stream->window_bytes / 2) {
        ask_warm(feeder, FGI_WARM_RANGE, event, from, to - from);
        stream->ahead = to / FGI_FEED_BLOCK_BYTES;
    }
}

/* The descriptor of a mapped file is closed as a rule when we come to it. */
static void want_map(struct fg_feeder *feeder, struct fgi_record *record,
                     const struct fgi_event *event)
{
    struct fgi_event named = *event;

    if (record->path == NULL) {
        record->is_map_due = true;
        return;
    }
    snprintf(named.path, sizeof(named.path), "%s", record->path);
    ask_warm(feeder, FGI_WARM_MAP, &named, event->offset, event->bytes);
}

void fgi_watch_settle(struct fg_feeder *feeder, struct fgi_record *record)
{
    struct fgi_event event = {
        .kind = FGI_EVENT_MAP,
        .pid = record->pid,
        .fd = record->pid_fd,
        .bytes = record->key.size_bytes,
        .key = record->key,
    };

    if (record->path == NULL) {
        return;
    }
    if (record->way != record->told_way) {
        tell_way(feeder, record);
    }
    if (!record->is_opened) {
        begin_pieces(feeder, record); /* it is only expected */
    }
    if (record->is_map_due) {
        record->is_map_due = false;
        want_map(feeder, record, &event);
    }
}

/* Reads that the shim does not see, or that cannot be served: the page cache
 * may have them ready. */
static void want_warm(struct fg_feeder *feeder, struct fgi_record *record,
                      const struct fgi_event *event)
{
    if (record->look == FGI_LOOK_UNWANTED) {
        return;
    }
    if (event->kind == FGI_EVENT_STDIO) {
        ask_warm(feeder, FGI_WARM_STDIO, event, 0, event->key.size_bytes);
    } else if (event->kind == FGI_EVENT_MAP || event->kind == FGI_EVENT_COPY) {
        want_map(feeder, record, event);
    } else if (event->kind == FGI_EVENT_READ && record->is_stdio) {
        record->is_stdio = false;
        fgi_warm_ask(&feeder->warm, FGI_WARM_END, event, 0, 1);
    } else if (event->kind == FGI_EVENT_READ &&
               record->look == FGI_LOOK_UNFIT && record->pattern != NULL) {
        warm_stream(feeder, record, event);
    }
}

void fgi_watch_event(struct fg_feeder *feeder, const struct fgi_event *event,
                     uint64_t now_ns)
{
    struct fgi_record *record = fgi_records_find(&feeder->files, &event->key);

    if (record == NULL) {
        record = fgi_watch_add(feeder, &event->key, now_ns);
    }
    if (record == NULL) {
        return;
    }
    record->used_ns = now_ns;
    record->pid = event->pid;
    record->pid_fd = event->fd;
    if (record->path == NULL && event->path[0] == '/') {
        record->path = fgi_strdup(event->path);
    }
    if (!fgi_key_is_same(&record->key, &event->key)) {
        /* One of the two is old: the file itself says which. */
        fgi_inspect_ask(feeder, record, &event->key, event->path);
        return;
    }
    if (event->kind == FGI_EVENT_OPEN || event->kind == FGI_EVENT_STDIO) {
        if (event->kind == FGI_EVENT_STDIO && !record->is_stdio) {
            record->is_stdio = true;
            fgi_count(&feeder->counts.stdio_files, 1);
        }
        note_open(feeder, record, event, now_ns);
        count_open(feeder, record, event->bytes);
    } else if (event->kind == FGI_EVENT_READ) {
        note_read(feeder, record, event, now_ns);
    } else {
        note_way(feeder, record, FGI_WAY_UNSEEN);
        count_map(feeder, record, event);
    }
    want_warm(feeder, record, event);
    /* Small ones: a program's own modules, for example. */
    if (record->look == FGI_LOOK_NONE && fgi_block_count(record) == 1 &&
        !fgi_vain_may_look(&feeder->walk.vain, FGI_VAIN_OPENED)) {
        record->look = FGI_LOOK_CACHED; /* as the last ones were */
        record->retry_ns = now_ns + FGI_RETRY_NS;
    }
    if (fgi_watch_may_look(record, now_ns)) {
        fgi_inspect_ask(feeder, record, &record->key, event->path);
    }
    if (record->look != FGI_LOOK_WAITING) {
        fgi_watch_decide(feeder, record);
    }
}

void fgi_watch_idle(struct fg_feeder *feeder, uint64_t now_ns)
{
    if (feeder->files.open_count > 0) {
        fgi_records_shut_idle(&feeder->files, now_ns - IDLE_NS);
    }
}
