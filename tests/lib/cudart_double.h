/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test double of the CUDA runtime: the functions that gpu/cuda_*.c use, with
 * streams and events that really are asynchronous.
 *
 *     cudart_double.c         knobs, errors, devices, memory, registrations
 *     cudart_double_stream.c  streams, events, copies, kernels
 *
 * Each stream is a thread that does its operations in order, after small
 * random delays. A copy reads its source when it is done, not when it is
 * given, so a slot that is reused too early shows. What CUDA would let pass
 * but feedgpu must not do is an error here: a copy from memory that is not
 * registered or spans two registrations, a stream that is not non-blocking.
 */
#ifndef TESTS_CUDART_DOUBLE_H
#define TESTS_CUDART_DOUBLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

/* What a test may turn; set by cudart_double_reset. */
struct cudart_double_knobs {
    int device_count;        /* 2 */
    cudaError_t count_error; /* cudaSuccess, or what counting them returns */
    int driver_version;      /* 13000 */
    int host_node;           /* cudaDevAttrHostNumaId: 0 */
    bool is_capturing;       /* another thread captures a graph: unsafe calls
                                fail unless the caller's mode is relaxed */
    bool is_unloading;       /* every call says cudaErrorCudartUnloading */
    unsigned delay_us_max;   /* before an operation: 0 to this; 100 */
};

extern struct cudart_double_knobs cudart_double;

/* What exists now. All zero when everything was given back. */
struct cudart_double_live {
    unsigned streams; /* made, not those behind NULL */
    unsigned events;
    unsigned allocations;
    unsigned registrations;
};

/* Knobs to their defaults, counters to zero. Nothing may be live. */
void cudart_double_reset(uint64_t seed);

/* Wait until every stream is idle and end the threads behind NULL streams. */
void cudart_double_finish(void);

struct cudart_double_live cudart_double_count_live(void);

/* Copies whose memory was gone when their turn came; must stay 0. */
unsigned cudart_double_count_violations(void);

/* Let the nth fallible call from now fail with `code` (0: none). Calls that
 * only give something back are not counted and do not fail. */
void cudart_double_fail_after(unsigned nth, cudaError_t code);

/* Name of the call that was made to fail, or NULL if it did not come to it. */
const char *cudart_double_failed_call(void);

/* Hold all streams: nothing they are given starts until released. */
void cudart_double_hold(bool is_held);

/* --- shared by the two files ------------------------------------------- */

extern pthread_mutex_t cudart_double_mutex; /* guards everything */
extern pthread_cond_t cudart_double_moved;  /* any state changed */
extern bool cudart_double_is_held;
extern struct cudart_double_live cudart_double_live;
extern unsigned cudart_double_violations;

/* Count a fallible call; not cudaSuccess: return that at once. */
cudaError_t cudart_double_enter(const char *call);
/* The same for a call that is unsafe while a graph is captured. */
cudaError_t cudart_double_enter_unsafe(const char *call);
/* Remember an error as the thread's last, and return it. */
cudaError_t cudart_double_error(cudaError_t code);
/* Device current for this thread. */
int cudart_double_current(void);
/* Is the range inside one registration / one allocation? Under the mutex. */
bool cudart_double_is_registered(const void *base, size_t bytes);
bool cudart_double_is_allocated(const void *base, size_t bytes);
/* Microseconds to wait before an operation. Under the mutex. */
unsigned cudart_double_delay_us(void);

#endif /* TESTS_CUDART_DOUBLE_H */
