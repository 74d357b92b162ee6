/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of engines and files share: files of a known pattern, reads
 * of them, and reaping that counts. */
#ifndef TESTS_IO_FIXTURE_H
#define TESTS_IO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/engine.h"
#include "io/file.h"
#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIXTURE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FIXTURE_SANITIZED 1
#endif
#endif
#ifndef FIXTURE_SANITIZED
#define FIXTURE_SANITIZED 0
#endif

/* Byte i of every file is fgi_null_byte(i). */
static inline void fixture_fill(uint8_t *to, uint64_t offset, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        to[i] = fgi_null_byte(offset + i);
    }
}

/* How many leading bytes are the file's. */
static inline size_t fixture_matching(const uint8_t *got, uint64_t offset,
                                      size_t bytes)
{
    size_t i = 0;

    while (i < bytes && got[i] == fgi_null_byte(offset + i)) {
        i++;
    }
    return i;
}

/* Whether all bytes are that one. */
static inline bool fixture_is_all(const uint8_t *bytes, size_t count,
                                  uint8_t value)
{
    return count == 0 ||
           (bytes[0] == value && memcmp(bytes, bytes + 1, count - 1) == 0);
}

static inline void fixture_make_file(const char *path, uint64_t bytes)
{
    static uint8_t block[1 << 20];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    for (uint64_t at = 0; at < bytes; at += sizeof(block)) {
        size_t part = fgi_min(bytes - at, sizeof(block));

        fixture_fill(block, at, part);
        assert_int_equal(write(fd, block, part), part);
    }
    /* O_DIRECT reads find it on the disk, not in dirty pages. */
    assert_int_equal(fdatasync(fd), 0);
    close(fd);
}

/* Open with O_DIRECT where there is one, else say so and go without. */
static inline void fixture_open(const char *path, bool is_direct,
                                struct fgi_file *file)
{
    struct fg_error err;
    enum fg_status status = fgi_file_open(
        path, is_direct ? FGI_DIRECT_ON : FGI_DIRECT_OFF, file, &err);

    if (status == FG_ERR_UNSUPPORTED) {
        print_message("no direct I/O here: %s\n", err.message);
        status = fgi_file_open(path, FGI_DIRECT_OFF, file, &err);
    }
    assert_int_equal(status, FG_OK);
}

static inline struct fgi_read fixture_read(const struct fgi_file *file,
                                           uint64_t offset, uint32_t length,
                                           uint32_t wanted, void *buffer)
{
    return (struct fgi_read){
        .fd = file->fd,
        .length_bytes = length,
        .wanted_bytes = wanted,
        .align_bytes = file->offset_align,
        .offset = offset,
        .buffer = buffer,
    };
}

/* Wait until `count` reads are back; none may come that was not submitted,
 * nor twice: the caller's owner fields count how often each came. */
static inline void fixture_reap(struct fgi_engine *engine, size_t count)
{
    struct fgi_read *done[64];
    uint64_t give_up_ns = fgi_now_ns() + 60 * FGI_NS_PER_S;

    while (count > 0) {
        size_t got = engine->ops->wait(engine, done, 64, give_up_ns);

        assert_true(got <= count);
        for (size_t i = 0; i < got; i++) {
            if (done[i]->owner != NULL) {
                ++*(int *)done[i]->owner;
            }
        }
        count -= got;
        assert_true(fgi_now_ns() < give_up_ns);
    }
    assert_int_equal(engine->ops->wait(engine, done, 64, 0), 0);
}

/* Submit one read and have it back. */
static inline void fixture_do(struct fgi_engine *engine, struct fgi_read *read)
{
    engine->ops->submit(engine, read);
    fixture_reap(engine, 1);
}

/* Open descriptors of this process, to find leaks. */
static inline int fixture_count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

/*
 * Run a part of a test in a forked child, which may give up rights for good.
 * It returns 0, or the line where it found something wrong.
 */
static inline void fixture_in_child(int (*run)(void *context), void *context)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        _exit(run(context) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child: leave with a line on stderr unless the condition holds. */
#define child_check(condition)                                                 \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: child: not true: %s\n", __FILE__,          \
                    __LINE__, #condition);                                     \
            return __LINE__;                                                   \
        }                                                                      \
    } while (0)

#endif /* TESTS_IO_FIXTURE_H */
