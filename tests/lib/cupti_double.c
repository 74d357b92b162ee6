/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libcupti, for machines without a GPU. It keeps the records
 * that a test program gives it and delivers them as CUPTI does: in buffers that
 * it asks for, when somebody flushes, each record longer than the header that
 * the recorder was compiled with says.
 *
 * FEEDGPU_DOUBLE_CUPTI has words that change it:
 *     taken      another profiler has subscribed
 *     newer      is of a CUDA that the driver does not know
 *     refuse     no activity can be enabled
 *     disorder   all records come at the end, back to front
 *     untimed    every record of a memset has no times
 *     drop       says that 7 records were dropped
 *     strange    adds records of kinds that nobody asked for
 * Built with CUPTI_DOUBLE_OLD it has no clock to be registered.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cupti.h>

#include "tests/lib/cupti_double.h"

#define EXPORT __attribute__((visibility("default")))
#define RECORDS_MAX 65536u
#define MORE_BYTES 104u /* that a later CUPTI appended, a multiple of 8 */
#define STRIDE_BYTES (sizeof(CUpti_ActivityKernel4) + MORE_BYTES)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct double_record records[RECORDS_MAX];
static uint32_t count;
static CUpti_BuffersCallbackRequestFunc request;
static CUpti_BuffersCallbackCompleteFunc complete;
static CUpti_TimestampCallbackFunc clock_now;
static int is_subscribed;
static int is_dropped_told;

EXPORT void cupti_double_record(const struct double_record *record);

static int has_word(const char *word)
{
    const char *words = getenv("FEEDGPU_DOUBLE_CUPTI");
    return words != NULL && strstr(words, word) != NULL;
}

EXPORT CUptiResult cuptiGetVersion(uint32_t *version)
{
    *version = has_word("newer") ? 140000 : 130001;
    return CUPTI_SUCCESS;
}

EXPORT CUptiResult cuptiGetResultString(CUptiResult result, const char **text)
{
    *text = result == CUPTI_ERROR_NOT_COMPATIBLE ? "CUPTI_ERROR_NOT_COMPATIBLE"
                                                 : "CUPTI_ERROR_UNKNOWN";
    return CUPTI_SUCCESS;
}

EXPORT CUptiResult cuptiSubscribe(CUpti_SubscriberHandle *subscriber,
                                  CUpti_CallbackFunc callback, void *context)
{
    (void)callback;
    (void)context;
    if (is_subscribed || has_word("taken")) {
        return CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED;
    }
    is_subscribed = 1;
    *subscriber = (CUpti_SubscriberHandle)&is_subscribed;
    return CUPTI_SUCCESS;
}

EXPORT CUptiResult cuptiUnsubscribe(CUpti_SubscriberHandle subscriber)
{
    (void)subscriber;
    is_subscribed = 0;
    return CUPTI_SUCCESS;
}

#ifndef CUPTI_DOUBLE_OLD
EXPORT CUptiResult
cuptiActivityRegisterTimestampCallback(CUpti_TimestampCallbackFunc now)
{
    clock_now = now;
    return CUPTI_SUCCESS;
}
#endif

EXPORT CUptiResult
cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc wanted,
                               CUpti_BuffersCallbackCompleteFunc done)
{
    request = wanted;
    complete = done;
    return CUPTI_SUCCESS;
}

EXPORT CUptiResult cuptiActivityEnable(CUpti_ActivityKind kind)
{
    /* The clock holds for what is enabled after it. */
    if (clock_now == NULL || request == NULL || has_word("refuse") ||
        kind == CUPTI_ACTIVITY_KIND_KERNEL) {
        return CUPTI_ERROR_NOT_COMPATIBLE;
    }
    return CUPTI_SUCCESS;
}

EXPORT CUptiResult cuptiActivityFlushPeriod(uint32_t period_ms)
{
    (void)period_ms;
    return CUPTI_SUCCESS;
}

EXPORT CUptiResult cuptiActivityGetNextRecord(uint8_t *buffer,
                                              size_t valid_bytes,
                                              CUpti_Activity **record)
{
    uint8_t *next =
        *record == NULL ? buffer : (uint8_t *)*record + STRIDE_BYTES;
    if (next + STRIDE_BYTES > buffer + valid_bytes) {
        return CUPTI_ERROR_MAX_LIMIT_REACHED;
    }
    *record = (CUpti_Activity *)(void *)next;
    return CUPTI_SUCCESS;
}

EXPORT CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext context,
                                                     uint32_t stream,
                                                     size_t *dropped)
{
    (void)context;
    (void)stream;
    *dropped = has_word("drop") && !is_dropped_told ? 7 : 0;
    is_dropped_told = 1;
    return CUPTI_SUCCESS;
}

