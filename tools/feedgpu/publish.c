/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock on the file decides who is the feeder, whatever the file holds: the
 * kernel takes it off when its holder dies. A file is removed by the holder of
 * its lock only. Who gets the lock of a file that has just been removed has
 * nothing, and tries again.
 */
#include "publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TRIES_MAX 100

static bool is_still_there(const struct publish *publish)
{
    struct stat ours;
    struct stat there;
    return fstat(publish->fd, &ours) == 0 &&
           lstat(publish->path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* One try; *again: the file went away meanwhile. */
static enum publish_claim try_path(struct publish *publish, char *why,
                                   size_t why_bytes, bool *again)
{
    struct stat info;
    *again = false;
    publish->fd =
        open(publish->path,
             O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
             0600);
    if (publish->fd < 0 || fstat(publish->fd, &info) != 0) {
        snprintf(why, why_bytes, "%.200s: open: %s", publish->path,
                 strerror(errno));
        return PUBLISH_FAILED;
    }
    if (info.st_nlink == 0) {
        *again = true;
        return PUBLISH_FAILED;
    }
    if (!place_is_trusted(&info, geteuid())) {
        snprintf(why, why_bytes,
                 "%.200s: is not a regular file that only this user may read",
                 publish->path);
        return PUBLISH_FAILED;
    }
    if (flock(publish->fd, LOCK_EX | LOCK_NB) != 0) {
        return PUBLISH_TAKEN;
    }
    *again = !is_still_there(publish);
    return PUBLISH_OURS;
}

enum publish_claim publish_claim(struct publish *publish, char *why,
                                 size_t why_bytes)
{
    mode_t mask = umask(0);
    enum publish_claim claim = PUBLISH_FAILED;
    bool again = true;
    publish->fd = -1;
    place_path(publish->path);
    snprintf(why, why_bytes, "%.200s: it comes and goes", publish->path);
    for (int i = 0; i < TRIES_MAX && again; i++) {
        claim = try_path(publish, why, why_bytes, &again);
        if ((again || claim != PUBLISH_OURS) && publish->fd >= 0) {
            close(publish->fd);
            publish->fd = -1;
        }
    }
    umask(mask);
    return again ? PUBLISH_FAILED : claim;
}

bool publish_write(const struct publish *publish, const char *environment)
{
    char line[PLACE_LINE_BYTES];
    const char *value = strchr(environment, '=');
    int length = snprintf(line, sizeof(line), "%s\n",
                          value != NULL ? value + 1 : environment);
    errno = EINVAL;
    return length < (int)sizeof(line) && ftruncate(publish->fd, 0) == 0 &&
           pwrite(publish->fd, line, (size_t)length, 0) == length;
}

void publish_remove(struct publish *publish)
{
    if (publish->fd < 0) {
        return;
    }
    if (is_still_there(publish)) {
        unlink(publish->path);
    }
    close(publish->fd);
    publish->fd = -1;
}
