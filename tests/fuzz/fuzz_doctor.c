/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor's readers of /proc and /sys texts, over any text: what they take
 * lies within bounds, and what they refuse leaves the outputs alone. The first
 * half is the text, the second a key where one is wanted.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/feedgpu/doctor_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: releases replay the corpus too. */
static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_words(const char *text, const char *key)
{
    char word[8] = "kept";
    if (!rule_chosen(text, word, sizeof(word)) &&
        !rule_field(text, key, word, sizeof(word)) &&
        !rule_cgroup(text, key, word, sizeof(word))) {
        must(strcmp(word, "kept") == 0);
    }
    must(strlen(word) < sizeof(word));
    (void)rule_fs(text);
    (void)rule_iommu(text);
    (void)rule_governor_is_slow(text, key);
}

static void check_numbers(const char *text, const char *key)
{
    uint64_t number = 4711;
    double percent = -1;
    if (!rule_count(text, &number) && !rule_cpu_max(text, &number) &&
        !rule_memory_max(text, &number) && !rule_limit(text, key, &number)) {
        must(number == 4711);
    }
    must(!rule_pressure(text, "some", &percent) ||
         (percent >= 0 && percent <= 100));
    (void)rule_list_count(text);
    must(rule_lists_meet(text, key) == rule_lists_meet(key, text));
}

static void check_log(const char *text)
{
    struct limited limited;
    if (rule_limited(text, &limited)) {
        must(strlen(limited.bus_id) < sizeof(limited.bus_id));
        must(strlen(limited.limit_bus_id) < sizeof(limited.limit_bus_id));
        must(limited.got_gbits > 0 && limited.able_gbits > 0);
    }
}

static void check_mounts(const char *text, const char *path)
{
    struct mount mount;
    if (rule_mount(text, path, &mount)) {
        must(mount.point[0] == '/');
        must(strlen(mount.type) < sizeof(mount.type));
    }
}

static void check_parents(const char *text)
{
    char *path = strdup(text);
    size_t length = strlen(text);
    while (path != NULL && path[0] != '\0' && rule_parent(path)) {
        must(strlen(path) < length);
        length = strlen(path);
    }
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t half = size / 2;
    char *text = malloc(half + 1);
    char *key = malloc(size - half + 1);
    if (text != NULL && key != NULL) {
        memcpy(text, data, half);
        text[half] = '\0';
        memcpy(key, data + half, size - half);
        key[size - half] = '\0';
        check_words(text, key);
        check_numbers(text, key);
        check_log(text);
        check_mounts(text, key);
        check_parents(text);
        (void)rule_acs(data, size);
    }
    free(text);
    free(key);
    return 0;
}
