/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot: nodes, then PCI devices, then block devices, because each
 * needs the ones before it to know a home node.
 */
#include "runtime/topology/topology.h"

#include <stddef.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

struct fgi_kept {
    struct fgi_kept *next;
    char text[];
};

const char *fgi_keep(struct fgi_kept **list, const char *text)
{
    size_t bytes = strlen(text) + 1;
    struct fgi_kept *kept = fgi_alloc(1, sizeof(*kept) + bytes);

    if (kept == NULL) {
        return NULL;
    }
    memcpy(kept->text, text, bytes);
    kept->next = *list;
    *list = kept;
    return kept->text;
}

void fgi_kept_fini(struct fgi_kept **list)
{
    while (*list != NULL) {
        struct fgi_kept *next = (*list)->next;

        fgi_free(*list);
        *list = next;
    }
}

const char *fgi_topology_keep(struct fg_topology *topology, const char *text)
{
    return fgi_keep(&topology->kept, text);
}

void fg_topology_config_init(struct fg_topology_config *config)
{
    memset(config, 0, sizeof(*config));
    config->struct_size = sizeof(*config);
}

/* A struct from a newer header is fine while what we do not know is zero. */
static enum fg_status check_config(const struct fg_topology_config *config,
                                   struct fg_topology_config *checked,
                                   struct fg_error *err)
{
    const uint8_t *bytes = (const uint8_t *)config;

    fg_topology_config_init(checked);
    if (config == NULL) {
        return FG_OK;
    }
    if (config->struct_size < offsetof(struct fg_topology_config, sysroot)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "topology: struct_size: got %u (likely cause: "
                        "fg_topology_config_init was not called)",
                        config->struct_size);
    }
    for (uint32_t i = sizeof(*checked); i < config->struct_size; i++) {
        if (bytes[i] != 0) {
            return fgi_fail(err, FG_ERR_UNSUPPORTED,
                            "topology: config: byte %u: got an unknown option",
                            i);
        }
    }
    memcpy(checked, config, fgi_min(config->struct_size, sizeof(*checked)));
    if (checked->flags != 0) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "topology: flags: got 0x%x, wanted 0", checked->flags);
    }
    return FG_OK;
}

enum fg_status fg_topology_open(const struct fg_topology_config *config,
                                struct fg_topology **topology,
                                struct fg_error *err)
{
    struct fg_topology_config checked;
    struct fg_topology *made;
    enum fg_status status = check_config(config, &checked, err);

    if (status != FG_OK) {
        return status;
    }
    made = fgi_alloc(1, sizeof(*made));
    if (made == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "topology: got no memory");
    }
    status = fg_sysroot_open(checked.sysroot, &made->root, err);
    if (status == FG_OK) {
        status = fgi_topology_read_nodes(made, err);
    }
    if (status == FG_OK) {
        status = fgi_topology_read_pci(made, err);
    }
    if (status == FG_OK) {
        status = fgi_topology_read_blocks(made, err);
    }
    if (status != FG_OK) {
        fg_topology_close(made);
        return status;
    }
    *topology = made;
    return FG_OK;
}

void fg_topology_close(struct fg_topology *topology)
{
    if (topology == NULL) {
        return;
    }
    for (uint32_t i = 0; topology->nodes != NULL && i < topology->node_count;
         i++) {
        fgi_free((uint32_t *)(uintptr_t)topology->nodes[i].distances);
    }
    for (uint32_t i = 0; i < topology->looked_up_count; i++) {
        fgi_free(topology->looked_up[i]);
    }
    fgi_kept_fini(&topology->kept);
    fgi_free(topology->looked_up);
    fgi_free(topology->blocks);
    fgi_free(topology->pci);
    fgi_free(topology->node_cpus);
    fgi_free(topology->nodes);
    fg_sysroot_close(topology->root);
    fgi_free(topology);
}

const struct fg_sysroot *fg_topology_sysroot(const struct fg_topology *topology)
{
    return topology->root;
}

uint32_t fg_topology_node_count(const struct fg_topology *topology)
{
    return topology->node_count;
}

const struct fg_node *fg_topology_node(const struct fg_topology *topology,
                                       uint32_t index)
{
    return index < topology->node_count ? &topology->nodes[index] : NULL;
}

const struct fg_node *fg_topology_find_node(const struct fg_topology *topology,
                                            int32_t node)
{
    for (uint32_t i = 0; i < topology->node_count; i++) {
        if (topology->nodes[i].node == node) {
            return &topology->nodes[i];
        }
    }
    return NULL;
}

uint32_t fg_topology_pci_count(const struct fg_topology *topology)
{
    return topology->pci_count;
}

const struct fg_pci_device *fg_topology_pci(const struct fg_topology *topology,
                                            uint32_t index)
{
    return index < topology->pci_count ? &topology->pci[index] : NULL;
}

uint32_t fg_topology_block_count(const struct fg_topology *topology)
{
    return topology->block_count;
}

const struct fg_block *fg_topology_block(const struct fg_topology *topology,
                                         uint32_t index)
{
    return index < topology->block_count ? &topology->blocks[index] : NULL;
}

#define SOURCE_TEXT(name, text, meaning) [name] = (text),
#define KIND_TEXT(name, text, classes) [name] = (text),
#define PATH_TEXT(name, text, meaning) [name] = (text),
#define PATH_MEANING(name, text, meaning) [name] = (meaning),

#define COUNT(names) (sizeof(names) / sizeof((names)[0]))

const char *fg_node_source_name(enum fg_node_source source)
{
    static const char *const names[] = {FG_NODE_SOURCE_MAP(SOURCE_TEXT)};

    return (size_t)source < COUNT(names) ? names[source] : "?";
}

const char *fg_pci_kind_name(enum fg_pci_kind kind)
{
    static const char *const names[] = {FG_PCI_KIND_MAP(KIND_TEXT)};

    return (size_t)kind < COUNT(names) ? names[kind] : "?";
}

const char *fg_path_name(enum fg_path path)
{
    static const char *const names[] = {FG_PATH_MAP(PATH_TEXT)};

    return (size_t)path < COUNT(names) ? names[path] : "?";
}

const char *fg_path_meaning(enum fg_path path)
{
    static const char *const meanings[] = {FG_PATH_MAP(PATH_MEANING)};

    return (size_t)path < COUNT(meanings) ? meanings[path] : "?";
}
