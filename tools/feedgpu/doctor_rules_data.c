/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of the doctor's checks: mounts, disks, caches, clocks. */
#include "doctor_rules.h"

#include <stdio.h>
#include <string.h>

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Copy a word of mountinfo, whose blanks are written as \040. */
static const char *take_word(const char *at, char *word, size_t word_bytes)
{
    size_t used = 0;
    while (*at != '\0' && *at != ' ' && *at != '\n') {
        char c = *at++;
        if (c == '\\' && is_octal(at[0]) && is_octal(at[1]) &&
            is_octal(at[2])) {
            c = (char)((at[0] - '0') * 64 + (at[1] - '0') * 8 + at[2] - '0');
            at += 3;
        }
        if (used + 1 < word_bytes) {
            word[used++] = c;
        }
    }
    word[used] = '\0';
    return *at == ' ' ? at + 1 : at;
}

/* Split a line: ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ... - TYPE SOURCE */
static bool read_mount(const char *line, struct mount *mount)
{
    size_t length = strcspn(line, "\n");
    const char *dash = strstr(line, " - ");
    char skipped[8];
    if (dash == NULL || (size_t)(dash - line) > length) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        line = take_word(line, skipped, sizeof(skipped));
    }
    line = take_word(line, mount->point, sizeof(mount->point));
    (void)take_word(line, mount->options, sizeof(mount->options));
    dash = take_word(dash + 3, mount->type, sizeof(mount->type));
    (void)take_word(dash, mount->source, sizeof(mount->source));
    return mount->point[0] == '/';
}

static bool is_below(const char *path, const char *point)
{
    size_t length = strlen(point);
    if (length == 1) {
        return true;
    }
    return strncmp(path, point, length) == 0 &&
           (path[length] == '\0' || path[length] == '/');
}

bool rule_mount(const char *mountinfo, const char *path, struct mount *mount)
{
    bool is_found = false;
    size_t best = 0;
    for (const char *line = mountinfo; line != NULL && *line != '\0';) {
        struct mount here;
        /* The last one at a point hides those before it. */
        if (read_mount(line, &here) && is_below(path, here.point) &&
            strlen(here.point) >= best) {
            best = strlen(here.point);
            *mount = here;
            is_found = true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return is_found;
}

enum fs rule_fs(const char *type)
{
    static const struct {
        const char *type;
        enum fs kind;
    } known[] = {
        {"ext2", FS_DISK},         {"ext3", FS_DISK},
        {"ext4", FS_DISK},         {"xfs", FS_DISK},
        {"btrfs", FS_DISK},        {"f2fs", FS_DISK},
        {"zfs", FS_DISK},          {"bcachefs", FS_DISK},
        {"jfs", FS_DISK},          {"vfat", FS_DISK},
        {"exfat", FS_DISK},        {"ntfs3", FS_DISK},
        {"squashfs", FS_DISK},     {"erofs", FS_DISK},
        {"iso9660", FS_DISK},      {"tmpfs", FS_MEMORY},
        {"ramfs", FS_MEMORY},      {"devtmpfs", FS_MEMORY},
        {"rootfs", FS_MEMORY},     {"hugetlbfs", FS_MEMORY},
        {"overlay", FS_LAYERS},    {"aufs", FS_LAYERS},
        {"9p", FS_PROGRAM},        {"virtiofs", FS_PROGRAM},
        {"vboxsf", FS_PROGRAM},    {"nfs", FS_NETWORK},
        {"nfs4", FS_NETWORK},      {"cifs", FS_NETWORK},
        {"smb3", FS_NETWORK},      {"lustre", FS_NETWORK},
        {"ceph", FS_NETWORK},      {"gpfs", FS_NETWORK},
        {"beegfs", FS_NETWORK},    {"wekafs", FS_NETWORK},
        {"glusterfs", FS_NETWORK}, {"orangefs", FS_NETWORK},
        {"afs", FS_NETWORK},
    };
    if (strncmp(type, "fuse", 4) == 0) {
        return FS_PROGRAM;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(type, known[i].type) == 0) {
            return known[i].kind;
        }
    }
    return FS_OTHER;
}

/* Requests of half a mebibyte are as good as larger ones. */
#define REQUEST_KIB 512u

bool rule_requests_are_small(const struct queue *queue)
{
    uint64_t wanted = queue->request_kib_max < REQUEST_KIB
                          ? queue->request_kib_max
                          : REQUEST_KIB;
    return queue->request_kib < wanted;
}

/* MLPerf Storage asks for five times the memory. */
#define COVER_TIMES 5u

enum cover rule_cover(uint64_t data_bytes, uint64_t memory_bytes)
{
    if (data_bytes <= memory_bytes) {
        return COVER_WHOLE;
    }
    return data_bytes / COVER_TIMES < memory_bytes ? COVER_PART : COVER_LITTLE;
}

bool rule_governor_is_slow(const char *governor, const char *driver)
{
    return strcmp(governor, "powersave") == 0 &&
           strcmp(driver, "intel_pstate") != 0 &&
           strncmp(driver, "amd-pstate-epp", 14) != 0;
}

bool rule_is_virtual(const char *maker)
{
    static const char *const words[] = {
        "QEMU", "KVM",   "VMware",    "VirtualBox",      "innotek",
        "Xen",  "Bochs", "Parallels", "Virtual Machine",
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(maker, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}
