/* SPDX-License-Identifier: Apache-2.0 */
/* The two kernels; see cuda_kernels.h. */
#include "gpu/cuda_kernels.h"

#include <cuda_runtime.h>

#define HASH_THREADS 256
#define HASH_BLOCKS 512

/* Nanoseconds on a clock that all of the device shares. It moves in steps,
 * of 32 ns on some devices and about 1 us on others. */
static __device__ uint64_t device_now_ns()
{
    uint64_t now;

    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}

/* One thread: the copy engines and nearly all of the SMs stay free. */
static __global__ void spin(uint64_t duration_ns)
{
    uint64_t start_ns = device_now_ns();

    while (device_now_ns() - start_ns < duration_ns) {
    }
}

static __global__ void hash_words(const uint8_t *data, uint64_t bytes,
                                  unsigned long long *hash)
{
    uint64_t words = (bytes + 7) / 8;
    uint64_t whole = bytes / 8;
    uint64_t first = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    uint64_t sum = first == 0 ? fgi_hash_word(words, bytes) : 0;

    for (uint64_t i = first; i < words; i += (uint64_t)gridDim.x * blockDim.x) {
        uint64_t word = i < whole ? ((const uint64_t *)data)[i]
                                  : fgi_hash_load(data, bytes, i);

        sum += fgi_hash_word(i, word);
    }
    atomicAdd(hash, (unsigned long long)sum);
}

extern "C" int fgi_cuda_spin(void *stream, uint64_t duration_ns)
{
    spin<<<1, 1, 0, (cudaStream_t)stream>>>(duration_ns);
    return (int)cudaPeekAtLastError();
}

extern "C" int fgi_cuda_hash(void *stream, const void *data, uint64_t bytes,
                             uint64_t *hash)
{
    cudaError_t code =
        cudaMemsetAsync(hash, 0, sizeof(*hash), (cudaStream_t)stream);

    if (code != cudaSuccess) {
        return (int)code;
    }
    hash_words<<<HASH_BLOCKS, HASH_THREADS, 0, (cudaStream_t)stream>>>(
        (const uint8_t *)data, bytes, (unsigned long long *)hash);
    return (int)cudaPeekAtLastError();
}
