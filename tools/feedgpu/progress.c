/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress line is redrawn five times a second over itself and erased at
 * the end, so that a terminal's log keeps only results.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "report.h"
#include "size.h"

#define QUIET_NS UINT64_C(1000000000) /* shorter work shows nothing */
#define REDRAW_NS UINT64_C(200000000)

static atomic_bool is_line_shown;

void progress_start(struct progress *progress, const char *verb,
                    uint64_t total_bytes)
{
    progress->verb = verb;
    progress->total_bytes = total_bytes;
    progress->start_ns = now_ns();
    progress->next_ns = progress->start_ns + QUIET_NS;
    progress->is_wanted = isatty(STDERR_FILENO) == 1;
}

static void draw(const struct progress *progress, uint64_t now,
                 uint64_t done_bytes)
{
    double seconds = (double)(now - progress->start_ns) * 1e-9;
    double rate = (double)done_bytes / seconds;
    char done[SIZE_TEXT_BYTES];
    char total[SIZE_TEXT_BYTES];
    char speed[SIZE_TEXT_BYTES];
    size_format(done_bytes, done);
    amount_format(rate, speed);
    if (progress->total_bytes == 0 || rate < 1.0) {
        fprintf(stderr, "\r\033[K%s: %s, %s/s", progress->verb, done, speed);
    } else {
        uint64_t left_bytes = progress->total_bytes > done_bytes
                                  ? progress->total_bytes - done_bytes
                                  : 0;
        uint64_t left_s = (uint64_t)((double)left_bytes / rate + 0.5);
        fprintf(stderr,
                "\r\033[K%s: %s of %s, %s/s, %" PRIu64 ":%02" PRIu64 " left",
                progress->verb, done, size_format(progress->total_bytes, total),
                speed, left_s / 60, left_s % 60);
    }
    fflush(stderr);
    atomic_store(&is_line_shown, true);
}

void progress_update(struct progress *progress, uint64_t now,
                     uint64_t done_bytes)
{
    if (now < progress->next_ns || !progress->is_wanted) {
        return;
    }
    progress->next_ns = now + REDRAW_NS;
    draw(progress, now, done_bytes);
}

void progress_say(const char *format, ...)
{
    va_list args;
    if (isatty(STDERR_FILENO) != 1) {
        return;
    }
    fputs("\r\033[K", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    atomic_store(&is_line_shown, true);
}

void progress_clear(void)
{
    if (atomic_exchange(&is_line_shown, false)) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
