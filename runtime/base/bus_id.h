/* SPDX-License-Identifier: Apache-2.0 */
/* PCI bus ids in their usual form. */
#ifndef FGI_BASE_BUS_ID_H
#define FGI_BASE_BUS_ID_H

#include <stdbool.h>

#include <feedgpu/topology.h>

/*
 * Write the usual form of a bus id, "0000:c1:00.0", into bus_id, which has
 * FG_BUS_ID_BYTES. False, with nothing written, when `text` is not one.
 */
bool fgi_bus_id_parse(const char *text, char *bus_id);

#endif /* FGI_BASE_BUS_ID_H */
