/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shard format's bytes, as docs/format.md specifies them: header, footer,
 * index entries and a block's table, to and from C structs. No I/O here.
 */
#ifndef FGI_IO_FORMATS_LAYOUT_H
#define FGI_IO_FORMATS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/formats/format.h"

#define FGI_MAGIC_BYTES 8
#define FGI_HEADER_MAGIC                                                       \
    "\x89"                                                                     \
    "FGS\r\n\x1a\n"
#define FGI_FOOTER_MAGIC                                                       \
    "\x89"                                                                     \
    "FGE\r\n\x1a\n"
#define FGI_SHARD_VERSION 1u
#define FGI_HEADER_BYTES 4096u
#define FGI_FOOTER_BYTES 128u
#define FGI_ENTRY_BYTES 32u
#define FGI_BLOCK_ALIGN 4096u
#define FGI_BLOCK_BYTES_DEFAULT (UINT64_C(1) << 20) /* raw, about */
#define FGI_BLOCK_BYTES_MAX (UINT64_C(0x7fffffff))  /* raw */

/*
 * zstd cannot do better: a frame's smallest block takes 4 bytes and decodes
 * to at most 128 KiB. What claims more is not worth an allocation.
 */
#define FGI_ZSTD_RATIO_MAX UINT64_C(32768)

enum fgi_codec {
    FGI_CODEC_NONE = 0,
    FGI_CODEC_ZSTD = 1,
};

/* What the header says. */
struct fgi_header {
    enum fgi_codec codec;
    uint64_t block_samples;   /* 1 .. UINT32_MAX */
    uint64_t hash;            /* of the header's bytes but this */
    struct fgi_schema schema; /* checked */
};

/* What the footer says. */
struct fgi_footer {
    uint64_t sample_count;     /* at least 1 */
    uint64_t block_count;      /* at least 1 */
    uint64_t raw_bytes;        /* of all samples, without tables */
    uint64_t stored_bytes_max; /* of a block */
    uint64_t raw_bytes_max;    /* of a block, with its table */
    uint64_t index_offset;     /* in the file */
    uint64_t index_bytes;      /* 32 x block_count */
    uint64_t file_bytes;       /* of the whole file */
    uint64_t index_hash;       /* xxh3-64 of the index */
    uint64_t header_hash;      /* as in the header */
};

/* One block, as the index says. */
struct fgi_entry {
    uint64_t offset;       /* in the file, a multiple of 4096 */
    uint64_t stored_bytes; /* in the file */
    uint64_t raw_bytes;    /* once decoded */
    uint64_t hash;         /* xxh3-64 of the stored bytes */
};

/* How the samples of a schema lie in a block. */
struct fgi_shape {
    uint64_t fixed_bytes;      /* of a sample's fixed fields */
    uint64_t sample_bytes_max; /* of a sample with every field at its largest */
    uint32_t variable_count;   /* variable fields; 0: no table */
};

/* Little-endian numbers in memory of any alignment. */
uint32_t fgi_get32(const uint8_t *from);
uint64_t fgi_get64(const uint8_t *from);
void fgi_put32(uint8_t *to, uint32_t value);
void fgi_put64(uint8_t *to, uint64_t value);

/*
 * Check a schema as field.h and docs/format.md demand, and derive its layout.
 * Errors: ARGUMENT with the field and what is wrong.
 */
enum fg_status fgi_schema_shape(const struct fgi_schema *schema,
                                struct fgi_shape *shape, struct fg_error *err);

/* Bytes of the table in front of a block's samples; 0 without one. */
uint64_t fgi_table_bytes(const struct fgi_shape *shape, uint64_t samples);

/* Samples of a fixed size per block, unless the user says otherwise. */
uint64_t fgi_block_samples_default(uint64_t sample_bytes);

/* Write the header's FGI_HEADER_BYTES; sets header->hash. */
void fgi_header_encode(struct fgi_header *header, uint8_t *to);

/*
 * Read and check a header. Errors: DAMAGED, UNSUPPORTED (another version);
 * ARGUMENT when the magic is another file's. The caller prefixes the file.
 */
enum fg_status fgi_header_decode(const uint8_t *from, struct fgi_header *header,
                                 struct fg_error *err);

/* Write the footer's FGI_FOOTER_BYTES. */
void fgi_footer_encode(const struct fgi_footer *footer, uint8_t *to);

/*
 * Read a footer, and check it against the header and the file's size.
 * Errors: DAMAGED, UNSUPPORTED. The caller prefixes the file.
 */
enum fg_status fgi_footer_decode(const uint8_t *from,
                                 const struct fgi_header *header,
                                 const struct fgi_shape *shape,
                                 uint64_t file_bytes, struct fgi_footer *footer,
                                 struct fg_error *err);

void fgi_entry_encode(const struct fgi_entry *entry, uint8_t *to);
void fgi_entry_decode(const uint8_t *from, struct fgi_entry *entry);

#endif /* FGI_IO_FORMATS_LAYOUT_H */
