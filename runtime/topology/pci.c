/* SPDX-License-Identifier: Apache-2.0 */
/* PCI devices: which there are, and what sysfs says about each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/bus_id.h"
#include "runtime/base/error.h"
#include "runtime/base/mem.h"
#include "runtime/topology/device.h"

#define DEVICES "/sys/bus/pci/devices"
#define NAMES_BYTES 128

bool fgi_device_text(const struct fg_topology *topology, const char *folder,
                     const char *name, char *text, size_t text_bytes)
{
    char path[FG_SYSROOT_PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, name);

    return length > 0 && (size_t)length < sizeof(path) &&
           fg_sysroot_read(topology->root, path, text, text_bytes, NULL) ==
               FG_OK;
}

bool fgi_device_number(const struct fg_topology *topology, const char *folder,
                       const char *name, int64_t *number)
{
    char text[32];

    return fgi_device_text(topology, folder, name, text, sizeof(text)) &&
           fgi_parse_number(text, number);
}

bool fgi_device_bus_id(const char *path, char *bus_id)
{
    const char *slash = strrchr(path, '/');

    return fgi_bus_id_parse(slash == NULL ? path : slash + 1, bus_id);
}

bool fgi_device_go_up(char *path)
{
    char bus_id[FG_BUS_ID_BYTES];
    char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return fgi_device_bus_id(path, bus_id);
}

/* "ffffffff,00000003": 32 CPUs a word, the last word first. */
static bool parse_mask(struct fgi_set *set, const char *text)
{
    uint32_t bit = 0;

    memset(set, 0, sizeof(*set));
    for (const char *at = text + strlen(text); at > text; at--) {
        char c = (char)(at[-1] | 0x20);
        uint32_t value;

        if (at[-1] == ',') {
            continue;
        }
        if (c >= '0' && c <= '9') {
            value = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = (uint32_t)(c - 'a' + 10);
        } else {
            return false;
        }
        for (uint32_t i = 0; i < 4; i++) {
            if ((value >> i & 1) != 0) {
                fgi_set_add(set, bit + i);
            }
        }
        bit += 4;
    }
    return bit > 0;
}

bool fgi_device_local_cpus(const struct fg_topology *topology,
                           const char *folder, struct fgi_set *cpus)
{
    char text[FGI_ATTRIBUTE_BYTES];

    if (fgi_device_text(topology, folder, "local_cpulist", text,
                        sizeof(text))) {
        return fgi_set_parse(cpus, text);
    }
    return fgi_device_text(topology, folder, "local_cpus", text,
                           sizeof(text)) &&
           parse_mask(cpus, text);
}

/*
 * Graphics of a server's management controller: a PCI VGA card that nobody
 * trains on. ASPEED, Matrox; cirrus, bochs and QXL in virtual machines.
 */
static bool is_console_graphics(int64_t vendor)
{
    return vendor == 0x1a03 || vendor == 0x102b || vendor == 0x1013 ||
           vendor == 0x1234 || vendor == 0x1b36;
}

static enum fg_pci_kind kind_of(int64_t class_code, int64_t vendor)
{
    switch (class_code >> 8) {
    case 0x0300:
    case 0x0302:
        return is_console_graphics(vendor) ? FG_PCI_OTHER : FG_PCI_GPU;
    case 0x1200:
        return FG_PCI_ACCELERATOR;
    case 0x0108:
        return FG_PCI_NVME;
    case 0x0200:
    case 0x0207:
        return FG_PCI_NIC;
    default:
        return FG_PCI_OTHER;
    }
}

/* A number, or 0 where there is none that fits. */
static uint32_t number_or_0(const struct fg_topology *topology,
                            const char *path, const char *name)
{
    int64_t number;

    return fgi_device_number(topology, path, name, &number) && number > 0 &&
                   number <= UINT32_MAX
               ? (uint32_t)number
               : 0;
}

/* Names are added here, by commas, as long as they fit. */
struct names {
    char text[NAMES_BYTES];
    const char *start; /* which to take, or NULL: all */
};

static bool take_name(const char *name, void *context)
{
    struct names *names = context;
    size_t used = strlen(names->text);

    if (names->start != NULL &&
        strncmp(name, names->start, strlen(names->start)) != 0) {
        return true;
    }
    if (used + strlen(name) + 2 > sizeof(names->text)) {
        return false;
    }
    snprintf(names->text + used, sizeof(names->text) - used, "%s%s",
             used > 0 ? "," : "", name);
    return true;
}

