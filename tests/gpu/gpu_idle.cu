/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A GPU that has to wait for reads, timed by its own CUDA events, to be
 * compared with what `feedgpu run` says of the same run.
 *
 *     gpu_idle DEVICE FILE
 *
 * Each step reads 4 MiB, copies them and computes for 5 ms; the next step
 * begins when that is done. Prints the share of the time from the first kernel
 * to the last in which no kernel ran. Ends with 77 where there is no GPU.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <cuda_runtime.h>

#define STEPS 200
#define STEP_BYTES (4u << 20)
#define COMPUTE_NS 5000000ull

__global__ void spin(unsigned long long duration_ns)
{
    unsigned long long begin;
    unsigned long long now;

    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    do {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    } while (now - begin < duration_ns);
}

static void need(cudaError_t code, const char *what)
{
    if (code != cudaSuccess) {
        fprintf(stderr, "gpu_idle: %s: %s\n", what, cudaGetErrorString(code));
        exit(1);
    }
}

static void read_step(int fd, char *to, int step)
{
    size_t done = 0;

    while (done < STEP_BYTES) {
        ssize_t got = read(fd, to + done, STEP_BYTES - done);

        if (got < 0 || (got == 0 && lseek(fd, 0, SEEK_SET) != 0)) {
            perror("gpu_idle: read");
            exit(1);
        }
        done += (size_t)got;
    }
    usleep(step % 4 == 0 ? 8000 : 500); /* decoding, as it were */
}

int main(int argc, char **argv)
{
    static cudaEvent_t begin[STEPS];
    static cudaEvent_t end[STEPS];
    float busy_ms = 0.0f;
    float window_ms = 0.0f;
    cudaStream_t stream;
    char *host;
    char *device;
    int fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;

    if (argc != 3 || fd < 0) {
        fprintf(stderr, "usage: gpu_idle DEVICE FILE\n");
        return 2;
    }
    if (strncmp(argv[1], "cuda:", 5) != 0 ||
        cudaSetDevice(atoi(argv[1] + 5)) != cudaSuccess) {
        printf("skipped: no GPU %s\n", argv[1]);
        return 77;
    }
    need(cudaHostAlloc(&host, STEP_BYTES, cudaHostAllocDefault), "host memory");
    need(cudaMalloc(&device, STEP_BYTES), "device memory");
    need(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
    for (int step = 0; step < STEPS; step++) {
        need(cudaEventCreate(&begin[step]), "event");
        need(cudaEventCreate(&end[step]), "event");
        read_step(fd, host, step);
        need(cudaMemcpyAsync(device, host, STEP_BYTES, cudaMemcpyHostToDevice,
                             stream),
             "copy");
        need(cudaEventRecord(begin[step], stream), "event");
        spin<<<1, 1, 0, stream>>>(COMPUTE_NS);
        need(cudaEventRecord(end[step], stream), "event");
        need(cudaEventSynchronize(end[step]), "kernel");
    }
    for (int step = 0; step < STEPS; step++) {
        float ms;

        need(cudaEventElapsedTime(&ms, begin[step], end[step]), "time");
        busy_ms += ms;
    }
    need(cudaEventElapsedTime(&window_ms, begin[0], end[STEPS - 1]), "time");
    printf("idle %.4f\n", 1.0f - busy_ms / window_ms);
    return 0;
}
