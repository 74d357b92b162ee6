/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program outside of the tree, compiled as C11, C17 and C++17: it writes a
 * raw dataset, reads two epochs of it on the host device and checks each byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <feedgpu/feedgpu.h>
#ifdef __cplusplus
#include <feedgpu/feedgpu.hpp>
#endif

#define RECORDS 1000u
#define RECORD_BYTES 96u
#define EPOCHS 2u

static unsigned char byte_of(unsigned record, unsigned at)
{
    return (unsigned char)(record * 31u + at * 7u + record / 256u);
}

static int write_dataset(const char *path)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL) {
        return 1;
    }
    for (unsigned record = 0; record < RECORDS; record++) {
        for (unsigned at = 0; at < RECORD_BYTES; at++) {
            fputc(byte_of(record, at), file);
        }
    }
    return fclose(file);
}

/* Bytes of a batch that are not what was written. */
static unsigned wrong_bytes(const struct fg_batch *batch, unsigned first)
{
    const struct fg_batch_field *field = &batch->fields[0];
    const unsigned char *data = (const unsigned char *)field->data;
    unsigned wrong = 0;

    for (unsigned i = 0; i < batch->count; i++) {
        for (unsigned at = 0; at < RECORD_BYTES; at++) {
            wrong += data[i * field->stride_bytes + at] !=
                     byte_of((first + i) % RECORDS, at);
        }
    }
    return wrong;
}

static int read_epochs(struct fg_loader *loader)
{
    struct fg_batch batch;
    struct fg_error err;
    enum fg_status status;
    unsigned samples = 0;
    unsigned wrong = 0;

    for (;;) {
        status = fg_loader_acquire(loader, NULL, &batch, &err);
        if (status != FG_OK) {
            break;
        }
        wrong += wrong_bytes(&batch, samples);
        samples += batch.count;
        fg_loader_release(loader, &batch, NULL);
    }
    if (status != FG_END) {
        fprintf(stderr, "consumer: %s\n", err.message);
        return 1;
    }
    printf("%u samples, %u wrong bytes\n", samples, wrong);
    return samples == EPOCHS * RECORDS && wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct fg_loader_config config;
    struct fg_loader *loader;
    struct fg_error err;
    char path[4096];
    int result;

    snprintf(path, sizeof(path), "%s.raw", argc > 0 ? argv[0] : "consumer");
    printf("feedgpu %s (%s)\n", fg_version(), fg_build_features());
    if (strcmp(fg_version(), FG_VERSION_TEXT) != 0 ||
        write_dataset(path) != 0) {
        fprintf(stderr, "consumer: wrong version, or %s unwritable\n", path);
        return 1;
    }
    fg_loader_config_init(&config);
    config.dataset = path;
    config.dataset_config.format = "raw";
    config.dataset_config.record_bytes = RECORD_BYTES;
    config.device = "host";
    config.batch_size = 64;
    config.epochs = EPOCHS;
    if (fg_loader_open(&config, &loader, &err) != FG_OK) {
        fprintf(stderr, "consumer: %s\n", err.message);
        return 1;
    }
    result = read_epochs(loader);
    fg_loader_close(loader);
    remove(path);
    return result;
}
