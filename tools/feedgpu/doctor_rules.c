/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic of the doctor's checks: numbers, lists, limits, cgroups. What is
 * read comes from files that may hold anything, so each function says false or
 * "none" to what it does not understand.
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

uint64_t rule_list_count(const char *list)
{
    uint64_t count = 0;
    uint64_t first;
    uint64_t last;
    while (take_range(&list, &first, &last)) {
        if (last < first || last - first >= UINT32_MAX) {
            return 0;
        }
        count += last - first + 1;
    }
    return is_end(list) ? count : 0;
}

bool rule_field(const char *text, const char *key, char *value,
                size_t value_bytes)
{
    size_t length = strlen(key);
    for (const char *line = text; line != NULL;) {
        if (strncmp(line, key, length) == 0) {
            const char *at = line + length + strspn(line + length, " \t");
            if (*at == ':') {
                at++;
                at += strspn(at, " \t");
                snprintf(value, value_bytes, "%.*s", (int)strcspn(at, "\n"),
                         at);
                return true;
            }
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

bool rule_limit(const char *text, const char *name, uint64_t *limit)
{
    size_t length = strlen(name);
    for (const char *line = text; line != NULL;) {
        if (strncmp(line, name, length) == 0 && line[length] == ' ') {
            uint64_t value;
            line += length + strspn(line + length, " ");
            if (strncmp(line, "unlimited", 9) == 0) {
                *limit = UINT64_MAX;
                return true;
            }
            if (!take_count(&line, &value) || *line != ' ') {
                return false;
            }
            *limit = value;
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

/* Is the name among those of "cpu,cpuacct", which take length bytes? */
static bool is_among(const char *names, size_t length, const char *name)
{
    const char *end = names + length;
    size_t wanted = strlen(name);
    while (names < end) {
        size_t here = strcspn(names, ",:");
        if (here == wanted && strncmp(names, name, here) == 0) {
            return true;
        }
        names += here + 1;
    }
    return false;
}

bool rule_cgroup(const char *text, const char *controller, char *path,
                 size_t path_bytes)
{
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *names = strchr(line, ':');
        const char *end = names != NULL ? strchr(names + 1, ':') : NULL;
        const char *next = strchr(line, '\n');
        if (end != NULL && end[1] == '/' && (next == NULL || end < next)) {
            size_t length = (size_t)(end - names - 1);
            size_t path_length = strcspn(end + 1, "\n");
            bool is_it = controller[0] == '\0'
                             ? length == 0
                             : is_among(names + 1, length, controller);
            if (is_it && path_length < path_bytes) {
                snprintf(path, path_bytes, "%.*s", (int)path_length, end + 1);
                return true;
            }
        }
        line = next != NULL ? next + 1 : NULL;
    }
    return false;
}

bool rule_chosen(const char *text, char *choice, size_t choice_bytes)
{
    const char *open = strchr(text, '[');
    const char *close = open != NULL ? strchr(open, ']') : NULL;
    if (close == NULL || close == open + 1 ||
        (size_t)(close - open) > choice_bytes) {
        return false;
    }
    snprintf(choice, choice_bytes, "%.*s", (int)(close - open - 1), open + 1);
    return true;
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
