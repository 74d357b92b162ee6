/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command says and how it ends: diagnostics on stderr with the
 * tool's name in front, the exit status, and a check that what was written to
 * stdout really arrived.
 */
#ifndef TOOL_REPORT_H
#define TOOL_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/field.h>

enum exit_status {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_DAMAGED = 3,
    STATUS_SIGNAL = 128, /* plus the signal's number */
};

/* Print "feedgpu: ", the text and a newline to stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print an error's message the same way; returns its exit status. */
int complain_error(const struct fg_error *err);

/* Exit status of a failure that has this status. */
int status_of_error(enum fg_status status);

/*
 * Write to stdout, or flush it. False once a write has failed: the disk is
 * full or whoever reads has left. finish_stdout then says why.
 */
bool put_bytes(const void *bytes, size_t count);
bool put_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool flush_stdout(void);

/* True once a write to stdout has failed. */
bool is_stdout_broken(void);

/*
 * Flush stdout. Returns `status`, or STATUS_FAILED after a complaint when the
 * output could not be written. A reader that went away is not an error.
 */
int finish_stdout(int status);

/* Text of a count with separators: "1,234,567". `text` has COUNT_BYTES. */
#define COUNT_BYTES 32
const char *format_count(uint64_t count, char *text);

/* Shape of a field: "[224, 224, 3]", "scalar", "up to 512". */
#define SHAPE_BYTES 192
const char *format_shape(const struct fg_field *field, char *text);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* The part of a path after the last slash. */
const char *base_name(const char *path);

#endif /* TOOL_REPORT_H */
