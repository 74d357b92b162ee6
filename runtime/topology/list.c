/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs and nodes as the kernel writes them: "0-3,8". */
#include <stdio.h>
#include <string.h>

#include "runtime/topology/topology.h"

void fgi_set_add(struct fgi_set *set, uint32_t number)
{
    if (number < FGI_SET_MAX) {
        set->words[number / 64] |= UINT64_C(1) << (number % 64);
    }
}

bool fgi_set_has(const struct fgi_set *set, uint32_t number)
{
    return number < FGI_SET_MAX &&
           (set->words[number / 64] >> (number % 64) & 1) != 0;
}

uint32_t fgi_set_count(const struct fgi_set *set)
{
    uint32_t count = 0;

    for (size_t i = 0; i < FGI_SET_MAX / 64; i++) {
        count += (uint32_t)__builtin_popcountll(set->words[i]);
    }
    return count;
}

void fgi_set_intersect(struct fgi_set *set, const struct fgi_set *with)
{
    for (size_t i = 0; i < FGI_SET_MAX / 64; i++) {
        set->words[i] &= with->words[i];
    }
}

void fgi_set_unite(struct fgi_set *set, const struct fgi_set *with)
{
    for (size_t i = 0; i < FGI_SET_MAX / 64; i++) {
        set->words[i] |= with->words[i];
    }
}

bool fgi_set_is_within(const struct fgi_set *part, const struct fgi_set *whole)
{
    for (size_t i = 0; i < FGI_SET_MAX / 64; i++) {
        if ((part->words[i] & ~whole->words[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* Digits at *text, which moves behind them; false: none, or too large. */
static bool take_number(const char **text, uint32_t *number)
{
    const char *at = *text;
    uint32_t value = 0;

    if (*at < '0' || *at > '9') {
        return false;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint32_t)(*at - '0');
        if (value >= FGI_SET_MAX) {
            return false;
        }
    }
    *text = at;
    *number = value;
    return true;
}

/* "3" or "0-3" at *text, which moves behind it. */
static bool take_range(const char **text, struct fgi_set *set)
{
    uint32_t first;
    uint32_t last;

    if (!take_number(text, &first)) {
        return false;
    }
    last = first;
    if (**text == '-') {
        (*text)++;
        if (!take_number(text, &last) || last < first) {
            return false;
        }
    }
    for (uint32_t i = first; i <= last; i++) {
        fgi_set_add(set, i);
    }
    return true;
}

bool fgi_set_parse(struct fgi_set *set, const char *text)
{
    memset(set, 0, sizeof(*set));
    if (text[0] == '\0' || strcmp(text, "\n") == 0) {
        return true;
    }
    for (;;) {
        if (!take_range(&text, set)) {
            break;
        }
        if (*text == '\0' || strcmp(text, "\n") == 0) {
            return true;
        }
        if (*text != ',') {
            break;
        }
        text++;
    }
    memset(set, 0, sizeof(*set));
    return false;
}

size_t fgi_set_format(const struct fgi_set *set, char *text, size_t text_bytes)
{
    size_t used = 0;

    if (text_bytes > 0) {
        text[0] = '\0';
    }
    for (uint32_t first = 0; first < FGI_SET_MAX; first++) {
        uint32_t last = first;
        char item[24];

        if (!fgi_set_has(set, first)) {
            continue;
        }
        while (fgi_set_has(set, last + 1)) {
            last++;
        }
        snprintf(item, sizeof(item), last > first ? "%s%u-%u" : "%s%u",
                 used > 0 ? "," : "", first, last);
        if (used < text_bytes) {
            snprintf(text + used, text_bytes - used, "%s", item);
        }
        used += strlen(item);
        first = last;
    }
    return used;
}
