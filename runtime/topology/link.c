/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI Express links. A device is as fast as the slowest link on the whole way
 * up, so every bridge's link above it is looked at. A bridge has two sides:
 * its attributes tell the link that leads up from it.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/topology/device.h"

uint64_t fg_link_bytes_per_s(const struct fg_link *link)
{
    uint64_t bits = (uint64_t)link->speed_mts * 1000000 * link->width;

    if (link->speed_mts <= 5000) {
        return bits / 8 * 8 / 10;
    }
    if (link->speed_mts <= 32000) {
        return bits / 8 / 130 * 128;
    }
    return bits / 8 / 256 * 242;
}

static struct fg_link read_link(const struct fg_topology *topology,
                                const char *folder, const char *which)
{
    struct fg_link link = {0};
    char name[32];
    char text[64];
    int64_t width;

    snprintf(name, sizeof(name), "%s_link_speed", which);
    if (fgi_device_text(topology, folder, name, text, sizeof(text))) {
        link.speed_mts = fgi_parse_link_speed(text);
    }
    snprintf(name, sizeof(name), "%s_link_width", which);
    /* 255 and 0: what some bridges say when no link is there. */
    if (fgi_device_number(topology, folder, name, &width) && width > 0 &&
        width <= 32) {
        link.width = (uint32_t)width;
    }
    return link;
}

/* Is `link` known and slower than *slowest, or that unknown? */
static bool is_slower(const struct fg_link *link, const struct fg_link *slowest)
{
    uint64_t rate = fg_link_bytes_per_s(link);
    uint64_t least = fg_link_bytes_per_s(slowest);

    return rate > 0 && (least == 0 || rate < least);
}

void fgi_links_read(const struct fg_topology *topology,
                    struct fg_pci_device *device)
{
    char path[FG_SYSROOT_PATH_BYTES];

    device->link_now = read_link(topology, device->path, "current");
    device->link_max = read_link(topology, device->path, "max");
    device->path_now = device->link_now;
    device->path_max = device->link_max;
    memcpy(device->limit_bus_id, device->bus_id, sizeof(device->bus_id));
    snprintf(path, sizeof(path), "%s", device->path);
    while (fgi_device_go_up(path)) {
        struct fg_link now = read_link(topology, path, "current");
        struct fg_link most = read_link(topology, path, "max");

        if (is_slower(&now, &device->path_now)) {
            device->path_now = now;
        }
        if (is_slower(&most, &device->path_max)) {
            device->path_max = most;
            (void)fgi_device_bus_id(path, device->limit_bus_id);
        }
    }
}
