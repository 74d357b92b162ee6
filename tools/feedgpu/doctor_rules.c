/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of the doctor's checks. What is read comes from files that may
 * hold anything, so each function says false or "none" to what it does not
 * understand.
 */
#include "doctor_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits at *text; moves it behind them. False: none, or over 64 bits. */
static bool take_count(const char **text, uint64_t *count)
{
    const char *c = *text;
    uint64_t value = 0;
    if (!isdigit((unsigned char)*c)) {
        return false;
    }
    for (; isdigit((unsigned char)*c); c++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value)) {
            return false;
        }
    }
    *text = c;
    *count = value;
    return true;
}

static bool is_end(const char *text)
{
    return text[strspn(text, " \t\n")] == '\0';
}

bool rule_count(const char *text, uint64_t *count)
{
    uint64_t value;
    if (!take_count(&text, &value) || !is_end(text)) {
        return false;
    }
    *count = value;
    return true;
}

bool rule_cpu_max(const char *text, uint64_t *milli_cpus)
{
    uint64_t quota_us = 0;
    uint64_t period_us;
    bool is_free = strncmp(text, "max", 3) == 0;
    if (is_free) {
        text += 3;
    } else if (!take_count(&text, &quota_us)) {
        return false;
    }
    if (*text++ != ' ' || !rule_count(text, &period_us) || period_us == 0 ||
        quota_us > UINT64_MAX / 1000) {
        return false;
    }
    *milli_cpus = is_free ? UINT64_MAX : quota_us * 1000 / period_us;
    return true;
}

bool rule_memory_max(const char *text, uint64_t *bytes)
{
    if (strncmp(text, "max", 3) == 0 && is_end(text + 3)) {
        *bytes = UINT64_MAX;
        return true;
    }
    return rule_count(text, bytes);
}

bool rule_pressure(const char *text, const char *line, double *percent)
{
    size_t length = strlen(line);
    while (text != NULL && *text != '\0') {
        if (strncmp(text, line, length) == 0 &&
            strncmp(text + length, " avg10=", 7) == 0) {
            char *end;
            double value = strtod(text + length + 7, &end);
            if (*end != ' ' || !(value >= 0 && value <= 100)) {
                return false;
            }
            *percent = value;
            return true;
        }
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return false;
}

/* One range of a list; moves behind it and its comma. */
static bool take_range(const char **text, uint64_t *first, uint64_t *last)
{
    if (!take_count(text, first)) {
        return false;
    }
    *last = *first;
    if (**text == '-') {
        (*text)++;
        if (!take_count(text, last)) {
            return false;
        }
    }
    *text += **text == ',' ? 1 : 0;
    return true;
}

bool rule_lists_meet(const char *a, const char *b)
{
    uint64_t a_first;
    uint64_t a_last;
    while (take_range(&a, &a_first, &a_last)) {
        const char *rest = b;
        uint64_t b_first;
        uint64_t b_last;
        while (take_range(&rest, &b_first, &b_last)) {
            if (a_first <= b_last && b_first <= a_last) {
                return true;
            }
        }
    }
    return false;
}

bool rule_chosen(const char *text, char *choice, size_t choice_bytes)
{
    const char *open = strchr(text, '[');
    const char *close = open != NULL ? strchr(open, ']') : NULL;
    if (close == NULL || (size_t)(close - open) > choice_bytes) {
        return false;
    }
    snprintf(choice, choice_bytes, "%.*s", (int)(close - open - 1), open + 1);
    return choice[0] != '\0';
}

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

bool rule_parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL || path[1] == '\0') {
        return false;
    }
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}
