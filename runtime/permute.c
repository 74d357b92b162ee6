/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/permute.h"

#include <assert.h>

/* The finaliser of splitmix64 (S. Vigna, prng.di.unimi.it/splitmix64.c). */
static uint64_t finalize(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t fgi_mix(uint64_t a, uint64_t b)
{
    return finalize(finalize(a + UINT64_C(0x9e3779b97f4a7c15)) + b);
}

void fgi_permute_init(struct fgi_permute *permute, uint64_t count, uint64_t key)
{
    uint32_t bits;

    assert(count >= 1);
    /* The width must hold the largest index, not the count's logarithm: a
     * width of log2(count - 1) loses an index when count is 2^k + 1. */
    bits = count <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(count - 1);
    permute->count = count;
    permute->left_bits = bits / 2;
    permute->right_bits = bits - bits / 2;
    for (uint32_t i = 0; i < FGI_PERMUTE_ROUNDS; i++) {
        permute->keys[i] = fgi_mix(key, i + 1);
    }
}

static uint64_t mask(uint32_t bits)
{
    return bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
}

/* One pass through the network: a bijection of [0, 2^bits). */
static uint64_t encrypt(const struct fgi_permute *permute, uint64_t x)
{
    uint64_t left_mask = mask(permute->left_bits);
    uint64_t right_mask = mask(permute->right_bits);
    uint64_t right = x & right_mask;
    uint64_t left = (x >> permute->right_bits) & left_mask;

    for (uint32_t i = 0; i < FGI_PERMUTE_ROUNDS; i += 2) {
        left ^= finalize(right + permute->keys[i]) & left_mask;
        right ^= finalize(left + permute->keys[i + 1]) & right_mask;
    }
    return left << permute->right_bits | right;
}

uint64_t fgi_permute_at(const struct fgi_permute *permute, uint64_t index)
{
    assert(index < permute->count);
    do {
        index = encrypt(permute, index);
    } while (index >= permute->count);
    return index;
}
