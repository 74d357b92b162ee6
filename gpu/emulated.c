/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated device: a GPU's clockwork without the GPU.
 *
 * It has one copy engine per direction and one compute engine. Each is a
 * timeline: the instant at which it is idle again. Giving it work is
 * arithmetic on these instants (emulated_time.c); nothing runs but the clock.
 * So a loader's waits, overlaps and stalls come out as they would on a device
 * with that link and that step time, on a machine without one.
 *
 * The bytes: by default they really move, at the end of the copy's interval,
 * by a thread per direction (emulated_mover.c), so that code which reuses a
 * host slot too early corrupts data here as it would on a GPU. With
 * FG_DEVICE_TIME_ONLY nothing moves, because a DMA engine costs the host no
 * CPU either, and device memory is address space without pages behind it.
 *
 * Close finishes the moves that are queued, then ends the threads. In a forked
 * child, where those threads do not exist, it leaves everything alone.
 */
#include "gpu/emulated.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"

static void emulated_get_info(const struct fg_device *device,
                              struct fg_device_info *info)
{
    const struct fgi_emulated *emulated = (const void *)device;
    const struct fgi_emulated_profile *profile = &emulated->profile;

    info->kind = device->ops->kind;
    snprintf(info->name, sizeof(info->name), "%s", profile->name);
    snprintf(info->bus_id, sizeof(info->bus_id), "%s", profile->place.bus_id);
    info->numa_node = profile->place.node;
    info->memory_bytes = profile->memory_bytes;
    info->copy_bytes_per_s = profile->copy_bytes_per_s;
}

static enum fg_status emulated_bind_thread(struct fg_device *device,
                                           struct fg_error *err)
{
    (void)device;
    (void)err;
    return FG_OK;
}

static enum fg_status emulated_pin(struct fg_device *device, void *base,
                                   size_t bytes, struct fg_error *err)
{
    (void)device;
    (void)base;
    (void)bytes;
    (void)err;
    return FG_OK;
}

static void emulated_unpin(struct fg_device *device, void *base, size_t bytes)
{
    (void)device;
    (void)base;
    (void)bytes;
}

/* Take `bytes` off the device's memory; false when it has not got them. */
static bool reserve(struct fgi_emulated *emulated, size_t bytes)
{
    bool fits;

    pthread_mutex_lock(&emulated->mutex);
    fits = bytes <= emulated->profile.memory_bytes - emulated->used_bytes;
    if (fits) {
        emulated->used_bytes += bytes;
    }
    pthread_mutex_unlock(&emulated->mutex);
    return fits;
}

static void unreserve(struct fgi_emulated *emulated, size_t bytes)
{
    pthread_mutex_lock(&emulated->mutex);
    emulated->used_bytes -= bytes;
    pthread_mutex_unlock(&emulated->mutex);
}

static enum fg_status emulated_alloc(struct fg_device *device, size_t bytes,
                                     void **memory, struct fg_error *err)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);
    int access = emulated->moves_bytes ? PROT_READ | PROT_WRITE : PROT_NONE;
    void *mapping;

    assert(bytes > 0);
    if (!reserve(emulated, bytes)) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device emulated: alloc %zu bytes: got %llu bytes of "
                        "device memory for everything",
                        bytes,
                        (unsigned long long)emulated->profile.memory_bytes);
    }
    mapping = mmap(NULL, bytes, access,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        int sys_errno = errno;

        unreserve(emulated, bytes);
        return fgi_fail_errno(err, sys_errno,
                              "device emulated: alloc %zu bytes: mmap", bytes);
    }
    *memory = mapping;
    return FG_OK;
}

static void emulated_free(struct fg_device *device, void *memory, size_t bytes)
{
    if (memory == NULL) {
        return;
    }
    munmap(memory, bytes);
    unreserve(fgi_emulated_of(device), bytes);
}

/* Undo open; safe on a half-built device. */
static void fini(struct fgi_emulated *emulated)
{
    /* Both stop before either goes: each may still wait for the other. */
    for (int way = 0; way < FGI_WAYS; way++) {
        if (emulated->movers[way] != NULL) {
            fgi_mover_stop(emulated->movers[way]);
        }
    }
    for (int way = 0; way < FGI_WAYS; way++) {
        fgi_free(emulated->movers[way]);
    }
    pthread_mutex_destroy(&emulated->mutex);
    fgi_free(emulated);
}

static void emulated_close(struct fg_device *device)
{
    struct fgi_emulated *emulated = fgi_emulated_of(device);

    if (emulated->fork_generation == fgi_fork_generation()) {
        fini(emulated);
    }
}

static const struct fgi_device_ops emulated_ops = {
    .kind = "emulated",
    .is_host = false,
    .get_info = emulated_get_info,
    .bind_thread = emulated_bind_thread,
    .pin = emulated_pin,
    .unpin = emulated_unpin,
    .alloc = emulated_alloc,
    .free = emulated_free,
    .stream_create = fgi_emulated_stream_create,
    .stream_destroy = fgi_emulated_stream_destroy,
    .stream_synchronize = fgi_emulated_stream_synchronize,
    .stream_wait = fgi_emulated_stream_wait,
    .copy = fgi_emulated_copy,
    .copy_back = fgi_emulated_copy_back,
    .event_create = fgi_emulated_event_create,
    .event_destroy = fgi_emulated_event_destroy,
    .event_record = fgi_emulated_event_record,
    .event_query = fgi_emulated_event_query,
    .event_synchronize = fgi_emulated_event_synchronize,
    .event_passed_ns = fgi_emulated_event_passed_ns,
    .compute = fgi_emulated_compute,
    .compute_span = fgi_emulated_compute_span,
    .close = emulated_close,
};

static enum fg_status start_movers(struct fgi_emulated *emulated,
                                   struct fg_error *err)
{
    static const char *const names[FGI_WAYS] = {"fg-emu-htod", "fg-emu-dtoh"};
    enum fg_status status = FG_OK;

    for (int way = 0; way < FGI_WAYS; way++) {
        emulated->movers[way] = fgi_alloc(1, sizeof(struct fgi_mover));
        if (emulated->movers[way] == NULL) {
            return fgi_fail(err, FG_ERR_MEMORY,
                            "device emulated: open: got no memory");
        }
    }
    for (int way = 0; way < FGI_WAYS && status == FG_OK; way++) {
        status = fgi_mover_start(emulated->movers[way], names[way],
                                 emulated->movers[1 - way], err);
    }
    if (status != FG_OK) {
        fgi_prefix(err, "device emulated: open");
    }
    return status;
}

enum fg_status fgi_device_emulated_open(const char *spec, uint32_t flags,
                                        struct fg_device **device,
                                        struct fg_error *err)
{
    struct fgi_emulated_profile profile;
    struct fgi_emulated *emulated;
    enum fg_status status = fgi_emulated_profile_parse(spec, &profile, err);

    if (status != FG_OK) {
        return status;
    }
    emulated = fgi_alloc(1, sizeof(*emulated));
    if (emulated == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device emulated: open: got no memory");
    }
    emulated->base.ops = &emulated_ops;
    emulated->profile = profile;
    emulated->moves_bytes = (flags & FG_DEVICE_TIME_ONLY) == 0;
    emulated->fork_generation = fgi_fork_generation();
    pthread_mutex_init(&emulated->mutex, NULL);
    if (emulated->moves_bytes) {
        status = start_movers(emulated, err);
    }
    if (status != FG_OK) {
        fini(emulated);
        return status;
    }
    *device = &emulated->base;
    return FG_OK;
}
