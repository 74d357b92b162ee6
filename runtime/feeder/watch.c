/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a file: a program tells of it, the pool looks it over, and
 * if it may be fed its blocks are read ahead as the program's reads suggest.
 */
#include "runtime/feeder/feeder.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* How soon a file that could not be fed is looked at again, if it is used. */
#define RETRY_NS FGI_NS_PER_S
#define RETRY_UNSETTLED_NS (FGI_FEED_SETTLED_NS + 20 * FGI_NS_PER_MS)
/* Descriptors that no read needs are closed after that, or if there are too
 * many: an open file keeps its file system busy. */
#define IDLE_NS (FGI_NS_PER_S / 2)
/* An entry whose file was not used for so long may make place for another. */
#define UNUSED_NS (2 * FGI_NS_PER_S)

/* A look in the pool: at a record's file, or at one that is expected. */
struct look_job {
    struct fgi_job job; /* first: they are cast */
    struct fgi_looker *looker;
    uint32_t file_index;
    uint32_t id;         /* the record must still be that one; 0: none */
    uint8_t before;      /* enum fgi_look: what it was when we asked */
    uint64_t reference;  /* expected: the asker's */
    fgi_guess_fn finish; /* expected */
    struct fgi_look_ask ask;
    struct fgi_look_answer answer;
};

static void run_look(struct fgi_job *job)
{
    struct look_job *look = (struct look_job *)job;

    fgi_look(look->looker, &look->ask, &look->answer);
}

static void drop_look(struct fgi_job *job)
{
    struct look_job *look = (struct look_job *)job;

    if (look->answer.fd >= 0) {
        close(look->answer.fd);
    }
    fgi_free(look->answer.path);
    fgi_free(look);
}

static void finish_look(struct fgi_job *job, void *context, uint64_t now_ns);

static struct look_job *make_look(struct fg_feeder *feeder, const char *path)
{
    struct look_job *look =
        fgi_pool_is_full(&feeder->pool) ? NULL : fgi_alloc(1, sizeof(*look));

    if (look != NULL) {
        look->job = (struct fgi_job){
            .run = run_look, .finish = finish_look, .drop = drop_look};
        look->looker = &feeder->looker;
        look->answer.fd = -1;
        snprintf(look->ask.path, sizeof(look->ask.path), "%s",
                 path != NULL ? path : "");
    }
    return look;
}

void fgi_watch_look(struct fg_feeder *feeder, struct fgi_record *record,
                    const struct fgi_feed_key *key, const char *path)
{
    struct look_job *look;

    if (record->look == FGI_LOOK_WAITING) {
        return;
    }
    look = make_look(feeder, path);
    if (look == NULL) {
        return;
    }
    look->file_index = (uint32_t)(record - feeder->files.records);
    look->id = record->id;
    look->before = record->look;
    look->ask.pid = record->pid;
    look->ask.fd = record->pid_fd;
    look->ask.has_key = true;
    look->ask.must_be_uncached =
        record->look != FGI_LOOK_FED && !record->is_doubted;
    look->ask.by_cache = record->is_doubted;
    look->ask.key = *key;
    record->look = FGI_LOOK_WAITING;
    fgi_pool_push(&feeder->pool, &look->job, true);
}

bool fgi_watch_guess(struct fg_feeder *feeder, const char *path,
                     uint64_t reference, fgi_guess_fn finish)
{
    struct look_job *look = make_look(feeder, path);

    if (look == NULL) {
        return false;
    }
    look->reference = reference;
    look->finish = finish;
    look->ask.fd = -1;
    look->ask.must_be_uncached = true;
    fgi_pool_push(&feeder->pool, &look->job, false);
    return true;
}

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

