/* SPDX-License-Identifier: Apache-2.0 */
/*
 * farfs FOLDER MOUNT MS keep|drop: FOLDER, read-only, as a file system far away
 * would show it. Each open and each read takes MS milliseconds. keep: the
 * kernel may keep pages from one open to the next; drop: it may not. Runs until
 * it is unmounted, and then prints what was asked of it.
 */
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 128u /* that the kernel may have under way */

static int folder_fd = -1;
static long delay_ms;
static bool is_kept;
static _Atomic unsigned long opens;
static _Atomic unsigned long reads;
static _Atomic unsigned long bytes_read;

/* FUSE's paths begin with a slash. */
static const char *below(const char *path)
{
    return path[1] == '\0' ? "." : path + 1;
}

static void go_far(void)
{
    const struct timespec time = {delay_ms / 1000, delay_ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static void *far_init(struct fuse_conn_info *connection,
                      struct fuse_config *config)
{
    connection->max_background = REQUESTS_MAX;
    connection->congestion_threshold = REQUESTS_MAX;
    config->kernel_cache = is_kept;
    config->use_ino = 1;
    return NULL;
}

static int far_getattr(const char *path, struct stat *info,
                       struct fuse_file_info *file)
{
    (void)file;
    return fstatat(folder_fd, below(path), info, AT_SYMLINK_NOFOLLOW) == 0
               ? 0
               : -errno;
}

static int far_readdir(const char *path, void *buffer, fuse_fill_dir_t fill,
                       off_t offset, struct fuse_file_info *file,
                       enum fuse_readdir_flags flags)
{
    int fd = openat(folder_fd, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    (void)offset;
    (void)file;
    (void)flags;
    if (folder == NULL) {
        return -errno;
    }
    while ((entry = readdir(folder)) != NULL) {
        (void)fill(buffer, entry->d_name, NULL, 0, 0);
    }
    closedir(folder);
    return 0;
}

static int far_open(const char *path, struct fuse_file_info *file)
{
    int fd = openat(folder_fd, below(path), O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    go_far();
    opens++;
    file->fh = (uint64_t)fd;
    return 0;
}

static int far_read(const char *path, char *buffer, size_t bytes, off_t offset,
                    struct fuse_file_info *file)
{
    ssize_t got = pread((int)file->fh, buffer, bytes, offset);

    (void)path;
    go_far();
    reads++;
    bytes_read += got > 0 ? (unsigned long)got : 0;
    return got >= 0 ? (int)got : -errno;
}

static int far_release(const char *path, struct fuse_file_info *file)
{
    (void)path;
    close((int)file->fh);
    return 0;
}

static const struct fuse_operations operations = {
    .init = far_init,
    .getattr = far_getattr,
    .readdir = far_readdir,
    .open = far_open,
    .read = far_read,
    .release = far_release,
};

int main(int argc, char **argv)
{
    char *options[] = {argv[0], "-f", "-o", "ro", argc == 5 ? argv[2] : NULL};
    int status;

    if (argc != 5) {
        fprintf(stderr, "usage: farfs FOLDER MOUNT MS keep|drop\n");
        return 2;
    }
    folder_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        perror(argv[1]);
        return 1;
    }
    delay_ms = strtol(argv[3], NULL, 10);
    is_kept = strcmp(argv[4], "keep") == 0;
    status = fuse_main(5, options, &operations, NULL);
    printf("%lu opens %lu reads %lu bytes\n", opens, reads, bytes_read);
    return status;
}
