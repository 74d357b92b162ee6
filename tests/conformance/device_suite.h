/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the device conformance suite share. */
#ifndef TESTS_DEVICE_SUITE_H
#define TESTS_DEVICE_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gpu/device.h"

struct device_suite {
    const char *name; /* as given to fg_device_open */
    uint32_t flags;   /* as given to fg_device_open */
    bool has_bytes;   /* copies really move bytes */
    struct fg_device *device;
    const struct fgi_device_ops *ops; /* the device's */
    char label[64];                   /* what its messages call it */
    uint64_t span_error_ns; /* how far spans of two streams may be off */
    struct fg_error err;    /* of the last call that failed */
};

extern struct device_suite suite;

/* Fail the case with the message unless the call went well. */
#define ok(call) assert_string_equal(suite_text(call), "")

static inline const char *suite_text(enum fg_status status)
{
    return status == FG_OK ? "" : suite.err.message;
}

static inline fg_stream suite_stream(void)
{
    fg_stream stream = NULL;

    ok(fg_stream_open(suite.device, &stream, &suite.err));
    assert_non_null(stream);
    return stream;
}

static inline fgi_event suite_event(bool can_sleep)
{
    fgi_event event = NULL;

    ok(suite.ops->event_create(suite.device, can_sleep, &event, &suite.err));
    assert_non_null(event);
    return event;
}

/* Run every case on a device; how many failed. Exits with 77 and a reason when
 * it is a GPU and there is none. */
int device_suite_run(const char *name, uint32_t flags, uint64_t span_error_ns);

/* device_copies.c */
void copy_there_and_back_keeps_every_byte(void **state);
void copies_on_one_stream_run_in_order(void **state);
void copy_behind_an_event_sees_what_came_before_it(void **state);
void pin_and_unpin_can_be_repeated(void **state);
void copy_back_where_only_time_passes_is_unsupported(void **state);
void slots_reused_behind_events_deliver_every_batch(void **state);
void threads_with_streams_of_their_own_do_not_mix(void **state);

#endif /* TESTS_DEVICE_SUITE_H */
