/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of the doctor's checks: PCI, IOMMU, what drivers tell. */
#include "doctor_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES 4096u
#define EXTENDED_FIRST 0x100u
#define CAPABILITY_ACS 0x000du
#define ACS_CONTROL 6u     /* offset of the control register */
#define ACS_REDIRECTS 0xcu /* bits: P2P request, P2P completion redirect */

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
           (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

enum acs rule_acs(const uint8_t *config, size_t bytes)
{
    uint32_t offset = EXTENDED_FIRST;
    if (bytes < CONFIG_BYTES) {
        return ACS_HIDDEN;
    }
    /* A capability takes 4 bytes at least, so a longer walk is a circle. */
    for (uint32_t i = 0; i < (CONFIG_BYTES - EXTENDED_FIRST) / 4; i++) {
        uint32_t header = read_u32(config + offset);
        if (header == 0 || header == UINT32_MAX) {
            return ACS_ABSENT;
        }
        if ((header & 0xffff) == CAPABILITY_ACS) {
            if (offset + ACS_CONTROL + 2 > CONFIG_BYTES) {
                return ACS_DAMAGED;
            }
            return config[offset + ACS_CONTROL] & ACS_REDIRECTS ? ACS_REDIRECT
                                                                : ACS_OFF;
        }
        offset = header >> 20 & 0xffc;
        if (offset == 0) {
            return ACS_ABSENT;
        }
        if (offset < EXTENDED_FIRST) {
            return ACS_DAMAGED;
        }
    }
    return ACS_DAMAGED;
}

/* Copy the bus id at *text, which a blank, a colon or the end must follow. */
static bool take_bus_id(const char *text, char *bus_id)
{
    size_t length = strspn(text, "0123456789abcdefABCDEF:.");
    if (length > 0 && text[length - 1] == ':') {
        length--;
    }
    if (length < 7 || length > 23 || memchr(text, '.', length) == NULL) {
        return false;
    }
    memcpy(bus_id, text, length);
    bus_id[length] = '\0';
    return true;
}

/* The word in front of `at` in a line that begins at `line`. */
static const char *word_before(const char *line, const char *at)
{
    while (at > line && at[-1] == ' ') {
        at--;
    }
    while (at > line && at[-1] != ' ' && at[-1] != ';') {
        at--;
    }
    return at;
}

bool rule_limited(const char *line, struct limited *limited)
{
    static const char key[] = " Gb/s available PCIe bandwidth, limited by ";
    const char *middle = strstr(line, key);
    struct limited found = {.got_gbits = 0};
    if (middle == NULL) {
        return false;
    }
    const char *number = word_before(line, middle);
    const char *device = word_before(line, number);
    const char *at = strstr(middle, " link at ");
    const char *able = strstr(middle, "(capable of ");
    char *end;
    if (at == NULL || able == NULL || !take_bus_id(device, found.bus_id) ||
        !take_bus_id(at + 9, found.limit_bus_id)) {
        return false;
    }
    found.got_gbits = strtod(number, &end);
    if (end != middle) {
        return false;
    }
    found.able_gbits = strtod(able + 12, &end);
    if (strncmp(end, " Gb/s", 5) != 0 || !(found.got_gbits > 0) ||
        !(found.able_gbits > 0)) {
        return false;
    }
    *limited = found;
    return true;
}

enum iommu rule_iommu(const char *type)
{
    if (strcmp(type, "identity") == 0) {
        return IOMMU_IDENTITY;
    }
    if (strcmp(type, "DMA-FQ") == 0) {
        return IOMMU_LAZY;
    }
    return strcmp(type, "DMA") == 0 ? IOMMU_STRICT : IOMMU_UNKNOWN;
}

void rule_throttle(uint64_t reasons, char *text, size_t text_bytes)
{
    /* Only what takes speed away against the owner's will. */
    static const struct {
        uint64_t bit;
        const char *name;
    } bits[] = {
        {0x08, "the hardware's brake"},
        {0x20, "heat"},
        {0x40, "heat (hardware)"},
        {0x80, "the power brake"},
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if ((reasons & bits[i].bit) != 0 && used < text_bytes) {
            used += (size_t)snprintf(text + used, text_bytes - used, "%s%s",
                                     used > 0 ? ", " : "", bits[i].name);
        }
    }
}

void rule_cuda_version(uint32_t number, char *text, size_t text_bytes)
{
    snprintf(text, text_bytes, "%u.%u", number / 1000, number % 1000 / 10);
}

enum cuda_match rule_cuda_match(uint32_t own, uint32_t driver)
{
    if (own == 0) {
        return CUDA_NONE;
    }
    /* Within a major version an older driver will do. */
    return own / 1000 > driver / 1000 ? CUDA_TOO_NEW : CUDA_FITS;
}
