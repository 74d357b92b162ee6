/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels, behind plain C functions so that nothing but the .cu file needs
 * nvcc, and the test double can stand in for them.
 *
 * Both enqueue and return; the result is a cudaError_t as an int.
 */
#ifndef FGI_GPU_CUDA_KERNELS_H
#define FGI_GPU_CUDA_KERNELS_H

#include <stdint.h>

#ifdef __CUDACC__
#define FGI_ON_BOTH __host__ __device__
#else
#define FGI_ON_BOTH
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Keep one thread of the device busy for duration_ns of its own clock. */
int fgi_cuda_spin(void *stream, uint64_t duration_ns);

/*
 * Hash `bytes` of device memory (8-byte aligned) into *hash (device memory):
 * the sum over all 8-byte words of fgi_hash_word, the last one padded with
 * zeros, plus fgi_hash_word of the length at the place behind them. Addition
 * lets the words come in any order; the place inside each makes order count.
 */
int fgi_cuda_hash(void *stream, const void *data, uint64_t bytes,
                  uint64_t *hash);

#ifdef __cplusplus
}
#endif

/* splitmix64's finalizer over the word and its place. */
static inline FGI_ON_BOTH uint64_t fgi_hash_word(uint64_t place, uint64_t word)
{
    uint64_t x = word ^ ((place + 1) * UINT64_C(0x9E3779B97F4A7C15));

    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* The word at `place` of `bytes` bytes, little-endian, padded with zeros. */
static inline FGI_ON_BOTH uint64_t fgi_hash_load(const uint8_t *data,
                                                 uint64_t bytes, uint64_t place)
{
    uint64_t word = 0;
    uint64_t left = bytes - place * 8;

    for (uint64_t i = 0; i < 8 && i < left; i++) {
        word |= (uint64_t)data[place * 8 + i] << (8 * i);
    }
    return word;
}

/* The same hash of host memory. */
static inline uint64_t fgi_hash_host(const void *data, uint64_t bytes)
{
    uint64_t words = (bytes + 7) / 8;
    uint64_t hash = fgi_hash_word(words, bytes);

    for (uint64_t i = 0; i < words; i++) {
        hash +=
            fgi_hash_word(i, fgi_hash_load((const uint8_t *)data, bytes, i));
    }
    return hash;
}

#endif /* FGI_GPU_CUDA_KERNELS_H */
