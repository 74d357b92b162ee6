/* SPDX-License-Identifier: Apache-2.0 */
/* See warm.h. */
#include "runtime/feeder/warm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/feeder/memory.h"

#define STEP_BYTES FGI_MIB(4)
#define WINDOW_BYTES_MIN FGI_MIB(4)
#define WINDOW_BYTES_MAX FGI_MIB(64)
#define MAP_BYTES FGI_MIB(256)
#define CACHED_SHARE 0.95 /* of a step: nothing to do there */
#define LOOK_NS (2 * FGI_NS_PER_MS)
#define GONE_NS (10 * FGI_NS_PER_S) /* did not move: give it up */

/* Smaller ones are warmed at once. */
#define LARGE_BYTES FGI_MIB(16)
/* So much of a large one shows how it is read. Of a mapping that is read in
 * order, the first part is in the page cache. */
#define TOUCHED_BYTES FGI_MIB(1)
/* A kernel that reads so far ahead needs no help with that: 128 KiB is usual.
 */
#define AHEAD_ENOUGH FGI_MIB(1)

static void end_target(struct fgi_warm_target *target)
{
    if (target->fd >= 0) {
        close(target->fd);
    }
    memset(target, 0, sizeof(*target));
    target->fd = -1;
}

/* What a small file of /proc says. False: the process is gone. */
static bool read_proc(const char *path, char *text, size_t room)
{
    ssize_t got = -1;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file >= 0) {
        got = read(file, text, room - 1);
        close(file);
    }
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* Where the program's descriptor is. False: it is closed. */
static bool find_position(const struct fgi_warm_target *target,
                          uint64_t *position)
{
    char path[64];
    char text[256];

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", target->pid,
             target->pid_fd);
    if (!read_proc(path, text, sizeof(text)) || strncmp(text, "pos:", 4) != 0) {
        return false;
    }
    *position = strtoull(text + 4, NULL, 10);
    return true;
}

/* Bytes of files that a process has mapped and touched. */
static bool find_mapped(const struct fgi_warm_target *target, uint64_t *bytes)
{
    static const char name[] = "\nRssFile:";
    char path[64];
    char text[FGI_KIB(16)]; /* of a user of many groups, too */
    const char *at;

    snprintf(path, sizeof(path), "/proc/%d/status", target->pid);
    if (!read_proc(path, text, sizeof(text))) {
        return false;
    }
    at = strstr(text, name);
    if (at == NULL) {
        return false;
    }
    *bytes = strtoull(at + sizeof(name) - 1, NULL, 10) * FGI_KIB(1);
    return true;
}

