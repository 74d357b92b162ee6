/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzing the shard reader: header, footer, index, tables and frames.
 *
 * The input is a shard file. It is read as it is, which a hash mostly ends at
 * once, and again with all hashes made right, so that the checks behind them
 * are reached. Fields that a random file never gets right (sizes that must
 * equal the file's) are made right too.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/shard_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void probe_bytes(const uint8_t *data, size_t bytes)
{
    struct fg_error err;
    char path[32];
    int fd = memfd_create("shard", MFD_CLOEXEC);

    probe_require(fd >= 0, "memfd_create failed");
    probe_require(write(fd, data, bytes) == (ssize_t)bytes, "write failed");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (probe_shard(path, true, &err) != FG_OK) {
        probe_require(err.status != FG_OK && err.message[0] != '\0',
                      "a refusal without a reason");
    }
    close(fd);
}

/* Make right what only the file's own size decides. */
static void fit_footer(uint8_t *data, size_t bytes)
{
    uint8_t *foot = data + bytes - FGI_FOOTER_BYTES;
    uint64_t blocks = fgi_get64(foot + 8) % 64;

    fgi_put32(data + 8, FGI_SHARD_VERSION);
    fgi_put32(data + 12, FGI_HEADER_BYTES);
    fgi_put32(foot + 104, FGI_SHARD_VERSION);
    fgi_put32(foot + 108, FGI_FOOTER_BYTES);
    fgi_put64(foot + 8, blocks);
    fgi_put64(foot + 40, bytes - FGI_FOOTER_BYTES - blocks * FGI_ENTRY_BYTES);
    fgi_put64(foot + 48, blocks * FGI_ENTRY_BYTES);
    fgi_put64(foot + 56, bytes);
    memset(foot + 80, 0, 24);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *copy;

    probe_bytes(data, bytes);
    if (bytes < FGI_HEADER_BYTES + FGI_FOOTER_BYTES) {
        return 0;
    }
    copy = malloc(bytes);
    probe_require(copy != NULL, "out of memory");
    memcpy(copy, data, bytes);
    probe_reseal(copy, bytes);
    probe_bytes(copy, bytes);
    fit_footer(copy, bytes);
    probe_reseal(copy, bytes);
    probe_bytes(copy, bytes);
    free(copy);
    return 0;
}
