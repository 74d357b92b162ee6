/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way between two PCI devices, from their paths below /sys/devices:
 *
 *     pci0000:00 / 0000:00:01.0 / 0000:01:00.0 / 0000:02:00.0 / 0000:03:00.0
 *     host bridge  root port      switch, up     switch, down   device
 *
 * Two devices of one switch differ from its upstream port on: one downstream
 * port each. That is the "single bridge" of nvidia-smi's PIX. More of them
 * below the last common bridge are several switches: PXB. Nothing but the host
 * bridge in common: the traffic goes through it: PHB.
 */
#include <string.h>

#include "runtime/topology/topology.h"

/* Bytes up to behind the host bridge's name; 0 when there is none. */
static size_t host_bridge_bytes(const char *path)
{
    static const char start[] = "/sys/devices/pci";
    const char *name;

    if (strncmp(path, start, strlen(start)) != 0) {
        return 0;
    }
    name = path + strlen("/sys/devices/");
    return (size_t)(name - path) + strcspn(name, "/");
}

/* Bytes of the folders that both paths begin with. */
static size_t common_bytes(const char *a, const char *b)
{
    size_t common = 0;

    for (size_t i = 0;; i++) {
        bool a_ends = a[i] == '/' || a[i] == '\0';
        bool b_ends = b[i] == '/' || b[i] == '\0';

        if (a_ends && b_ends) {
            common = i;
        }
        if (a[i] != b[i] || a[i] == '\0') {
            return common;
        }
    }
}

static unsigned slashes(const char *path)
{
    unsigned count = 0;

    for (; *path != '\0'; path++) {
        count += *path == '/';
    }
    return count;
}

/* The way between two that have no host bridge in common. */
static enum fg_path between_bridges(const struct fg_pci_device *a,
                                    const struct fg_pci_device *b)
{
    if (a->home.node < 0 || b->home.node < 0) {
        return FG_PATH_UNKNOWN;
    }
    return a->home.node == b->home.node ? FG_PATH_NODE : FG_PATH_SYS;
}

enum fg_path fg_topology_path(const struct fg_topology *topology,
                              const struct fg_pci_device *a,
                              const struct fg_pci_device *b)
{
    size_t host = host_bridge_bytes(a->path);
    size_t common = common_bytes(a->path, b->path);

    (void)topology;
    if (strcmp(a->bus_id, b->bus_id) == 0) {
        return FG_PATH_SELF;
    }
    if (host == 0 || host_bridge_bytes(b->path) == 0) {
        return FG_PATH_UNKNOWN;
    }
    if (common < host) {
        return between_bridges(a, b);
    }
    if (common == host) {
        return FG_PATH_PHB;
    }
    /* Behind the common bridge: "/port/device", or "/device". */
    return slashes(a->path + common) <= 2 && slashes(b->path + common) <= 2
               ? FG_PATH_PIX
               : FG_PATH_PXB;
}
