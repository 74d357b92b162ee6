/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes and the error value that every fallible function fills.
 *
 * One X-macro makes the enum, the names and the texts, so that they cannot
 * drift apart. The numbers are frozen: new codes are only appended.
 */
#ifndef FEEDGPU_ERROR_H
#define FEEDGPU_ERROR_H

#include <stdint.h>

#include <feedgpu/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name, value, text */
#define FG_STATUS_MAP(X)                                                       \
    X(FG_OK, 0, "done")                                                        \
    X(FG_END, 1, "no more batches")                                            \
    X(FG_ERR_ARGUMENT, -1, "bad argument")                                     \
    X(FG_ERR_MEMORY, -2, "out of memory")                                      \
    X(FG_ERR_SYSTEM, -3, "system call failed")                                 \
    X(FG_ERR_NOT_FOUND, -4, "not found")                                       \
    X(FG_ERR_PERMISSION, -5, "permission denied")                              \
    X(FG_ERR_DAMAGED, -6, "damaged data")                                      \
    X(FG_ERR_UNSUPPORTED, -7, "not supported here")                            \
    X(FG_ERR_DEVICE, -8, "device failed")                                      \
    X(FG_ERR_CANCELLED, -9, "cancelled")                                       \
    X(FG_ERR_CHANGED, -10, "file changed while open")                          \
    X(FG_ERR_EXISTS, -11, "already exists")                                    \
    X(FG_ERR_NO_SPACE, -12, "no space left")                                   \
    X(FG_ERR_STATE, -13, "call not allowed in this state")                     \
    X(FG_ERR_READ, -14, "read failed")

#define FG_STATUS_ENUM(name, value, text) name = (value),
enum fg_status { FG_STATUS_MAP(FG_STATUS_ENUM) };
#undef FG_STATUS_ENUM

#define FG_ERROR_MESSAGE_BYTES 256

/*
 * An error in full. The storage is the caller's; every function accepts NULL
 * for it. It is written only on failure.
 *
 * The message reads "object: place: action: got ... wanted ... [: errno text]
 * [(likely cause: ...)]" and never ends in a newline.
 */
struct fg_error {
    enum fg_status status;                /* the same as the return value */
    int sys_errno;                        /* errno behind it, or 0 */
    uint64_t offset;                      /* byte in the file, or UINT64_MAX */
    char message[FG_ERROR_MESSAGE_BYTES]; /* NUL-terminated, one line */
};

/*
 * Return the identifier of a status ("FG_ERR_READ"); "FG_ERR_?" if unknown.
 * Threads: any. Blocks: never. The string is static.
 */
FG_EXPORT const char *fg_status_name(enum fg_status status);

/*
 * Return the meaning of a status ("read failed"); "unknown status" if unknown.
 * Threads: any. Blocks: never. The string is static.
 */
FG_EXPORT const char *fg_status_text(enum fg_status status);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_ERROR_H */