static struct fgi_record *add_record(struct fg_feeder *feeder,
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

/* Files of one block need no pattern. */
static struct fgi_pattern *pattern_of(struct fgi_record *record)
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

static void note_open(struct fg_feeder *feeder, struct fgi_record *record,
                      uint64_t now_ns)
{
    struct fgi_pattern *pattern = pattern_of(record);

    record->is_opened = true;
    record->is_missed = false;
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
    struct fgi_pattern *pattern = pattern_of(record);

    note_used(feeder, record, read.offset, read.bytes);
    if (pattern != NULL) {
        fgi_pattern_read(pattern, &read);
    } else {
        record->is_missed = !fgi_block_is_there(feeder, record, 0);
        fgi_doubt_add(feeder, record, now_ns);
    }
    fgi_ahead_activate(feeder, record);
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
        fgi_warm_ask(&feeder->warm, FGI_WARM_STDIO, event, 0,
                     event->key.size_bytes);
    } else if (event->kind == FGI_EVENT_MAP) {
        fgi_warm_ask(&feeder->warm, FGI_WARM_MAP, event, event->offset,
                     event->bytes);
    } else if (event->kind == FGI_EVENT_READ && record->is_stdio) {
        record->is_stdio = false;
        fgi_warm_ask(&feeder->warm, FGI_WARM_END, event, 0, 1);
    } else if (event->kind == FGI_EVENT_READ &&
               record->look == FGI_LOOK_UNFIT && record->pattern != NULL) {
        const struct fgi_stream *stream =
            fgi_pattern_last(record->pattern, event->offset);

        if (stream != NULL) {
            fgi_warm_ask(&feeder->warm, FGI_WARM_RANGE, event,
                         stream->next_offset, stream->window_bytes);
        }
    }
}

void fgi_watch_event(struct fg_feeder *feeder, const struct fgi_event *event,
                     uint64_t now_ns)
{
    struct fgi_record *record = fgi_records_find(&feeder->files, &event->key);

    if (record == NULL) {
        record = add_record(feeder, &event->key, now_ns);
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
        fgi_watch_look(feeder, record, &event->key, event->path);
        return;
    }
    if (event->kind == FGI_EVENT_OPEN || event->kind == FGI_EVENT_STDIO) {
        if (event->kind == FGI_EVENT_STDIO && !record->is_stdio) {
            record->is_stdio = true;
            fgi_count(&feeder->counts.stdio_files, 1);
        }
        note_open(feeder, record, now_ns);
        count_open(feeder, record, event->bytes);
    } else if (event->kind == FGI_EVENT_READ) {
        note_read(feeder, record, event, now_ns);
    }
    want_warm(feeder, record, event);
    /* Small ones: a program's own modules, for example. */
    if (record->look == FGI_LOOK_NONE && fgi_block_count(record) == 1 &&
        !fgi_walk_may_look(&feeder->walk)) {
        record->look = FGI_LOOK_CACHED; /* as the last ones were */
        record->retry_ns = now_ns + RETRY_NS;
    }
    if (fgi_watch_may_look(record, now_ns)) {
        fgi_watch_look(feeder, record, &record->key, event->path);
    }
    if (record->look != FGI_LOOK_WAITING && record->look != FGI_LOOK_FED) {
        fgi_records_set_mode(&feeder->files, record, FGI_FEED_WATCH);
    }
}

/* The file is not what its record says. */
static struct fgi_record *replace(struct fg_feeder *feeder,
                                  struct fgi_record *record,
                                  const struct fgi_feed_key *key,
                                  uint64_t now_ns)
{
    struct fgi_record before = *record;
    struct fgi_record *next;

    fgi_count(&feeder->counts.changed_files, 1);
    fgi_file_retire(feeder, record);
    next = add_record(feeder, key, now_ns);
    if (next != NULL) {
        next->pid = before.pid;
        next->pid_fd = before.pid_fd;
        next->is_opened = before.is_opened;
        next->is_open_due = before.is_open_due;
        next->is_stdio = before.is_stdio;
        if (pattern_of(next) != NULL) {
            fgi_pattern_start(next->pattern, now_ns);
        }
    }
    return next;
}

