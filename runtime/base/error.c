/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Here they are defined, not called (see the end of error.h). */
#undef fgi_fail
#undef fgi_fail_at
#undef fgi_fail_errno

#define STATUS_NAME(name, value, text)                                         \
    case name:                                                                 \
        return #name;
#define STATUS_TEXT(name, value, text)                                         \
    case name:                                                                 \
        return text;

const char *fg_status_name(enum fg_status status)
{
    switch (status) {
        FG_STATUS_MAP(STATUS_NAME)
    }
    return "FG_ERR_?";
}

const char *fg_status_text(enum fg_status status)
{
    switch (status) {
        FG_STATUS_MAP(STATUS_TEXT)
    }
    return "unknown status";
}

/* Mark a text that was cut short, so that nobody takes it for the whole. */
static void mark_cut(char *text)
{
    memcpy(text + FG_ERROR_MESSAGE_BYTES - 4, "...", 4);
}

/*
 * File names and shard headers are part of messages: what they hold must not
 * break the line or reach a terminal as a command.
 */
static void defuse(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\r' || *at == '\t') {
            *at = ' ';
        } else if (*at < 0x20 || *at == 0x7f) {
            *at = '?';
        }
    }
}

__attribute__((format(printf, 2, 0))) static void
word(struct fg_error *err, const char *format, va_list args)
{
    int length = vsnprintf(err->message, sizeof(err->message), format, args);

    if (length >= (int)sizeof(err->message)) {
        mark_cut(err->message);
    }
    defuse(err->message);
}

/* Append to the message, cutting at the end of its room. */
static void append(struct fg_error *err, const char *text)
{
    size_t used = strlen(err->message);
    size_t more = strlen(text);

    if (used + more < sizeof(err->message)) {
        memcpy(err->message + used, text, more + 1);
        return;
    }
    memcpy(err->message + used, text, sizeof(err->message) - used);
    mark_cut(err->message);
}

static void begin(struct fg_error *err, enum fg_status status, int sys_errno,
                  uint64_t offset)
{
    err->status = status;
    err->sys_errno = sys_errno;
    err->offset = offset;
}

enum fg_status fgi_fail(struct fg_error *err, enum fg_status status,
                        const char *format, ...)
{
    if (err != NULL) {
        va_list args;

        begin(err, status, 0, FGI_NO_OFFSET);
        va_start(args, format);
        word(err, format, args);
        va_end(args);
    }
    return status;
}

enum fg_status fgi_fail_at(struct fg_error *err, enum fg_status status,
                           uint64_t offset, const char *format, ...)
{
    if (err != NULL) {
        va_list args;

        begin(err, status, 0, offset);
        va_start(args, format);
        word(err, format, args);
        va_end(args);
    }
    return status;
}

enum fg_status fgi_status_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
    case ENOTDIR:
        return FG_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return FG_ERR_PERMISSION;
    case ENOMEM:
        return FG_ERR_MEMORY;
    case ENOSPC:
    case EDQUOT:
        return FG_ERR_NO_SPACE;
    case EEXIST:
        return FG_ERR_EXISTS;
    case ENOSYS:
    case EOPNOTSUPP:
        return FG_ERR_UNSUPPORTED;
    default:
        return FG_ERR_SYSTEM;
    }
}

enum fg_status fgi_fail_errno(struct fg_error *err, int sys_errno,
                              const char *format, ...)
{
    enum fg_status status = fgi_status_of_errno(sys_errno);

    if (err != NULL) {
        char text[96];
        va_list args;

        begin(err, status, sys_errno, FGI_NO_OFFSET);
        va_start(args, format);
        word(err, format, args);
        va_end(args);
        append(err, ": ");
        append(err, strerror_r(sys_errno, text, sizeof(text)));
    }
    return status;
}

void fgi_prefix(struct fg_error *err, const char *format, ...)
{
    char text[FG_ERROR_MESSAGE_BYTES];
    va_list args;
    size_t before;
    size_t kept;
    int length;

    if (err == NULL) {
        return;
    }
    va_start(args, format);
    length = vsnprintf(text, sizeof(text) - 2, format, args);
    va_end(args);
    defuse(text);
    before = strlen(text);
    memcpy(text + before, ": ", 3);
    before += 2;
    kept = strlen(err->message);
    if (before + kept >= sizeof(err->message) || length + 2 > (int)before) {
        kept = sizeof(err->message) - 1 - before;
        memmove(err->message + before, err->message, kept);
        memcpy(err->message, text, before);
        mark_cut(err->message);
        return;
    }
    memmove(err->message + before, err->message, kept + 1);
    memcpy(err->message, text, before);
}

void fgi_likely(struct fg_error *err, const char *format, ...)
{
    char text[FG_ERROR_MESSAGE_BYTES];
    va_list args;

    if (err == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    defuse(text);
    append(err, " (likely cause: ");
    append(err, text);
    append(err, ")");
}

enum fg_status fgi_error_copy(struct fg_error *to, const struct fg_error *from)
{
    if (from == NULL) {
        return FG_OK;
    }
    if (to != NULL && to != from) {
        *to = *from;
    }
    return from->status;
}
