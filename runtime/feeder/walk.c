/* SPDX-License-Identifier: Apache-2.0 */
/* See walk.h. */
#include "runtime/feeder/walk.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/feeder/feeder.h"
#include "runtime/feeder/listing.h"

#define PROBES 16u
#define REACH 128u             /* how far ahead of each open to look */
#define OPENS_MIN 2u           /* before a folder is listed */
#define MISSES_MAX 8u          /* before it is listed again */
#define LISTED_NS FGI_NS_PER_S /* but not sooner */
#define VAIN_CALM_NS (2 * FGI_NS_PER_MS)
/* So much is ready that is not opened yet: at 10 GB/s it lasts for longer. */
#define AHEAD_CALM_BYTES FGI_MIB(8)
#define AHEAD_CALM_NS (FGI_NS_PER_MS / 2)

enum fg_status fgi_walk_init(struct fgi_walk *walk, struct fg_error *err)
{
    walk->folders = fgi_alloc(FGI_WALK_FOLDERS, sizeof(*walk->folders));
    if (walk->folders == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "feeder: table of folders");
    }
    for (uint32_t i = 0; i < FGI_WALK_FOLDERS; i++) {
        walk->folders[i].serial = FGI_WALK_FOLDERS + i;
    }
    return FG_OK;
}

static void empty_folder(struct fgi_walk *walk, struct fgi_walk_folder *folder)
{
    uint32_t serial = folder->serial + FGI_WALK_FOLDERS;

    walk->name_count -= folder->listing.count;
    fgi_listing_fini(&folder->listing);
    fgi_free(folder->path);
    memset(folder, 0, sizeof(*folder));
    folder->serial = serial;
}

void fgi_walk_fini(struct fgi_walk *walk)
{
    for (uint32_t i = 0; walk->folders != NULL && i < FGI_WALK_FOLDERS; i++) {
        empty_folder(walk, &walk->folders[i]);
    }
    fgi_free(walk->folders);
    memset(walk, 0, sizeof(*walk));
}

/* ---- folders --------------------------------------------------------------
 */

static uint64_t hash_of(const char *path, size_t length)
{
    uint64_t hash = length;

    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (uint8_t)path[i]) * UINT64_C(0x100000001b3);
    }
    return fgi_board_hash(hash);
}

static bool is_path(const struct fgi_walk_folder *folder, const char *path,
                    size_t length)
{
    return folder->path != NULL && strncmp(folder->path, path, length) == 0 &&
           folder->path[length] == '\0';
}

/* The folder that a path is in; the oldest near its home goes for it. */
static struct fgi_walk_folder *find_folder(struct fgi_walk *walk,
                                           const char *path, size_t length)
{
    uint64_t hash = hash_of(path, length);
    struct fgi_walk_folder *oldest = NULL;

    for (uint32_t i = 0; i < PROBES; i++) {
        struct fgi_walk_folder *folder =
            &walk->folders[(hash + i) % FGI_WALK_FOLDERS];

        if (folder->hash == hash && is_path(folder, path, length)) {
            return folder;
        }
        if (oldest == NULL || folder->used_ns < oldest->used_ns) {
            oldest = folder;
        }
    }
    empty_folder(walk, oldest);
    oldest->path = fgi_alloc(length + 1, 1);
    if (oldest->path != NULL) {
        memcpy(oldest->path, path, length);
        oldest->hash = hash;
    }
    return oldest;
}

static struct fgi_walk_folder *folder_of(struct fgi_walk *walk, uint32_t serial)
{
    struct fgi_walk_folder *folder = &walk->folders[serial % FGI_WALK_FOLDERS];

    return folder->serial == serial ? folder : NULL;
}

static void finish_listing(void *context, const struct fgi_listing_job *job,
                           uint64_t now_ns)
{
    struct fg_feeder *feeder = context;
    struct fgi_walk *walk = &feeder->walk;
    struct fgi_walk_folder *folder = folder_of(walk, job->serial);

    if (folder == NULL) {
        return;
    }
    folder->is_waiting = false;
    folder->listed_ns = now_ns;
    folder->misses = 0;
    walk->name_count -= folder->listing.count;
    fgi_listing_fini(&folder->listing);
    if (walk->name_count + job->listing->count <= FGI_WALK_NAMES) {
        folder->listing = *job->listing;
        memset(job->listing, 0, sizeof(*job->listing));
        walk->name_count += folder->listing.count;
    }
}