static void take_answer(struct fg_feeder *feeder, struct fgi_record *record,
                        struct fgi_look_answer *answer, uint64_t now_ns)
{
    record->look = answer->look;
    record->retry_ns =
        now_ns +
        (answer->look == FGI_LOOK_UNSETTLED ? RETRY_UNSETTLED_NS : RETRY_NS);
    if (answer->path != NULL) {
        fgi_free(record->path);
        record->path = answer->path;
        answer->path = NULL;
        record->folder = fgi_folders_of(&feeder->folders, record->path);
    }
    if (record->is_open_due && record->path != NULL) {
        record->is_open_due = false;
        fgi_walk_open(feeder, record, now_ns);
    }
    if (answer->look != FGI_LOOK_FED) {
        fgi_records_set_mode(&feeder->files, record, FGI_FEED_WATCH);
        return;
    }
    if (record->fd < 0) {
        bool is_kept = fgi_records_keep(&feeder->files, record, answer->fd);

        answer->fd = -1;
        if (!is_kept) {
            record->look = FGI_LOOK_GONE; /* tried again later */
            return;
        }
    }
    record->align_bytes = answer->align_bytes;
    fgi_records_set_mode(&feeder->files, record, FGI_FEED_COPY);
    fgi_ahead_activate(feeder, record);
}

/* A file that was fed is not found any more. An event with another key may
 * be old, or a lie; but if nobody has it open and it has no name, nobody will
 * ask for it again. */
static void lose(struct fg_feeder *feeder, struct fgi_record *record,
                 const struct look_job *look)
{
    record->look = FGI_LOOK_FED;
    if (fgi_key_is_same(&look->ask.key, &record->key)) {
        fgi_file_retire(feeder, record);
    }
}

static void answer_look(struct fg_feeder *feeder, struct look_job *look,
                        uint64_t now_ns)
{
    struct fgi_record *record = &feeder->files.records[look->file_index];

    if (record->id != look->id || record->is_retired) {
        return;
    }
    if (look->answer.look == FGI_LOOK_GONE && look->before == FGI_LOOK_FED) {
        lose(feeder, record, look);
        return;
    }
    fgi_walk_note_look(&feeder->walk, look->answer.look == FGI_LOOK_CACHED);
    if (look->answer.key.inode != 0 &&
        !fgi_key_is_same(&look->answer.key, &record->key)) {
        record = replace(feeder, record, &look->answer.key, now_ns);
    }
    if (record != NULL) {
        take_answer(feeder, record, &look->answer, now_ns);
    }
}

static void finish_look(struct fgi_job *job, void *context, uint64_t now_ns)
{
    struct look_job *look = (struct look_job *)job;

    if (look->finish != NULL) {
        look->finish(context, look->reference, &look->answer, now_ns);
    } else {
        answer_look(context, look, now_ns);
    }
}

bool fgi_watch_restart(struct fg_feeder *feeder, struct fgi_record *record,
                       uint64_t now_ns)
{
    struct fgi_pattern *pattern = pattern_of(record);
    uint64_t blocks = fgi_min(fgi_block_count(record),
                              FGI_WINDOW_BYTES_OPEN / FGI_FEED_BLOCK_BYTES);
    uint64_t there = 0;

    while (there < blocks && fgi_block_is_there(feeder, record, there)) {
        there++;
    }
    if (there == blocks) {
        return false;
    }
    record->is_missed = false;
    if (pattern != NULL) {
        fgi_pattern_start(pattern, now_ns);
    }
    fgi_ahead_activate(feeder, record);
    return true;
}

struct fgi_record *fgi_watch_expect(struct fg_feeder *feeder,
                                    struct fgi_look_answer *answer,
                                    uint64_t now_ns)
{
    struct fgi_record *record = fgi_records_find(&feeder->files, &answer->key);

    if (record != NULL && record->look == FGI_LOOK_WAITING) {
        return NULL; /* a program was first */
    }
    if (record != NULL && !fgi_key_is_same(&record->key, &answer->key)) {
        record = replace(feeder, record, &answer->key, now_ns);
    } else if (record == NULL) {
        record = add_record(feeder, &answer->key, now_ns);
    }
    if (record == NULL) {
        return NULL;
    }
    take_answer(feeder, record, answer, now_ns);
    return record->look == FGI_LOOK_FED &&
                   fgi_watch_restart(feeder, record, now_ns)
               ? record
               : NULL;
}

void fgi_watch_idle(struct fg_feeder *feeder, uint64_t now_ns)
{
    if (feeder->files.open_count > 0) {
        fgi_records_shut_idle(&feeder->files, now_ns - IDLE_NS);
    }
}
