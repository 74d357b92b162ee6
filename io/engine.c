/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing an engine. "auto" does not ask for versions or sysctls, which lie
 * in containers: it makes a ring and reads through it, and if that fails while
 * a plain pread of the same file works, takes the pool of threads and says why.
 */
#include "io/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"

/* Enough for any direct-I/O alignment in use. */
#define PROBE_BYTES 4096
#define PROBE_NS (5 * FGI_NS_PER_S)

const char *fgi_read_error_text(int error)
{
    static _Thread_local char text[64];

    if (error == FGI_READ_EOF) {
        return "unexpected end of file";
    }
    return strerror_r(error, text, sizeof(text));
}

static int open_probe_file(void)
{
    static const char content[PROBE_BYTES];
    int fd = memfd_create("feedgpu-probe", MFD_CLOEXEC);

    if (fd >= 0 &&
        pwrite(fd, content, sizeof(content), 0) != (ssize_t)sizeof(content)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Storage of the probe's read: it outlives the engine, which may still be
 * writing here when the deadline has passed. */
struct probe {
    _Alignas(PROBE_BYTES) uint8_t buffer[PROBE_BYTES];
    struct fgi_read read;
};

/* Read through the engine. Returns 0, an errno or FGI_READ_EOF. */
static int read_by(struct fgi_engine *engine, struct probe *probe, int fd)
{
    struct fgi_read *done;
    uint64_t deadline_ns = fgi_now_ns() + PROBE_NS;

    probe->read = (struct fgi_read){
        .fd = fd,
        .length_bytes = PROBE_BYTES,
        .wanted_bytes = 1,
        .align_bytes = 1,
        .buffer = probe->buffer,
    };
    engine->ops->submit(engine, &probe->read);
    while (engine->ops->wait(engine, &done, 1, deadline_ns) == 0) {
        if (fgi_now_ns() >= deadline_ns) {
            return ETIMEDOUT;
        }
    }
    return probe->read.error;
}

static enum fg_status probe_read(struct fgi_engine *engine, struct probe *probe,
                                 int fd, struct fg_error *err)
{
    _Alignas(PROBE_BYTES) uint8_t plain[PROBE_BYTES];
    int error = read_by(engine, probe, fd);

    if (error == 0 || error == FGI_READ_EOF) {
        return FG_OK;
    }
    if (pread(fd, plain, sizeof(plain), 0) < 0) {
        return FG_OK; /* the file's fault, not the ring's */
    }
    return fgi_fail_errno(err, error, "io_uring: probe: read");
}

/* Can a ring be had here, and does it read? */
static enum fg_status probe_uring(int probe_fd, struct fg_error *err)
{
    const struct fgi_engine_config config = {.depth = 1, .node = -1};
    int fd = probe_fd >= 0 ? probe_fd : open_probe_file();
    struct fgi_engine *engine;
    struct probe probe;
    enum fg_status status = fgi_engine_uring_create(&config, &engine, err);

    if (status == FG_OK) {
        if (fd >= 0) {
            status = probe_read(engine, &probe, fd, err);
        }
        engine->ops->destroy(engine);
    }
    if (fd != probe_fd && fd >= 0) {
        close(fd);
    }
    return status;
}

static enum fg_status create_auto(const struct fgi_engine_config *config,
                                  int probe_fd, struct fgi_engine **engine,
                                  char *note, size_t note_bytes,
                                  struct fg_error *err)
{
    struct fg_error why;
    enum fg_status status = probe_uring(probe_fd, &why);

    if (status == FG_OK) {
        status = fgi_engine_uring_create(config, engine, &why);
    }
    if (status == FG_OK) {
        return FG_OK;
    }
    if (status == FG_ERR_MEMORY && why.sys_errno == 0) {
        return fgi_error_copy(err, &why); /* ours, not the kernel's */
    }
    if (note != NULL) {
        snprintf(note, note_bytes, "fell back to pread: %s", why.message);
    }
    return fgi_engine_pread_create(config, engine, err);
}

static void note_report(const struct fgi_engine *engine, char *note,
                        size_t note_bytes)
{
    struct fgi_engine_report report;

    engine->ops->report(engine, &report);
    snprintf(note, note_bytes, "%s", report.note);
}

/* What fgi_engine_fault_all asked for; tests only. */
static struct fgi_fault fault_of_all;

void fgi_engine_fault_all(const struct fgi_fault *fault)
{
    fault_of_all = fault != NULL ? *fault : (struct fgi_fault){0};
}

enum fg_status fgi_engine_create(const char *name,
                                 const struct fgi_engine_config *config,
                                 int probe_fd, struct fgi_engine **engine,
                                 char *note, size_t note_bytes,
                                 struct fg_error *err)
{
    enum fg_status status;

    if (note != NULL && note_bytes > 0) {
        note[0] = '\0';
    }
    if (strcmp(name, "auto") == 0) {
        status = create_auto(config, probe_fd, engine, note, note_bytes, err);
    } else if (strcmp(name, "uring") == 0) {
        status = fgi_engine_uring_create(config, engine, err);
    } else if (strcmp(name, "pread") == 0) {
        status = fgi_engine_pread_create(config, engine, err);
    } else if (strcmp(name, "null") == 0) {
        status = fgi_engine_null_create(config, false, engine, err);
    } else {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "engine: got \"%s\" wanted auto, uring, pread or null",
                        name);
    }
    if (status == FG_OK && note != NULL && note_bytes > 0 && note[0] == '\0') {
        note_report(*engine, note, note_bytes);
    }
    if (status == FG_OK && fault_of_all.nth != 0) {
        status = fgi_engine_fault_create(*engine, &fault_of_all, engine, err);
    }
    return status;
}
