/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping the feeder's board and arena, when the program has opened the first
 * file that is worth it. Whatever is not as it should be means: stay out.
 *
 * Two descriptors are open for the moment that takes. Address space is taken
 * for good, so a program with a limit on it (ulimit -v) is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "place.h"
#include "shim.h"

/*
 *     NEW ──▶ BUSY ──▶ ATTACHED or OUT, for good
 *              ▲│
 *              │▼      no board is named: a feeder is looked for, and started,
 *             PLAIN    when a file is opened that may be data
 */
enum state { STATE_NEW, STATE_BUSY, STATE_PLAIN, STATE_ATTACHED, STATE_OUT };

#define START_STEP_NS 1000000            /* 1 ms */
#define START_NS_MAX UINT64_C(200000000) /* a program waits for its feeder */
#define LATE_NS_MAX UINT64_C(5000000000) /* and looks for it later */

static _Atomic int state;
static uint64_t started_ns; /* a feeder was; 0: none. Of who is BUSY */
static struct fgi_board_view the_view; /* valid in ATTACHED */

const struct fgi_board_view *shim_view(void)
{
    int now = atomic_load_explicit(&state, memory_order_acquire);
    return SHIM_LIKELY(now == STATE_ATTACHED) ? &the_view : NULL;
}

/* A whole number and the ':' or end behind it. */
static bool take_number(const char **text, long *number)
{
    const char *c = *text;
    long value = 0;
    if (*c < '0' || *c > '9') {
        return false;
    }
    for (; *c >= '0' && *c <= '9'; c++) {
        if (value > 100000000) {
            return false;
        }
        value = value * 10 + (*c - '0');
    }
    if (*c != ':' && *c != '\0') {
        return false;
    }
    *text = *c == ':' ? c + 1 : c;
    *number = value;
    return true;
}

static char *put_number(char *to, long number)
{
    char digits[24];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) {
        *to++ = digits[--count];
    }
    return to;
}

#define HUGE_BYTES (UINT64_C(2) << 20)

/*
 * Map where file and memory are congruent in huge pages, so that the feeder's
 * huge pages are ours too. MAP_FAILED when it cannot be.
 */
static void *map_file(int file, uint64_t bytes, int allowed)
{
    const struct shim_real *real = shim_real();
    uint8_t *room =
        real->mmap(NULL, bytes + HUGE_BYTES, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        return MAP_FAILED;
    }
    uint64_t head = -(uintptr_t)room & (HUGE_BYTES - 1);
    uint64_t whole_bytes = (bytes + 4095) & ~UINT64_C(4095);
    uint8_t *at = real->mmap(room + head, bytes, allowed,
                             MAP_SHARED | MAP_FIXED, file, 0);
    if (at == MAP_FAILED) {
        munmap(room, bytes + HUGE_BYTES);
        return MAP_FAILED;
    }
    if (head > 0) {
        munmap(room, head);
    }
    munmap(at + whole_bytes, room + bytes + HUGE_BYTES - (at + whole_bytes));
    return at;
}

/* Process ids come again: is it a feeder's? Opening others may do something. */
static bool leads_to(const char *path, const char *wanted)
{
    char link[64];
    size_t length = strlen(wanted);
    ssize_t got = readlink(path, link, sizeof(link));
    return got >= (ssize_t)length && memcmp(link, wanted, length) == 0;
}

/* Map /proc/PID/fd/FD, or NULL. No stdio: this runs inside open(). */
static void *map_one(long pid, long fd, bool is_writable, uint64_t *bytes)
{
    char path[64] = "/proc/";
    char *end = put_number(path + 6, pid);
    struct stat info;
    memcpy(end, "/fd/", 4);
    *put_number(end + 4, fd) = '\0';

    if (!leads_to(path, is_writable ? PLACE_BOARD_LINK : PLACE_ARENA_LINK)) {
        return NULL;
    }
    int flags = (is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC;
    int file = shim_real()->open(path, flags);
    if (file < 0) {
        return NULL;
    }
    void *at = MAP_FAILED;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        int allowed = PROT_READ | (is_writable ? PROT_WRITE : 0);
        *bytes = (uint64_t)info.st_size;
        at = map_file(file, *bytes, allowed);
    }
    shim_real()->close(file);
    if (at == MAP_FAILED) {
        return NULL;
    }
    madvise(at, *bytes, MADV_DONTDUMP);
    return at;
}

static bool has_room(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

/* Without this question nothing can be served: Linux before 5.14. */
static bool can_ask_for_memory(void)
{
    void *page = shim_real()->mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return false;
    }
    bool can = madvise(page, 4096, MADV_POPULATE_WRITE) == 0;
    munmap(page, 4096);
    return can;
}

/* Map the board that a line of "PID:BOARD_FD:ARENA_FD" names. */
static bool attach_to(const char *text)
{
    long pid;
    long board_fd;
    long arena_fd;
    uint64_t board_bytes;
    uint64_t arena_bytes;
    if (!take_number(&text, &pid) || !take_number(&text, &board_fd) ||
        !take_number(&text, &arena_fd) || *text != '\0') {
        return false;
    }
    struct fgi_board *board = map_one(pid, board_fd, true, &board_bytes);
    if (board == NULL) {
        return false;
    }
    void *arena = map_one(pid, arena_fd, false, &arena_bytes);
    if (arena != NULL &&
        fgi_board_look(board, board_bytes, arena, arena_bytes, &the_view) &&
        atomic_load(&board->heartbeat_ns) != 0) {
        return true;
    }
    munmap(board, board_bytes);
    if (arena != NULL) {
        munmap(arena, arena_bytes);
    }
    return false;
}