/* Have it listed, if it is time to. */
static void want_listing(struct fg_feeder *feeder,
                         struct fgi_walk_folder *folder, uint64_t now_ns)
{
    bool is_due = folder->listed_ns == 0
                      ? folder->opens >= OPENS_MIN
                      : folder->misses > MISSES_MAX &&
                            now_ns - folder->listed_ns > LISTED_NS;

    if (is_due && !folder->is_waiting && folder->path != NULL) {
        folder->is_waiting = fgi_listing_ask(&feeder->pool, folder->path,
                                             folder->serial, finish_listing);
    }
}

/* ---- asking ----------------------------------------------------------------
 */

static uint64_t reference_to(const struct fgi_walk_folder *folder,
                             uint32_t number)
{
    return (uint64_t)folder->serial << 32 | number;
}

/* The record of a name, if it is the one that we knew. */
static struct fgi_record *record_of(struct fg_feeder *feeder,
                                    const struct fgi_name *name)
{
    struct fgi_record *record;

    if (name->file_id == 0) {
        return NULL;
    }
    record = &feeder->files.records[name->file_index];
    return record->id == name->file_id && !record->is_retired ? record : NULL;
}

static void remember(struct fg_feeder *feeder, uint64_t reference,
                     const struct fgi_record *record)
{
    struct fgi_walk_folder *folder =
        folder_of(&feeder->walk, (uint32_t)(reference >> 32));
    uint32_t number = (uint32_t)reference;

    if (folder != NULL && number < folder->listing.count) {
        folder->listing.known[number].file_id = record->id;
        folder->listing.known[number].file_index =
            (uint32_t)(record - feeder->files.records);
    }
}

static void note_guess(struct fg_feeder *feeder, struct fgi_record *record,
                       uint64_t warmed_bytes, uint64_t now_ns)
{
    uint64_t bytes = warmed_bytes > 0 ? warmed_bytes
                                      : fgi_min(record->key.size_bytes,
                                                FGI_WINDOW_BYTES_OPEN);

    fgi_count(&feeder->counts.predictions,
              fgi_guess_add(&feeder->walk.guesses, record, bytes, now_ns));
}

static void finish_guess(void *context, uint64_t reference,
                         struct fgi_look_answer *answer, uint64_t now_ns)
{
    struct fg_feeder *feeder = context;
    struct fgi_record *record;

    feeder->walk.asking_count--;
    fgi_walk_note_look(&feeder->walk, answer);
    if ((answer->look != FGI_LOOK_FED && answer->warmed_bytes == 0) ||
        answer->key.size_bytes < feeder->config.file_bytes_min) {
        return;
    }
    record = fgi_inspect_expect(feeder, answer, now_ns);
    if (record != NULL) {
        record->reference = reference;
        remember(feeder, reference, record);
        note_guess(feeder, record, answer->warmed_bytes, now_ns);
    }
}

/* Whether to have a known file looked over. One that is warmed: each time
 * that it is to come, because the page cache does not tell what it lost. */
static bool may_expect(struct fgi_walk *walk, const struct fgi_record *record,
                       bool is_unseen, uint64_t now_ns)
{
    bool is_warmed = record->look == FGI_LOOK_UNFIT ||
                     (is_unseen && (record->look == FGI_LOOK_FED ||
                                    record->look == FGI_LOOK_CACHED));

    if (is_warmed) {
        return now_ns - record->used_ns > FGI_GUESS_NS &&
               fgi_guess_of(&walk->guesses, record) == NULL;
    }
    return fgi_watch_may_look(record, now_ns);
}

