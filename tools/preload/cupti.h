/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside libfeedgpu-cupti.so, the recorder of a program's kernels and copies.
 *
 *     cupti.c          start and end; why it stays out
 *     cupti_api.c      finding a libcupti that suits the driver
 *     cupti_gpus.c     which GPU a number stands for
 *     cupti_records.c  CUPTI's buffers, records into spans
 *     cupti_real.c     system calls for attach.c, which it shares with the shim
 *
 * The CUDA driver loads it into programs that have CUDA_INJECTION64_PATH, and
 * calls InitializeInjection while it starts. Whatever is not as it should be
 * means: stay out, and say why on the feeder's board. The program never fails
 * for it, and CUPTI is never taken down (cuptiFinalize races with the program).
 */
#ifndef PRELOAD_CUPTI_H
#define PRELOAD_CUPTI_H

#include <cupti.h>

#include "shim.h"

/* ---- cupti_api.c -----------------------------------------------------------
 */

/* What we call of CUPTI: each has been there since CUDA 11.6. */
#define CUPTI_API_MAP(X)                                                       \
    X(cuptiGetVersion)                                                         \
    X(cuptiGetResultString)                                                    \
    X(cuptiSubscribe)                                                          \
    X(cuptiUnsubscribe)                                                        \
    X(cuptiActivityRegisterTimestampCallback)                                  \
    X(cuptiActivityRegisterCallbacks)                                          \
    X(cuptiActivityEnable)                                                     \
    X(cuptiActivityGetNextRecord)                                              \
    X(cuptiActivityGetNumDroppedRecords)                                       \
    X(cuptiActivityFlushAll)                                                   \
    X(cuptiActivityFlushPeriod)

/* NOLINTNEXTLINE(bugprone-macro-parentheses): it is a name. */
#define CUPTI_API_MEMBER(name) __typeof__(name) *name;
struct cupti_api {
    CUPTI_API_MAP(CUPTI_API_MEMBER)
    uint32_t version; /* as cuptiGetVersion says: 28, 130001 */
};
#undef CUPTI_API_MEMBER

/*
 * Load the libcupti that the program has, or the newest that is there and not
 * newer than the driver. False: `why` says what is the matter.
 */
bool cupti_load(struct cupti_api *api, char *why, size_t why_bytes);

/* ---- cupti_gpus.c ----------------------------------------------------------
 */

/* A function of the driver, which is in the program; NULL: it has none. */
void *cupti_driver_function(const char *name);

/* Is cuInit, which loads us, over? May wait for it. */
bool cupti_driver_has_started(void);

/* The board's entry of the GPU with that number here; FGI_GPUS_MAX: no room. */
uint32_t cupti_gpu(const struct fgi_board_view *view, uint32_t number);

/* ---- cupti_records.c -------------------------------------------------------
 */

/* What CUPTI's callbacks work with. Set once, before they are registered. */
struct cupti_recorder {
    const struct cupti_api *api;
    const struct fgi_board_view *view;
    struct fgi_recorder *entry; /* on the board */
    int32_t pid;
    uint64_t began_ns; /* nothing was recorded before */
};

/* Borrowed until the program ends. */
void cupti_records_begin(const struct cupti_recorder *recorder);

void CUPTIAPI cupti_buffer_wanted(uint8_t **buffer, size_t *bytes,
                                  size_t *records_max);
void CUPTIAPI cupti_buffer_done(CUcontext context, uint32_t stream,
                                uint8_t *buffer, size_t bytes,
                                size_t valid_bytes);

#endif /* PRELOAD_CUPTI_H */
