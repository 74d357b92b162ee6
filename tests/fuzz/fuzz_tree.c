/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A topology of any tree of files. The input is lines; each makes one thing
 * below a fresh root:
 *
 *     sys/a/b=text     a file; '|' in the text stands for a newline
 *     sys/a/b>target   a symbolic link, to anywhere
 *     sys/a/b!         a pipe
 *     sys/a/b/         a folder
 *
 * Whatever the tree, opening ends, and what the topology says is consistent:
 * nodes in order, homes online, links and lists that can be asked for.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <feedgpu/topology.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH_BYTES 256
#define INPUT_BYTES_MAX 65536u

/* Not assert: releases replay the corpus too. */
static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static int remove_one(const char *path, const struct stat *info, int flag,
                      struct FTW *walk)
{
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

/* Makes the folders above a path; false where a file is in the way. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        struct stat info;
        *slash = '\0';
        (void)mkdir(path, 0755);
        bool is_folder = lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
        *slash = '/';
        if (!is_folder) {
            return false;
        }
    }
    return true;
}

static bool is_below(const char *path)
{
    return (strncmp(path, "sys/", 4) == 0 || strncmp(path, "proc/", 5) == 0) &&
           strstr(path, "..") == NULL;
}

static void make_file(const char *path, char *text)
{
    FILE *file = fopen(path, "wx");
    if (file == NULL) {
        return;
    }
    for (char *c = text; (c = strchr(c, '|')) != NULL; c++) {
        *c = '\n';
    }
    fputs(text, file);
    fclose(file);
}

static void make_link(const char *path, const char *target)
{
    if (symlink(target, path) != 0) {
        return; /* something is there already, or the target is empty */
    }
}

static void make_entry(char *line)
{
    char path[PATH_BYTES];
    size_t length = strcspn(line, "=>!");
    if (length >= sizeof(path)) {
        return;
    }
    memcpy(path, line, length);
    path[length] = '\0';
    if (!is_below(path) || !make_folders(path)) {
        return;
    }
    switch (line[length]) {
    case '=':
        make_file(path, line + length + 1);
        break;
    case '>':
        make_link(path, line + length + 1);
        break;
    case '!':
        (void)mkfifo(path, 0644);
        break;
    default:
        break;
    }
}

static void check_home(const struct fg_topology *topology,
                       const struct fg_home *home)
{
    must((home->node == -1) == (home->source == FG_SOURCE_UNKNOWN));
    must(home->node == -1 ||
         fg_topology_find_node(topology, home->node) != NULL);
}

static void check_devices(struct fg_topology *topology)
{
    uint32_t count = fg_topology_pci_count(topology);
    for (uint32_t i = 0; i < count; i++) {
        const struct fg_pci_device *device = fg_topology_pci(topology, i);
        const struct fg_pci_device *found;
        check_home(topology, &device->home);
        must(strlen(device->names) < 4096 && strlen(device->path) < 4096);
        must(fg_topology_path(topology, device, device) == FG_PATH_SELF);
        must(fg_topology_find_pci(topology, device->bus_id, &found, NULL) ==
             FG_OK);
        (void)fg_topology_path(topology, device, fg_topology_pci(topology, 0));
    }
    for (uint32_t i = 0; i < fg_topology_block_count(topology); i++) {
        const struct fg_block *block = fg_topology_block(topology, i);
        must(block->leaf_count <= FG_BLOCK_LEAVES_MAX);
        check_home(topology, &block->home);
    }
}

static void check_topology(void)
{
    struct fg_topology_config config;
    struct fg_topology *topology;
    int32_t last = -1;

    fg_topology_config_init(&config);
    config.sysroot = ".";
    if (fg_topology_open(&config, &topology, NULL) != FG_OK) {
        return;
    }
    for (uint32_t i = 0; i < fg_topology_node_count(topology); i++) {
        const struct fg_node *node = fg_topology_node(topology, i);
        must(node->node > last);
        must(node->hugepage_count <= FG_HUGEPAGE_SIZES_MAX);
        last = node->node;
    }
    check_devices(topology);
    fg_topology_close(topology);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* In memory, where there is such a place: trees are many small files. */
    char folder[32];
    int start = open(".", O_PATH | O_CLOEXEC);
    char *text;
    char *rest;

    must(start >= 0);
    if (size > INPUT_BYTES_MAX || (text = malloc(size + 1)) == NULL) {
        close(start);
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    snprintf(folder, sizeof(folder), "%s/feedgpu-tree-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(folder) != NULL && chdir(folder) == 0);
    rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        make_entry(line);
    }
    check_topology();
    must(fchdir(start) == 0);
    close(start);
    must(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    free(text);
    return 0;
}
