/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The readers of sysfs's and procfs's texts, over any text. A list that is
 * taken is written and read again to the same set.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/bus_id.h"
#include "runtime/topology/names.h"
#include "runtime/topology/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: releases replay the corpus too. */
static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_list(const char *text)
{
    static char again[65536];
    struct fgi_set set;
    struct fgi_set copy;

    if (!fgi_set_parse(&set, text)) {
        must(fgi_set_count(&set) == 0);
        return;
    }
    must(fgi_set_format(&set, again, sizeof(again)) < sizeof(again));
    must(fgi_set_parse(&copy, again));
    must(memcmp(&set, &copy, sizeof(set)) == 0);
    must(fgi_set_is_within(&set, &copy));
}

static void check_bus_id(const char *text)
{
    char usual[FG_BUS_ID_BYTES];
    char again[FG_BUS_ID_BYTES];

    if (fgi_bus_id_parse(text, usual)) {
        must(fgi_bus_id_parse(usual, again));
        must(strcmp(usual, again) == 0);
    }
}

static void check_numbers(const char *text)
{
    struct fg_link link = {.speed_mts = fgi_parse_link_speed(text),
                           .width = 32};
    uint32_t distances[8];
    uint64_t node_bytes[4] = {0};
    uint64_t bytes;
    int64_t number;
    char value[16];

    (void)fgi_parse_number(text, &number);
    (void)fgi_parse_meminfo(text, "MemTotal", &bytes);
    must(fgi_parse_distances(text, distances, 8) <= 8);
    must(link.speed_mts <= 1001000);
    (void)fg_link_bytes_per_s(&link);
    if (fgi_parse_line(text, "Node", value, sizeof(value))) {
        must(strlen(value) < sizeof(value));
    }
    fgi_parse_numa_maps_line(text, node_bytes, 4);
}

/* What /proc/PID holds. */
static void check_process(const char *text)
{
    uint64_t value = 0;
    char path[16];
    bool is_v1;

    (void)fgi_parse_numa_maps_anonymous(text);
    (void)fgi_parse_stat(text, 22, &value);
    (void)fgi_parse_stat(text, 3, &value);
    must(fgi_parse_gpu_minor(text) >= -1);
    if (fgi_parse_cpuset_path(text, &is_v1, path, sizeof(path))) {
        must(path[0] == '/' && strlen(path) < sizeof(path));
        must(strchr(path, '\n') == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    size_t half;

    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    check_list(text);
    check_bus_id(text);
    check_numbers(text);
    check_process(text);
    half = strlen(text) / 2;
    must(fgi_names_compare(text, text) == 0);
    must((fgi_names_compare(text, text + half) < 0) ==
         (fgi_names_compare(text + half, text) > 0));
    free(text);
    return 0;
}
