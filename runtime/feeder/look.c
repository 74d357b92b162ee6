/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking a file over, cheapest question first. The descriptor is our own:
 * what we set on it (O_DIRECT, a lease for a moment) the program's does not
 * have.
 */
#include "runtime/feeder/look.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "io/file.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/feeder/arena.h"

/* More of a file than that in the page cache: its reads are fast already. */
#define CACHED_SHARE_MAX 0.8

/* Not in every <linux/magic.h>. */
#define BCACHEFS_MAGIC 0xca451a4e

void fgi_looker_init(struct fgi_looker *looker,
                     const struct fg_feeder_config *config)
{
    memset(looker, 0, sizeof(*looker));
    pthread_mutex_init(&looker->mutex, NULL);
    looker->config = config;
}

void fgi_looker_fini(struct fgi_looker *looker)
{
    if (looker->config != NULL) {
        pthread_mutex_destroy(&looker->mutex);
    }
}

uint64_t fgi_real_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * FGI_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t ns_of(const struct timespec *at)
{
    return (uint64_t)at->tv_sec * FGI_NS_PER_S + (uint64_t)at->tv_nsec;
}

void fgi_key_of(const struct stat *info, struct fgi_feed_key *key)
{
    key->device = info->st_dev;
    key->inode = info->st_ino;
    key->size_bytes = (uint64_t)info->st_size;
    key->mtime_ns = ns_of(&info->st_mtim);
    key->ctime_ns = ns_of(&info->st_ctim);
}

bool fgi_key_read(int fd, struct fgi_feed_key *key)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        return false;
    }
    fgi_key_of(&info, key);
    return true;
}

static bool is_older(uint64_t at_ns, uint64_t real_ns)
{
    return at_ns < real_ns && real_ns - at_ns > FGI_FEED_SETTLED_NS;
}

bool fgi_key_is_settled(const struct fgi_feed_key *key, uint64_t real_ns)
{
    return is_older(key->ctime_ns, real_ns) && is_older(key->mtime_ns, real_ns);
}

/* Open for reading without side effects. -1: no regular file there. */
static int open_plain(const char *path, struct stat *info)
{
    int fd;

    /* A device or a pipe may do things when it is opened. */
    if (stat(path, info) != 0 || !S_ISREG(info->st_mode)) {
        return -1;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, info) != 0 || !S_ISREG(info->st_mode)) {
        close(fd);
        return -1;
    }
    return fd;
}

int fgi_look_open(const char *path, struct fgi_feed_key *key)
{
    struct stat info;
    int fd = open_plain(path, &info);

    if (fd >= 0) {
        fgi_key_of(&info, key);
    }
    return fd;
}

static int open_if_wanted(const struct fgi_look_ask *ask, const char *path,
                          struct fgi_feed_key *key)
{
    int fd = fgi_look_open(path, key);

    if (fd >= 0 && ask->has_key && !fgi_key_is_same(key, &ask->key)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* By the program's descriptor; if that is closed already, by the path. */
static int open_asked(const struct fgi_look_ask *ask, struct fgi_feed_key *key)
{
    char path[FGI_LOOK_PATH_BYTES + 32];
    int fd = -1;

    if (ask->pid > 0 && ask->fd >= 0) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", ask->pid, ask->fd);
        fd = open_if_wanted(ask, path, key);
    }
    if (fd >= 0 || ask->path[0] == '\0') {
        return fd;
    }
    if (ask->path[0] == '/') {
        return open_if_wanted(ask, ask->path, key);
    }
    if (ask->pid <= 0) {
        return -1;
    }
    snprintf(path, sizeof(path), "/proc/%d/cwd/%s", ask->pid, ask->path);
    return open_if_wanted(ask, path, key);
}

/* Where the file is, as this process sees it; NULL when nowhere. */
static char *find_path(int fd)
{
    static const char deleted[] = " (deleted)";
    char link[32];
    char path[FGI_LOOK_PATH_BYTES];
    ssize_t length;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 1);
    if (length <= 0 || path[0] != '/') {
        return NULL;
    }
    path[length] = '\0';
    if ((size_t)length > sizeof(deleted) &&
        strcmp(path + length - (sizeof(deleted) - 1), deleted) == 0) {
        return NULL;
    }
    return fgi_strdup(path);
}

