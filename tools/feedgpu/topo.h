/* SPDX-License-Identifier: Apache-2.0 */
/* Inside `feedgpu topo`: what its files share. */
#ifndef TOOL_TOPO_H
#define TOOL_TOPO_H

#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feedgpu.h>

#define TOPO_DEVICES_MAX 1024

struct topo {
    struct fg_topology *topology; /* owned by the command */
    const struct fg_pci_device *devices[TOPO_DEVICES_MAX]; /* to show */
    uint32_t device_count;
    int status; /* the command's exit status */
};

bool topo_is_compute(const struct fg_pci_device *device);

/* The nearest device of that kind, with the way to it; NULL: none known. */
const struct fg_pci_device *topo_nearest(const struct topo *topo,
                                         const struct fg_pci_device *device,
                                         enum fg_pci_kind kind,
                                         enum fg_path *path);

/* What to think of a device, in two words; "ok". Static. */
const char *topo_verdict(const struct topo *topo,
                         const struct fg_pci_device *device);

void topo_print_text(const struct topo *topo); /* topo_text.c */
void topo_print_json(const struct topo *topo); /* topo_json.c */

#endif /* TOOL_TOPO_H */
