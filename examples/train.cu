/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CUDA training loop: learn label = weight * (mean byte of image) + bias
 * from the dataset that write_shards makes. The true answer is 1 and 0. Ends
 * with 77 and a reason where there is no GPU.
 *
 *     example_train DATASET
 */
#include <cstdint>
#include <cstdio>

#include <feedgpu/feedgpu.h>

#define BATCH_SIZE 64
#define RATE 0.01f

struct model {
    float weight, bias, loss; /* loss: sum over an epoch */
};

/* One thread per sample: add up the gradients, then take a step. */
__global__ void train_step(struct model *model, uint32_t count,
                           const uint8_t *images, uint64_t stride_bytes,
                           const uint32_t *lengths, const int64_t *labels)
{
    __shared__ float sums[3]; /* gradients of weight and bias, loss */
    uint32_t i = threadIdx.x;

    if (i < 3) {
        sums[i] = 0.0f;
    }
    __syncthreads();
    if (i < count) {
        float mean = 0.0f;

        for (uint32_t at = 0; at < lengths[i]; at++) {
            mean += (float)images[i * stride_bytes + at] / (float)lengths[i];
        }
        float error = model->weight * mean + model->bias - (float)labels[i];
        atomicAdd(&sums[0], 2.0f * error * mean);
        atomicAdd(&sums[1], 2.0f * error);
        atomicAdd(&sums[2], error * error);
    }
    __syncthreads();
    if (i == 0) {
        model->weight -= RATE * sums[0] / (float)count;
        model->bias -= RATE * sums[1] / (float)count;
        model->loss += sums[2];
    }
}

/* All is enqueued; the CPU waits only to print an epoch's line. */
static enum fg_status train(struct fg_loader *loader, struct model *model,
                            cudaStream_t stream, struct fg_error *err)
{
    uint64_t samples = 0;
    struct fg_batch batch;
    enum fg_status status;

    while ((status = fg_loader_acquire(loader, stream, &batch, err)) == FG_OK) {
        const struct fg_batch_field *image = &batch.fields[0];

        train_step<<<1, BATCH_SIZE, 0, stream>>>(
            model, batch.count, (const uint8_t *)image->data,
            image->stride_bytes, image->lengths_bytes,
            (const int64_t *)batch.fields[1].data);
        /* Its slot is used again when the work on `stream` so far is done. */
        fg_loader_release(loader, &batch, stream);
        samples += batch.count;
        if (batch.step + 1 == fg_loader_steps_per_epoch(loader)) {
            cudaStreamSynchronize(stream);
            printf("epoch %llu: loss %.4f, label = %.2f * mean + %.2f\n",
                   (unsigned long long)batch.epoch,
                   model->loss / (float)samples, model->weight, model->bias);
            model->loss = 0.0f;
            samples = 0;
        }
    }
    return status == FG_END ? FG_OK : status;
}

int main(int argc, char **argv)
{
    struct fg_loader_config config;
    struct fg_loader *loader;
    struct fg_error err;
    struct model *model;
    cudaStream_t stream;
    enum fg_status status;
    cudaError_t code = cudaMallocManaged(&model, sizeof(*model));

    if (argc != 2) {
        fprintf(stderr, "usage: example_train DATASET\n");
        return 2;
    }
    if (code != cudaSuccess ||
        cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != code) {
        printf("no GPU here: %s\n", cudaGetErrorString(code));
        return 77;
    }
    *model = {};
    fg_loader_config_init(&config);
    config.dataset = argv[1];
    config.device = "cuda:0";
    config.batch_size = BATCH_SIZE;
    config.epochs = 5;
    config.shuffle = FG_SHUFFLE_BLOCK;
    status = fg_loader_open(&config, &loader, &err);
    if (status == FG_OK) {
        status = train(loader, model, stream, &err);
        fg_loader_close(loader);
    }
    if (status != FG_OK) {
        fprintf(stderr, "example_train: %s\n", err.message);
    }
    cudaStreamDestroy(stream);
    cudaFree(model);
    return status == FG_OK && cudaGetLastError() == cudaSuccess ? 0 : 1;
}