/* Have a file looked over and read, unless that was done already. */
static void expect(struct fg_feeder *feeder, struct fgi_walk_folder *folder,
                   uint32_t number, uint64_t now_ns)
{
    struct fgi_record *record =
        record_of(feeder, &folder->listing.known[number]);
    bool is_unseen = fgi_ways_are_unseen(&folder->ways);
    char path[FGI_LOOK_PATH_BYTES];
    int length;

    if (record != NULL && record->look == FGI_LOOK_FED && !is_unseen) {
        if (fgi_inspect_restart(feeder, record, now_ns)) {
            note_guess(feeder, record, 0, now_ns);
        }
        return;
    }
    if ((record != NULL &&
         !may_expect(&feeder->walk, record, is_unseen, now_ns)) ||
        !fgi_vain_may_look(&feeder->walk.vain, FGI_VAIN_EXPECTED)) {
        return;
    }
    length = snprintf(path, sizeof(path), "%s/%s", folder->path,
                      fgi_listing_name(&folder->listing, number));
    if (length > 0 && (size_t)length < sizeof(path) &&
        fgi_look_is_named(&feeder->config, path) &&
        fgi_inspect_guess(feeder, path, is_unseen, reference_to(folder, number),
                          finish_guess)) {
        feeder->walk.asking_count++;
    }
}

/* ---- what comes next -------------------------------------------------------
 */

/* What the same process opened after its last file is noted there. */
static void note_chain(struct fgi_walk *walk, int32_t pid, uint64_t reference)
{
    struct fgi_walk_reader *reader =
        &walk->readers[(uint32_t)pid % FGI_WALK_READERS];
    struct fgi_walk_folder *folder =
        folder_of(walk, (uint32_t)(reader->last >> 32));
    uint32_t number = (uint32_t)reader->last;

    if (reader->pid == pid && folder != NULL &&
        number < folder->listing.count) {
        struct fgi_name *name = &folder->listing.known[number];

        if (name->next != 0) {
            walk->chain_score =
                fgi_score_step(walk->chain_score, name->next == reference);
        }
        name->next = reference;
    }
    reader->pid = pid;
    reader->last = reference;
}

/* How far to look ahead of a file. What goes into the page cache is read at
 * once, however much it is: the files after it should be like it. */
static uint32_t reach_from(const struct fgi_walk_folder *folder,
                           const struct fgi_record *record)
{
    uint64_t bytes = fgi_clamp(record->key.size_bytes, FGI_GUESS_BYTES / REACH,
                               FGI_LOOK_UNSEEN_BYTES);

    return fgi_ways_are_unseen(&folder->ways)
               ? (uint32_t)(FGI_GUESS_BYTES / bytes)
               : REACH;
}

static void expect_in_order(struct fg_feeder *feeder,
                            struct fgi_walk_folder *folder,
                            enum fgi_order_kind order, uint32_t number,
                            uint32_t reach, uint64_t now_ns)
{
    uint32_t next[REACH];
    uint32_t room =
        fgi_guess_room(&feeder->walk.guesses, feeder->walk.asking_count);
    uint32_t count = fgi_listing_next(&folder->listing, order, number, reach,
                                      next, room < reach ? room : reach);
    uint32_t first = 0;

    /* In vain so far: the farthest shows soon enough when that has changed. */
    if (fgi_vain_is_all(&feeder->walk.vain) && count > 0) {
        first = count - 1;
    }
    for (uint32_t i = first; i < count; i++) {
        expect(feeder, folder, next[i], now_ns);
    }
    feeder->walk.was_folder |= count > 0;
}

static void expect_in_chain(struct fg_feeder *feeder, uint64_t reference,
                            uint32_t reach, uint64_t now_ns)
{
    struct fgi_walk *walk = &feeder->walk;

    for (uint32_t i = 0;
         i < reach && fgi_guess_room(&walk->guesses, walk->asking_count) > 0;
         i++) {
        struct fgi_walk_folder *folder =
            folder_of(walk, (uint32_t)(reference >> 32));

        if (folder == NULL || (uint32_t)reference >= folder->listing.count) {
            return;
        }
        if (i > 0 &&
            fgi_listing_expect(&folder->listing, (uint32_t)reference)) {
            expect(feeder, folder, (uint32_t)reference, now_ns);
            walk->was_chain = true;
        }
        reference = folder->listing.known[(uint32_t)reference].next;
    }
}

struct fgi_ways *fgi_walk_ways(struct fgi_walk *walk, const char *path)
{
    size_t length = (size_t)(strrchr(path, '/') - path);

    return &find_folder(walk, path, length)->ways;
}

