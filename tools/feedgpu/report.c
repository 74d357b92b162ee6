/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics and endings. A command prints results to stdout through stdio;
 * only finish_stdout decides whether they arrived, so that no command can
 * return 0 on a full disk.
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "progress.h"

#define COMPLAINT_BYTES 2048

void complain(const char *format, ...)
{
    char line[COMPLAINT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    /* One line, whatever a file's name or a variable holds. */
    for (char *c = line; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    progress_clear();
    fprintf(stderr, "feedgpu: %s\n", line);
}

int status_of_error(enum fg_status status)
{
    return status == FG_ERR_DAMAGED ? STATUS_DAMAGED : STATUS_FAILED;
}

int complain_error(const struct fg_error *err)
{
    complain("%s", err->message);
    return status_of_error(err->status);
}

/* errno of the first write to stdout that failed, or 0. Main thread. */
static int stdout_errno;

static void note_stdout(bool is_good)
{
    if (!is_good && stdout_errno == 0) {
        stdout_errno = errno != 0 ? errno : EIO;
    }
}

bool put_bytes(const void *bytes, size_t count)
{
    errno = 0;
    note_stdout(fwrite(bytes, 1, count, stdout) == count);
    return stdout_errno == 0;
}

bool put_format(const char *format, ...)
{
    va_list args;
    errno = 0;
    va_start(args, format);
    note_stdout(vprintf(format, args) >= 0);
    va_end(args);
    return stdout_errno == 0;
}

bool flush_stdout(void)
{
    errno = 0;
    note_stdout(fflush(stdout) == 0 && !ferror(stdout));
    return stdout_errno == 0;
}

bool is_stdout_broken(void)
{
    return stdout_errno != 0 || ferror(stdout) != 0;
}

int finish_stdout(int status)
{
    if (flush_stdout() || stdout_errno == EPIPE) {
        return status;
    }
    complain("stdout: write: %s", strerror(stdout_errno));
    return status == STATUS_DONE ? STATUS_FAILED : status;
}

const char *format_count(uint64_t count, char *text)
{
    char digits[COUNT_BYTES];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    int out = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            text[out++] = ',';
        }
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

const char *format_shape(const struct fg_field *field, char *text)
{
    if (field->flags & FG_FIELD_VARIABLE) {
        snprintf(text, SHAPE_BYTES, "up to %" PRIu64, field->shape[0]);
        return text;
    }
    if (field->dims == 0) {
        snprintf(text, SHAPE_BYTES, "scalar");
        return text;
    }
    size_t used = 0;
    for (uint32_t i = 0; i < field->dims && i < FG_FIELD_DIMS_MAX; i++) {
        used += (size_t)snprintf(text + used, SHAPE_BYTES - used, "%s%" PRIu64,
                                 i == 0 ? "[" : ", ", field->shape[i]);
    }
    snprintf(text + used, SHAPE_BYTES - used, "]");
    return text;
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}
