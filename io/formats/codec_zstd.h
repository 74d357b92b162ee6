/* SPDX-License-Identifier: Apache-2.0 */
/* One zstd frame in, one out. The only door to libzstd. */
#ifndef FGI_IO_FORMATS_CODEC_ZSTD_H
#define FGI_IO_FORMATS_CODEC_ZSTD_H

#include <stdint.h>

#include <feedgpu/error.h>

#define FGI_ZSTD_LEVEL_MAX 19

/* A compressing context for that level, or NULL. */
void *fgi_zstd_encoder_create(int level);
void fgi_zstd_encoder_destroy(void *encoder);

/* Most bytes a frame of raw_bytes can take. */
uint64_t fgi_zstd_bound(uint64_t raw_bytes);

/*
 * Compress to one frame with its content size and without a checksum.
 * `room_bytes` is at least fgi_zstd_bound. Errors: SYSTEM with zstd's text.
 */
enum fg_status fgi_zstd_encode(void *encoder, const void *raw,
                               uint64_t raw_bytes, void *out,
                               uint64_t room_bytes, uint64_t *stored_bytes,
                               struct fg_error *err);

/*
 * Decompress a frame that must give exactly raw_bytes. `scratch` comes from
 * fgi_codec_create. Errors: DAMAGED; the caller prefixes the place.
 */
enum fg_status fgi_zstd_decode(void *scratch, const void *stored,
                               uint64_t stored_bytes, void *out,
                               uint64_t raw_bytes, struct fg_error *err);

#endif /* FGI_IO_FORMATS_CODEC_ZSTD_H */
