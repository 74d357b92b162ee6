/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc tells of the program. A process that has ended and not been
 * waited for yet still has its files there, with the sums of all children that
 * it waited for; so the counts are complete when they are taken then.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"

bool proc_read(const char *path, char *text, size_t text_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    if (fd < 0) {
        return false;
    }
    while (length < text_bytes - 1) {
        ssize_t got = read(fd, text + length, text_bytes - 1 - length);
        if (got <= 0) {
            break;
        }
        length += (size_t)got;
    }
    close(fd);
    text[length] = '\0';
    return length > 0;
}

/* The number behind "name: " at the start of a line. */
static bool find_number(const char *text, const char *name, uint64_t *number)
{
    const char *line = text;
    size_t length = strlen(name);
    while (line != NULL && *line != '\0') {
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            *number = strtoull(line + length + 1, NULL, 10);
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

void proc_add_io(pid_t pid, struct process_io *io)
{
    char path[64];
    char text[512];
    uint64_t call_bytes;
    uint64_t storage_bytes;
    uint64_t calls;
    snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
    if (!proc_read(path, text, sizeof(text)) ||
        !find_number(text, "rchar", &call_bytes) ||
        !find_number(text, "read_bytes", &storage_bytes) ||
        !find_number(text, "syscr", &calls)) {
        io->unknown++;
        return;
    }
    io->call_bytes += call_bytes;
    io->storage_bytes += storage_bytes;
    io->calls += calls;
    io->processes++;
}

bool proc_read_cpus(pid_t pid, char *text, size_t text_bytes)
{
    static const char name[] = "\nCpus_allowed_list:\t";
    char path[64];
    char status[8192];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (!proc_read(path, status, sizeof(status))) {
        return false;
    }
    const char *found = strstr(status, name);
    if (found == NULL) {
        return false;
    }
    found += sizeof(name) - 1;
    int length = (int)strcspn(found, "\n");
    return snprintf(text, text_bytes, "%.*s", length, found) < (int)text_bytes;
}

/* The session of a process: the sixth field, behind the name. */
static int session_of(pid_t pid)
{
    char path[64];
    char stat[1024];
    int session = -1;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (!proc_read(path, stat, sizeof(stat))) {
        return -1;
    }
    /* A name may hold blanks and brackets: the last bracket ends it. */
    char *rest = strrchr(stat, ')');
    for (int field = 2; rest != NULL && field < 6; field++) {
        rest = strchr(rest + 1, ' ');
    }
    if (rest != NULL) {
        session = (int)strtol(rest + 1, NULL, 10);
    }
    return session;
}

uint32_t proc_count_children(uint32_t *in_session)
{
    char path[64];
    char text[4096];
    uint32_t count = 0;
    *in_session = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    if (!proc_read(path, text, sizeof(text))) {
        return 0;
    }
    char *next = text;
    for (;;) {
        char *end;
        long pid = strtol(next, &end, 10);
        if (end == next) {
            return count;
        }
        next = end;
        count++;
        *in_session += session_of((pid_t)pid) == getsid(0) ? 1 : 0;
    }
}