/* Add the names in the folders of classes below a device. */
static bool add_class_names(const struct fg_topology *topology,
                            const char *path, struct names *names)
{
    static const struct {
        const char *folder;
        const char *start;
    } classes[] = {
        {"nvme", "nvme"}, {"net", NULL},      {"infiniband", NULL},
        {"drm", "card"},  {"accel", "accel"},
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        char folder[FG_SYSROOT_PATH_BYTES + 96];

        snprintf(folder, sizeof(folder), "%s/%s", path, classes[i].folder);
        names->start = classes[i].start;
        if (fg_sysroot_list(topology->root, folder, take_name, names, NULL) ==
            FG_ERR_MEMORY) {
            return false;
        }
    }
    return true;
}

/* What take_virtio fills: the device that virtio's driver made of this one. */
struct virtio {
    const char *path;
    char child[FG_SYSROOT_PATH_BYTES + 80];
};

static bool take_virtio(const char *name, void *context)
{
    struct virtio *virtio = context;

    if (strncmp(name, "virtio", 6) != 0 || name[6] < '0' || name[6] > '9') {
        return true;
    }
    snprintf(virtio->child, sizeof(virtio->child), "%s/%.64s", virtio->path,
             name);
    return false;
}

/*
 * What the kernel calls the device: folders of its classes, which for a virtio
 * device lie one level down. False when memory is short.
 */
static bool find_names(const struct fg_topology *topology, const char *path,
                       struct names *names)
{
    struct virtio virtio = {.path = path, .child = ""};

    if (!add_class_names(topology, path, names)) {
        return false;
    }
    if (names->text[0] != '\0') {
        return true;
    }
    if (fg_sysroot_list(topology->root, path, take_virtio, &virtio, NULL) ==
        FG_ERR_MEMORY) {
        return false;
    }
    return virtio.child[0] == '\0' ||
           add_class_names(topology, virtio.child, names);
}

static const char *keep_driver(struct fg_topology *topology, const char *path)
{
    char link[FG_SYSROOT_PATH_BYTES + 16];
    char resolved[FG_SYSROOT_PATH_BYTES];
    const char *name = "";

    snprintf(link, sizeof(link), "%s/driver", path);
    if (fg_sysroot_resolve(topology->root, link, resolved, NULL) == FG_OK) {
        name = strrchr(resolved, '/') + 1;
    }
    return fgi_topology_keep(topology, name);
}

/* Fill a device whose bus_id, kind and path are set. */
static enum fg_status describe(struct fg_topology *topology,
                               struct fg_pci_device *device,
                               struct fg_error *err)
{
    char text[FGI_ATTRIBUTE_BYTES] = "";
    struct names names = {.text = ""};
    struct fgi_set cpus;

    device->device = number_or_0(topology, device->path, "device");
    fgi_home_of_path(topology, device->path, -1, &device->home);
    fgi_links_read(topology, device);
    if (!find_names(topology, device->path, &names)) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: %s", device->bus_id);
    }
    if (fgi_device_local_cpus(topology, device->path, &cpus)) {
        fgi_set_format(&cpus, text, sizeof(text));
    }
    device->local_cpus = fgi_topology_keep(topology, text);
    device->names = fgi_topology_keep(topology, names.text);
    device->driver = keep_driver(topology, device->path);
    if (device->local_cpus == NULL || device->names == NULL ||
        device->driver == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: %s", device->bus_id);
    }
    return FG_OK;
}

/* Set bus id, path, class, vendor and kind; NOT_FOUND without the device. */
static enum fg_status identify(struct fg_topology *topology, const char *bus_id,
                               struct fg_pci_device *device,
                               struct fg_error *err)
{
    char link[sizeof(DEVICES) + FG_BUS_ID_BYTES + 2];
    char path[FG_SYSROOT_PATH_BYTES];

    memset(device, 0, sizeof(*device));
    snprintf(device->bus_id, sizeof(device->bus_id), "%s", bus_id);
    snprintf(link, sizeof(link), DEVICES "/%s", bus_id);
    if (fg_sysroot_resolve(topology->root, link, path, NULL) != FG_OK) {
        return fgi_fail(err, FG_ERR_NOT_FOUND, "topology: %s: no such device",
                        bus_id);
    }
    device->class_code = number_or_0(topology, path, "class");
    device->vendor = number_or_0(topology, path, "vendor");
    device->kind = kind_of(device->class_code, device->vendor);
    device->path = fgi_topology_keep(topology, path);
    if (device->path == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: %s", bus_id);
    }
    return FG_OK;
}

/* What take_device fills. */
struct scan {
    struct fg_topology *topology;
    enum fg_status status;
    struct fg_error *err;
};

