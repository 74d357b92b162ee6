/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two memfds, sealed in their size, so that nobody who has one open can make
 * the other side's accesses a SIGBUS. Programs open them by /proc/PID/fd/N:
 * they have no name that could be left behind, and go with the last of us.
 */
#include "runtime/feeder/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"

#define LINE_BYTES 64
#define PAGE_BYTES 4096
#define EVENT_COUNT 8192u
#define ACTOR_COUNT 1024u
#define SPAN_COUNT (1u << 18) /* 200 ms of eight busy GPUs, or more */

void fgi_share_sizes(uint64_t memory_bytes, struct fgi_share_sizes *sizes)
{
    /* Small files fill both; half empty tables are found in fast. Pages of
     * the board that are not needed are never touched. */
    uint64_t files = fgi_clamp(memory_bytes / FGI_KIB(32), 1u << 15, 1u << 19);
    uint64_t slots = fgi_clamp(memory_bytes / FGI_KIB(16), 1u << 14, 1u << 22);

    sizes->arena_bytes = fgi_align_up(memory_bytes, FGI_MIB(2));
    sizes->file_count = (uint32_t)fgi_round_up_power(files);
    sizes->slot_count = (uint32_t)fgi_round_up_power(slots);
    sizes->event_count = EVENT_COUNT;
    sizes->actor_count = ACTOR_COUNT;
    sizes->span_count = SPAN_COUNT;
}

/*
 * Map where file and memory are congruent in huge pages: only then can the
 * kernel make huge pages of it (MADV_COLLAPSE). NULL with errno.
 */
static void *map_aligned(int fd, uint64_t bytes)
{
    const uint64_t huge_bytes = FGI_MIB(2);
    uint8_t *room = mmap(NULL, bytes + huge_bytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *base;
    uint64_t head;

    if (room == MAP_FAILED) {
        return NULL;
    }
    head = fgi_align_up((uintptr_t)room, huge_bytes) - (uintptr_t)room;
    base = mmap(room + head, bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
    if (base == MAP_FAILED) {
        munmap(room, bytes + huge_bytes);
        return NULL;
    }
    if (head > 0) {
        munmap(room, head);
    }
    munmap(base + bytes, huge_bytes - head);
    return base;
}

static enum fg_status make_memory(const char *name, uint64_t bytes, int *fd,
                                  void **mapping, struct fg_error *err)
{
    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0) {
        return fgi_fail_errno(err, errno, "feeder: memfd_create");
    }
    if (ftruncate(*fd, (off_t)bytes) != 0 ||
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
            0) {
        return fgi_fail_errno(err, errno, "feeder: memfd of %llu MiB",
                              (unsigned long long)(bytes >> 20));
    }
    *mapping = map_aligned(*fd, bytes);
    if (*mapping == NULL) {
        return fgi_fail_errno(err, errno, "feeder: map %llu MiB",
                              (unsigned long long)(bytes >> 20));
    }
    (void)madvise(*mapping, bytes, MADV_DONTFORK);
    return FG_OK;
}

/* Lay the arrays out behind each other; gives the bytes of it all. */
static uint64_t lay_out(const struct fgi_share_sizes *sizes,
                        struct fgi_board *board)
{
    uint64_t at = fgi_align_up(sizeof(*board), LINE_BYTES);

    board->file_offset = at;
    at += sizes->file_count * sizeof(struct fgi_feed_file);
    board->slot_offset = at = fgi_align_up(at, LINE_BYTES);
    at += sizes->slot_count * sizeof(struct fgi_slot);
    board->event_offset = at = fgi_align_up(at, LINE_BYTES);
    at += sizes->event_count * sizeof(struct fgi_event);
    board->actor_offset = at = fgi_align_up(at, LINE_BYTES);
    at += sizes->actor_count * sizeof(struct fgi_actor);
    board->span_offset = at = fgi_align_up(at, LINE_BYTES);
    at += sizes->span_count * sizeof(struct fgi_span);
    board->file_count = sizes->file_count;
    board->slot_count = sizes->slot_count;
    board->event_count = sizes->event_count;
    board->actor_count = sizes->actor_count;
    board->span_count = sizes->span_count;
    board->arena_bytes = sizes->arena_bytes;
    board->board_bytes = fgi_align_up(at, PAGE_BYTES);
    return board->board_bytes;
}

enum fg_status fgi_share_init(struct fgi_share *share,
                              const struct fgi_share_sizes *sizes,
                              struct fg_error *err)
{
    struct fgi_board shape = {.magic = FGI_BOARD_MAGIC,
                              .version = FGI_BOARD_VERSION};
    uint64_t board_bytes = lay_out(sizes, &shape);
    void *mapping = NULL;
    enum fg_status status;

    memset(share, 0, sizeof(*share));
    share->board_fd = share->arena_fd = -1;
    status = make_memory("feedgpu-board", board_bytes, &share->board_fd,
                         &mapping, err);
    if (status != FG_OK) {
        return status;
    }
    share->board_bytes = board_bytes;
    share->view.board = mapping;
    status = make_memory("feedgpu-arena", sizes->arena_bytes, &share->arena_fd,
                         &mapping, err);
    if (status != FG_OK) {
        return status;
    }
    share->arena_bytes = sizes->arena_bytes;
    share->arena = mapping;
    memcpy(share->view.board, &shape, sizeof(shape));
    if (!fgi_board_look(share->view.board, board_bytes, share->arena,
                        share->arena_bytes, &share->view)) {
        return fgi_fail(err, FG_ERR_ARGUMENT, "feeder: sizes do not fit");
    }
    snprintf(share->environment, sizeof(share->environment), "%s=%d:%d:%d",
             FGI_BOARD_VARIABLE, (int)getpid(), share->board_fd,
             share->arena_fd);
    return FG_OK;
}

void fgi_share_fini(struct fgi_share *share)
{
    if (share->arena != NULL) {
        munmap(share->arena, share->arena_bytes);
    }
    if (share->view.board != NULL) {
        munmap(share->view.board, share->board_bytes);
    }
    if (share->board_fd >= 0) {
        close(share->board_fd);
    }
    if (share->arena_fd >= 0) {
        close(share->arena_fd);
    }
    memset(share, 0, sizeof(*share));
    share->board_fd = share->arena_fd = -1;
}
