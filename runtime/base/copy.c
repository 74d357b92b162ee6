/* SPDX-License-Identifier: Apache-2.0 */
/* Alone in its file: the shim under other programs is built with it too. */
#include "runtime/base/copy.h"

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <stdbool.h>
#endif

/*
 * Below this a copy stays in the caches and plain stores win; above it, they
 * first read every line that they are about to overwrite.
 */
#define STREAM_BYTES_MIN ((size_t)16 << 10)

#if defined(__x86_64__)

/* From so many bytes on the C library copies by "rep movsb", and how far in
 * front of the source, within their pages, the target must be for that. */
#define MICROCODE_BYTES_MIN ((size_t)2 << 10)
#define PAGE_BYTES ((uintptr_t)4096)
#define FAR_BYTES ((uintptr_t)32)

/* The whole lines of a copy to an aligned target; what is left over. */
__attribute__((target("avx2"))) static inline size_t
copy_lines(uint8_t *to, const uint8_t *from, size_t bytes, bool is_streaming)
{
    for (; bytes >= 128; bytes -= 128, to += 128, from += 128) {
        __m256i a = _mm256_loadu_si256((const __m256i *)from);
        __m256i b = _mm256_loadu_si256((const __m256i *)(from + 32));
        __m256i c = _mm256_loadu_si256((const __m256i *)(from + 64));
        __m256i d = _mm256_loadu_si256((const __m256i *)(from + 96));

        _mm_prefetch((const char *)from + 1024, _MM_HINT_NTA);
        _mm_prefetch((const char *)from + 1088, _MM_HINT_NTA);
        if (is_streaming) {
            _mm256_stream_si256((__m256i *)to, a);
            _mm256_stream_si256((__m256i *)(to + 32), b);
            _mm256_stream_si256((__m256i *)(to + 64), c);
            _mm256_stream_si256((__m256i *)(to + 96), d);
        } else {
            _mm256_store_si256((__m256i *)to, a);
            _mm256_store_si256((__m256i *)(to + 32), b);
            _mm256_store_si256((__m256i *)(to + 64), c);
            _mm256_store_si256((__m256i *)(to + 96), d);
        }
    }
    return bytes;
}

static void copy_avx2(uint8_t *to, const uint8_t *from, size_t bytes,
                      bool is_streaming)
{
    size_t head = (32 - ((uintptr_t)to & 31)) & 31;
    size_t rest;

    memcpy(to, from, head);
    to += head;
    from += head;
    bytes -= head;
    if (is_streaming) {
        rest = copy_lines(to, from, bytes, true);
        _mm_sfence();
    } else {
        rest = copy_lines(to, from, bytes, false);
    }
    memcpy(to + bytes - rest, from + bytes - rest, rest);
}

/* The processor has AVX2, and the kernel saves its registers. */
static bool ask_for_avx2(void)
{
    const uint32_t osxsave_and_avx = 3u << 27;
    uint32_t a = 0;
    uint32_t b = 0;
    uint32_t c = 0;
    uint32_t d = 0;

    if (__get_cpuid(1, &a, &b, &c, &d) == 0 ||
        (c & osxsave_and_avx) != osxsave_and_avx) {
        return false;
    }
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & 6u) == 6u && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
           (b & 1u << 5) != 0;
}

/*
 * Asked once, when it is first needed. Not with __builtin_cpu_supports: that
 * asks a dozen questions before main, of which each costs microseconds in a
 * virtual machine, and the shim is in every short-lived program.
 */
static bool has_avx2(void)
{
    static _Atomic int answer; /* 1: no, 2: yes */
    int known = atomic_load_explicit(&answer, memory_order_relaxed);

    if (known == 0) {
        known = ask_for_avx2() ? 2 : 1;
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == 2;
}

void fgi_copy(void *to, const void *from, size_t bytes)
{
    uintptr_t apart = ((uintptr_t)to - (uintptr_t)from) % PAGE_BYTES;

    if (bytes >= MICROCODE_BYTES_MIN && apart != 0 && apart < FAR_BYTES &&
        has_avx2()) {
        copy_avx2(to, from, bytes, false);
        return;
    }
    memcpy(to, from, bytes);
}

void fgi_copy_streaming(void *to, const void *from, size_t bytes)
{
    if (bytes >= STREAM_BYTES_MIN && has_avx2()) {
        copy_avx2(to, from, bytes, true);
        return;
    }
    memcpy(to, from, bytes);
}
#else
void fgi_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

void fgi_copy_streaming(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}
#endif
