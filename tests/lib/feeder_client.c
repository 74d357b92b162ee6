/* SPDX-License-Identifier: Apache-2.0 */
/* See feeder_client.h. It looks blocks up for each read, and knows no
 * heartbeat: a wait that the feeder does not end is counted as hung. */
#include "tests/lib/feeder_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"

#define WAIT_S 5 /* an end must come: this is for a broken feeder */

static int open_of(const char *pid, const char *fd, int flags)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%.12s/fd/%.12s", pid, fd);
    return open(path, flags | O_CLOEXEC);
}

bool client_attach(struct client *client, const char *environment)
{
    char text[128];
    char *save = NULL;
    char *parts[4] = {NULL};
    struct stat board_info = {0};
    struct stat arena_info = {0};
    void *board;
    void *arena;

    memset(client, 0, sizeof(*client));
    snprintf(text, sizeof(text), "%s", environment);
    parts[0] = strtok_r(text, "=", &save);
    for (int i = 1; i < 4; i++) {
        parts[i] = strtok_r(NULL, ":", &save);
        if (parts[i] == NULL) {
            return false;
        }
    }
    client->board_fd = open_of(parts[1], parts[2], O_RDWR);
    client->arena_fd = open_of(parts[1], parts[3], O_RDONLY);
    if (client->board_fd < 0 || client->arena_fd < 0 ||
        fstat(client->board_fd, &board_info) != 0 ||
        fstat(client->arena_fd, &arena_info) != 0) {
        return false;
    }
    board = mmap(NULL, (size_t)board_info.st_size, PROT_READ | PROT_WRITE,
                 MAP_SHARED, client->board_fd, 0);
    arena = mmap(NULL, (size_t)arena_info.st_size, PROT_READ, MAP_SHARED,
                 client->arena_fd, 0);
    return board != MAP_FAILED && arena != MAP_FAILED &&
           fgi_board_look(board, (uint64_t)board_info.st_size, arena,
                          (uint64_t)arena_info.st_size, &client->view);
}

void client_detach(struct client *client)
{
    munmap(client->view.board, client->view.board->board_bytes);
    munmap((void *)(uintptr_t)client->view.arena, client->view.arena_bytes);
    close(client->board_fd);
    close(client->arena_fd);
}

static uint64_t ns_of(const struct timespec *at)
{
    return (uint64_t)at->tv_sec * 1000000000u + (uint64_t)at->tv_nsec;
}

bool client_key(int fd, struct fgi_feed_key *key)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return false;
    }
    key->device = info.st_dev;
    key->inode = info.st_ino;
    key->size_bytes = (uint64_t)info.st_size;
    key->mtime_ns = ns_of(&info.st_mtim);
    key->ctime_ns = ns_of(&info.st_ctim);
    return true;
}

void client_post(struct client *client, const struct fgi_event *event)
{
    struct fgi_board *board = client->view.board;
    uint64_t position = atomic_fetch_add(&board->event_tail, 1);
    struct fgi_event *slot =
        &client->view.events[position & client->view.event_mask];

    atomic_store(&slot->sequence, 0);
    memcpy((uint8_t *)slot + sizeof(slot->sequence),
           (const uint8_t *)event + sizeof(slot->sequence),
           sizeof(*slot) - sizeof(slot->sequence));
    atomic_store_explicit(&slot->sequence, position + 1, memory_order_release);
    if (atomic_fetch_or(&board->feeder_sleeps, 0) == 1 &&
        atomic_exchange(&board->feeder_sleeps, 0) == 1) {
        atomic_fetch_add(&board->event_moves, 1);
        syscall(SYS_futex, &board->event_moves, FUTEX_WAKE, INT32_MAX, NULL,
                NULL, 0);
    }
}

struct fgi_feed_file *client_entry(struct client *client,
                                   const struct fgi_feed_key *key)
{
    uint32_t home = fgi_board_file_home(&client->view, key->device, key->inode);

    for (uint32_t i = 0; i < FGI_FILE_PROBES; i++) {
        struct fgi_feed_file *file =
            &client->view.files[(home + i) & client->view.file_mask];

        if (atomic_load(&file->id) != 0 &&
            atomic_load(&file->device) == key->device &&
            atomic_load(&file->inode) == key->inode &&
            atomic_load(&file->size_bytes) == key->size_bytes &&
            atomic_load(&file->mtime_ns) == key->mtime_ns &&
            atomic_load(&file->ctime_ns) == key->ctime_ns) {
            return file;
        }
    }
    return NULL;
}

void client_open(struct client *client, struct client_file *file,
                 const char *path)
{
    struct fgi_event event = {.kind = FGI_EVENT_OPEN, .pid = getpid()};

    memset(file, 0, sizeof(*file));
    snprintf(file->path, sizeof(file->path), "%s", path);
    file->expected = UINT64_MAX;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || !client_key(file->fd, &event.key) ||
        event.key.size_bytes < client->view.board->file_bytes_min) {
        return;
    }
    event.fd = file->fd;
    snprintf(event.path, sizeof(event.path), "%s", path);
    client_post(client, &event);
}

void client_close(struct client_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
}

