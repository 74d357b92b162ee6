/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can the dynamic linker put a library into the program that was started? It
 * is asked of /proc/PID/exe right after exec: for a script that is what runs
 * it. A program that has ended by then, or becomes another one later, is not
 * judged; the answer is only used to explain why nothing was seen.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "launch.h"

#define SEGMENTS_MAX 128

#if __SIZEOF_POINTER__ == 8
typedef Elf64_Ehdr elf_header;
typedef Elf64_Phdr elf_segment;
#define OUR_CLASS ELFCLASS64
#else
typedef Elf32_Ehdr elf_header;
typedef Elf32_Phdr elf_segment;
#define OUR_CLASS ELFCLASS32
#endif

static bool has_interpreter(int fd, const elf_header *header)
{
    elf_segment segment;
    for (unsigned i = 0; i < header->e_phnum && i < SEGMENTS_MAX; i++) {
        off_t at = (off_t)(header->e_phoff + i * sizeof(segment));
        if (pread(fd, &segment, sizeof(segment), at) !=
            (ssize_t)sizeof(segment)) {
            return true; /* not known: nothing is said against it */
        }
        if (segment.p_type == PT_INTERP) {
            return true;
        }
    }
    return false;
}

static bool has_more_rights(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return false;
    }
    return ((info.st_mode & S_ISUID) != 0 && info.st_uid != getuid()) ||
           ((info.st_mode & S_ISGID) != 0 && info.st_gid != getgid()) ||
           (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0);
}

const char *launch_unreached(pid_t pid)
{
    char path[64];
    elf_header header;
    const char *why = "";
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return "";
    }
    if (pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header)) {
        if (header.e_ident[EI_CLASS] != OUR_CLASS) {
            why = "it is of another word size";
        } else if (!has_interpreter(fd, &header)) {
            why = "it is statically linked";
        } else if (has_more_rights(fd)) {
            why = "it has more rights than its user (setuid, capabilities)";
        }
    }
    close(fd);
    return why;
}
