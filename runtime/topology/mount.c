/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device that a file lies on: by its device number, and where that
 * is no block device's (btrfs, overlay), by the source of its mount.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "runtime/base/error.h"
#include "runtime/topology/topology.h"

#define LINE_BYTES 8192

/* The part of a path behind its last slash. */
static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* The name of the block device of that number; false: there is none. */
static bool name_of_number(const struct fg_topology *topology, dev_t number,
                           char *name, size_t name_bytes)
{
    char link[64];
    char path[FG_SYSROOT_PATH_BYTES];

    snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(number),
             minor(number));
    if (fg_sysroot_resolve(topology->root, link, path, NULL) != FG_OK) {
        return false;
    }
    snprintf(name, name_bytes, "%.63s", last_name(path));
    return true;
}

/* A mount of /proc/self/mountinfo. */
struct mount {
    char type[32];
    char source[256];
};

/* Copy a word up to a blank or the line's end; gives what is behind it. */
static const char *take_word(const char *at, char *word, size_t word_bytes)
{
    size_t length = strcspn(at, " \n");

    snprintf(word, word_bytes, "%.*s", (int)length, at);
    at += length;
    return *at == ' ' ? at + 1 : at;
}

/*
 * Split "ID PARENT MAJOR:MINOR ROOT ... - TYPE SOURCE OPTIONS"; false unless it
 * is the mount of that device number.
 */
static bool read_mount(const char *line, dev_t number, struct mount *mount)
{
    const char *dash = strstr(line, " - ");
    char wanted[32];
    char id[32];
    char of[32];

    if (dash == NULL) {
        return false;
    }
    snprintf(wanted, sizeof(wanted), "%u:%u", major(number), minor(number));
    line = take_word(line, id, sizeof(id));
    line = take_word(line, id, sizeof(id));
    (void)take_word(line, of, sizeof(of));
    dash = take_word(dash + 3, mount->type, sizeof(mount->type));
    (void)take_word(dash, mount->source, sizeof(mount->source));
    return strcmp(of, wanted) == 0;
}

/* The mount that a file of that device number is on. */
static bool find_mount(dev_t number, struct mount *mount)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[LINE_BYTES];
    bool is_found = false;

    while (file != NULL && !is_found &&
           fgets(line, sizeof(line), file) != NULL) {
        is_found = read_mount(line, number, mount);
    }
    if (file != NULL) {
        fclose(file);
    }
    return is_found;
}

enum fg_status fg_topology_find_block_of(const struct fg_topology *topology,
                                         const char *path,
                                         struct fg_block *block,
                                         struct fg_error *err)
{
    struct mount mount = {.type = ""};
    struct stat of;
    struct stat source;
    char name[64];

    if (fg_sysroot_is_copy(topology->root)) {
        return fgi_fail(err, FG_ERR_UNSUPPORTED,
                        "%s: block device: the topology is of a copy, the "
                        "path of this machine",
                        path);
    }
    if (stat(path, &of) != 0) {
        return fgi_fail_errno(err, errno, "%s: open", path);
    }
    if (S_ISBLK(of.st_mode)) {
        of.st_dev = of.st_rdev;
    }
    if (name_of_number(topology, of.st_dev, name, sizeof(name))) {
        return fg_topology_find_block(topology, name, block, err);
    }
    if (find_mount(of.st_dev, &mount) && mount.source[0] == '/' &&
        stat(mount.source, &source) == 0 && S_ISBLK(source.st_mode) &&
        name_of_number(topology, source.st_rdev, name, sizeof(name))) {
        return fg_topology_find_block(topology, name, block, err);
    }
    return fgi_fail(err, FG_ERR_NOT_FOUND,
                    "%s: block device: none below a file system of type %s",
                    path, mount.type[0] == '\0' ? "unknown" : mount.type);
}
