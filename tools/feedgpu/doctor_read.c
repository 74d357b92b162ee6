/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the doctor's checks share: reading files below the root, where absent
 * and unreadable are the same "not known", and going through GPUs and nodes.
 */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "doctor_rules.h"

#define LONG_BYTES (1u << 20)
#define VENDOR_NVIDIA 0x10deu

bool doctor_read(const struct doctor *doctor, const char *path, char *text,
                 size_t text_bytes)
{
    return fg_sysroot_read(doctor->root, path, text, text_bytes, NULL) == FG_OK;
}

bool doctor_read_count(const struct doctor *doctor, const char *path,
                       uint64_t *count)
{
    char text[64];
    return doctor_read(doctor, path, text, sizeof(text)) &&
           rule_count(text, count);
}

bool doctor_read_field(const struct doctor *doctor, const char *path,
                       const char *key, char *text, size_t text_bytes)
{
    char file[8192];
    return doctor_read(doctor, path, file, sizeof(file)) &&
           rule_field(file, key, text, text_bytes);
}

char *doctor_read_long(const struct doctor *doctor, const char *path)
{
    char *text = malloc(LONG_BYTES);
    if (text != NULL && !doctor_read(doctor, path, text, LONG_BYTES)) {
        free(text);
        return NULL;
    }
    return text;
}

bool doctor_has(const struct doctor *doctor, const char *path)
{
    char resolved[FG_SYSROOT_PATH_BYTES];
    return fg_sysroot_resolve(doctor->root, path, resolved, NULL) == FG_OK;
}

/* What count_name adds to. */
struct name_count {
    const char *start;
    uint32_t count;
};

static bool count_name(const char *name, void *context)
{
    struct name_count *names = context;
    names->count += strncmp(name, names->start, strlen(names->start)) == 0;
    return true;
}

bool doctor_count_names(const struct doctor *doctor, const char *path,
                        const char *start, uint32_t *count)
{
    struct name_count names = {.start = start};
    if (fg_sysroot_list(doctor->root, path, count_name, &names, NULL) !=
        FG_OK) {
        return false;
    }
    *count = names.count;
    return true;
}

bool doctor_is_copy(struct doctor *doctor)
{
    if (doctor->is_copy) {
        doctor_say(doctor, NULL, VERDICT_NA, "a copy cannot be probed");
    }
    return doctor->is_copy;
}

const struct fg_pci_device *doctor_next_gpu(const struct doctor *doctor,
                                            uint32_t *index)
{
    while (*index < fg_topology_pci_count(doctor->topology)) {
        const struct fg_pci_device *device =
            fg_topology_pci(doctor->topology, (*index)++);
        if (device->kind == FG_PCI_GPU || device->kind == FG_PCI_ACCELERATOR) {
            return device;
        }
    }
    return NULL;
}

bool doctor_lacks_gpu(struct doctor *doctor)
{
    uint32_t index = 0;
    if (doctor_next_gpu(doctor, &index) != NULL) {
        return false;
    }
    doctor_say(doctor, NULL, VERDICT_NA, "no GPU here");
    return true;
}

bool doctor_has_nvidia(const struct doctor *doctor)
{
    uint32_t index = 0;
    const struct fg_pci_device *gpu;
    while ((gpu = doctor_next_gpu(doctor, &index)) != NULL) {
        if (gpu->vendor == VENDOR_NVIDIA) {
            return true;
        }
    }
    return false;
}

bool doctor_has_gds(const struct doctor *doctor)
{
    return doctor_has(doctor, "/proc/driver/nvidia-fs") ||
           doctor_has(doctor, "/sys/module/nvidia_fs");
}

uint32_t doctor_node_count(const struct doctor *doctor)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < fg_topology_node_count(doctor->topology); i++) {
        const struct fg_node *node = fg_topology_node(doctor->topology, i);
        count += (node->flags & FG_NODE_DEVICE_MEMORY) == 0;
    }
    return count;
}