/* A rule is what paths begin with: "/usr/", or "/data/train-" of a glob. */
static bool begins_with(const char *path, const char *start)
{
    return strncmp(path, start, strlen(start)) == 0;
}

/* Programs' own code: read once, and never the reason that a GPU waits. */
static bool is_code(const char *path)
{
    static const char *const endings[] = {".py", ".pyc", ".so", ".h", ".pyi"};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t size = strlen(endings[i]);
        if (length > size && strcmp(path + length - size, endings[i]) == 0) {
            return true;
        }
    }
    return strstr(path, ".so.") != NULL;
}

/* No feeder has said yet what it wants: is it likely to be data? */
static bool is_reason(const char *path, uint64_t bytes)
{
    static const char *const folders[] = {FGI_SYSTEM_FOLDERS};
    if (bytes < FGI_FEED_FILE_BYTES_MIN || (path != NULL && is_code(path))) {
        return false;
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (path != NULL && begins_with(path, folders[i])) {
            return false;
        }
    }
    return true;
}

/* The board that the environment names; PLAIN: it names none. */
static enum state attach_named(void)
{
    const char *text = secure_getenv(FGI_BOARD_VARIABLE);
    if (getauxval(AT_SECURE) != 0 || !has_room() || !can_ask_for_memory()) {
        return STATE_OUT;
    }
    if (text == NULL) {
        return STATE_PLAIN;
    }
    return attach_to(text) ? STATE_ATTACHED : STATE_OUT;
}

static bool attach_published(void)
{
    char line[PLACE_LINE_BYTES];
    return shim_place(line) && attach_to(line);
}

/* Until the tool is there, has given up, or has taken too long. */
static bool await_feeder(pid_t tool)
{
    const struct timespec step = {.tv_nsec = START_STEP_NS};
    bool is_running = true;
    while (is_running && shim_now_ns() < started_ns + START_NS_MAX) {
        syscall(SYS_nanosleep, &step, NULL); /* no cancellation point */
        is_running = kill(tool, 0) == 0;
        if (attach_published()) {
            return true;
        }
    }
    return false;
}

/* A feeder that serves whoever comes, started if there is none. */
static enum state attach_plain(void)
{
    if (!has_room()) {
        return STATE_OUT;
    }
    if (attach_published()) {
        return STATE_ATTACHED;
    }
    if (started_ns != 0) {
        return shim_now_ns() > started_ns + LATE_NS_MAX ? STATE_OUT
                                                        : STATE_PLAIN;
    }
    pid_t tool = shim_spawn();
    if (tool == 0) {
        return STATE_OUT;
    }
    started_ns = shim_now_ns();
    return await_feeder(tool) ? STATE_ATTACHED : STATE_PLAIN;
}

const struct fgi_board_view *shim_attach(const char *path, uint64_t bytes)
{
    int seen = atomic_load_explicit(&state, memory_order_acquire);
    if (seen == STATE_NEW &&
        atomic_compare_exchange_strong(&state, &seen, STATE_BUSY)) {
        int saved = errno;
        seen = attach_named();
        atomic_store_explicit(&state, seen, memory_order_release);
        errno = saved;
    }
    if (seen == STATE_PLAIN && is_reason(path, bytes) &&
        atomic_compare_exchange_strong(&state, &seen, STATE_BUSY)) {
        int saved = errno;
        atomic_store_explicit(&state, attach_plain(), memory_order_release);
        errno = saved;
    }
    return shim_view();
}

void shim_detach(void)
{
    atomic_store_explicit(&state, STATE_OUT, memory_order_release);
}

bool shim_feeder_lives(const struct fgi_board_view *view)
{
    uint64_t beat =
        atomic_load_explicit(&view->board->heartbeat_ns, memory_order_relaxed);
    return beat != 0 && shim_now_ns() < beat + FGI_HEARTBEAT_NS_MAX;
}

/* Whether a path begins with what stands at *rule; moves *rule to its end. Each
 * open asks all rules, and nearly all differ at once. */
static bool is_below(const char *path, const char **rule, const char *end)
{
    const char *at = *rule;
    while (at < end && *at != '\0' && *at == *path) {
        at++;
        path++;
    }
    *rule = at + strnlen(at, (size_t)(end - at));
    return *rule == at;
}

bool shim_path_allowed(const struct fgi_board_view *view, const char *path)
{
    bool is_allowed = path == NULL || !is_code(path);
    if (path == NULL || path[0] != '/') {
        return is_allowed;
    }
    const char *rule = view->board->rules;
    const char *end = rule + sizeof(view->board->rules);
    while (rule < end && *rule != '\0') {
        char sign = *rule++;
        bool is_match = is_below(path, &rule, end);
        if (rule == end) {
            break; /* not ended: not ours */
        }
        if (is_match && sign == '+') {
            return true;
        }
        if (is_match && sign == '-') {
            is_allowed = false;
        }
        rule++;
    }
    return is_allowed;
}