static bool take_device(const char *name, void *context)
{
    struct scan *scan = context;
    struct fg_topology *topology = scan->topology;
    struct fg_pci_device found;
    struct fg_pci_device *grown;
    char bus_id[FG_BUS_ID_BYTES];

    if (!fgi_bus_id_parse(name, bus_id)) {
        return true;
    }
    scan->status = identify(topology, bus_id, &found, scan->err);
    if (scan->status == FG_ERR_NOT_FOUND ||
        (scan->status == FG_OK && found.kind == FG_PCI_OTHER)) {
        scan->status = FG_OK; /* gone meanwhile, or not of interest */
        return true;
    }
    if (scan->status == FG_OK) {
        scan->status = describe(topology, &found, scan->err);
    }
    if (scan->status != FG_OK) {
        return false;
    }
    grown = fgi_grow(topology->pci, topology->pci_count + 1, sizeof(*grown));
    if (grown == NULL) {
        scan->status =
            fgi_fail(scan->err, FG_ERR_MEMORY, "topology: %s", bus_id);
        return false;
    }
    topology->pci = grown;
    topology->pci[topology->pci_count++] = found;
    return true;
}

static int compare_devices(const void *a, const void *b)
{
    const struct fg_pci_device *left = a;
    const struct fg_pci_device *right = b;

    if (left->kind != right->kind) {
        return left->kind < right->kind ? -1 : 1;
    }
    /* Domains of more digits come behind those of fewer. */
    if (strlen(left->bus_id) != strlen(right->bus_id)) {
        return strlen(left->bus_id) < strlen(right->bus_id) ? -1 : 1;
    }
    return strcmp(left->bus_id, right->bus_id);
}

enum fg_status fgi_topology_read_pci(struct fg_topology *topology,
                                     struct fg_error *err)
{
    struct scan scan = {.topology = topology, .status = FG_OK, .err = err};

    if (fg_sysroot_list(topology->root, DEVICES, take_device, &scan, NULL) ==
        FG_ERR_MEMORY) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: PCI devices");
    }
    if (scan.status == FG_OK && topology->pci_count > 1) {
        qsort(topology->pci, topology->pci_count, sizeof(*topology->pci),
              compare_devices);
    }
    return scan.status;
}

enum fg_status fg_bus_id_parse(const char *text, char *bus_id,
                               struct fg_error *err)
{
    if (text == NULL || !fgi_bus_id_parse(text, bus_id)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "bus id: got \"%.40s\", wanted one such as "
                        "\"0000:c1:00.0\"",
                        text == NULL ? "" : text);
    }
    return FG_OK;
}

/* Look a device up that is not listed, and keep it. */
static enum fg_status look_up(struct fg_topology *topology, const char *bus_id,
                              const struct fg_pci_device **device,
                              struct fg_error *err)
{
    struct fg_pci_device *found = fgi_alloc(1, sizeof(*found));
    struct fg_pci_device **grown;
    enum fg_status status;

    grown = fgi_grow(topology->looked_up, topology->looked_up_count + 1,
                     sizeof(struct fg_pci_device *));
    if (grown != NULL) {
        topology->looked_up = grown;
    }
    if (grown == NULL || found == NULL) {
        fgi_free(found);
        return fgi_fail(err, FG_ERR_MEMORY, "topology: %s", bus_id);
    }
    status = identify(topology, bus_id, found, err);
    if (status == FG_OK) {
        status = describe(topology, found, err);
    }
    if (status != FG_OK) {
        fgi_free(found);
        return status;
    }
    topology->looked_up[topology->looked_up_count++] = found;
    *device = found;
    return FG_OK;
}

enum fg_status fg_topology_find_pci(struct fg_topology *topology,
                                    const char *bus_id,
                                    const struct fg_pci_device **device,
                                    struct fg_error *err)
{
    char usual[FG_BUS_ID_BYTES];
    enum fg_status status = fg_bus_id_parse(bus_id, usual, err);

    if (status != FG_OK) {
        return status;
    }
    for (uint32_t i = 0; i < topology->pci_count; i++) {
        if (strcmp(topology->pci[i].bus_id, usual) == 0) {
            *device = &topology->pci[i];
            return FG_OK;
        }
    }
    for (uint32_t i = 0; i < topology->looked_up_count; i++) {
        if (strcmp(topology->looked_up[i]->bus_id, usual) == 0) {
            *device = topology->looked_up[i];
            return FG_OK;
        }
    }
    return look_up(topology, usual, device, err);
}
