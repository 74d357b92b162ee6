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
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "io/file.h"
#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/feeder/arena.h"
#include "runtime/feeder/pattern.h"

/* More of a file than that in the page cache: its reads are fast already. */
#define CACHED_SHARE_MAX 0.8
#define PROBE_BYTES FGI_KIB(16) /* of a device's first file */
#define HEAD_BYTES FGI_MIB(1)   /* of a large file that is expected */

/* Not in every <linux/magic.h>. */
#define BCACHEFS_MAGIC 0xca451a4e
#define LUSTRE_MAGIC 0x0bd00bd0

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

static struct fgi_look_device find_device(struct fgi_looker *looker,
                                          uint64_t device)
{
    struct fgi_look_device found = {.rule = FGI_DEVICE_UNKNOWN};

    pthread_mutex_lock(&looker->mutex);
    for (uint32_t i = 0; i < FGI_LOOK_DEVICES; i++) {
        if (looker->devices[i].rule != FGI_DEVICE_UNKNOWN &&
            looker->devices[i].device == device) {
            found = looker->devices[i];
        }
    }
    pthread_mutex_unlock(&looker->mutex);
    return found;
}

enum fgi_device_rule fgi_looker_rule(struct fgi_looker *looker, uint64_t device)
{
    return find_device(looker, device).rule;
}

uint64_t fgi_looker_ahead(struct fgi_looker *looker, uint64_t device)
{
    return find_device(looker, device).ahead_bytes;
}

static void keep_device(struct fgi_looker *looker,
                        const struct fgi_look_device *device)
{
    pthread_mutex_lock(&looker->mutex);
    looker->devices[looker->device_next % FGI_LOOK_DEVICES] = *device;
    looker->device_next++;
    pthread_mutex_unlock(&looker->mutex);
}

static bool is_older(uint64_t at_ns, uint64_t real_ns)
{
    return at_ns < real_ns && real_ns - at_ns > FGI_FEED_SETTLED_NS;
}

bool fgi_key_is_settled(const struct fgi_feed_key *key, uint64_t real_ns)
{
    return is_older(key->ctime_ns, real_ns) && is_older(key->mtime_ns, real_ns);
}

