/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking files over: asked of the pool, which may block in the file system,
 * and what becomes of a file when the answer is there.
 */
#include "runtime/feeder/feeder.h"

#include <stdio.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define RETRY_UNSETTLED_NS (FGI_FEED_SETTLED_NS + 20 * FGI_NS_PER_MS)

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

void fgi_inspect_ask(struct fg_feeder *feeder, struct fgi_record *record,
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

bool fgi_inspect_guess(struct fg_feeder *feeder, const char *path,
                       bool is_unseen, uint64_t reference, fgi_guess_fn finish)
{
    struct look_job *look = make_look(feeder, path);

    if (look == NULL) {
        return false;
    }
    look->reference = reference;
    look->finish = finish;
    look->ask.fd = -1;
    look->ask.must_be_uncached = true;
    look->ask.is_expected = true;
    look->ask.is_unseen = is_unseen;
    fgi_pool_push(&feeder->pool, &look->job, false);
    return true;
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
    next = fgi_watch_add(feeder, key, now_ns);
    if (next != NULL) {
        next->pid = before.pid;
        next->pid_fd = before.pid_fd;
        next->is_opened = before.is_opened;
        next->is_open_due = before.is_open_due;
        next->is_stdio = before.is_stdio;
        next->is_unseen = before.is_unseen;
        next->is_map_due = before.is_map_due;
        next->is_in_pieces = before.is_in_pieces;
        next->way = before.way;
        if (fgi_watch_pattern(next) != NULL) {
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
        now_ns + (answer->look == FGI_LOOK_UNSETTLED ? RETRY_UNSETTLED_NS
                                                     : FGI_RETRY_NS);
    if (answer->path != NULL) {
        fgi_free(record->path);
        record->path = answer->path;
        answer->path = NULL;
        record->folder = fgi_folders_of(&feeder->folders, record->path);
    }
    fgi_watch_settle(feeder, record);
    if (record->is_open_due && record->path != NULL) {
        record->is_open_due = false;
        fgi_walk_open(feeder, record, now_ns);
    }
    if (answer->look != FGI_LOOK_FED) {
        fgi_watch_decide(feeder, record);
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
    fgi_watch_decide(feeder, record);
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
    if (!look->ask.by_cache) {
        fgi_walk_note_look(&feeder->walk, &look->answer);
    }
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

bool fgi_inspect_restart(struct fg_feeder *feeder, struct fgi_record *record,
                         uint64_t now_ns)
{
    struct fgi_pattern *pattern = fgi_watch_pattern(record);
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

struct fgi_record *fgi_inspect_expect(struct fg_feeder *feeder,
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
        record = fgi_watch_add(feeder, &answer->key, now_ns);
    }
    if (record == NULL) {
        return NULL;
    }
    fgi_count(&feeder->counts.warmed_bytes, answer->warmed_bytes);
    if (answer->warmed_bytes > 0 && record->look == FGI_LOOK_FED) {
        return record; /* it is served too, to those who read it so */
    }
    take_answer(feeder, record, answer, now_ns);
    return answer->warmed_bytes > 0 ||
                   (record->look == FGI_LOOK_FED &&
                    fgi_inspect_restart(feeder, record, now_ns))
               ? record
               : NULL;
}
