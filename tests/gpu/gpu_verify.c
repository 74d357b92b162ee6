/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compare every byte that the loader delivers with the source file.
 *
 *     gpu_verify DEVICE FILE RECORD_BYTES STRIDE_BYTES BATCH SHUFFLE EPOCHS
 *
 * The consumer never waits: on its own stream, between acquire and release, a
 * kernel hashes the batch where it lies on the device. What the hash must be
 * is worked out from the file with plain preads, by where the batch says its
 * samples come from. The two lists are compared at the end, so a slot that is
 * reused too early, a copy out of order or a byte in the wrong place shows.
 * The rest of a batch that is not full must be zero.
 *
 * On a device without kernels the batch is read back and hashed here.
 */
#include "gpu_common.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include <feedgpu/feedgpu.h>

#include "gpu/cuda_kernels.h"

static const char usage[] = "usage: gpu_verify DEVICE FILE RECORD_BYTES "
                            "STRIDE_BYTES BATCH none|block EPOCHS\n";

struct check {
    struct fg_loader_config config;
    struct fg_loader *loader;
    struct fg_device *device; /* the loader's */
    fg_stream stream;         /* the consumer's */
    bool has_kernels;
    int fd;                 /* the file, for plain reads */
    uint64_t batches;       /* expected, all epochs */
    uint64_t *hashes;       /* on the device: [batches] */
    uint64_t *got;          /* the same, read back */
    uint64_t *wanted;       /* from the file */
    uint8_t *image;         /* a batch as it must look */
    uint64_t samples;       /* delivered so far */
    uint64_t payload_bytes; /* in them */
    struct fg_error err;
};

static void *allocate(uint64_t count, uint64_t bytes)
{
    void *memory = calloc(count, bytes);

    if (memory == NULL) {
        fprintf(stderr, "gpu_verify: got no memory\n");
        exit(1);
    }
    return memory;
}

static void read_exactly(const struct check *check, uint8_t *to, uint64_t bytes,
                         uint64_t offset)
{
    while (bytes > 0) {
        ssize_t got = pread(check->fd, to, bytes, (off_t)offset);

        if (got <= 0) {
            fprintf(stderr, "%s: offset %" PRIu64 ": read: %s\n",
                    check->config.dataset, offset,
                    got < 0 ? strerror(errno) : "unexpected end of file");
            exit(1);
        }
        to += got;
        offset += (uint64_t)got;
        bytes -= (uint64_t)got;
    }
}

static void open_all(struct check *check)
{
    struct fg_error *err = &check->err;
    struct fg_device_info info;
    struct fg_device *device = NULL;

    need(fg_device_open(check->config.device, 0, &device, err), err);
    check->config.use_device = device;
    check->device = device;
    need(fg_loader_open(&check->config, &check->loader, err), err);
    fg_device_get_info(device, &info);
    check->has_kernels = strcmp(info.kind, "cuda") == 0;
    need(fg_stream_open(device, &check->stream, err), err);
    check->batches =
        fg_loader_steps_per_epoch(check->loader) * check->config.epochs;
    if (check->has_kernels) {
        need(device->ops->alloc(device, check->batches * sizeof(uint64_t),
                                (void **)&check->hashes, err),
             err);
    }
    check->got = allocate(check->batches, sizeof(uint64_t));
    check->wanted = allocate(check->batches, sizeof(uint64_t));
    check->fd = open(check->config.dataset, O_RDONLY | O_CLOEXEC);
    if (check->fd < 0) {
        fprintf(stderr, "%s: open: %s\n", check->config.dataset,
                strerror(errno));
        exit(1);
    }
}

static void close_all(struct check *check)
{
    fg_stream_close(check->device, check->stream);
    if (check->hashes != NULL) {
        check->device->ops->free(check->device, check->hashes,
                                 check->batches * sizeof(uint64_t));
    }
    fg_loader_close(check->loader);
    fg_device_close(check->device);
    close(check->fd);
    free(check->got);
    free(check->wanted);
    free(check->image);
}