/* Open a regular file, which `info` says it is, with these flags too. */
static int open_regular(const char *path, int flags, struct stat *info)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags);

    if (fd >= 0 && (fstat(fd, info) != 0 || !S_ISREG(info->st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* A device or a pipe may do things when it is opened. */
static bool is_regular(const char *path, struct stat *info)
{
    return stat(path, info) == 0 && S_ISREG(info->st_mode);
}

int fgi_look_open(const char *path, struct fgi_feed_key *key)
{
    struct stat info;
    int fd = is_regular(path, &info) ? open_regular(path, 0, &info) : -1;

    if (fd >= 0) {
        fgi_key_of(&info, key);
    }
    return fd;
}

/* By its name only, where nothing is to be read: far away an open takes long,
 * and may drop the pages that the program has. */
static int flags_for(struct fgi_looker *looker, const struct fgi_look_ask *ask,
                     const struct stat *info)
{
    switch (fgi_looker_rule(looker, info->st_dev)) {
    case FGI_DEVICE_LEFT:
        return O_PATH;
    case FGI_DEVICE_WARMED:
        return ask->is_expected ? 0 : O_PATH;
    case FGI_DEVICE_UNKNOWN:
    case FGI_DEVICE_FED:
        break;
    }
    return 0;
}

static int open_if_wanted(struct fgi_looker *looker,
                          const struct fgi_look_ask *ask, const char *path,
                          struct fgi_feed_key *key)
{
    struct stat info;
    int fd = is_regular(path, &info)
                 ? open_regular(path, flags_for(looker, ask, &info), &info)
                 : -1;

    if (fd >= 0) {
        fgi_key_of(&info, key);
    }
    if (fd >= 0 && ask->has_key && !fgi_key_is_same(key, &ask->key)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* By the program's descriptor; if that is closed already, by the path. */
static int open_asked(struct fgi_looker *looker, const struct fgi_look_ask *ask,
                      struct fgi_feed_key *key)
{
    char path[FGI_LOOK_PATH_BYTES + 32];
    int fd = -1;

    if (ask->pid > 0 && ask->fd >= 0) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", ask->pid, ask->fd);
        fd = open_if_wanted(looker, ask, path, key);
    }
    if (fd >= 0 || ask->path[0] == '\0') {
        return fd;
    }
    if (ask->path[0] == '/') {
        return open_if_wanted(looker, ask, ask->path, key);
    }
    if (ask->pid <= 0) {
        return -1;
    }
    snprintf(path, sizeof(path), "/proc/%d/cwd/%s", ask->pid, ask->path);
    return open_if_wanted(looker, ask, path, key);
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

bool fgi_look_is_named(const struct fg_feeder_config *config, const char *path)
{
    return (config->flags & FG_FEEDER_OBSERVE) == 0 &&
           (config->data_count == 0 || is_match(config, path));
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

/* Of those the kernel's own client keeps pages while the file is the same. */
static bool is_known_to_keep(uint64_t magic)
{
    return magic == NFS_SUPER_MAGIC || magic == CEPH_SUPER_MAGIC ||
           magic == LUSTRE_MAGIC;
}

/* Does the page cache keep what was read of a file when it is opened again?
 * Not all file systems of user space allow that. */
static bool keeps_pages(int fd, const char *path, uint64_t magic,
                        uint64_t bytes)
{
    char sample[PROBE_BYTES];
    bool is_kept = false;
    double share;
    int again;

    if (pread(fd, sample, bytes, 0) != (ssize_t)bytes) {
        return false;
    }
    share = fgi_file_cached_share(fd, 0, bytes);
    if (share <= CACHED_SHARE_MAX) {
        /* Before Linux 6.5 nobody says it of other people's files. */
        return share < 0 && is_known_to_keep(magic);
    }
    again = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (again >= 0) {
        is_kept = fgi_file_cached_share(again, 0, bytes) > CACHED_SHARE_MAX;
        close(again);
    }
    return is_kept;
}

static bool is_memory(uint64_t magic)
{
    return magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
}

/* What the block device says, or the one whose partition it is. File systems
 * of several disks have no device of their own there. */
static uint64_t find_ahead(uint64_t device)
{
    static const char *const places[] = {"", "../"};
    char path[96];
    char text[32];

    for (int i = 0; i < 2; i++) {
        ssize_t got = -1;
        int fd;

        snprintf(path, sizeof(path),
                 "/sys/dev/block/%u:%u/%squeue/read_ahead_kb", major(device),
                 minor(device), places[i]);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            got = read(fd, text, sizeof(text) - 1);
            close(fd);
        }
        if (got > 0) {
            text[got] = '\0';
            return strtoull(text, NULL, 10) * FGI_KIB(1);
        }
    }
    return 0;
}

/* By trial with one of its files. */
static struct fgi_look_device try_device(int fd, const struct fgi_feed_key *key)
{
    struct fgi_look_device found = {key->device, FGI_DEVICE_LEFT, 0, 0};
    uint64_t bytes = fgi_min(key->size_bytes, PROBE_BYTES);
    struct fgi_file file;
    struct statfs info;
    char path[32];

    if (fstatfs(fd, &info) != 0 || is_memory((uint64_t)info.f_type)) {
        return found;
    }
    found.ahead_bytes = find_ahead(key->device);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fgi_look_is_fit((uint64_t)info.f_type) &&
        fgi_file_open(path, FGI_DIRECT_ON, &file, NULL) == FG_OK) {
        if (file.offset_align <= FGI_ARENA_UNIT_BYTES) {
            found.rule = FGI_DEVICE_FED;
            found.align_bytes = file.offset_align;
        }
        fgi_file_close(&file);
    }
    if (found.rule != FGI_DEVICE_FED &&
        keeps_pages(fd, path, (uint64_t)info.f_type, bytes)) {
        found.rule = FGI_DEVICE_WARMED;
    }
    return found;
}

static struct fgi_look_device device_of(struct fgi_looker *looker, int fd,
                                        const struct fgi_feed_key *key)
{
    struct fgi_look_device device = find_device(looker, key->device);

    if (device.rule == FGI_DEVICE_UNKNOWN) {
        device = try_device(fd, key);
        keep_device(looker, &device);
    }
    return device;
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

/* How much of an expected file to warm. What is read past the shim is small, or
 * the rest of it comes in time: warm.c, or the kernel, goes on from there. */
static uint64_t bytes_to_warm(const struct fgi_look_ask *ask,
                              uint64_t size_bytes)
{
    if (!ask->is_unseen) {
        return fgi_min(size_bytes, FGI_WINDOW_BYTES_OPEN);
    }
    return size_bytes <= FGI_LOOK_UNSEEN_BYTES ? size_bytes : HEAD_BYTES;
}

/* Read the start of one that is to be opened soon into the page cache. */
static enum fgi_look warm_expected(const struct fgi_look_ask *ask,
                                   struct fgi_look_answer *answer, int fd,
                                   enum fgi_look look)
{
    uint64_t bytes = bytes_to_warm(ask, answer->key.size_bytes);

    if (is_cached(fd, bytes)) {
        return FGI_LOOK_CACHED;
    }
    if (fgi_file_will_need(fd, 0, bytes)) {
        answer->warmed_bytes = bytes;
    }
    return look;
}

static enum fgi_look judge(struct fgi_looker *looker,
                           const struct fgi_look_ask *ask,
                           struct fgi_look_answer *answer, int fd)
{
    struct fgi_look_device device;

    /* Under the name that the program gave it, or the one it really has. */
    if (!fgi_look_is_named(looker->config, answer->path) &&
        !fgi_look_is_named(looker->config, ask->path)) {
        return FGI_LOOK_UNWANTED;
    }
    device = device_of(looker, fd, &answer->key);
    if (device.rule != FGI_DEVICE_FED) {
        return device.rule == FGI_DEVICE_WARMED && ask->is_expected
                   ? warm_expected(ask, answer, fd, FGI_LOOK_UNFIT)
                   : FGI_LOOK_UNFIT;
    }
    if (ask->is_unseen) {
        return warm_expected(ask, answer, fd, FGI_LOOK_CACHED);
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
    answer->align_bytes = ask->by_cache ? 1 : device.align_bytes;
    return fgi_look_set_direct(fd, !ask->by_cache) ? FGI_LOOK_FED
                                                   : FGI_LOOK_UNFIT;
}

void fgi_look(struct fgi_looker *looker, const struct fgi_look_ask *ask,
              struct fgi_look_answer *answer)
{
    struct fgi_feed_key key;
    int fd = open_asked(looker, ask, &key);

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
