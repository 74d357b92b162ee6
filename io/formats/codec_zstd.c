/* SPDX-License-Identifier: Apache-2.0 */
#include "io/formats/codec_zstd.h"

#include <inttypes.h>
#include <zstd.h>

#include "io/formats/format.h"
#include "runtime/base/error.h"

void *fgi_codec_create(void)
{
    return ZSTD_createDCtx();
}

void fgi_codec_destroy(void *scratch)
{
    ZSTD_freeDCtx(scratch);
}

void *fgi_zstd_encoder_create(int level)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();

    if (context != NULL && (ZSTD_isError(ZSTD_CCtx_setParameter(
                                context, ZSTD_c_compressionLevel, level)) ||
                            ZSTD_isError(ZSTD_CCtx_setParameter(
                                context, ZSTD_c_contentSizeFlag, 1)) ||
                            ZSTD_isError(ZSTD_CCtx_setParameter(
                                context, ZSTD_c_checksumFlag, 0)))) {
        ZSTD_freeCCtx(context);
        return NULL;
    }
    return context;
}

void fgi_zstd_encoder_destroy(void *encoder)
{
    ZSTD_freeCCtx(encoder);
}

uint64_t fgi_zstd_bound(uint64_t raw_bytes)
{
    return ZSTD_compressBound(raw_bytes);
}

enum fg_status fgi_zstd_encode(void *encoder, const void *raw,
                               uint64_t raw_bytes, void *out,
                               uint64_t room_bytes, uint64_t *stored_bytes,
                               struct fg_error *err)
{
    size_t result = ZSTD_compress2(encoder, out, room_bytes, raw, raw_bytes);

    if (ZSTD_isError(result)) {
        return fgi_fail(err, FG_ERR_SYSTEM, "compress: %s",
                        ZSTD_getErrorName(result));
    }
    *stored_bytes = result;
    return FG_OK;
}

enum fg_status fgi_zstd_decode(void *scratch, const void *stored,
                               uint64_t stored_bytes, void *out,
                               uint64_t raw_bytes, struct fg_error *err)
{
    unsigned long long states = ZSTD_getFrameContentSize(stored, stored_bytes);
    size_t result;

    if (states == ZSTD_CONTENTSIZE_ERROR ||
        states == ZSTD_CONTENTSIZE_UNKNOWN || states != raw_bytes) {
        return fgi_fail(err, FG_ERR_DAMAGED,
                        "decompress: got no zstd frame of %" PRIu64 " bytes",
                        raw_bytes);
    }
    result = ZSTD_decompressDCtx(scratch, out, raw_bytes, stored, stored_bytes);
    if (ZSTD_isError(result)) {
        return fgi_fail(err, FG_ERR_DAMAGED, "decompress: %s",
                        ZSTD_getErrorName(result));
    }
    if (result != raw_bytes) {
        return fgi_fail(err, FG_ERR_DAMAGED,
                        "decompress: got %zu wanted %" PRIu64 " bytes", result,
                        raw_bytes);
    }
    return FG_OK;
}
