/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices and the disks below them.
 *
 *     partition          the folder above it in sysfs is the whole disk
 *     md, dm             slaves/ names what they lie on; to any depth
 *     NVMe, multipath    nvme0n1 lies below a virtual subsystem, which links
 *                        to its controllers nvme0, nvme1
 *     anything else      its path in sysfs leads through its PCI device
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/device.h"

#define BLOCK "/sys/class/block"
#define DEPTH_MAX 8
#define DIGITS "0123456789"
#define PATH_BYTES (FG_SYSROOT_PATH_BYTES + 64)

/* A block device while its leaves are collected. */
struct search {
    const struct fg_topology *topology;
    struct fg_block *block;
    unsigned depth;        /* of slaves */
    unsigned slave_count;  /* of the device that is looked at */
    enum fg_status status; /* what went wrong, or FG_OK */
    struct fg_error *err;
};

static enum fg_status add_leaves(struct search *search, const char *name);

static bool take_slave(const char *name, void *context)
{
    struct search *search = context;

    search->slave_count++;
    search->status = add_leaves(search, name);
    return search->status == FG_OK;
}

/* The last PCI device on a path, which is cut behind it. */
static bool cut_to_pci(char *path, char *bus_id)
{
    for (;;) {
        char *slash;

        if (fgi_device_bus_id(path, bus_id)) {
            return true;
        }
        slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            return false;
        }
        *slash = '\0';
    }
}

/* What take_controller fills: the first controller of an NVMe subsystem. */
struct controller {
    const struct fg_topology *topology;
    const char *folder; /* of the subsystem */
    char path[FG_SYSROOT_PATH_BYTES];
    bool is_found;
};

static bool take_controller(const char *name, void *context)
{
    struct controller *controller = context;
    char link[PATH_BYTES];

    if (strncmp(name, "nvme", 4) != 0 || name[4] == '\0' ||
        strspn(name + 4, DIGITS) != strlen(name + 4)) {
        return true;
    }
    snprintf(link, sizeof(link), "%s/%.32s", controller->folder, name);
    controller->is_found = fg_sysroot_resolve(controller->topology->root, link,
                                              controller->path, NULL) == FG_OK;
    return !controller->is_found;
}

/* Lead the path of a namespace of a subsystem to one of its controllers. */
static enum fg_status leave_subsystem(struct search *search, char *path)
{
    const struct fg_topology *topology = search->topology;
    struct controller controller = {.topology = topology};
    char folder[FG_SYSROOT_PATH_BYTES];
    char *slash;

    if (strstr(path, "/nvme-subsystem/") == NULL) {
        return FG_OK;
    }
    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    *slash = '\0';
    controller.folder = folder;
    if (fg_sysroot_list(topology->root, folder, take_controller, &controller,
                        NULL) == FG_ERR_MEMORY) {
        return fgi_fail(search->err, FG_ERR_MEMORY, "block device %s",
                        search->block->name);
    }
    if (controller.is_found) {
        snprintf(path, FG_SYSROOT_PATH_BYTES, "%s", controller.path);
    }
    return FG_OK;
}

/* Add a disk that lies on nothing else; `path` is its resolved folder. */
static enum fg_status add_leaf(struct search *search, const char *name,
                               char *path)
{
    struct fg_block *block = search->block;
    struct fg_block_leaf *leaf = &block->leaves[block->leaf_count];
    enum fg_status status = leave_subsystem(search, path);

    for (uint32_t i = 0; i < block->leaf_count; i++) {
        if (strcmp(block->leaves[i].name, name) == 0) {
            return FG_OK; /* two partitions of one disk */
        }
    }
    if (block->leaf_count == FG_BLOCK_LEAVES_MAX) {
        return fgi_fail(search->err, FG_ERR_DAMAGED,
                        "block device %s: more than %u disks below it",
                        block->name, FG_BLOCK_LEAVES_MAX);
    }
    block->leaf_count++;
    memset(leaf, 0, sizeof(*leaf));
    snprintf(leaf->name, sizeof(leaf->name), "%.31s", name);
    if (cut_to_pci(path, leaf->bus_id)) {
        fgi_home_of_path(search->topology, path, -1, &leaf->home);
    } else {
        fgi_home_without_path(search->topology, -1, &leaf->home);
    }
    return status;
}

/* Take the partition's name off a path, and say the whole disk's. */
static void go_to_disk(const struct fg_topology *topology, char *path,
                       char *disk)
{
    char text[16];
    char *slash = strrchr(path, '/');

    if (fgi_device_text(topology, path, "partition", text, sizeof(text)) &&
        slash != NULL && slash != path) {
        *slash = '\0';
        slash = strrchr(path, '/');
    }
    snprintf(disk, 32, "%.31s", slash == NULL ? "" : slash + 1);
}

static enum fg_status add_leaves(struct search *search, const char *name)
{
    char link[PATH_BYTES];
    char path[FG_SYSROOT_PATH_BYTES];
    char slaves[PATH_BYTES];
    char disk[32];
    unsigned outer_count = search->slave_count;
    enum fg_status status;

