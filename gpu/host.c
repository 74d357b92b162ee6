/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host device: batches stay in the loader's host memory.
 *
 * There is nothing asynchronous about it. Work given to a stream is done when
 * the call returns (a compute step sleeps its caller), so every event has
 * passed and every synchronize returns at once. Memory and HtoD copies it has
 * none of, and says so. Reading back is a memcpy.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gpu/device.h"
#include "gpu/place.h"
#include "gpu/spans.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"

struct host_device {
    struct fg_device base;  /* first: the public handle */
    pthread_mutex_t mutex;  /* guards the streams' spans */
    struct fgi_place place; /* where it says it hangs */
};

struct host_stream {
    struct fgi_spans spans; /* its compute steps */
};

static struct host_device *host_of(struct fg_device *device)
{
    return (struct host_device *)device;
}

static void host_get_info(const struct fg_device *device,
                          struct fg_device_info *info)
{
    info->kind = device->ops->kind;
    snprintf(info->name, sizeof(info->name), "host");
    snprintf(info->bus_id, sizeof(info->bus_id), "%s",
             ((const struct host_device *)device)->place.bus_id);
    info->numa_node = ((const struct host_device *)device)->place.node;
}

static enum fg_status host_bind_thread(struct fg_device *device,
                                       struct fg_error *err)
{
    (void)device;
    (void)err;
    return FG_OK;
}

static enum fg_status host_pin(struct fg_device *device, void *base,
                               size_t bytes, struct fg_error *err)
{
    (void)device;
    (void)base;
    (void)bytes;
    (void)err;
    return FG_OK;
}

static void host_unpin(struct fg_device *device, void *base, size_t bytes)
{
    (void)device;
    (void)base;
    (void)bytes;
}

static enum fg_status host_alloc(struct fg_device *device, size_t bytes,
                                 void **memory, struct fg_error *err)
{
    (void)device;
    (void)memory;
    return fgi_fail(err, FG_ERR_UNSUPPORTED,
                    "device host: alloc %zu bytes: it has no memory of its own",
                    bytes);
}

static void host_free(struct fg_device *device, void *memory, size_t bytes)
{
    (void)device;
    (void)bytes;
    assert(memory == NULL);
    (void)memory;
}

static enum fg_status host_stream_create(struct fg_device *device,
                                         bool for_copies, fg_stream *stream,
                                         struct fg_error *err)
{
    struct host_stream *made = fgi_alloc(1, sizeof(*made));

    (void)device;
    (void)for_copies;
    if (made == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "device host: open a stream: got "
                        "no memory");
    }
    *stream = made;
    return FG_OK;
}

static void host_stream_destroy(struct fg_device *device, fg_stream stream)
{
    (void)device;
    fgi_free(stream);
}

static enum fg_status host_stream_synchronize(struct fg_device *device,
                                              fg_stream stream,
                                              struct fg_error *err)
{
    (void)device;
    (void)stream;
    (void)err;
    return FG_OK;
}

static enum fg_status host_stream_wait(struct fg_device *device,
                                       fg_stream stream, fgi_event event,
                                       struct fg_error *err)
{
    (void)device;
    (void)stream;
    (void)event;
    (void)err;
    return FG_OK;
}

static enum fg_status host_copy(struct fg_device *device, fg_stream stream,
                                void *to, const void *from, size_t bytes,
                                struct fg_error *err)
{
    (void)device;
    (void)stream;
    (void)to;
    (void)from;
    return fgi_fail(err, FG_ERR_UNSUPPORTED,
                    "device host: copy %zu bytes: batches stay in host memory",
                    bytes);
}

static enum fg_status host_copy_back(struct fg_device *device, fg_stream stream,
                                     void *to, const void *from, size_t bytes,
                                     struct fg_error *err)
{
    (void)device;
    (void)stream;
    (void)err;
    memcpy(to, from, bytes);
    return FG_OK;
}

static enum fg_status host_event_create(struct fg_device *device,
                                        bool can_sleep, fgi_event *event,
                                        struct fg_error *err)
{
    (void)can_sleep;
    (void)err;
    /* Nothing to remember: any address that is not NULL will do. */
    *event = device;
    return FG_OK;
}

static void host_event_destroy(struct fg_device *device, fgi_event event)
{
    (void)device;
    (void)event;
}

