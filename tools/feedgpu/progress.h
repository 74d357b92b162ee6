/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress line: bytes, rate and time left, on stderr, only when stderr is
 * a terminal and the work takes more than a second. There is one line, so
 * there is one progress at a time; it belongs to the main thread.
 */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *verb;     /* "packing", static */
    uint64_t total_bytes; /* 0: not known */
    uint64_t start_ns;    /* when the work began */
    uint64_t next_ns;     /* earliest time of the next redraw */
    bool is_wanted;       /* stderr is a terminal */
};

void progress_start(struct progress *progress, const char *verb,
                    uint64_t total_bytes);

/* Redraw if it is time to. Cheap: a comparison when it is not. */
void progress_update(struct progress *progress, uint64_t now,
                     uint64_t done_bytes);

/* Show words at once instead, where stderr is a terminal. */
void progress_say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Remove the line, before anything else is written to the terminal. */
void progress_clear(void);

#endif /* TOOL_PROGRESS_H */
