/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader's engine: reads in, completed reads out.
 *
 *     submit ──▶ queued ──▶ in flight ──▶ done ──▶ wait
 *                  ▲            │
 *                  └── EAGAIN, EINTR, short: the rest again
 *
 * One vtable, four makers: uring (io_uring), pread (a pool of threads), null
 * (a pattern without I/O, to measure everything else) and fault (a decorator
 * that spoils the n-th read of the engine below it). They are equal: one
 * conformance suite (tests/conformance/test_engine.c) passes on all.
 *
 * The contract
 * - The thread that creates an engine owns it: submit, wait and destroy are
 *   called by that thread alone; wake by any.
 * - A read is the caller's storage and the engine's business from submit until
 *   wait hands it back. Its buffer too.
 * - Every submitted read comes back exactly once, in any order.
 * - A read is done when `done_bytes >= wanted_bytes` (then error is 0), or
 *   when it cannot get there (then error is a positive errno, or
 *   FGI_READ_EOF). Retries are the engine's business and are counted.
 * - destroy waits for every read in flight before it returns: neither
 *   io_uring_queue_exit nor cancelling does that for O_DIRECT reads.
 */
#ifndef FGI_IO_ENGINE_H
#define FGI_IO_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>

/* `error` of a read that met the end of the file before wanted_bytes. */
#define FGI_READ_EOF (-1)

/*
 * One read. The caller fills the first part; under O_DIRECT offset, length and
 * buffer are aligned to what struct fgi_file says. [wanted_bytes, length_bytes)
 * may lie beyond the end of the file.
 */
struct fgi_read {
    int fd;                /* open file */
    uint32_t length_bytes; /* room in buffer, 1 .. 2^30 */
    uint32_t wanted_bytes; /* must arrive, 1 .. length_bytes */
    uint32_t align_bytes;  /* O_DIRECT offset alignment, 1 when buffered */
    uint64_t offset;       /* in the file */
    void *buffer;          /* borrowed until the read is handed back */
    void *owner;           /* the caller's; not looked at */
    bool is_spread;        /* no I/O, just copies: let several threads share
                              them, if the engine would do them all in one */

    /* Filled by the engine. */
    int error;            /* 0, a positive errno, or FGI_READ_EOF */
    uint32_t done_bytes;  /* arrived; may exceed wanted_bytes */
    uint64_t submit_ns;   /* when submit was called */
    uint64_t complete_ns; /* when the engine saw its end */

    /* The engine's own. */
    uint32_t attempts;     /* resubmissions without progress */
    uint32_t buffer_index; /* registered region, or UINT32_MAX */
    struct fgi_read *next; /* in the engine's lists */
};

/* Memory that reads will go to, offered for registration. */
struct fgi_region {
    void *base;
    size_t bytes;
};

struct fgi_engine_config {
    uint32_t depth;                   /* most reads in flight, 1 .. 4096 */
    uint32_t threads;                 /* pread: pool size, 0: 16 */
    int node;                         /* NUMA node for its own threads, or -1 */
    uint32_t region_count;            /* entries of regions */
    const struct fgi_region *regions; /* borrowed until destroy */
};

/* What an engine is and did. Strings are the engine's. */
struct fgi_engine_report {
    const char *name;   /* "uring", "pread", "null", "fault" */
    char note[128];     /* flags used, registered or why not; one line */
    bool is_registered; /* regions are registered */
    uint64_t reads;     /* submitted */
    uint64_t retries;   /* EAGAIN, EINTR, short: asked again */
};

struct fgi_engine;

struct fgi_engine_ops {
    const char *name;
    /*
     * Take a read. Never fails, never blocks for long; the caller keeps at
     * most `depth` reads between submit and wait. May start it at once or at
     * the next wait.
     */
    void (*submit)(struct fgi_engine *engine, struct fgi_read *read);
    /*
     * Start what is queued, block until at least one read is done, the
     * deadline (CLOCK_MONOTONIC, 0: do not block, FGI_NEVER: none) passes or
     * wake is called, and hand back up to `room` reads. Returns how many, 0
     * included.
     */
    size_t (*wait)(struct fgi_engine *engine, struct fgi_read **done,
                   size_t room, uint64_t deadline_ns);
    /* Make the current or the next wait return. Any thread; signal-safe. */
    void (*wake)(struct fgi_engine *engine);
    void (*report)(const struct fgi_engine *engine,
                   struct fgi_engine_report *report);
    /* Wait for all reads in flight, drop them, release everything. */
    void (*destroy)(struct fgi_engine *engine);
};

/* Every engine's struct begins with this. */
struct fgi_engine {
    const struct fgi_engine_ops *ops;
};

/*
 * Makers. Errors say why this engine cannot be had here (UNSUPPORTED:
 * forbidden or missing; MEMORY; SYSTEM). *engine is written on success only.
 */
enum fg_status fgi_engine_uring_create(const struct fgi_engine_config *config,
                                       struct fgi_engine **engine,
                                       struct fg_error *err);
enum fg_status fgi_engine_pread_create(const struct fgi_engine_config *config,
                                       struct fgi_engine **engine,
                                       struct fg_error *err);
/* Fills wanted bytes with nothing at all: buffers keep what they hold, except
 * that with `fill` byte i of the file reads as fgi_null_byte(i). */
enum fg_status fgi_engine_null_create(const struct fgi_engine_config *config,
                                      bool fill, struct fgi_engine **engine,
                                      struct fg_error *err);
uint8_t fgi_null_byte(uint64_t offset);

enum fgi_fault_kind {
    FGI_FAULT_ERROR, /* fails with `sys_errno` */
    FGI_FAULT_SHORT, /* gets only a part; the engine asks for the rest */
    FGI_FAULT_EOF,   /* ends early, as a truncated file does */
    FGI_FAULT_LATE,  /* completes delay_ns later */
    FGI_FAULT_FLIP,  /* arrives with one bit wrong */
};

struct fgi_fault {
    enum fgi_fault_kind kind;
    uint64_t nth;      /* which read, 1: the first; 0: none */
    uint64_t every;    /* and again after so many more; 0: once */
    int sys_errno;     /* FGI_FAULT_ERROR */
    uint64_t delay_ns; /* FGI_FAULT_LATE */
};

/* Takes ownership of `below`, which is destroyed with it, also on failure. */
enum fg_status fgi_engine_fault_create(struct fgi_engine *below,
                                       const struct fgi_fault *fault,
                                       struct fgi_engine **engine,
                                       struct fg_error *err);

/* Tests only: put that fault (copied; NULL: none) in front of every engine
 * that fgi_engine_create makes from now on. Threads: one, with none made. */
void fgi_engine_fault_all(const struct fgi_fault *fault);

/*
 * Make the engine called `name`: "uring", "pread", "null", or "auto", which
 * probes a real ring and a real read (of `probe_fd`, or of a temporary file
 * when -1) and falls back to pread. `note` (may be NULL) receives why.
 */
enum fg_status fgi_engine_create(const char *name,
                                 const struct fgi_engine_config *config,
                                 int probe_fd, struct fgi_engine **engine,
                                 char *note, size_t note_bytes,
                                 struct fg_error *err);

/* Text for `error` of a read: "unexpected end of file" or strerror. Static or
 * thread-local. */
const char *fgi_read_error_text(int error);

#endif /* FGI_IO_ENGINE_H */
