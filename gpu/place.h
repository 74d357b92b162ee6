/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a device that is not a GPU says it hangs: "node=N" is what a GPU's
 * driver would say, "bus=ID" the PCI device that it stands in for. Both the
 * host and the emulated device take them in their names.
 */
#ifndef FGI_GPU_PLACE_H
#define FGI_GPU_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>
#include <feedgpu/topology.h>

struct fgi_place {
    int32_t node;                 /* or -1 */
    char bus_id[FG_BUS_ID_BYTES]; /* in its usual form, or "" */
};

/*
 * Read one item of a device's name, `length` bytes of it. *is_place: it is
 * one of the two. Errors: ARGUMENT, "device KIND: ...".
 */
enum fg_status fgi_place_parse(struct fgi_place *place, const char *kind,
                               const char *item, size_t length, bool *is_place,
                               struct fg_error *err);

#endif /* FGI_GPU_PLACE_H */