static int open_target(const struct fgi_warm_target *target)
{
    char path[FGI_EVENT_PATH_BYTES + 32];
    struct fgi_feed_key key;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", target->pid, target->pid_fd);
    fd = fgi_look_open(path, &key);
    if ((fd < 0 || !fgi_key_is_same(&key, &target->key)) &&
        target->path[0] == '/') {
        if (fd >= 0) {
            close(fd);
        }
        fd = fgi_look_open(target->path, &key);
    }
    if (fd >= 0 && !fgi_key_is_same(&key, &target->key)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* See how far the program has come. False: it has closed the file. */
static bool follow(struct fgi_warm_target *target, uint64_t now_ns)
{
    uint64_t at = target->program_at;

    if (target->kind == FGI_WARM_STDIO) {
        if (!find_position(target, &at)) {
            return false;
        }
    } else if (target->kind == FGI_WARM_MAP) {
        if (!find_mapped(target, &at)) {
            return false;
        }
        at = target->origin + (at > target->mapped ? at - target->mapped : 0);
    }
    if (at != target->program_at) {
        target->program_at = at;
        target->moved_ns = now_ns;
        if (target->kind == FGI_WARM_STDIO) {
            target->window_bytes =
                fgi_min(target->window_bytes * 2, WINDOW_BYTES_MAX);
        }
    }
    return now_ns - target->moved_ns < GONE_NS;
}

/* Bytes of one step that the kernel did not have. The call returns when the
 * reads are under way, or done: this thread has nothing else to do. */
static uint64_t warm_step(const struct fgi_warm_target *target, uint64_t bytes)
{
    double share = fgi_file_cached_share(target->fd, target->at, bytes);

    if (share > CACHED_SHARE ||
        !fgi_file_will_need(target->fd, target->at, bytes)) {
        return 0;
    }
    return share > 0 ? (uint64_t)((1 - share) * (double)bytes) : bytes;
}

enum verdict { VERDICT_WAIT, VERDICT_LEAVE, VERDICT_WARM };

/* Whether it pays to warm a file. */
static enum verdict judge(struct fgi_warm *warm,
                          const struct fgi_warm_target *target)
{
    uint64_t room = target->end - target->origin;
    uint64_t touched = fgi_min(target->program_at - target->origin, room);

    if (target->kind == FGI_WARM_RANGE || room < LARGE_BYTES ||
        fgi_looker_rule(warm->looker, target->key.device) ==
            FGI_DEVICE_WARMED) {
        return VERDICT_WARM;
    }
    if (touched < TOUCHED_BYTES) {
        return VERDICT_WAIT;
    }
    if (fgi_looker_ahead(warm->looker, target->key.device) < AHEAD_ENOUGH ||
        (target->kind == FGI_WARM_MAP &&
         fgi_file_cached_share(target->fd, target->origin, touched) <
             CACHED_SHARE)) {
        return VERDICT_WARM;
    }
    return VERDICT_LEAVE;
}

/* Warm a step, if the program is near enough. True: there is more to do. */
static bool serve(struct fgi_warm *warm, struct fgi_warm_target *target,
                  uint64_t now_ns)
{
    uint64_t limit;
    uint64_t bytes;

    if (!follow(target, now_ns)) {
        end_target(target);
        return false;
    }
    target->at = fgi_max(target->at, target->program_at);
    if (target->at >= target->end) {
        end_target(target);
        return false;
    }
    if (!target->is_wanted) {
        enum verdict verdict = judge(warm, target);

        if (verdict == VERDICT_LEAVE) {
            end_target(target);
        }
        if (verdict != VERDICT_WARM) {
            return false;
        }
        target->is_wanted = true;
    }
    if (!fgi_add(target->program_at, target->window_bytes, &limit)) {
        limit = target->end;
    }
    limit = fgi_min(limit, target->end);
    if (target->at >= limit) {
        return false;
    }
    bytes = fgi_min(limit - target->at, STEP_BYTES);
    atomic_fetch_add(warm->warmed_bytes, warm_step(target, bytes));
    target->at += bytes;
    return target->at < limit;
}

/* The shim sees that descriptor's reads after all. */
static void end_asked(struct fgi_warm *warm,
                      const struct fgi_warm_target *asked)
{
    for (uint32_t i = 0; i < FGI_WARM_MAX; i++) {
        struct fgi_warm_target *target = &warm->targets[i];

        if (target->is_used && target->kind == FGI_WARM_STDIO &&
            target->pid == asked->pid && target->pid_fd == asked->pid_fd) {
            end_target(target);
        }
    }
}

/* Begin with what was asked for, as far as there is a place. */
static void begin_target(struct fgi_warm *warm,
                         const struct fgi_warm_target *asked, uint64_t now_ns)
{
    for (uint32_t i = 0; i < FGI_WARM_MAX; i++) {
        struct fgi_warm_target *target = &warm->targets[i];

        if (target->is_used) {
            continue;
        }
        *target = *asked;
        target->moved_ns = now_ns;
        target->fd = open_target(target);
        target->is_used = target->fd >= 0;
        if (target->kind == FGI_WARM_MAP &&
            !find_mapped(target, &target->mapped)) {
            end_target(target);
        }
        return;
    }
}

static void take_asked(struct fgi_warm *warm, uint64_t now_ns)
{
    for (;;) {
        struct fgi_warm_target asked;
        bool is_there;

        pthread_mutex_lock(&warm->mutex);
        is_there = warm->asked_count > 0;
        if (is_there) {
            asked = warm->asked[0];
            warm->asked_count--;
            memmove(&warm->asked[0], &warm->asked[1],
                    warm->asked_count * sizeof(asked));
        }
        pthread_mutex_unlock(&warm->mutex);
        if (!is_there) {
            return;
        }
        if (asked.kind == FGI_WARM_END) {
            end_asked(warm, &asked);
        } else {
            begin_target(warm, &asked, now_ns);
        }
    }
}

static void warm_main(void *context)
{
    struct fgi_warm *warm = context;

    while (!atomic_load(&warm->is_stopping)) {
        uint32_t seen = fgi_gate_read(&warm->gate);
        uint64_t now_ns = fgi_now_ns();
        bool is_busy = false;
        bool is_used = false;

        take_asked(warm, now_ns);
        for (uint32_t i = 0; i < FGI_WARM_MAX; i++) {
            if (warm->targets[i].is_used) {
                is_busy |= serve(warm, &warm->targets[i], now_ns);
                is_used |= warm->targets[i].is_used;
            }
        }
        if (!is_busy && !atomic_load(&warm->is_stopping)) {
            fgi_gate_wait(&warm->gate, seen,
                          is_used ? now_ns + LOOK_NS : FGI_NEVER);
        }
    }
    for (uint32_t i = 0; i < FGI_WARM_MAX; i++) {
        if (warm->targets[i].is_used) {
            end_target(&warm->targets[i]);
        }
    }
}

enum fg_status fgi_warm_start(struct fgi_warm *warm, int node,
                              struct fgi_looker *looker,
                              _Atomic uint64_t *warmed_bytes,
                              struct fg_error *err)
{
    enum fg_status status;

    warm->looker = looker;
    warm->warmed_bytes = warmed_bytes;
    fgi_gate_init(&warm->gate);
    pthread_mutex_init(&warm->mutex, NULL);
    status =
        fgi_thread_start(&warm->thread, "fg-warm", node, warm_main, warm, err);
    if (status != FG_OK) {
        pthread_mutex_destroy(&warm->mutex);
    }
    return status;
}

static uint64_t window_of(enum fgi_warm_kind kind, uint64_t bytes)
{
    switch (kind) {
    case FGI_WARM_STDIO:
        return WINDOW_BYTES_MIN;
    case FGI_WARM_MAP:
        return fgi_min(MAP_BYTES, fgi_memory_available() / 4);
    case FGI_WARM_RANGE:
    case FGI_WARM_END:
        break;
    }
    return bytes;
}

void fgi_warm_ask(struct fgi_warm *warm, enum fgi_warm_kind kind,
                  const struct fgi_event *event, uint64_t offset,
                  uint64_t bytes)
{
    struct fgi_warm_target asked = {
        .kind = kind,
        .pid = event->pid,
        .pid_fd = event->fd,
        .key = event->key,
        .at = offset,
        .origin = offset,
        .program_at = offset,
        .end = event->key.size_bytes,
        .window_bytes = window_of(kind, bytes),
        .fd = -1,
    };

    if (!warm->thread.started || offset >= asked.end || bytes == 0) {
        return;
    }
    asked.end = offset + fgi_min(bytes, asked.end - offset);
    memcpy(asked.path, event->path, sizeof(asked.path));
    pthread_mutex_lock(&warm->mutex);
    if (warm->asked_count < FGI_WARM_MAX) {
        warm->asked[warm->asked_count++] = asked;
    }
    pthread_mutex_unlock(&warm->mutex);
    fgi_gate_notify(&warm->gate);
}

bool fgi_warm_stop(struct fgi_warm *warm, uint64_t deadline_ns)
{
    if (!warm->thread.started) {
        return true;
    }
    atomic_store(&warm->is_stopping, 1);
    fgi_gate_notify(&warm->gate);
    if (!fgi_thread_join_by(&warm->thread, deadline_ns)) {
        return false;
    }
    pthread_mutex_destroy(&warm->mutex);
    return true;
}