static bool is_match(const struct fg_feeder_config *config, const char *path)
{
    for (uint32_t i = 0; path != NULL && i < config->data_count; i++) {
        if (fnmatch(config->data[i], path, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* Under the name that the program gave it, or the one that it really has. */
static bool is_named(const struct fgi_looker *looker,
                     const struct fgi_look_ask *ask, const char *path)
{
    const struct fg_feeder_config *config = looker->config;

    if ((config->flags & FG_FEEDER_OBSERVE) != 0) {
        return false;
    }
    return config->data_count == 0 || is_match(config, path) ||
           is_match(config, ask->path);
}

bool fgi_look_is_fit(uint64_t magic)
{
    switch (magic) {
    case EXT4_SUPER_MAGIC: /* ext2 and ext3 too */
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case BCACHEFS_MAGIC:
        return true;
    default:
        return false;
    }
}

/*
 * Is it open for writing somewhere? The kernel grants a read lease only if it
 * is not. The lease ends at once; should somebody open the file for writing
 * in that moment, the notice is a signal that does nothing by default.
 */
static bool has_writer(int fd)
{
    (void)fcntl(fd, F_SETSIG, SIGURG);
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
    }
    return errno == EAGAIN; /* else: not ours, or no leases there: unknown */
}

/* A known device's alignment; UINT32_MAX: not known yet. */
static uint32_t find_device(struct fgi_looker *looker, uint64_t device)
{
    uint32_t align = UINT32_MAX;

    pthread_mutex_lock(&looker->mutex);
    for (uint32_t i = 0; i < FGI_LOOK_DEVICES; i++) {
        if (looker->devices[i].is_known &&
            looker->devices[i].device == device) {
            align = looker->devices[i].align_bytes;
        }
    }
    pthread_mutex_unlock(&looker->mutex);
    return align;
}

static void keep_device(struct fgi_looker *looker, uint64_t device,
                        uint32_t align)
{
    pthread_mutex_lock(&looker->mutex);
    looker->devices[looker->device_next % FGI_LOOK_DEVICES] =
        (struct fgi_look_device){device, align, true};
    looker->device_next++;
    pthread_mutex_unlock(&looker->mutex);
}

/* What direct I/O asks for on that device, by trial; 0: there is none. */
static uint32_t try_device(int fd)
{
    struct fgi_file file;
    struct statfs info;
    char path[32];
    uint32_t align;

    if (fstatfs(fd, &info) != 0 || !fgi_look_is_fit((uint64_t)info.f_type)) {
        return 0;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fgi_file_open(path, FGI_DIRECT_ON, &file, NULL) != FG_OK) {
        return 0;
    }
    align = file.offset_align;
    fgi_file_close(&file);
    return align <= FGI_ARENA_UNIT_BYTES ? align : 0;
}

static uint32_t find_align(struct fgi_looker *looker, int fd, uint64_t device)
{
    uint32_t align = find_device(looker, device);

    if (align == UINT32_MAX) {
        align = try_device(fd);
        keep_device(looker, device, align);
    }
    return align;
}

bool fgi_look_set_direct(int fd, bool is_direct)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return false;
    }
    flags = is_direct ? flags | O_DIRECT : flags & ~O_DIRECT;
    /* io_uring takes O_NONBLOCK as "never wait", also for regular files. */
    return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

static bool is_cached(int fd, uint64_t bytes)
{
    return fgi_file_cached_share(fd, 0, bytes) > CACHED_SHARE_MAX;
}

static enum fgi_look judge(struct fgi_looker *looker,
                           const struct fgi_look_ask *ask,
                           struct fgi_look_answer *answer, int fd)
{
    if (!is_named(looker, ask, answer->path)) {
        return FGI_LOOK_UNWANTED;
    }
    answer->align_bytes = find_align(looker, fd, answer->key.device);
    if (answer->align_bytes == 0) {
        return FGI_LOOK_UNFIT;
    }
    if (!fgi_key_is_settled(&answer->key, fgi_real_ns())) {
        return FGI_LOOK_UNSETTLED;
    }
    if (ask->must_be_uncached && is_cached(fd, answer->key.size_bytes)) {
        return FGI_LOOK_CACHED;
    }
    if (has_writer(fd)) {
        return FGI_LOOK_WRITER;
    }
    if (ask->by_cache) {
        answer->align_bytes = 1;
    }
    return fgi_look_set_direct(fd, !ask->by_cache) ? FGI_LOOK_FED
                                                   : FGI_LOOK_UNFIT;
}

void fgi_look(struct fgi_looker *looker, const struct fgi_look_ask *ask,
              struct fgi_look_answer *answer)
{
    struct fgi_feed_key key;
    int fd = open_asked(ask, &key);

    *answer = (struct fgi_look_answer){.look = FGI_LOOK_GONE, .fd = -1};
    if (fd < 0) {
        return;
    }
    answer->key = key;
    answer->path = find_path(fd);
    answer->look = judge(looker, ask, answer, fd);
    if (answer->look == FGI_LOOK_FED) {
        answer->fd = fd;
    } else {
        close(fd);
    }
}
