/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [DOMAIN:]BUS:SLOT.FUNCTION in hexadecimal. The domain has 4 digits in sysfs,
 * 8 in CUDA's and NVML's texts, and 5 behind Intel's VMD ("10000:01:00.0").
 */
#include "runtime/base/bus_id.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Hexadecimal digits at *text, which moves behind them and `end`. */
static bool take_part(const char **text, char end, uint32_t max,
                      uint32_t *value)
{
    uint64_t number = 0;
    size_t digits = strspn(*text, "0123456789abcdefABCDEF");

    if (digits == 0 || digits > 8 || (*text)[digits] != end) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        char c = (*text)[i];

        number = number * 16 +
                 (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    *text += digits + (end == '\0' ? 0 : 1);
    *value = (uint32_t)number;
    return number <= max;
}

bool fgi_bus_id_parse(const char *text, char *bus_id)
{
    const char *colon = strchr(text, ':');
    uint32_t domain = 0;
    uint32_t bus;
    uint32_t slot;
    uint32_t function;

    if (colon != NULL && strchr(colon + 1, ':') != NULL &&
        !take_part(&text, ':', UINT32_MAX, &domain)) {
        return false;
    }
    if (!take_part(&text, ':', 0xff, &bus) ||
        !take_part(&text, '.', 0x1f, &slot) ||
        !take_part(&text, '\0', 7, &function)) {
        return false;
    }
    snprintf(bus_id, FG_BUS_ID_BYTES, "%04x:%02x:%02x.%x", domain, bus & 0xff,
             slot & 0x1f, function & 7);
    return true;
}
