/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device vtable: memory, streams, events, copies.
 *
 * Three makers: host (no device memory at all), emulated (timelines) and cuda.
 * They are equal: one conformance suite (tests/conformance/test_device.c)
 * passes on all three. A const vtable without NULL entries; what a device does
 * not have is a function that says so.
 *
 * The words are CUDA's: work on one stream runs in order; an event is recorded
 * on a stream and passes when the work before it is done; a stream can be made
 * to wait for an event; nothing here blocks the host unless its name says
 * synchronize.
 *
 * Threads: any, but each thread calls `bind_thread` once first.
 */
#ifndef FGI_GPU_DEVICE_H
#define FGI_GPU_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/device.h>
#include <feedgpu/error.h>

typedef void *fgi_event; /* a cudaEvent_t, or the maker's own */

struct fgi_device_ops {
    const char *kind; /* "cuda", "emulated", "host" */
    /* Batches stay in host memory: no alloc, no copies (host). */
    bool is_host;

    void (*get_info)(const struct fg_device *device,
                     struct fg_device_info *info);
    /* Make the calling thread able to use the device. */
    enum fg_status (*bind_thread)(struct fg_device *device,
                                  struct fg_error *err);

    /* Page-lock [base, base + bytes) for copies; undone by unpin. The range
     * stays mapped in between. Emulated and host only note it. */
    enum fg_status (*pin)(struct fg_device *device, void *base, size_t bytes,
                          struct fg_error *err);
    void (*unpin)(struct fg_device *device, void *base, size_t bytes);

    enum fg_status (*alloc)(struct fg_device *device, size_t bytes,
                            void **memory, struct fg_error *err);
    void (*free)(struct fg_device *device, void *memory, size_t bytes);

    /* A stream of our own. `for_copies`: it is used for HtoD only. */
    enum fg_status (*stream_create)(struct fg_device *device, bool for_copies,
                                    fg_stream *stream, struct fg_error *err);
    void (*stream_destroy)(struct fg_device *device, fg_stream stream);
    enum fg_status (*stream_synchronize)(struct fg_device *device,
                                         fg_stream stream,
                                         struct fg_error *err);
    enum fg_status (*stream_wait)(struct fg_device *device, fg_stream stream,
                                  fgi_event event, struct fg_error *err);

    /* HtoD copy, asynchronous. `to` is device memory, `from` pinned. */
    enum fg_status (*copy)(struct fg_device *device, fg_stream stream, void *to,
                           const void *from, size_t bytes,
                           struct fg_error *err);
    /* DtoH copy, asynchronous. */
    enum fg_status (*copy_back)(struct fg_device *device, fg_stream stream,
                                void *to, const void *from, size_t bytes,
                                struct fg_error *err);

    /* `can_sleep`: event_synchronize on it sleeps instead of spinning. */
    enum fg_status (*event_create)(struct fg_device *device, bool can_sleep,
                                   fgi_event *event, struct fg_error *err);
    void (*event_destroy)(struct fg_device *device, fgi_event event);
    enum fg_status (*event_record)(struct fg_device *device, fgi_event event,
                                   fg_stream stream, struct fg_error *err);
    /* *passed: the work before its last record is done (never recorded: yes) */
    enum fg_status (*event_query)(struct fg_device *device, fgi_event event,
                                  bool *passed, struct fg_error *err);
    enum fg_status (*event_synchronize)(struct fg_device *device,
                                        fgi_event event, struct fg_error *err);
    /* When it passed, if the device knows better than "query said so now":
     * emulated gives the timeline's instant; others give 0. */
    uint64_t (*event_passed_ns)(struct fg_device *device, fgi_event event);

    /* See fg_stream_compute, fg_compute_get_span. */
    enum fg_status (*compute)(struct fg_device *device, fg_stream stream,
                              uint64_t duration_ns, uint64_t index,
                              struct fg_error *err);
    enum fg_status (*compute_span)(struct fg_device *device, fg_stream stream,
                                   uint64_t index, struct fg_span *span,
                                   struct fg_error *err);

    void (*close)(struct fg_device *device);
};

/* Every device's struct begins with this. */
struct fg_device {
    const struct fgi_device_ops *ops;
};

/* Makers. `spec` is the name's part after the colon, "" when there is none. */
enum fg_status fgi_device_host_open(const char *spec, uint32_t flags,
                                    struct fg_device **device,
                                    struct fg_error *err);
enum fg_status fgi_device_emulated_open(const char *spec, uint32_t flags,
                                        struct fg_device **device,
                                        struct fg_error *err);
/* Built without CUDA: gives UNSUPPORTED. */
enum fg_status fgi_device_cuda_open(const char *spec, uint32_t flags,
                                    struct fg_device **device,
                                    struct fg_error *err);

#endif /* FGI_GPU_DEVICE_H */
