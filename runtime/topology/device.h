/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of one device in sysfs: what pci, link, home and block share. */
#ifndef FGI_TOPOLOGY_DEVICE_H
#define FGI_TOPOLOGY_DEVICE_H

#include "runtime/topology/topology.h"

/* An attribute's text; CPU lists and masks of large machines fit. */
#define FGI_ATTRIBUTE_BYTES 4096u

/* Read folder/name; false: absent, unreadable or too long. pci.c */
bool fgi_device_text(const struct fg_topology *topology, const char *folder,
                     const char *name, char *text, size_t text_bytes);

/* The same for a whole number. pci.c */
bool fgi_device_number(const struct fg_topology *topology, const char *folder,
                       const char *name, int64_t *number);

/*
 * Take the last name off a path below /sys/devices when what is left is a PCI
 * device too: one bridge up. False at a host bridge. pci.c
 */
bool fgi_device_go_up(char *path);

/* The PCI bus id that a path's last name is, or false. pci.c */
bool fgi_device_bus_id(const char *path, char *bus_id);

/* The CPUs near a device, by local_cpulist or local_cpus. pci.c */
bool fgi_device_local_cpus(const struct fg_topology *topology,
                           const char *folder, struct fgi_set *cpus);

/* The home node of the PCI device with that resolved path. home.c */
void fgi_home_of_path(const struct fg_topology *topology, const char *path,
                      int32_t driver_node, struct fg_home *home);

/* The same for what is no PCI device; `path` may be NULL. home.c */
void fgi_home_without_path(const struct fg_topology *topology,
                           int32_t driver_node, struct fg_home *home);

/* Fill the links of a device whose path is set. link.c */
void fgi_links_read(const struct fg_topology *topology,
                    struct fg_pci_device *device);

#endif /* FGI_TOPOLOGY_DEVICE_H */
