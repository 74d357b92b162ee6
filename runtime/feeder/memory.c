/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory to take by default: a quarter of what is available, and at
 * most half of what the control groups that we are in leave. The programs and
 * their page cache are in the same group as we are.
 */
#include "runtime/feeder/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/math.h"

#define MEMORY_BYTES_MIN FGI_MIB(64)
#define UNKNOWN UINT64_MAX
#define GROUPS "/sys/fs/cgroup"

static uint64_t available_bytes(void)
{
    static const char key[] = "MemAvailable:";
    FILE *file = fopen("/proc/meminfo", "re");
    uint64_t bytes = UNKNOWN;
    char line[128];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            bytes = strtoull(line + strlen(key), NULL, 10) << 10;
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

/* The number in a group's file; UNKNOWN: "max", or none. */
static uint64_t read_number(const char *group, const char *name)
{
    char path[4096 + 64];
    char line[64] = "";
    FILE *file;
    char *end;
    uint64_t number;

    snprintf(path, sizeof(path), "%s%s/%s", GROUPS, group, name);
    file = fopen(path, "re");
    if (file == NULL) {
        return UNKNOWN;
    }
    if (fgets(line, sizeof(line), file) == NULL) {
        line[0] = '\0';
    }
    fclose(file);
    number = strtoull(line, &end, 10);
    return end == line ? UNKNOWN : number;
}

/* "0::/a/b" in /proc/self/cgroup is our group in the unified hierarchy. */
static bool find_group(char *group, size_t room)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[4096];
    bool is_found = false;

    while (file != NULL && !is_found &&
           fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(group, room, "%s", line + 3);
            is_found = true;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return is_found;
}

/* The least room in our group and those around it. */
static uint64_t group_bytes(void)
{
    char group[4096];
    uint64_t room = UNKNOWN;

    if (!find_group(group, sizeof(group))) {
        return UNKNOWN;
    }
    for (;;) {
        char *slash = strrchr(group, '/');
        uint64_t limit = read_number(group, "memory.max");
        uint64_t used = read_number(group, "memory.current");

        if (limit != UNKNOWN && used != UNKNOWN) {
            room = fgi_min(room, limit > used ? limit - used : 0);
        }
        if (slash == NULL) {
            return room;
        }
        *slash = '\0';
    }
}

uint64_t fgi_memory_default(void)
{
    uint64_t available = available_bytes();
    uint64_t room = group_bytes();
    uint64_t bytes = available == UNKNOWN ? MEMORY_BYTES_MIN : available / 4;

    if (room != UNKNOWN) {
        bytes = fgi_min(bytes, room / 2);
    }
    return fgi_align_down(fgi_max(bytes, MEMORY_BYTES_MIN), FGI_MIB(2));
}

uint64_t fgi_memory_available(void)
{
    return fgi_min(available_bytes(), group_bytes());
}
