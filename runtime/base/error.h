/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling struct fg_error. An error is worded once, where it is decided;
 * callers only prefix what they know: the shard, the option.
 */
#ifndef FGI_BASE_ERROR_H
#define FGI_BASE_ERROR_H

#include <stdint.h>

#include <feedgpu/error.h>

#define FGI_NO_OFFSET UINT64_MAX

/*
 * Fill *err (NULL allowed) and return `status`, so that a failing function
 * ends in "return fgi_fail(err, FG_ERR_..., ...)". A message that does not
 * fit ends in "...".
 */
enum fg_status fgi_fail(struct fg_error *err, enum fg_status status,
                        const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failure at a byte of a file. */
enum fg_status fgi_fail_at(struct fg_error *err, enum fg_status status,
                           uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * The same for a failed system call: derives the status from `sys_errno`
 * (fgi_status_of_errno) and appends ": <errno text>".
 */
enum fg_status fgi_fail_errno(struct fg_error *err, int sys_errno,
                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "text: " in front of the message. Does nothing when err is NULL. */
void fgi_prefix(struct fg_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Append " (likely cause: text)". Does nothing when err is NULL. */
void fgi_likely(struct fg_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ENOENT is NOT_FOUND, EACCES and EPERM are PERMISSION, and so on. */
enum fg_status fgi_status_of_errno(int sys_errno);

/* Copy *from to *to; either may be NULL. Returns from's status. */
enum fg_status fgi_error_copy(struct fg_error *to, const struct fg_error *from);

#if defined(__clang_analyzer__)
/* The analyser sees one file at a time: tell it what these return. */
#define fgi_fail(err, status, ...)                                             \
    ((void)fgi_fail(err, status, __VA_ARGS__), (status))
#define fgi_fail_at(err, status, offset, ...)                                  \
    ((void)fgi_fail_at(err, status, offset, __VA_ARGS__), (status))
#define fgi_fail_errno(err, sys_errno, ...)                                    \
    ((void)fgi_fail_errno(err, sys_errno, __VA_ARGS__), FG_ERR_SYSTEM)
#endif

#endif /* FGI_BASE_ERROR_H */
