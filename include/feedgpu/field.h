/* SPDX-License-Identifier: Apache-2.0 */
/* Fields: what one sample of a dataset is made of. */
#ifndef FEEDGPU_FIELD_H
#define FEEDGPU_FIELD_H

#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name, value (frozen: it is stored in shards), bytes per element, text */
#define FG_DTYPE_MAP(X)                                                        \
    X(FG_UINT8, 1, 1, "uint8")                                                 \
    X(FG_INT8, 2, 1, "int8")                                                   \
    X(FG_UINT16, 3, 2, "uint16")                                               \
    X(FG_INT16, 4, 2, "int16")                                                 \
    X(FG_UINT32, 5, 4, "uint32")                                               \
    X(FG_INT32, 6, 4, "int32")                                                 \
    X(FG_UINT64, 7, 8, "uint64")                                               \
    X(FG_INT64, 8, 8, "int64")                                                 \
    X(FG_FLOAT16, 9, 2, "float16")                                             \
    X(FG_BFLOAT16, 10, 2, "bfloat16")                                          \
    X(FG_FLOAT32, 11, 4, "float32")                                            \
    X(FG_FLOAT64, 12, 8, "float64")                                            \
    X(FG_BOOL, 13, 1, "bool")

#define FG_DTYPE_ENUM(name, value, bytes, text) name = (value),
enum fg_dtype { FG_DTYPE_MAP(FG_DTYPE_ENUM) };
#undef FG_DTYPE_ENUM

#define FG_FIELD_NAME_BYTES 32
#define FG_FIELD_DIMS_MAX 8
#define FG_FIELDS_MAX 16

/* Flag bits of a field. */
#define FG_FIELD_VARIABLE                                                      \
    1u /* the byte length differs from sample to sample                        \
        */

/*
 * One field. A fixed field's shape is exact and max_bytes is its size. A
 * variable field has dims == 1, shape[0] == the largest element count, and
 * max_bytes the largest size in bytes of any sample.
 */
struct fg_field {
    char name[FG_FIELD_NAME_BYTES];    /* NUL-terminated, not empty */
    enum fg_dtype dtype;               /* element type */
    uint32_t flags;                    /* FG_FIELD_... bits */
    uint32_t dims;                     /* used entries of shape; 0: a scalar */
    uint32_t reserved;                 /* zero */
    uint64_t shape[FG_FIELD_DIMS_MAX]; /* elements per dimension */
    uint64_t max_bytes;                /* room one sample takes in a batch */
};

/* Bytes of one element, 0 for an unknown dtype. Threads: any. */
FG_EXPORT uint32_t fg_dtype_bytes(enum fg_dtype dtype);

/* Text of a dtype ("float32"), "?" for an unknown one. Threads: any. */
FG_EXPORT const char *fg_dtype_name(enum fg_dtype dtype);

/*
 * Find a dtype by its text. On success writes *dtype and returns FG_OK; an
 * unknown text gives FG_ERR_ARGUMENT and a message that lists the known ones.
 * Threads: any. Blocks: never.
 */
FG_EXPORT enum fg_status fg_dtype_parse(const char *text, enum fg_dtype *dtype,
                                        struct fg_error *err);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_FIELD_H */