void fgi_walk_open(struct fg_feeder *feeder, struct fgi_record *record,
                   uint64_t now_ns)
{
    struct fgi_walk *walk = &feeder->walk;
    const char *slash = strrchr(record->path, '/');
    struct fgi_walk_folder *folder =
        find_folder(walk, record->path, (size_t)(slash - record->path));
    enum fgi_order_kind order;
    uint32_t number;

    fgi_count(&feeder->counts.predictions_hit,
              fgi_guess_settle(&walk->guesses, record));
    fgi_guess_expire(&walk->guesses, now_ns);
    if (record->look == FGI_LOOK_UNWANTED ||
        (feeder->config.flags & FG_FEEDER_OBSERVE) != 0 ||
        fgi_looker_rule(&feeder->looker, record->key.device) ==
            FGI_DEVICE_LEFT) {
        return;
    }
    folder->used_ns = now_ns;
    folder->opens++;
    want_listing(feeder, folder, now_ns);
    number = folder->listing.count > 0
                 ? fgi_listing_find(&folder->listing, slash + 1)
                 : FGI_NO_NAME;
    if (number == FGI_NO_NAME) {
        folder->misses++;
        return;
    }
    fgi_listing_open(&folder->listing, number);
    record->reference = reference_to(folder, number);
    remember(feeder, record->reference, record);
    note_chain(walk, record->pid, record->reference);
    if (fgi_listing_order(&folder->listing, &order)) {
        expect_in_order(feeder, folder, order, number,
                        reach_from(folder, record), now_ns);
    } else if (walk->chain_score >= FGI_SCORE_BELIEVED) {
        expect_in_chain(feeder, record->reference, reach_from(folder, record),
                        now_ns);
    }
}

/* What should be opened after that file; NULL: not known. */
static struct fgi_record *record_after(struct fg_feeder *feeder,
                                       uint64_t reference)
{
    struct fgi_walk *walk = &feeder->walk;
    struct fgi_walk_folder *folder =
        folder_of(walk, (uint32_t)(reference >> 32));
    uint32_t number = (uint32_t)reference;
    enum fgi_order_kind order;

    if (folder == NULL || number >= folder->listing.count) {
        return NULL;
    }
    if (fgi_listing_order(&folder->listing, &order)) {
        number = fgi_listing_after(&folder->listing, order, number);
    } else if (walk->chain_score >= FGI_SCORE_BELIEVED) {
        reference = folder->listing.known[number].next;
        folder = folder_of(walk, (uint32_t)(reference >> 32));
        number = (uint32_t)reference;
    } else {
        return NULL;
    }
    return folder != NULL && number < folder->listing.count
               ? record_of(feeder, &folder->listing.known[number])
               : NULL;
}

void fgi_walk_run_over(struct fg_feeder *feeder,
                       const struct fgi_record *record, uint64_t bytes,
                       uint64_t now_ns)
{
    struct fgi_record *next =
        record->reference != 0 ? record_after(feeder, record->reference) : NULL;

    if (next != NULL && next->look == FGI_LOOK_FED && next->pattern != NULL &&
        fgi_pattern_widen(next->pattern, bytes, now_ns)) {
        fgi_ahead_activate(feeder, next);
    }
}

uint64_t fgi_walk_calm_ns(const struct fgi_walk *walk, uint64_t inflight_bytes)
{
    if (fgi_vain_is_all(&walk->vain)) {
        return VAIN_CALM_NS;
    }
    return walk->guesses.bytes >= inflight_bytes + AHEAD_CALM_BYTES
               ? AHEAD_CALM_NS
               : 0;
}

void fgi_walk_tell_calm(const struct fgi_walk *walk, struct fgi_board *board)
{
    uint32_t is_calm = fgi_vain_is_all(&walk->vain);

    if (atomic_load_explicit(&board->is_calm, memory_order_relaxed) !=
        is_calm) {
        atomic_store_explicit(&board->is_calm, is_calm, memory_order_relaxed);
    }
}

void fgi_walk_note_look(struct fgi_walk *walk,
                        const struct fgi_look_answer *answer)
{
    bool is_vain =
        answer->look == FGI_LOOK_UNWANTED ||
        (answer->look == FGI_LOOK_CACHED && answer->warmed_bytes == 0);

    fgi_vain_note(&walk->vain, is_vain);
}
