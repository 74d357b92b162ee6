/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keyed bijection of [0, count): the random order of an epoch in O(1)
 * memory. An alternating Feistel network over the smallest power of two that
 * holds count - 1, with cycle walking: a result that lies outside is put in
 * again until it lies inside (fewer than two rounds on average).
 *
 * The method: J. Black, P. Rogaway, "Ciphers with Arbitrary Finite Domains"
 * (CT-RSA 2002), section 4. Not cryptographic here: six cheap rounds.
 */
#ifndef FGI_RUNTIME_PERMUTE_H
#define FGI_RUNTIME_PERMUTE_H

#include <stdint.h>

#define FGI_PERMUTE_ROUNDS 6

struct fgi_permute {
    uint64_t count;                    /* size of the domain, at least 1 */
    uint32_t left_bits;                /* widths of the halves: together */
    uint32_t right_bits;               /* they hold count - 1 */
    uint64_t keys[FGI_PERMUTE_ROUNDS]; /* one per round */
};

/* Mix two words into one, as a key for something below. Pure. */
uint64_t fgi_mix(uint64_t a, uint64_t b);

/* Set up the bijection of [0, count) with that key. */
void fgi_permute_init(struct fgi_permute *permute, uint64_t count,
                      uint64_t key);

/* Where index (below count) goes. Pure. Threads: any. */
uint64_t fgi_permute_at(const struct fgi_permute *permute, uint64_t index);

#endif /* FGI_RUNTIME_PERMUTE_H */
