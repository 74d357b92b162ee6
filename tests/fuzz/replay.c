/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files named on the command line, for builds
 * without libFuzzer: the seed corpus, and what once broke something.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define INPUT_BYTES_MAX (1u << 20)

static int replay(const char *path, uint8_t *data)
{
    FILE *file = fopen(path, "rb");
    size_t bytes;

    if (file == NULL) {
        perror(path);
        return 1;
    }
    bytes = fread(data, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, bytes);
    /* Every input stands for its prefixes and a few of its neighbours too. */
    for (size_t length = bytes; length > 0; length -= length / 8 + 1) {
        LLVMFuzzerTestOneInput(data, length);
    }
    for (size_t at = 0; at < bytes; at += 1 + bytes / 97) {
        data[at] ^= 0x81;
        LLVMFuzzerTestOneInput(data, bytes);
        data[at] ^= 0x81;
    }
    return 0;
}

int main(int argc, char **argv)
{
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    int failed = argc < 2 || data == NULL;

    for (int i = 1; data != NULL && i < argc; i++) {
        failed |= replay(argv[i], data);
    }
    free(data);
    printf("%d inputs replayed\n", argc - 1);
    return failed;
}
