/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking a whole shard: header and footer again, the index, and from one
 * block to the next its stored bytes, its raw bytes, each sample's place, and
 * the zeros that fill it up. Between them these are every byte of the file.
 */
#include <inttypes.h>
#include <string.h>

#include "io/formats/registry.h"
#include "io/formats/shard.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

/* What verifying one shard needs. */
struct verifier {
    struct fgi_shard shard; /* a copy with an index of its own */
    const char *label;      /* its path in messages */
    struct fgi_file file;   /* open, buffered */
    uint8_t *stored;        /* room for the largest block and its padding */
    uint8_t *raw;           /* room for the largest raw block; or NULL */
    void *scratch;          /* of the codec; or NULL */
};

/* The file may have been damaged since it was opened. */
static enum fg_status check_ends(const struct verifier *verifier,
                                 struct fg_error *err)
{
    const struct fgi_fgs *fgs = verifier->shard.private_data;
    struct fgi_header header;
    struct fgi_fgs now = {0};
    enum fg_status status =
        fgi_fgs_read_ends(verifier->file.fd, verifier->label,
                          verifier->file.size_bytes, &header, &now, err);

    if (status == FG_OK &&
        memcmp(&now.footer, &fgs->footer, sizeof(now.footer)) != 0) {
        status = fgi_fail(err, FG_ERR_CHANGED,
                          "%s: got another header or footer than when it was "
                          "opened (likely cause: the file was replaced)",
                          verifier->label);
    }
    return status;
}

static enum fg_status check_padding(const struct verifier *verifier,
                                    const struct fgi_extent *extent,
                                    uint64_t length, struct fg_error *err)
{
    for (uint64_t i = extent->stored_bytes; i < length; i++) {
        if (verifier->stored[i] != 0) {
            return fgi_fail_at(err, FG_ERR_DAMAGED, extent->offset + i,
                               "%s: offset %" PRIu64 ": after block %" PRIu64
                               ": got 0x%02x wanted 0 (likely cause: damaged "
                               "on disk or in transfer)",
                               verifier->label, extent->offset + i,
                               extent->cookie, verifier->stored[i]);
        }
    }
    return FG_OK;
}

static enum fg_status check_samples(const struct verifier *verifier,
                                    const struct fgi_extent *extent,
                                    const uint8_t *raw, struct fg_error *err)
{
    const struct fgi_shard *shard = &verifier->shard;
    struct fgi_sample sample;

    for (uint32_t i = 0; i < extent->count; i++) {
        const uint8_t *expected = NULL;
        enum fg_status status;

        if (i > 0) {
            expected = sample.fields[0] + sample.total_bytes;
        }
        status = shard->ops->locate(shard, extent, raw, i, &sample, err);
        if (status != FG_OK) {
            return status;
        }
        if (expected != NULL && sample.fields[0] != expected) {
            return fgi_fail_at(err, FG_ERR_DAMAGED, extent->offset,
                               "%s: offset %" PRIu64 ": block %" PRIu64
                               ": sample %" PRIu64 ": got a gap before it",
                               verifier->label, extent->offset, extent->cookie,
                               extent->first + i);
        }
    }
    return FG_OK;
}

static enum fg_status check_block(const struct verifier *verifier,
                                  uint64_t block, struct fg_error *err)
{
    const struct fgi_shard *shard = &verifier->shard;
    const uint8_t *raw = verifier->stored;
    struct fgi_extent extent;
    uint64_t length;
    enum fg_status status;

    fgi_fgs_block_extent(shard, block, &extent);
    length = fgi_align_up(extent.stored_bytes, FGI_BLOCK_ALIGN);
    status = fgi_file_read(verifier->file.fd, verifier->label, extent.offset,
                           verifier->stored, length, err);
    if (status == FG_OK) {
        status = shard->ops->check(shard, &extent, verifier->stored, err);
    }
    if (status == FG_OK) {
        status = check_padding(verifier, &extent, length, err);
    }
    if (status == FG_OK && extent.needs_decode) {
        raw = verifier->raw;
        status = shard->ops->decode(shard, &extent, verifier->stored,
                                    verifier->raw, verifier->scratch, err);
    }
    if (status == FG_OK) {
        status = check_samples(verifier, &extent, raw, err);
    }
    return status;
}

static enum fg_status check_blocks(struct verifier *verifier,
                                   struct fg_error *err)
{
    const struct fgi_fgs *fgs = verifier->shard.private_data;
    bool needs_decode = fgs->codec != FGI_CODEC_NONE;
    enum fg_status status = FG_OK;

    verifier->stored = fgi_alloc(
        fgi_align_up(fgs->footer.stored_bytes_max, FGI_BLOCK_ALIGN), 1);
    if (needs_decode) {
        verifier->raw = fgi_alloc(fgs->footer.raw_bytes_max, 1);
        verifier->scratch = fgi_codec_create();
    }
    if (verifier->stored == NULL ||
        (needs_decode &&
         (verifier->raw == NULL || verifier->scratch == NULL))) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "%s: verify: got no memory for a block of %" PRIu64
                        " bytes",
                        verifier->label, fgs->footer.raw_bytes_max);
    }
    for (uint64_t i = 0; status == FG_OK && i < fgs->footer.block_count; i++) {
        status = check_block(verifier, i, err);
    }
    return status;
}

enum fg_status fgi_fgs_verify(const struct fgi_shard *shard,
                              struct fg_error *err)
{
    /* The index is read again: what is checked is the file, not memory. */
    struct fgi_fgs own = *(const struct fgi_fgs *)shard->private_data;
    struct verifier verifier = {
        .shard = *shard,
        .label = fgi_path_label(shard->path),
    };
    enum fg_status status = fgi_shard_reopen(shard, &verifier.file, err);

    if (status != FG_OK) {
        return status;
    }
    own.index = NULL;
    verifier.shard.private_data = &own;
    status = check_ends(&verifier, err);
    if (status == FG_OK) {
        status = fgi_fgs_load_index(&verifier.shard, verifier.file.fd, err);
    }
    if (status == FG_OK) {
        status = check_blocks(&verifier, err);
    }
    if (status == FG_OK) {
        status = fgi_file_check(&verifier.file, verifier.label, err);
    }
    fgi_free(own.index);
    fgi_free(verifier.stored);
    fgi_free(verifier.raw);
    fgi_codec_destroy(verifier.scratch);
    fgi_file_close(&verifier.file);
    return status;
}
