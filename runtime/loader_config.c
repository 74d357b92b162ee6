/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's configuration: defaults, and the checks that name a member. */
#include <stddef.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"
#include <feedgpu/version.h>

#include "runtime/loader.h"

#define READ_BYTES_DEFAULT FGI_MIB(1)
#define READ_BYTES_MAX FGI_MIB(64)
#define READ_ALIGN FGI_KIB(4)
#define WINDOW_BYTES_DEFAULT FGI_MIB(128)
#define BATCH_SIZE_DEFAULT 256
#define BATCH_SIZE_MAX (1u << 24)
#define INFLIGHT_BYTES_MAX FGI_GIB(4)
#define SLOTS_MAX 4096
#define THREADS_MAX 256
#define THREADS_DEFAULT_MAX 8

void fg_loader_config_init(struct fg_loader_config *config)
{
    memset(config, 0, sizeof(*config));
    config->struct_size = sizeof(*config);
    fg_dataset_config_init(&config->dataset_config);
    config->device = "auto";
    config->batch_size = BATCH_SIZE_DEFAULT;
    config->world_size = 1;
    config->epochs = 1;
    config->window_bytes = WINDOW_BYTES_DEFAULT;
    config->io = "auto";
    config->read_bytes = READ_BYTES_DEFAULT;
    config->numa_node = FG_NODE_AUTO;
}

/* A struct from a newer header is fine while what we do not know is zero. */
static enum fg_status copy_known(const struct fg_loader_config *config,
                                 struct fg_loader_config *checked,
                                 struct fg_error *err)
{
    const uint8_t *bytes = (const uint8_t *)config;
    uint32_t size = config->struct_size;

    if (size < offsetof(struct fg_loader_config, dataset)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "config: struct_size: got %u (likely cause: "
                        "fg_loader_config_init was not called)",
                        size);
    }
    for (uint32_t i = sizeof(*checked); i < size; i++) {
        if (bytes[i] != 0) {
            return fgi_fail(err, FG_ERR_UNSUPPORTED,
                            "config: byte %u: got an option that libfeedgpu "
                            "%s does not know",
                            i, fg_version());
        }
    }
    fg_loader_config_init(checked);
    memcpy(checked, config, fgi_min(size, sizeof(*checked)));
    return FG_OK;
}

/* One number and the range it must lie in. */
struct range {
    const char *name;
    uint64_t value;
    uint64_t low;
    uint64_t high;
};

static enum fg_status check_ranges(const struct fg_loader_config *config,
                                   struct fg_error *err)
{
    const struct range ranges[] = {
        {"batch_size", config->batch_size, 1, BATCH_SIZE_MAX},
        {"world_size", config->world_size, 1, 1u << 24},
        {"rank", config->rank, 0, (uint64_t)config->world_size - 1},
        {"shuffle", config->shuffle, 0, FG_SHUFFLE_FULL},
        {"remainder", config->remainder, 0, FG_REMAINDER_WRAP},
        {"on_bad_sample", config->on_bad_sample, 0, FG_BAD_SAMPLE_SUBSTITUTE},
        {"direct", config->direct, 0, FG_OFF},
        {"verify", config->verify, 0, FG_OFF},
        {"read_bytes", config->read_bytes, 0, READ_BYTES_MAX},
        {"inflight_bytes", config->inflight_bytes, 0, INFLIGHT_BYTES_MAX},
        {"slots", config->slots, 0, SLOTS_MAX},
        {"threads", config->threads, 0, THREADS_MAX},
        {"flags", config->flags, 0, FG_LOADER_NUMA_STRICT},
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (ranges[i].value < ranges[i].low ||
            ranges[i].value > ranges[i].high) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "config: %s: got %llu, wanted %llu to %llu",
                            ranges[i].name, (unsigned long long)ranges[i].value,
                            (unsigned long long)ranges[i].low,
                            (unsigned long long)ranges[i].high);
        }
    }
    return FG_OK;
}

static enum fg_status check_rest(const struct fg_loader_config *config,
                                 struct fg_error *err)
{
    const struct fg_loader_state *state = config->state;

    if (config->dataset == NULL || config->dataset[0] == '\0') {
        return fgi_fail(err, FG_ERR_ARGUMENT, "config: dataset: got none");
    }
    if (config->numa_node < FG_NODE_AUTO ||
        (config->numa_node >= 0 && !fgi_numa_node_exists(config->numa_node))) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "config: numa_node: got %d, which this machine does "
                        "not have",
                        config->numa_node);
    }
    if ((config->flags & FG_LOADER_NUMA_STRICT) != 0 &&
        config->numa_node == FG_NODE_NONE) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "config: numa_node: got none, and placement is strict");
    }
    if (config->decode != NULL &&
        (config->decode_field == NULL ||
         (config->decode_field->flags & FG_FIELD_VARIABLE) != 0 ||
         config->decode_field->max_bytes == 0)) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "config: decode_field: wanted a field of fixed size "
                        "that decode makes");
    }
    if (state != NULL && state->version != 1) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "state: version: got %u, wanted 1", state->version);
    }
    return FG_OK;
}

static void fill_defaults(struct fg_loader_config *config)
{
    if (config->read_bytes == 0) {
        config->read_bytes = READ_BYTES_DEFAULT;
    }
    config->read_bytes = fgi_align_up(config->read_bytes, READ_ALIGN);
    if (config->window_bytes == 0) {
        config->window_bytes = WINDOW_BYTES_DEFAULT;
    }
    if (config->threads == 0) {
        config->threads =
            (uint32_t)fgi_min(fgi_cpu_count(), THREADS_DEFAULT_MAX);
    }
    if (config->device == NULL) {
        config->device = "auto";
    }
    if (config->io == NULL) {
        config->io = "auto";
    }
}

enum fg_status fgi_loader_config_check(const struct fg_loader_config *config,
                                       struct fg_loader_config *checked,
                                       struct fg_error *err)
{
    enum fg_status status = copy_known(config, checked, err);

    if (status == FG_OK) {
        status = check_ranges(checked, err);
    }
    if (status == FG_OK) {
        status = check_rest(checked, err);
    }
    if (status == FG_OK) {
        fill_defaults(checked);
    }
    return status;
}