/* ---- records
 * ------------------------------------------------------------------ */

static void write_copy(const struct double_record *from, void *to)
{
    CUpti_ActivityMemcpy copy = {
        .kind = CUPTI_ACTIVITY_KIND_MEMCPY,
        .start = from->start_ns,
        .end = from->end_ns,
        .bytes = from->bytes,
        .deviceId = from->device,
        .streamId = from->stream,
    };
    uint8_t host = from->is_pinned ? CUPTI_ACTIVITY_MEMORY_KIND_PINNED
                                   : CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE;
    uint8_t device = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
    int is_up = from->kind == DOUBLE_H2D;
    copy.copyKind = is_up ? CUPTI_ACTIVITY_MEMCPY_KIND_HTOD
                          : CUPTI_ACTIVITY_MEMCPY_KIND_DTOH;
    copy.srcKind = is_up ? host : device;
    copy.dstKind = is_up ? device : host;
    memcpy(to, &copy, sizeof(copy));
}

static void write_memset(const struct double_record *from, void *to)
{
    CUpti_ActivityMemset set = {
        .kind = CUPTI_ACTIVITY_KIND_MEMSET,
        .start = has_word("untimed") ? 0 : from->start_ns,
        .end = has_word("untimed") ? 0 : from->end_ns,
        .bytes = from->bytes,
        .deviceId = from->device,
        .streamId = from->stream,
    };
    memcpy(to, &set, sizeof(set));
}

static void write_kernel(const struct double_record *from, void *to)
{
    CUpti_ActivityKernel4 kernel = {
        .kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
        .start = from->start_ns,
        .end = from->end_ns,
        .deviceId = from->device,
        .streamId = from->stream,
    };
    memcpy(to, &kernel, sizeof(kernel));
}

static void write_record(const struct double_record *from, uint8_t *to)
{
    memset(to, 0xa5, STRIDE_BYTES); /* what nobody may read */
    switch (from->kind) {
    case DOUBLE_KERNEL:
        write_kernel(from, to);
        break;
    case DOUBLE_H2D:
    case DOUBLE_D2H:
        write_copy(from, to);
        break;
    case DOUBLE_MEMSET:
        write_memset(from, to);
        break;
    }
}

/* Some records in one buffer; how many there was room for. */
static uint32_t deliver(const struct double_record *from, uint32_t wanted)
{
    uint8_t *buffer = NULL;
    size_t bytes = 0;
    size_t records_max = 0;
    size_t at = 0;
    uint32_t done = 0;
    request(&buffer, &bytes, &records_max);
    if (buffer == NULL) {
        return wanted; /* dropped */
    }
    if (has_word("strange") && bytes >= STRIDE_BYTES) {
        CUpti_Activity strange = {.kind = CUPTI_ACTIVITY_KIND_OVERHEAD};
        memset(buffer, 0xa5, STRIDE_BYTES);
        memcpy(buffer, &strange, sizeof(strange));
        at = STRIDE_BYTES;
    }
    while (done < wanted && at + STRIDE_BYTES <= bytes) {
        write_record(&from[done], buffer + at);
        at += STRIDE_BYTES;
        done++;
    }
    complete(NULL, 0, buffer, bytes, at);
    return done;
}

static void deliver_all(struct double_record *from, uint32_t wanted)
{
    while (wanted > 0) {
        uint32_t done = deliver(from, wanted);
        from += done;
        wanted -= done;
    }
}

static void turn_round(struct double_record *all, uint32_t number)
{
    for (uint32_t i = 0; i < number / 2; i++) {
        struct double_record kept = all[i];
        all[i] = all[number - 1 - i];
        all[number - 1 - i] = kept;
    }
}

EXPORT CUptiResult cuptiActivityFlushAll(uint32_t flag)
{
    int is_forced = (flag & CUPTI_ACTIVITY_FLAG_FLUSH_FORCED) != 0;
    pthread_mutex_lock(&mutex);
    if (has_word("disorder")) {
        if (is_forced) {
            turn_round(records, count);
            deliver_all(records, count);
            count = 0;
        }
    } else {
        deliver_all(records, count);
        count = 0;
    }
    pthread_mutex_unlock(&mutex);
    return CUPTI_SUCCESS;
}

void cupti_double_record(const struct double_record *record)
{
    pthread_mutex_lock(&mutex);
    if (is_subscribed && count < RECORDS_MAX) {
        records[count++] = *record;
    }
    pthread_mutex_unlock(&mutex);
}
