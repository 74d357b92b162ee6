/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices by name, and the public functions over the vtable.
 *
 * A name is a kind and, after a colon, what that kind makes of the rest.
 * "auto" tries the kinds that a machine may have, best first, and says nothing
 * about the ones that it does not have: no driver is not an error there.
 *
 * On cuda every call that needs the device makes it current for the calling
 * thread, because the runtime's current device is a property of the thread.
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "gpu/device.h"
#include "runtime/base/error.h"

#define KNOWN_FLAGS FG_DEVICE_TIME_ONLY

typedef enum fg_status (*open_fn)(const char *spec, uint32_t flags,
                                  struct fg_device **device,
                                  struct fg_error *err);

struct maker {
    const char *kind; /* the name's part before the colon */
    open_fn open;
};

static const struct maker makers[] = {
    {"cuda", fgi_device_cuda_open},
    {"emulated", fgi_device_emulated_open},
    {"host", fgi_device_host_open},
};

/* Does `name` name this kind? *spec is then what follows the colon. */
static bool is_kind(const char *name, const char *kind, const char **spec)
{
    size_t length = strlen(kind);

    if (strncmp(name, kind, length) != 0) {
        return false;
    }
    if (name[length] == '\0') {
        *spec = "";
        return true;
    }
    *spec = name + length + 1;
    return name[length] == ':';
}

static enum fg_status open_auto(uint32_t flags, struct fg_device **device,
                                struct fg_error *err)
{
    if (fgi_device_cuda_open("", flags, device, NULL) == FG_OK) {
        return FG_OK;
    }
    return fgi_device_emulated_open("", flags, device, err);
}

enum fg_status fg_device_open(const char *name, uint32_t flags,
                              struct fg_device **device, struct fg_error *err)
{
    const char *spec;

    assert(device != NULL);
    if (name == NULL) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device: name: got NULL, wanted \"auto\" or a device");
    }
    if ((flags & ~KNOWN_FLAGS) != 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "device %s: flags: got 0x%x, wanted bits of 0x%x", name,
                        flags, KNOWN_FLAGS);
    }
    if (strcmp(name, "auto") == 0) {
        return open_auto(flags, device, err);
    }
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        if (is_kind(name, makers[i].kind, &spec)) {
            return makers[i].open(spec, flags, device, err);
        }
    }
    return fgi_fail(err, FG_ERR_ARGUMENT,
                    "device: name: got \"%s\", wanted \"auto\", \"cuda:N\", "
                    "\"emulated[:PROFILE]\" or \"host\"",
                    name);
}

void fg_device_close(struct fg_device *device)
{
    if (device != NULL) {
        device->ops->close(device);
    }
}

void fg_device_get_info(const struct fg_device *device,
                        struct fg_device_info *info)
{
    memset(info, 0, sizeof(*info));
    device->ops->get_info(device, info);
}

enum fg_status fg_stream_open(struct fg_device *device, fg_stream *stream,
                              struct fg_error *err)
{
    enum fg_status status = device->ops->bind_thread(device, err);

    if (status != FG_OK) {
        return status;
    }
    return device->ops->stream_create(device, false, stream, err);
}

void fg_stream_close(struct fg_device *device, fg_stream stream)
{
    if (stream == NULL || device->ops->bind_thread(device, NULL) != FG_OK) {
        return;
    }
    (void)device->ops->stream_synchronize(device, stream, NULL);
    device->ops->stream_destroy(device, stream);
}

enum fg_status fg_stream_synchronize(struct fg_device *device, fg_stream stream,
                                     struct fg_error *err)
{
    enum fg_status status = device->ops->bind_thread(device, err);

    if (status != FG_OK) {
        return status;
    }
    return device->ops->stream_synchronize(device, stream, err);
}

enum fg_status fg_stream_compute(struct fg_device *device, fg_stream stream,
                                 uint64_t duration_ns, uint64_t index,
                                 struct fg_error *err)
{
    enum fg_status status = device->ops->bind_thread(device, err);

    if (status != FG_OK) {
        return status;
    }
    return device->ops->compute(device, stream, duration_ns, index, err);
}

enum fg_status fg_compute_get_span(struct fg_device *device, fg_stream stream,
                                   uint64_t index, struct fg_span *span,
                                   struct fg_error *err)
{
    enum fg_status status = device->ops->bind_thread(device, err);

    if (status != FG_OK) {
        return status;
    }
    return device->ops->compute_span(device, stream, index, span, err);
}

enum fg_status fg_device_read(struct fg_device *device, fg_stream stream,
                              void *host, const void *device_data, size_t bytes,
                              struct fg_error *err)
{
    enum fg_status status = device->ops->bind_thread(device, err);

    if (status != FG_OK) {
        return status;
    }
    status =
        device->ops->copy_back(device, stream, host, device_data, bytes, err);
    if (status != FG_OK) {
        return status;
    }
    return device->ops->stream_synchronize(device, stream, err);
}