    if (search->depth == DEPTH_MAX) {
        return fgi_fail(search->err, FG_ERR_DAMAGED,
                        "block device %s: slaves: deeper than %d (likely "
                        "cause: they lead in a circle)",
                        search->block->name, DEPTH_MAX);
    }
    snprintf(link, sizeof(link), BLOCK "/%.64s", name);
    if (fg_sysroot_resolve(search->topology->root, link, path, NULL) != FG_OK) {
        return fgi_fail(search->err, FG_ERR_NOT_FOUND,
                        "block device %.64s: no such device", name);
    }
    go_to_disk(search->topology, path, disk);
    if (search->depth == 0) {
        snprintf(search->block->disk, sizeof(search->block->disk), "%s", disk);
    }
    snprintf(slaves, sizeof(slaves), "%s/slaves", path);
    search->depth++;
    search->slave_count = 0;
    if (fg_sysroot_list(search->topology->root, slaves, take_slave, search,
                        NULL) == FG_ERR_MEMORY) {
        search->status = fgi_fail(search->err, FG_ERR_MEMORY, "block device %s",
                                  search->block->name);
    }
    search->depth--;
    status = search->status;
    if (status == FG_OK && search->slave_count == 0) {
        status = add_leaf(search, disk, path);
    }
    search->slave_count = outer_count;
    return status;
}

/* The home that all leaves share. */
static void set_home(struct fg_block *block)
{
    block->home = block->leaves[0].home;
    for (uint32_t i = 1; i < block->leaf_count; i++) {
        const struct fg_home *home = &block->leaves[i].home;

        if (home->node >= 0 && block->home.node >= 0 &&
            home->node != block->home.node) {
            block->is_split = 1;
        }
        if (home->node != block->home.node) {
            block->home =
                (struct fg_home){.node = -1, .source = FG_SOURCE_UNKNOWN};
        }
    }
    if (block->is_split == 0) {
        return;
    }
    block->home = (struct fg_home){.node = -1, .source = FG_SOURCE_UNKNOWN};
}

static bool is_name(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '.' &&
           strlen(name) < 32 && strchr(name, '/') == NULL;
}

enum fg_status fg_topology_find_block(const struct fg_topology *topology,
                                      const char *name, struct fg_block *block,
                                      struct fg_error *err)
{
    struct fg_block found = {.leaf_count = 0};
    struct search search = {
        .topology = topology,
        .block = &found,
        .status = FG_OK,
        .err = err,
    };
    enum fg_status status;

    if (!is_name(name)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "block device: got \"%.40s\", wanted a name such as "
                        "\"nvme0n1\"",
                        name == NULL ? "" : name);
    }
    snprintf(found.name, sizeof(found.name), "%s", name);
    status = add_leaves(&search, name);
    if (status == FG_OK) {
        set_home(&found);
        *block = found;
    }
    return status;
}

/* What take_block fills. */
struct scan {
    struct fg_topology *topology;
    enum fg_status status;
    struct fg_error *err;
};

/* Is it made of memory or of files, or empty? */
static bool is_left_out(const struct fg_topology *topology, const char *name)
{
    static const char *const starts[] = {"loop", "ram", "zram"};
    char folder[PATH_BYTES];
    int64_t sectors;

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(name, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    snprintf(folder, sizeof(folder), "/sys/block/%.64s", name);
    return fgi_device_number(topology, folder, "size", &sectors) &&
           sectors == 0;
}

/* "nvme0c1n1" is one way to the disk nvme0n1, not a disk. */
static bool is_hidden_way(const char *name)
{
    const char *at = name;

    if (strncmp(at, "nvme", 4) != 0) {
        return false;
    }
    at += 4;
    at += strspn(at, DIGITS);
    return at[0] == 'c' && at[1] >= '0' && at[1] <= '9';
}

static bool take_block(const char *name, void *context)
{
    struct scan *scan = context;
    struct fg_topology *topology = scan->topology;
    struct fg_block block;
    struct fg_block *grown;

    if (is_left_out(topology, name) || is_hidden_way(name)) {
        return true;
    }
    scan->status = fg_topology_find_block(topology, name, &block, scan->err);
    if (scan->status == FG_ERR_MEMORY) {
        return false;
    }
    if (scan->status != FG_OK) {
        scan->status = FG_OK; /* gone meanwhile, or of no use */
        return true;
    }
    grown = fgi_grow(topology->blocks, topology->block_count + 1,
                     sizeof(*topology->blocks));
    if (grown == NULL) {
        scan->status =
            fgi_fail(scan->err, FG_ERR_MEMORY, "topology: block devices");
        return false;
    }
    topology->blocks = grown;
    topology->blocks[topology->block_count++] = block;
    return true;
}

enum fg_status fgi_topology_read_blocks(struct fg_topology *topology,
                                        struct fg_error *err)
{
    struct scan scan = {.topology = topology, .status = FG_OK, .err = err};

    if (fg_sysroot_list(topology->root, "/sys/block", take_block, &scan,
                        NULL) == FG_ERR_MEMORY) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: block devices");
    }
    return scan.status;
}