/* Enqueue the hash of the batch, or work it out from a copy. */
static void hash_delivered(struct check *check, const struct fg_batch *batch)
{
    const struct fg_batch_field *field = &batch->fields[0];
    uint64_t bytes = field->stride_bytes * batch->capacity;

    if (check->has_kernels) {
        int code = fgi_cuda_hash(check->stream, field->data, bytes,
                                 &check->hashes[batch->sequence]);

        if (code != 0) {
            fprintf(stderr, "gpu_verify: hash kernel: CUDA error %d\n", code);
            exit(1);
        }
    } else {
        need(fg_device_read(check->device, check->stream, check->image,
                            field->data, bytes, &check->err),
             &check->err);
        check->got[batch->sequence] = fgi_hash_host(check->image, bytes);
    }
}

/* Build the batch from the file, and hash that. */
static void hash_wanted(struct check *check, const struct fg_batch *batch,
                        const uint64_t *indices, uint64_t stride_bytes)
{
    const struct fg_dataset_config *source = &check->config.dataset_config;
    uint64_t bytes = stride_bytes * batch->capacity;

    memset(check->image, 0, bytes);
    for (uint32_t i = 0; i < batch->count; i++) {
        read_exactly(check, check->image + i * stride_bytes,
                     source->record_bytes, indices[i] * source->stride_bytes);
    }
    check->wanted[batch->sequence] = fgi_hash_host(check->image, bytes);
}

static void run(struct check *check)
{
    uint64_t *indices = allocate(check->config.batch_size, sizeof(uint64_t));
    struct fg_batch batch;
    enum fg_status status;

    while ((status = fg_loader_acquire(check->loader, check->stream, &batch,
                                       &check->err)) == FG_OK) {
        uint64_t stride_bytes = batch.fields[0].stride_bytes;

        if (batch.sequence >= check->batches) {
            fprintf(stderr,
                    "gpu_verify: got batch %" PRIu64 ", wanted %" PRIu64
                    " in all\n",
                    batch.sequence, check->batches);
            exit(1);
        }
        if (check->image == NULL) {
            check->image = allocate(batch.capacity, stride_bytes);
        }
        hash_delivered(check, &batch);
        memcpy(indices, batch.sample_indices, batch.count * sizeof(*indices));
        check->samples += batch.count;
        check->payload_bytes += batch.payload_bytes;
        /* Released before the file is read: the device races ahead. */
        fg_loader_release(check->loader, &batch, check->stream);
        hash_wanted(check, &batch, indices, stride_bytes);
    }
    if (status != FG_END) {
        need(status, &check->err);
    }
    free(indices);
}

/* How many batches differ. */
static uint64_t compare(struct check *check)
{
    uint64_t wrong = 0;

    if (check->has_kernels) {
        need(fg_device_read(check->device, check->stream, check->got,
                            check->hashes, check->batches * sizeof(uint64_t),
                            &check->err),
             &check->err);
    }
    for (uint64_t i = 0; i < check->batches; i++) {
        if (check->got[i] != check->wanted[i]) {
            if (wrong++ < 4) {
                fprintf(stderr,
                        "batch %" PRIu64 ": hash: got %016" PRIx64
                        ", wanted %016" PRIx64 "\n",
                        i, check->got[i], check->wanted[i]);
            }
        }
    }
    return wrong;
}

static void parse(struct check *check, char **argv)
{
    struct fg_loader_config *config = &check->config;

    fg_loader_config_init(config);
    config->device = argv[1];
    config->dataset = argv[2];
    config->dataset_config.format = "raw";
    config->dataset_config.record_bytes = number_argument(argv[3], usage);
    config->dataset_config.stride_bytes = number_argument(argv[4], usage);
    config->batch_size = (uint32_t)number_argument(argv[5], usage);
    config->shuffle =
        strcmp(argv[6], "block") == 0 ? FG_SHUFFLE_BLOCK : FG_SHUFFLE_NONE;
    config->epochs = number_argument(argv[7], usage);
    config->seed = 42;
}

int main(int argc, char **argv)
{
    struct check check = {.fd = -1};
    uint64_t wrong;

    if (argc != 8) {
        fprintf(stderr, "%s", usage);
        return 2;
    }
    parse(&check, argv);
    open_all(&check);
    run(&check);
    wrong = compare(&check);
    printf("%" PRIu64 " batches, %" PRIu64 " samples, %" PRIu64
           " bytes compared: %" PRIu64 " batches differ\n",
           check.batches, check.samples, check.payload_bytes, wrong);
    wrong += check.samples == 0;
    close_all(&check);
    return wrong == 0 ? 0 : 1;
}
