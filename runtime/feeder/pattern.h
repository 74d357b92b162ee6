/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a file is read, from the reads that the shim tells of: those that do
 * not begin where the last one ended, and those that enter another block.
 * Pure: no clock, no I/O.
 *
 * Several readers may be at work in one file. Each place where one reads is a
 * stream: a read belongs to the stream that expected it; one that nobody
 * expected is a jump and begins a stream. Steps of one length between jumps of
 * one reader make a strided stream. A file with many jumps is random.
 */
#ifndef FGI_FEEDER_PATTERN_H
#define FGI_FEEDER_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#define FGI_STREAMS 6u
#define FGI_WINDOW_BYTES_MIN (UINT64_C(2) << 20)
#define FGI_WINDOW_BYTES_OPEN (UINT64_C(4) << 20)
#define FGI_WINDOW_BYTES_MAX (UINT64_C(64) << 20)

enum fgi_pattern_kind {
    FGI_PATTERN_UNKNOWN = 0,
    FGI_PATTERN_SEQUENTIAL,
    FGI_PATTERN_STRIDED,
    FGI_PATTERN_WHOLE, /* random, in a file that is loaded whole */
    FGI_PATTERN_RANDOM,
};

/* A read, as told. */
struct fgi_feed_read {
    uint64_t offset;
    uint64_t bytes;
    uint64_t reader; /* who: process and descriptor */
    uint64_t now_ns;
};

struct fgi_stream {
    uint64_t reader;       /* who began it */
    uint64_t last_offset;  /* of the last read */
    uint64_t next_offset;  /* its end */
    uint64_t stride_bytes; /* from read to read, forward; 0: none yet */
    uint64_t window_bytes; /* to have read ahead; 0: nothing yet */
    uint64_t ahead;        /* sequential: block; strided: offset: from here on
                              nothing was asked for yet; the planner's, or
                              of a file that is only warmed, the watcher's */
    uint64_t used_ns;      /* when it was last read; 0: free */
    uint32_t run;          /* reads in a row as expected */
    uint8_t kind;          /* UNKNOWN, SEQUENTIAL or STRIDED */
};

struct fgi_pattern {
    struct fgi_stream streams[FGI_STREAMS];
    uint64_t whole_ahead; /* WHOLE: next block to ask for; the planner's */
    uint64_t history;     /* a bit per read, last in bit 0: it was a jump */
    uint64_t reads;       /* seen */
    uint8_t kind;         /* of the file: enum fgi_pattern_kind */
    uint8_t turn;         /* stream that is next; the planner's */
};

/* Begin: the file was opened, or is expected to be: most read from its start.
 * Returns that stream, or NULL when the file is known as random. */
struct fgi_stream *fgi_pattern_start(struct fgi_pattern *pattern,
                                     uint64_t now_ns);

/* Have more ready of a file that is only expected: not less than `bytes` from
 * its start. False: it was begun, or has that already. */
bool fgi_pattern_widen(struct fgi_pattern *pattern, uint64_t bytes,
                       uint64_t now_ns);

/* Take note of a read. Returns the stream it belongs to. */
struct fgi_stream *fgi_pattern_read(struct fgi_pattern *pattern,
                                    const struct fgi_feed_read *read);

/* The sequential stream whose last read began there, or NULL. */
struct fgi_stream *fgi_pattern_last(struct fgi_pattern *pattern,
                                    uint64_t offset);

/* "sequential", "strided", "whole", "random" or "". */
const char *fgi_pattern_name(enum fgi_pattern_kind kind);

#endif /* FGI_FEEDER_PATTERN_H */
