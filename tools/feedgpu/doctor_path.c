/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PATH means: its files, and the file systems and block devices that they
 * are on. All files are counted; where they lie is asked for some of them,
 * spread evenly.
 */
#include "doctor_path.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report.h"

#define FILES_MAX 1000000u /* more than that are not counted */

static bool is_pattern(const char *path)
{
    struct stat of;
    return strpbrk(path, "*?[") != NULL && stat(path, &of) != 0;
}

static bool add_pattern(struct inputs *inputs, const char *pattern)
{
    glob_t found;
    int status = glob(pattern, 0, NULL, &found);
    bool is_good = true;
    if (status != 0) {
        complain(status == GLOB_NOMATCH ? "%s: glob: got no file, wanted at "
                                          "least one"
                                        : "%s: glob: it cannot be read",
                 pattern);
        return false;
    }
    for (size_t i = 0; is_good && i < found.gl_pathc; i++) {
        is_good = inputs_add(inputs, found.gl_pathv[i]);
    }
    globfree(&found);
    return is_good;
}

const struct input_file *path_pick(const struct path *path, size_t i,
                                   size_t count)
{
    return &path->inputs.files[i * path->inputs.count / count];
}

size_t path_pick_count(const struct path *path, size_t max)
{
    return path->inputs.count < max ? path->inputs.count : max;
}

static bool has_place(const struct path *path, uint64_t device)
{
    for (uint32_t i = 0; i < path->place_count; i++) {
        if (path->places[i].device == device) {
            return true;
        }
    }
    return false;
}

static void add_place(const struct doctor *doctor, const char *mounts,
                      const char *file, struct path *path)
{
    struct place *place = &path->places[path->place_count++];
    char *real = realpath(file, NULL);
    struct fg_error err;
    place->has_mount = mounts != NULL && real != NULL &&
                       rule_mount(mounts, real, &place->mount);
    free(real);
    if (fg_topology_find_block_of(doctor->topology, file, &place->block,
                                  &err) != FG_OK) {
        place->block.leaf_count = 0;
        snprintf(place->no_block, sizeof(place->no_block), "%s", err.message);
    }
}

/* The file systems of some of the files; the first file's in any case. */
static void find_places(const struct doctor *doctor, struct path *path)
{
    char *mounts = doctor_read_long(doctor, "/proc/self/mountinfo");
    size_t count = path_pick_count(path, LOOKED_AT_MAX);
    for (size_t i = 0; i < count && path->place_count < PLACES_MAX; i++) {
        const char *file = path_pick(path, i, count)->path;
        struct stat of;
        uint64_t device = stat(file, &of) == 0 ? (uint64_t)of.st_dev : 0;
        if (!has_place(path, device)) {
            path->places[path->place_count].device = device;
            add_place(doctor, mounts, file, path);
        }
    }
    free(mounts);
}

struct path *path_open(const struct doctor *doctor)
{
    struct path *path = calloc(1, sizeof(*path));
    if (path == NULL) {
        complain("%s: out of memory", doctor->path);
        return NULL;
    }
    inputs_init(&path->inputs);
    path->inputs.count_max = FILES_MAX;
    bool is_good = is_pattern(doctor->path)
                       ? add_pattern(&path->inputs, doctor->path)
                       : inputs_add(&path->inputs, doctor->path);
    if (is_good && path->inputs.count == 0) {
        complain("%s: got no file in it, wanted at least one", doctor->path);
        is_good = false;
    }
    if (!is_good) {
        path_close(path);
        return NULL;
    }
    find_places(doctor, path);
    return path;
}

void path_close(struct path *path)
{
    if (path != NULL) {
        inputs_fini(&path->inputs);
        free(path);
    }
}
