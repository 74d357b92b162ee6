/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes. Memory and file sizes are given and shown in powers of 1024 (KiB),
 * rates in powers of 1000 (GB/s), as disks and links are sold.
 */
#include "size.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t bytes;
};

static const struct unit units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"KB", UINT64_C(1000)},
    {"MB", UINT64_C(1000000)},
    {"GB", UINT64_C(1000000000)},
    {"TB", UINT64_C(1000000000000)},
};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))
#define SIZE_MAX_BYTES (UINT64_C(1) << 63)

static const struct unit *find_unit(const char *name)
{
    while (*name == ' ') {
        name++;
    }
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (strcasecmp(units[i].name, name) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

bool size_parse(const char *text, uint64_t *bytes)
{
    uint64_t whole = 0;
    double fraction = 0.0;
    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    for (; isdigit((unsigned char)*text); text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (whole > (SIZE_MAX_BYTES - digit) / 10) {
            return false;
        }
        whole = whole * 10 + digit;
    }
    if (*text == '.') {
        double place = 0.1;
        if (!isdigit((unsigned char)text[1])) {
            return false;
        }
        for (text++; isdigit((unsigned char)*text); text++) {
            fraction += place * (*text - '0');
            place /= 10.0;
        }
    }
    const struct unit *unit = find_unit(text);
    if (unit == NULL || whole > SIZE_MAX_BYTES / unit->bytes) {
        return false;
    }
    if (fraction > 0.0 && unit->bytes == 1) {
        return false;
    }
    *bytes =
        whole * unit->bytes + (uint64_t)(fraction * (double)unit->bytes + 0.5);
    return true;
}

const char *size_format(uint64_t bytes, char *text)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (unit + 1 < sizeof(names) / sizeof(names[0]) &&
           bytes >> (10 * (unit + 1)) != 0) {
        unit++;
    }
    uint64_t one = UINT64_C(1) << (10 * unit);
    if (bytes % one == 0) {
        snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 " %s", bytes / one,
                 names[unit]);
    } else {
        snprintf(text, SIZE_TEXT_BYTES, "%.1f %s", (double)bytes / (double)one,
                 names[unit]);
    }
    return text;
}

const char *amount_format(double bytes, char *text)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (unit + 1 < sizeof(names) / sizeof(names[0]) && bytes >= 999.5) {
        bytes /= 1000.0;
        unit++;
    }
    int decimals = unit == 0 || bytes >= 100.0 ? 0 : bytes >= 10.0 ? 1 : 2;
    snprintf(text, SIZE_TEXT_BYTES, "%.*f %s", decimals, bytes, names[unit]);
    return text;
}
