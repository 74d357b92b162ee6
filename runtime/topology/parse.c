/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers in sysfs's and procfs's texts. Pure functions over texts of any
 * content: what is not exactly what the kernel writes is not a number.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/topology/topology.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

/* Decimal digits at *text, which moves behind them; false: none, too large. */
static bool take_decimal(const char **text, uint64_t *number)
{
    const char *at = *text;
    uint64_t value = 0;

    if (!is_digit(*at)) {
        return false;
    }
    for (; is_digit(*at); at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
            return false;
        }
    }
    *text = at;
    *number = value;
    return true;
}

static int hex_digit(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex(const char **text, uint64_t *number)
{
    const char *at = *text;
    uint64_t value = 0;

    for (; hex_digit(*at) >= 0; at++) {
        if (value >> 60 != 0) {
            return false;
        }
        value = value << 4 | (uint64_t)hex_digit(*at);
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    *number = value;
    return true;
}

bool fgi_parse_number(const char *text, int64_t *number)
{
    bool is_negative = *text == '-';
    uint64_t value;
    bool is_one;

    text += is_negative;
    if (text[0] == '0' && (text[1] | 0x20) == 'x') {
        text += 2;
        is_one = take_hex(&text, &value);
    } else {
        is_one = take_decimal(&text, &value);
    }
    if (!is_one || value > INT64_MAX) {
        return false;
    }
    text += *text == '\n';
    if (*text != '\0') {
        return false;
    }
    *number = is_negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* The line behind the one that `text` is in, or NULL. */
static const char *next_line(const char *text)
{
    const char *end = strchr(text, '\n');

    return end == NULL ? NULL : end + 1;
}

/* "Node 0 " in front of a line of a node's meminfo is passed over. */
static const char *skip_node(const char *line)
{
    const char *at = line;
    uint64_t node;

    if (strncmp(at, "Node ", 5) != 0) {
        return line;
    }
    at += 5;
    return take_decimal(&at, &node) ? skip_blanks(at) : line;
}

bool fgi_parse_meminfo(const char *text, const char *key, uint64_t *bytes)
{
    size_t length = strlen(key);

    for (; text != NULL; text = next_line(text)) {
        const char *at = skip_node(text);
        uint64_t kib;

        if (strncmp(at, key, length) != 0 || at[length] != ':') {
            continue;
        }
        at = skip_blanks(at + length + 1);
        if (!take_decimal(&at, &kib) || kib > UINT64_MAX / 1024 - 1 ||
            strncmp(skip_blanks(at), "kB", 2) != 0) {
            return false;
        }
        *bytes = kib * 1024;
        return true;
    }
    return false;
}

uint32_t fgi_parse_distances(const char *text, uint32_t *distances,
                             uint32_t max)
{
    uint32_t count = 0;
    uint64_t value;

    for (text = skip_blanks(text);
         count < max && take_decimal(&text, &value) && value <= UINT32_MAX &&
         (*text == ' ' || *text == '\n' || *text == '\0');
         text = skip_blanks(text)) {
        distances[count++] = (uint32_t)value;
    }
    return count;
}

uint32_t fgi_parse_link_speed(const char *text)
{
    uint64_t whole;
    uint64_t tenths = 0;

    if (!take_decimal(&text, &whole) || whole > 1000) {
        return 0;
    }
    if (*text == '.') {
        text++;
        if (!is_digit(*text)) {
            return 0;
        }
        tenths = (uint64_t)(*text++ - '0');
    }
    if (strncmp(text, " GT/s", 5) != 0) {
        return 0;
    }
    return (uint32_t)(whole * 1000 + tenths * 100);
}

bool fgi_parse_line(const char *text, const char *key, char *value,
                    size_t value_bytes)
{
    size_t length = strlen(key);

    for (; text != NULL; text = next_line(text)) {
        const char *at = text + length;
        size_t bytes;

        if (strncmp(text, key, length) != 0) {
            continue;
        }
        at = skip_blanks(at); /* "model name\t: " */
        if (*at != ':') {
            continue;
        }
        at = skip_blanks(at + 1);
        bytes = strcspn(at, "\n");
        if (bytes >= value_bytes) {
            return false;
        }
        memcpy(value, at, bytes);
        value[bytes] = '\0';
        return true;
    }
    return false;
}

/* The page size that the counts of a line are in. */
static uint64_t page_bytes_of(const char *line)
{
    static const char key[] = " kernelpagesize_kB=";
    const char *at = strstr(line, key);
    uint64_t kib;

    if (at == NULL) {
        return 4096;
    }
    at += strlen(key);
    return take_decimal(&at, &kib) && kib <= UINT32_MAX ? kib * 1024 : 4096;
}

void fgi_parse_numa_maps_line(const char *line, uint64_t *node_bytes,
                              uint32_t node_max)
{
    uint64_t page_bytes = page_bytes_of(line);

    for (const char *at = strstr(line, " N"); at != NULL;
         at = strstr(at, " N")) {
        uint64_t node;
        uint64_t pages;
        uint64_t bytes;

        at += 2;
        if (!take_decimal(&at, &node) || *at != '=') {
            continue;
        }
        at++;
        if (!take_decimal(&at, &pages) || node >= node_max ||
            __builtin_mul_overflow(pages, page_bytes, &bytes) ||
            __builtin_add_overflow(node_bytes[node], bytes, &bytes)) {
            continue;
        }
        node_bytes[node] = bytes;
    }
}

uint64_t fgi_parse_numa_maps_anonymous(const char *line)
{
    static const char key[] = " anon=";
    const char *at = strstr(line, key);
    uint64_t pages;
    uint64_t bytes;

    if (at == NULL) {
        return 0;
    }
    at += strlen(key);
    if (!take_decimal(&at, &pages) ||
        __builtin_mul_overflow(pages, page_bytes_of(line), &bytes)) {
        return 0;
    }
    return bytes;
}

bool fgi_parse_stat(const char *stat, int field, uint64_t *value)
{
    /* The name, field 2, may hold anything: "(a) b)". */
    const char *at = strrchr(stat, ')');

    for (int i = 2; at != NULL && i < field; i++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return false;
    }
    at++;
    return take_decimal(&at, value) && (*at == ' ' || *at == '\0');
}

int32_t fgi_parse_gpu_minor(const char *link)
{
    static const char device[] = "/dev/nvidia";
    const char *at = link + strlen(device);
    uint64_t minor;

    if (strncmp(link, device, strlen(device)) != 0 ||
        !take_decimal(&at, &minor) || *at != '\0' || minor > INT32_MAX) {
        return -1;
    }
    return (int32_t)minor;
}

bool fgi_parse_cpuset_path(const char *text, bool *is_v1, char *path,
                           size_t path_bytes)
{
    const char *found = NULL;
    size_t length;

    *is_v1 = false;
    for (; text != NULL && !*is_v1; text = next_line(text)) {
        const char *at = text;
        uint64_t hierarchy;

        if (!take_decimal(&at, &hierarchy)) {
            continue;
        }
        if (strncmp(at, "::/", 3) == 0 && hierarchy == 0) {
            found = at + 2;
        } else if (strncmp(at, ":cpuset:/", 9) == 0) {
            found = at + 8;
            *is_v1 = true;
        }
    }
    length = found == NULL ? 0 : strcspn(found, "\n");
    if (length == 0 || length >= path_bytes) {
        return false;
    }
    memcpy(path, found, length);
    path[length] = '\0';
    return true;
}
