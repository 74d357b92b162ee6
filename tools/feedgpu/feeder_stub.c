/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the feeder until it is there: opens, and counts nothing. */
#include <stdlib.h>
#include <string.h>

#include <feedgpu/feeder.h>

struct fg_feeder {
    uint64_t memory_bytes;
};

void fg_feeder_config_init(struct fg_feeder_config *config)
{
    memset(config, 0, sizeof(*config));
    config->struct_size = sizeof(*config);
    config->numa_node = -1;
    config->file_bytes_min = 16384;
    config->io = "auto";
}

enum fg_status fg_feeder_open(const struct fg_feeder_config *config,
                              struct fg_feeder **feeder, struct fg_error *err)
{
    (void)err;
    *feeder = calloc(1, sizeof(**feeder));
    (*feeder)->memory_bytes = config->memory_bytes;
    return FG_OK;
}

const char *fg_feeder_environment(const struct fg_feeder *feeder)
{
    (void)feeder;
    return "FEEDGPU_BOARD=0:0:0";
}

void fg_feeder_get_stats(struct fg_feeder *feeder,
                         struct fg_feeder_stats *stats)
{
    uint32_t size = stats->struct_size;
    memset(stats, 0, sizeof(*stats));
    stats->struct_size = size;
    stats->engine = "uring";
    stats->memory_bytes = feeder->memory_bytes;
    if (getenv("FAKE")) {
        stats->files = 1281;
        stats->reads = 128100;
        stats->arena_bytes = UINT64_C(1930000000);
        stats->kernel_bytes = 120000000;
        stats->kernel_ns = 100000000;
        stats->wait_ns = 300000000;
        stats->copy_ns = 40000000;
        strcpy(stats->order, "directory");
        strcpy(stats->engine_note, "single_issuer, registered 176 MiB");
    }
}

uint32_t fg_feeder_get_actors(struct fg_feeder *feeder,
                              struct fg_feeder_actor *actors, uint32_t room)
{
    (void)feeder;
    (void)room;
    if (!getenv("FAKE")) {
        return 0;
    }
    for (int i = 0; i < 8; i++) {
        strcpy(actors[i].name, i ? "pt_data_worker" : "python3");
        actors[i].pid = actors[i].tid = 4242 + i;
        actors[i].wait_ns = 300000000u / (unsigned)(i + 1);
        actors[i].kernel_ns = 100000000u / (unsigned)(i + 1);
        actors[i].copy_ns = 40000000;
        actors[i].open_ns = 4000000;
        actors[i].arena_bytes = 1930000000u / 8;
        actors[i].kernel_bytes = 12000000;
    }
    return 8;
}

uint32_t fg_feeder_get_groups(struct fg_feeder *feeder,
                              struct fg_feeder_group *groups, uint32_t room)
{
    (void)feeder;
    (void)room;
    if (!getenv("FAKE")) {
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        strcpy(groups[i].folder, i ? "/data/val<1>" : "/data/train/shards");
        strcpy(groups[i].pattern, "sequential");
        groups[i].files = 1200;
        groups[i].blocked_ns = 440000000;
        groups[i].arena_bytes = 930000000;
        groups[i].kernel_bytes = 12000000;
    }
    return 2;
}

void fg_feeder_close(struct fg_feeder *feeder)
{
    free(feeder);
}