static enum fg_status host_event_record(struct fg_device *device,
                                        fgi_event event, fg_stream stream,
                                        struct fg_error *err)
{
    (void)device;
    (void)event;
    (void)stream;
    (void)err;
    return FG_OK;
}

static enum fg_status host_event_query(struct fg_device *device,
                                       fgi_event event, bool *passed,
                                       struct fg_error *err)
{
    (void)device;
    (void)event;
    (void)err;
    *passed = true;
    return FG_OK;
}

static enum fg_status host_event_synchronize(struct fg_device *device,
                                             fgi_event event,
                                             struct fg_error *err)
{
    (void)device;
    (void)event;
    (void)err;
    return FG_OK;
}

static uint64_t host_event_passed_ns(struct fg_device *device, fgi_event event)
{
    (void)device;
    (void)event;
    return 0;
}

static enum fg_status host_compute(struct fg_device *device, fg_stream stream,
                                   uint64_t duration_ns, uint64_t index,
                                   struct fg_error *err)
{
    struct host_device *host = host_of(device);
    struct host_stream *own = stream;
    uint64_t start_ns = fgi_now_ns();

    if (own == NULL) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device host: compute: got a foreign stream, wanted "
                        "one that fg_stream_open made");
    }
    fgi_sleep_until(start_ns + duration_ns);
    pthread_mutex_lock(&host->mutex);
    fgi_spans_put(&own->spans, index, start_ns, start_ns + duration_ns);
    pthread_mutex_unlock(&host->mutex);
    return FG_OK;
}

static enum fg_status host_compute_span(struct fg_device *device,
                                        fg_stream stream, uint64_t index,
                                        struct fg_span *span,
                                        struct fg_error *err)
{
    struct host_device *host = host_of(device);
    struct host_stream *own = stream;
    bool is_kept = false;

    if (own != NULL) {
        pthread_mutex_lock(&host->mutex);
        is_kept = fgi_spans_get(&own->spans, index, span);
        pthread_mutex_unlock(&host->mutex);
    }
    if (!is_kept) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device host: span: got step %llu, wanted one of the "
                        "stream's last %u",
                        (unsigned long long)index, FG_COMPUTE_SPANS_MAX);
    }
    return FG_OK;
}

static void host_close(struct fg_device *device)
{
    pthread_mutex_destroy(&host_of(device)->mutex);
    fgi_free(device);
}

static const struct fgi_device_ops host_ops = {
    .kind = "host",
    .is_host = true,
    .get_info = host_get_info,
    .bind_thread = host_bind_thread,
    .pin = host_pin,
    .unpin = host_unpin,
    .alloc = host_alloc,
    .free = host_free,
    .stream_create = host_stream_create,
    .stream_destroy = host_stream_destroy,
    .stream_synchronize = host_stream_synchronize,
    .stream_wait = host_stream_wait,
    .copy = host_copy,
    .copy_back = host_copy_back,
    .event_create = host_event_create,
    .event_destroy = host_event_destroy,
    .event_record = host_event_record,
    .event_query = host_event_query,
    .event_synchronize = host_event_synchronize,
    .event_passed_ns = host_event_passed_ns,
    .compute = host_compute,
    .compute_span = host_compute_span,
    .close = host_close,
};

/* "node=N", "bus=ID", or both with a comma between. */
static enum fg_status parse_spec(const char *spec, struct fgi_place *place,
                                 struct fg_error *err)
{
    enum fg_status status = FG_OK;

    while (status == FG_OK && spec[0] != '\0') {
        size_t length = strcspn(spec, ",");
        bool is_place;

        status = fgi_place_parse(place, "host", spec, length, &is_place, err);
        if (status == FG_OK && !is_place) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "device host: name: got \":%s\", wanted node=N or "
                            "bus=ID after \"host\"",
                            spec);
        }
        spec += length + (spec[length] == ',' ? 1 : 0);
    }
    return status;
}

enum fg_status fgi_device_host_open(const char *spec, uint32_t flags,
                                    struct fg_device **device,
                                    struct fg_error *err)
{
    struct fgi_place place = {.node = -1};
    enum fg_status status = parse_spec(spec, &place, err);
    struct host_device *host;

    (void)flags;
    if (status != FG_OK) {
        return status;
    }
    host = fgi_alloc(1, sizeof(*host));
    if (host == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "device host: open: got no memory");
    }
    pthread_mutex_init(&host->mutex, NULL);
    host->base.ops = &host_ops;
    host->place = place;
    *device = &host->base;
    return FG_OK;
}
