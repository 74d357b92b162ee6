/* SPDX-License-Identifier: Apache-2.0 */
/* Checked and aligned arithmetic on unsigned 64-bit sizes. */
#ifndef FGI_BASE_MATH_H
#define FGI_BASE_MATH_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define FGI_KIB(n) ((uint64_t)(n) << 10)
#define FGI_MIB(n) ((uint64_t)(n) << 20)
#define FGI_GIB(n) ((uint64_t)(n) << 30)

/* *sum = a + b; false when it does not fit. */
static inline bool fgi_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* *product = a * b; false when it does not fit. */
static inline bool fgi_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline uint64_t fgi_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t fgi_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint64_t fgi_clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return fgi_min(fgi_max(value, low), high);
}

static inline bool fgi_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* `align` is a power of two in both. align_up must not overflow. */
static inline uint64_t fgi_align_down(uint64_t value, uint64_t align)
{
    assert(fgi_is_power_of_two(align));
    return value & ~(align - 1);
}

static inline uint64_t fgi_align_up(uint64_t value, uint64_t align)
{
    assert(fgi_is_power_of_two(align) && value <= UINT64_MAX - (align - 1));
    return (value + align - 1) & ~(align - 1);
}

/* Smallest q with q * divisor >= value. divisor is not 0. */
static inline uint64_t fgi_ceil_div(uint64_t value, uint64_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

/* Smallest power of two that is >= value (1 for 0). */
static inline uint64_t fgi_round_up_power(uint64_t value)
{
    assert(value <= UINT64_C(1) << 63);
    return value <= 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(value - 1));
}

#endif /* FGI_BASE_MATH_H */
