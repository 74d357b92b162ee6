/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events to the feeder, and counters. Both live on the board, so that a
 * program that is killed has still told what it did.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

/* Zero in a child of fork: its memory is emptied by the kernel. */
static _Atomic(_Atomic uint32_t *) own_page;
static __thread struct fgi_actor *own_actor
    __attribute__((tls_model("initial-exec")));
static __thread int32_t own_pid __attribute__((tls_model("initial-exec")));

/* True the first time in this process. A vforked child is its parent here. */
static bool is_new_process(void)
{
    _Atomic uint32_t *page =
        atomic_load_explicit(&own_page, memory_order_acquire);
    if (SHIM_UNLIKELY(page == NULL)) {
        void *fresh = shim_real()->mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fresh == MAP_FAILED) {
            return true;
        }
        madvise(fresh, 4096, MADV_WIPEONFORK);
        if (!atomic_compare_exchange_strong(&own_page, &page,
                                            (_Atomic uint32_t *)fresh)) {
            munmap(fresh, 4096);
        } else {
            page = fresh;
        }
    }
    if (SHIM_LIKELY(atomic_load_explicit(page, memory_order_relaxed) != 0)) {
        return false;
    }
    atomic_store_explicit(page, 1, memory_order_relaxed);
    return true;
}

struct fgi_actor *shim_actor(const struct fgi_board_view *view)
{
    if (is_new_process()) {
        own_actor = NULL;
    }
    if (SHIM_LIKELY(own_actor != NULL)) {
        return own_actor;
    }
    uint32_t last = view->actor_count - 1;
    uint32_t index = atomic_load(&view->board->actor_next);
    if (index < last) {
        index = atomic_fetch_add(&view->board->actor_next, 1);
    }
    struct fgi_actor *actor = &view->actors[index < last ? index : last];
    own_pid = (int32_t)getpid();
    if (index < last) {
        prctl(PR_GET_NAME, actor->name);
        atomic_store(&actor->tid, (int32_t)syscall(SYS_gettid));
        atomic_store(&actor->first_ns, shim_now_ns());
        atomic_store(&actor->pid, own_pid);
    }
    own_actor = actor;
    return actor;
}

void shim_tell(const struct fgi_board_view *view, const struct fgi_event *event,
               const char *path)
{
    (void)shim_actor(view); /* knows the process */
    uint64_t position = atomic_fetch_add(&view->board->event_tail, 1);
    struct fgi_event *slot = &view->events[position & view->event_mask];
    atomic_store_explicit(&slot->sequence, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    slot->kind = event->kind;
    slot->pid = own_pid;
    slot->fd = event->fd;
    slot->file_id = event->file_id;
    slot->offset = event->offset;
    slot->bytes = event->bytes;
    slot->key = event->key;
    size_t length = path != NULL ? strnlen(path, FGI_EVENT_PATH_BYTES) : 0;
    if (length >= FGI_EVENT_PATH_BYTES) {
        length = 0; /* too long to be told */
    }
    memcpy(slot->path, path != NULL ? path : "", length);
    slot->path[length] = '\0';
    atomic_store(&slot->sequence, position + 1);
    shim_wake(view->board);
}

void shim_tell_blocked(const struct shim_file *file, uint64_t start_ns,
                       uint64_t end_ns, ssize_t got)
{
    const struct fgi_actor *actor = shim_actor(file->view);
    struct fgi_span span = {
        .kind = FGI_SPAN_READ,
        .pid = own_pid,
        .stream = (uint32_t)atomic_load(&actor->tid),
        .start_ns = start_ns,
        .end_ns = end_ns,
        .bytes = got > 0 ? (uint64_t)got : 0,
        .detail = FGI_SPAN_NO_FILE,
    };
    if (file->entry != NULL) {
        span.detail = (uint32_t)(file->entry - file->view->files);
    }
    shim_span(file->view, &span);
}
