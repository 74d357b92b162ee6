/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that has the board mapped may read at any time, though it has said
 * nothing for long. Process ids come again; a map of the board does not.
 */
#include "users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "run.h"
#include "tools/preload/place.h"

static bool has_board(int32_t pid)
{
    char path[64];
    char *line = NULL;
    size_t room = 0;
    bool is_found = false;
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL) {
        /* Not to be read is not gone. */
        return errno != ENOENT && errno != ESRCH;
    }
    while (!is_found && getline(&line, &room, maps) > 0) {
        is_found = strstr(line, PLACE_BOARD_LINK) != NULL;
    }
    free(line);
    fclose(maps);
    return is_found;
}

static bool is_anybody_there(struct fg_feeder *feeder)
{
    struct fg_feeder_actor *actors = calloc(RUN_ROOM, sizeof(*actors));
    bool is_found = false;
    if (actors == NULL) {
        return true;
    }
    uint32_t count = fg_feeder_get_actors(feeder, actors, RUN_ROOM);
    for (uint32_t i = 0; i < count && i < RUN_ROOM && !is_found; i++) {
        is_found = actors[i].pid > 0 && has_board(actors[i].pid);
    }
    free(actors);
    return is_found;
}

uint64_t users_idle_ns(struct users *users, struct fg_feeder *feeder)
{
    struct fg_feeder_stats stats = {.struct_size = sizeof(stats)};
    uint64_t now = now_ns();
    fg_feeder_get_stats(feeder, &stats);
    if (users->last_ns == 0 || stats.events != users->events ||
        is_anybody_there(feeder)) {
        users->events = stats.events;
        users->last_ns = now;
    }
    return now - users->last_ns;
}
