/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu/place.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/bus_id.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"

#define TEXT_BYTES 64

/* The text behind "key=" of an item, or NULL when it has another key. */
static const char *value_of(const char *item, const char *key)
{
    size_t length = strlen(key);

    return strncmp(item, key, length) == 0 ? item + length : NULL;
}

/* A node's number, and one that this machine has. */
static bool parse_node(const char *text, int32_t *node)
{
    int32_t number = 0;

    if (text[0] == '\0' || strlen(text) > 4 ||
        strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    for (; *text != '\0'; text++) {
        number = number * 10 + (*text - '0');
    }
    *node = number;
    return fgi_numa_node_exists(number);
}

enum fg_status fgi_place_parse(struct fgi_place *place, const char *kind,
                               const char *item, size_t length, bool *is_place,
                               struct fg_error *err)
{
    char text[TEXT_BYTES];
    const char *value;

    snprintf(text, sizeof(text), "%.*s", (int)fgi_min(length, sizeof(text) - 1),
             item);
    *is_place = true;
    value = value_of(text, "node=");
    if (value != NULL) {
        if (!parse_node(value, &place->node)) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "device %s: profile: got \"%s\", wanted node=N of "
                            "a NUMA node that exists",
                            kind, text);
        }
        return FG_OK;
    }
    value = value_of(text, "bus=");
    if (value != NULL) {
        if (!fgi_bus_id_parse(value, place->bus_id)) {
            return fgi_fail(err, FG_ERR_ARGUMENT,
                            "device %s: profile: got \"%s\", wanted "
                            "bus=0000:05:00.0 or alike",
                            kind, text);
        }
        return FG_OK;
    }
    *is_place = false;
    return FG_OK;
}
