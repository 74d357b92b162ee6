/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting to record, while the CUDA driver starts, and ending with the
 * program. Between the two, a thread asks CUPTI ten times a second for what is
 * complete, so that the feeder can join it with reads.
 *
 * A forked child has none of this: CUDA does not work there, and CUPTI's
 * threads are not there to answer. It touches nothing.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cupti.h"

#define FLUSH_MS 100u
#define END_S 2 /* a flush that takes longer is left alone */

static struct cupti_api api;
static struct cupti_recorder recorder;
static atomic_flag is_begun = ATOMIC_FLAG_INIT;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of is_ending */
static pthread_cond_t changed;
static pthread_t flusher;
static bool is_flushing; /* there is a flusher */
static bool is_started;  /* the driver; the flusher's, while there is one */
static bool is_ending;

/* ---- the board -------------------------------------------------------------
 */

static struct fgi_recorder *claim_entry(struct fgi_board *board)
{
    uint32_t index = atomic_load(&board->recorder_next);
    if (index < FGI_RECORDERS_MAX) {
        index = atomic_fetch_add(&board->recorder_next, 1);
    }
    index = index < FGI_RECORDERS_MAX ? index : FGI_RECORDERS_MAX - 1;
    return &board->recorders[index];
}

static void show(enum fgi_recorder_state state, const char *note)
{
    struct fgi_recorder *entry = recorder.entry;
    snprintf(entry->note, sizeof(entry->note), "%s", note);
    atomic_store(&entry->pid, recorder.pid);
    atomic_store(&entry->version, api.version);
    atomic_store(&entry->state, (uint32_t)state);
}

/* ---- the thread that flushes ------------------------------------------------
 */

/* True: the program ends. */
static bool sleep_or_end(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += FLUSH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&mutex);
    int status = 0;
    while (!is_ending && status == 0) {
        status = pthread_cond_timedwait(&changed, &mutex, &until);
    }
    bool has_ended = is_ending;
    pthread_mutex_unlock(&mutex);
    return has_ended;
}

/* While the driver starts, its locks and CUPTI's are best left alone. */
static void *flush_main(void *context)
{
    (void)context;
    while (!sleep_or_end()) {
        is_started = is_started || cupti_driver_has_started();
        if (is_started) {
            api.cuptiActivityFlushAll(0);
        }
    }
    return NULL;
}

/* Signals are the program's own threads' business. */
static void start_flusher(void)
{
    pthread_condattr_t attributes;
    sigset_t all;
    sigset_t before;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    is_flushing = pthread_create(&flusher, NULL, flush_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (is_flushing) {
        pthread_setname_np(flusher, "fg-cupti");
    }
}

/* False: it hangs in CUPTI, and must not be waited for. */
static bool stop_flusher(void)
{
    struct timespec until;
    if (!is_flushing) {
        return true;
    }
    pthread_mutex_lock(&mutex);
    is_ending = true;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += END_S;
    return pthread_timedjoin_np(flusher, NULL, &until) == 0;
}

static void end(void)
{
    if ((int32_t)getpid() != recorder.pid || !stop_flusher()) {
        return;
    }
    if ((is_started || cupti_driver_has_started()) &&
        api.cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED) ==
            CUPTI_SUCCESS) {
        atomic_store(&recorder.entry->state, FGI_RECORDER_ENDED);
    }
    shim_wake(recorder.view->board);
}

/* ---- start ------------------------------------------------------------------
 */

static uint64_t CUPTIAPI tell_time(void)
{
    return shim_now_ns();
}

/* Nothing is asked to call it: subscribing is what shows other profilers. */
static void CUPTIAPI ignore(void *context, CUpti_CallbackDomain domain,
                            CUpti_CallbackId id, const void *data)
{
    (void)context;
    (void)domain;
    (void)id;
    (void)data;
}

static bool explain(const char *what, CUptiResult result, char *why,
                    size_t why_bytes)
{
    const char *text = NULL;
    if (result == CUPTI_SUCCESS) {
        return true;
    }
    if (result == CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED) {
        snprintf(why, why_bytes, "another profiler has CUPTI in this program");
        return false;
    }
    api.cuptiGetResultString(result, &text);
    snprintf(why, why_bytes, "CUPTI: %s: %.60s", what,
             text != NULL ? text : "failed");
    return false;
}

/* The clock comes before anything is enabled: it holds for what follows. */
static bool start_activities(char *why, size_t why_bytes)
{
    static const CUpti_ActivityKind kinds[] = {
        /* Not KERNEL, which lets them run one by one. */
        CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
        CUPTI_ACTIVITY_KIND_MEMCPY,
        CUPTI_ACTIVITY_KIND_MEMSET,
    };
    if (!explain("clock", api.cuptiActivityRegisterTimestampCallback(tell_time),
                 why, why_bytes) ||
        !explain("buffers",
                 api.cuptiActivityRegisterCallbacks(cupti_buffer_wanted,
                                                    cupti_buffer_done),
                 why, why_bytes)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!explain("activities", api.cuptiActivityEnable(kinds[i]), why,
                     why_bytes)) {
            return false;
        }
    }
    /* Its own thread gives back what is full; ours asks for the rest. */
    api.cuptiActivityFlushPeriod(FLUSH_MS);
    return true;
}

static bool start(char *why, size_t why_bytes)
{
    CUpti_SubscriberHandle subscriber;
    if (!cupti_load(&api, why, why_bytes)) {
        return false;
    }
    recorder.api = &api;
    recorder.began_ns = shim_now_ns();
    cupti_records_begin(&recorder);
    if (!explain("subscribe", api.cuptiSubscribe(&subscriber, ignore, NULL),
                 why, why_bytes)) {
        return false;
    }
    if (!start_activities(why, why_bytes)) {
        api.cuptiUnsubscribe(subscriber);
        return false;
    }
    return true;
}

SHIM_EXPORT int InitializeInjection(void)
{
    char why[sizeof(recorder.entry->note)] = "";
    if (atomic_flag_test_and_set(&is_begun)) {
        return 1;
    }
    recorder.view = shim_attach(NULL, 0);
    if (recorder.view == NULL) {
        return 1;
    }
    recorder.pid = (int32_t)getpid();
    recorder.entry = claim_entry(recorder.view->board);
    if (!start(why, sizeof(why))) {
        show(FGI_RECORDER_OFF, why);
        return 1;
    }
    show(FGI_RECORDER_ON, "");
    start_flusher();
    atexit(end);
    return 1;
}