static uint32_t wait_for(struct client *client, struct fgi_slot *slot,
                         uint32_t word)
{
    const struct timespec limit = {.tv_sec = WAIT_S};
    uint32_t waited = word | FGI_SLOT_WAITED;

    if ((word & FGI_SLOT_WAITED) == 0 &&
        !atomic_compare_exchange_strong(&slot->word, &word, waited)) {
        return word;
    }
    client->waits++;
    while (atomic_load(&slot->word) == waited) {
        if (syscall(SYS_futex, &slot->word, FUTEX_WAIT, waited, &limit, NULL,
                    0) != 0 &&
            errno == ETIMEDOUT) {
            client->hung++;
            break;
        }
    }
    return atomic_load(&slot->word);
}

/* Copy a part of a block; bytes copied, 0: not from here. */
static size_t copy_from(struct client *client, struct fgi_slot *slot,
                        uint64_t tag, void *to, size_t bytes, size_t skip)
{
    uint32_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    uint64_t offset;
    size_t length;

    if (atomic_load(&slot->tag) != tag) {
        return 0;
    }
    if ((word & FGI_SLOT_STATE) == FGI_SLOT_READING) {
        word = wait_for(client, slot, word);
    }
    offset = atomic_load(&slot->offset);
    length = atomic_load(&slot->length_bytes);
    if ((word & FGI_SLOT_STATE) != FGI_SLOT_READY ||
        atomic_load(&slot->tag) != tag || skip >= length ||
        length > FGI_FEED_BLOCK_BYTES || offset > client->view.arena_bytes ||
        length > client->view.arena_bytes - offset) {
        return 0;
    }
    bytes = bytes < length - skip ? bytes : length - skip;
    memcpy(to, client->view.arena + offset + skip, bytes);
    /* To change nothing, but after all of the copy. */
    return atomic_fetch_or(&slot->word, 0) == word ? bytes : 0;
}

/* A part of one block from the arena; 0: it is not there. */
static size_t read_block(struct client *client, struct client_file *file,
                         void *to, size_t bytes, uint64_t offset)
{
    size_t skip = offset % FGI_FEED_BLOCK_BYTES;
    struct fgi_feed_key key;
    struct fgi_feed_file *entry;
    struct fgi_slot *bucket;
    uint64_t tag;

    if (!client_key(file->fd, &key)) {
        return 0;
    }
    entry = client_entry(client, &key);
    if (entry == NULL || atomic_load(&entry->mode) != FGI_FEED_COPY) {
        return 0;
    }
    tag = fgi_slot_tag(atomic_load(&entry->id),
                       (uint32_t)(offset / FGI_FEED_BLOCK_BYTES));
    bucket = fgi_board_bucket(&client->view, tag);
    for (uint32_t i = 0; i < FGI_BUCKET_SLOTS; i++) {
        size_t got = copy_from(client, &bucket[i], tag, to, bytes, skip);

        if (got > 0) {
            atomic_fetch_add(&entry->arena_bytes, got);
            return got;
        }
    }
    return 0;
}

/* By the kernel, counted. */
static ssize_t read_kernel(struct client *client, struct client_file *file,
                           void *to, size_t bytes, uint64_t offset)
{
    uint64_t start_ns = fgi_now_ns();
    ssize_t rv = pread(file->fd, to, bytes, (off_t)offset);
    struct fgi_feed_file *entry;
    struct fgi_feed_key key;

    if (rv <= 0 || !client_key(file->fd, &key)) {
        return rv;
    }
    client->kernel_bytes += (uint64_t)rv;
    entry = client_entry(client, &key);
    if (entry != NULL) {
        atomic_fetch_add(&entry->kernel_bytes, (uint64_t)rv);
        atomic_fetch_add(&entry->blocked_ns, fgi_now_ns() - start_ns);
    }
    return rv;
}

static void tell_read(struct client *client, struct client_file *file,
                      size_t bytes, uint64_t offset)
{
    struct fgi_event event = {
        .kind = FGI_EVENT_READ,
        .pid = getpid(),
        .fd = file->fd,
        .offset = offset,
        .bytes = bytes,
    };
    bool is_next = offset == file->expected;
    uint64_t before = file->expected == 0 ? 0 : file->expected - 1;

    if (is_next && offset % FGI_FEED_BLOCK_BYTES != 0 &&
        before / FGI_FEED_BLOCK_BYTES ==
            (offset + bytes - 1) / FGI_FEED_BLOCK_BYTES) {
        return;
    }
    if (client_key(file->fd, &event.key)) {
        client_post(client, &event);
    }
}

ssize_t client_pread(struct client *client, struct client_file *file,
                     void *buffer, size_t bytes, uint64_t offset)
{
    size_t done = 0;

    if (bytes > 0) {
        tell_read(client, file, bytes, offset);
    }
    file->expected = offset + bytes;
    while (done < bytes) {
        uint64_t at = offset + done;
        size_t part = FGI_FEED_BLOCK_BYTES - at % FGI_FEED_BLOCK_BYTES;
        size_t got;
        ssize_t rv;

        part = part < bytes - done ? part : bytes - done;
        got = read_block(client, file, (uint8_t *)buffer + done, part, at);
        if (got > 0) {
            client->arena_bytes += got;
            done += got;
            continue;
        }
        rv = read_kernel(client, file, (uint8_t *)buffer + done, part, at);
        if (rv < 0) {
            return done > 0 ? (ssize_t)done : rv;
        }
        done += (size_t)rv;
        if (rv == 0) {
            break;
        }
    }
    return (ssize_t)done;
}
