/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poking at shards that may be damaged or made to deceive. No cmocka here:
 * the fuzzer uses it too.
 */
#ifndef TESTS_SHARD_PROBE_H
#define TESTS_SHARD_PROBE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "io/file.h"
#include "io/formats/format.h"
#include "io/formats/layout.h"

/* Decoded bytes past this are not worth a fuzzer's time. */
#define PROBE_RAW_BYTES_MAX (UINT64_C(1) << 24)

static inline void probe_require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "probe: %s\n", what);
        abort();
    }
}

/* Make all hashes of a shard right again, as somebody with bad intent can. */
static inline void probe_reseal(uint8_t *data, size_t bytes)
{
    uint8_t *foot = data + bytes - FGI_FOOTER_BYTES;
    uint64_t index_offset;
    uint64_t index_bytes;

    if (bytes < FGI_HEADER_BYTES + FGI_FOOTER_BYTES) {
        return;
    }
    memcpy(data, FGI_HEADER_MAGIC, FGI_MAGIC_BYTES);
    fgi_put64(data + 4088, XXH3_64bits(data, 4088));
    fgi_put64(foot + 72, fgi_get64(data + 4088));
    index_offset = fgi_get64(foot + 40);
    index_bytes = fgi_get64(foot + 48);
    if (index_offset <= bytes && index_bytes <= bytes - index_offset) {
        for (uint64_t at = 0; at + FGI_ENTRY_BYTES <= index_bytes;
             at += FGI_ENTRY_BYTES) {
            uint8_t *entry = data + index_offset + at;
            uint64_t offset = fgi_get64(entry);
            uint64_t stored = fgi_get64(entry + 8);

            if (offset <= bytes && stored <= bytes - offset) {
                fgi_put64(entry + 24, XXH3_64bits(data + offset, stored));
            }
        }
        fgi_put64(foot + 64, XXH3_64bits(data + index_offset, index_bytes));
    }
    fgi_put64(foot + 112, XXH3_64bits(foot, 112));
    memcpy(foot + 120, FGI_FOOTER_MAGIC, FGI_MAGIC_BYTES);
}

/* Every sample of a decoded block lies in it, or is refused. */
static inline void probe_samples(const struct fgi_shard *shard,
                                 const struct fgi_extent *extent,
                                 const uint8_t *raw)
{
    volatile uint8_t sink = 0;

    for (uint32_t i = 0; i < extent->count && i < 4096; i++) {
        struct fgi_sample sample;
        uint64_t total = 0;

        if (shard->ops->locate(shard, extent, raw, i, &sample, NULL) != FG_OK) {
            continue;
        }
        for (uint32_t f = 0; f < shard->schema->count; f++) {
            probe_require(sample.fields[f] >= raw &&
                              sample.fields[f] + sample.lengths[f] <=
                                  raw + extent->raw_bytes,
                          "a sample reaches out of its block");
            total += sample.lengths[f];
            if (sample.lengths[f] > 0) {
                sink ^= sample.fields[f][0];
                sink ^= sample.fields[f][sample.lengths[f] - 1];
            }
        }
        probe_require(total == sample.total_bytes, "lengths do not add up");
    }
    (void)sink;
}

/* Read and decode a block without believing its checksum. */
static inline void probe_block(const struct fgi_shard *shard,
                               const struct fgi_extent *extent, int fd)
{
    uint8_t *stored = malloc(extent->stored_bytes);
    uint8_t *raw = malloc(extent->raw_bytes);
    void *scratch = fgi_codec_create();

    probe_require(extent->stored_bytes <= shard->extent_bytes_max &&
                      extent->raw_bytes <= shard->raw_bytes_max,
                  "a block larger than the largest");
    if (stored != NULL && raw != NULL && scratch != NULL &&
        fgi_file_read(fd, "probe", extent->offset, stored, extent->stored_bytes,
                      NULL) == FG_OK) {
        if (!extent->needs_decode) {
            probe_samples(shard, extent, stored);
        } else if (shard->ops->decode(shard, extent, stored, raw, scratch,
                                      NULL) == FG_OK) {
            probe_samples(shard, extent, raw);
        }
    }
    fgi_codec_destroy(scratch);
    free(stored);
    free(raw);
}

/*
 * Open a shard, read all of it without checksums, then verify it. Returns the
 * first status that is not FG_OK, of open or verify; *err says why.
 */
static inline enum fg_status probe_shard(const char *path, bool is_reading,
                                         struct fg_error *err)
{
    const struct fg_dataset_config config = {
        .struct_size = sizeof(config),
        .format = "shard",
        .dtype = FG_UINT8,
    };
    struct fgi_shard shard;
    struct fgi_extent extent;
    struct fgi_file file;
    enum fg_status status = fgi_shard_open(path, &config, &shard, err);

    if (status != FG_OK) {
        return status;
    }
    if (is_reading && shard.raw_bytes_max <= PROBE_RAW_BYTES_MAX &&
        fgi_file_open(path, FGI_DIRECT_OFF, &file, NULL) == FG_OK) {
        for (uint64_t i = 0; i < shard.sample_count; i += extent.count) {
            if (shard.ops->extent(&shard, i, 1, &extent, NULL) != FG_OK) {
                break;
            }
            probe_block(&shard, &extent, file.fd);
        }
        fgi_file_close(&file);
    }
    if (shard.raw_bytes_max <= PROBE_RAW_BYTES_MAX) {
        status = shard.ops->verify(&shard, err);
    }
    fgi_shard_close(&shard);
    return status;
}

#endif /* TESTS_SHARD_PROBE_H */
