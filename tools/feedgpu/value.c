/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options. Numbers are read whole or not at all: "12x" and "-1" are
 * refused, and so is what does not fit.
 */
#include "value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

int choice_find(const char *names, const char *text)
{
    size_t length = strlen(text);
    int position = 0;
    for (;;) {
        size_t name_length = strcspn(names, "|");
        if (name_length == length && memcmp(names, text, length) == 0) {
            return position;
        }
        if (names[name_length] == '\0') {
            return -1;
        }
        names += name_length + 1;
        position++;
    }
}

static bool parse_u64(const char *text, uint64_t *value)
{
    char *end;
    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_whole(const struct option *option, const char *text,
                        uint64_t type_max, uint64_t *value, char *wanted)
{
    uint64_t max = option->max != 0 ? option->max : type_max;
    bool is_size = option->kind == OPTION_SIZE;
    bool is_read = is_size ? size_parse(text, value) : parse_u64(text, value);
    if (is_read && *value >= option->min && *value <= max) {
        return true;
    }
    const char *what = is_size ? "a size (such as 64KiB)" : "a whole number";
    if (option->max != 0) {
        snprintf(wanted, VALUE_WANTED_BYTES, "%s from %" PRIu64 " to %" PRIu64,
                 what, option->min, option->max);
    } else if (option->min > 0) {
        snprintf(wanted, VALUE_WANTED_BYTES, "%s of at least %" PRIu64, what,
                 option->min);
    } else {
        snprintf(wanted, VALUE_WANTED_BYTES, "%s", what);
    }
    return false;
}

static bool parse_number(const struct option *option, const char *text,
                         void *place, char *wanted)
{
    uint64_t value;
    uint64_t type_max = UINT64_MAX;
    if (option->kind == OPTION_U32) {
        type_max = UINT32_MAX;
    } else if (option->kind == OPTION_BYTE) {
        type_max = UINT8_MAX;
    } else if (option->kind == OPTION_INDEX) {
        type_max = INT32_MAX;
    }
    if (!parse_whole(option, text, type_max, &value, wanted)) {
        return false;
    }
    if (option->kind == OPTION_U32) {
        *(uint32_t *)place = (uint32_t)value;
    } else if (option->kind == OPTION_BYTE || option->kind == OPTION_INDEX) {
        *(int32_t *)place = (int32_t)value;
    } else {
        *(uint64_t *)place = value;
    }
    return true;
}

static bool parse_real(const char *text, void *place, char *wanted)
{
    char *end;
    double value = strtod(text, &end);
    if ((isdigit((unsigned char)*text) || *text == '.') && *end == '\0' &&
        value >= 0.0 && value < 1e9) {
        *(double *)place = value;
        return true;
    }
    snprintf(wanted, VALUE_WANTED_BYTES, "a number of at least 0");
    return false;
}

static bool parse_choice(const struct option *option, const char *text,
                         void *place, char *wanted)
{
    int position = choice_find(option->argument, text);
    if (position < 0) {
        snprintf(wanted, VALUE_WANTED_BYTES, "one of %s", option->argument);
        return false;
    }
    if (option->kind == OPTION_NAME) {
        memcpy(place, &text, sizeof(text));
    } else {
        memcpy(place, &position, sizeof(position));
    }
    return true;
}

static bool parse_list(const struct option *option, const char *text,
                       struct text_list *list, char *wanted)
{
    if (list->is_environment) {
        list->is_environment = false;
        list->count = 0;
    }
    if (*text == '\0') {
        snprintf(wanted, VALUE_WANTED_BYTES, "%s", option->argument);
        return false;
    }
    if (list->count == TEXT_LIST_MAX) {
        snprintf(wanted, VALUE_WANTED_BYTES, "at most %d of them",
                 TEXT_LIST_MAX);
        return false;
    }
    list->items[list->count++] = text;
    return true;
}

static bool parse_node(const char *text, void *place, char *wanted)
{
    uint64_t number;
    int32_t node;
    if (strcmp(text, "auto") == 0) {
        node = FG_NODE_AUTO;
    } else if (strcmp(text, "none") == 0) {
        node = FG_NODE_NONE;
    } else if (parse_u64(text, &number) && number <= INT32_MAX) {
        node = (int32_t)number;
    } else {
        snprintf(wanted, VALUE_WANTED_BYTES, "auto, none or a node's number");
        return false;
    }
    memcpy(place, &node, sizeof(node));
    return true;
}

static bool parse_dtype(const char *text, void *place, char *wanted)
{
#define DTYPE_TEXT(name, value, bytes, text) text " "
    static const char names[] = FG_DTYPE_MAP(DTYPE_TEXT);
#undef DTYPE_TEXT
    enum fg_dtype dtype;
    if (fg_dtype_parse(text, &dtype, NULL) == FG_OK) {
        memcpy(place, &dtype, sizeof(dtype));
        return true;
    }
    snprintf(wanted, VALUE_WANTED_BYTES, "one of %.*s", (int)sizeof(names) - 2,
             names);
    return false;
}

bool value_parse(const struct option *option, const char *text, void *place,
                 char *wanted)
{
    switch (option->kind) {
    case OPTION_TEXT:
        if (*text == '\0') {
            snprintf(wanted, VALUE_WANTED_BYTES, "%s", option->argument);
            return false;
        }
        memcpy(place, &text, sizeof(text));
        return true;
    case OPTION_LIST:
        return parse_list(option, text, place, wanted);
    case OPTION_NAME:
    case OPTION_CHOICE:
        return parse_choice(option, text, place, wanted);
    case OPTION_REAL:
        return parse_real(text, place, wanted);
    case OPTION_NODE:
        return parse_node(text, place, wanted);
    case OPTION_DTYPE:
        return parse_dtype(text, place, wanted);
    case OPTION_U32:
    case OPTION_U64:
    case OPTION_SIZE:
    case OPTION_BYTE:
    case OPTION_INDEX:
        return parse_number(option, text, place, wanted);
    case OPTION_FLAG:
        break;
    }
    return false;
}

/* Name at a position of "auto|on|off" into `text`. */
static void choice_name(const char *names, int32_t position, char *text,
                        size_t text_bytes)
{
    while (position-- > 0) {
        names += strcspn(names, "|");
        names += *names == '|' ? 1 : 0;
    }
    snprintf(text, text_bytes, "%.*s", (int)strcspn(names, "|"), names);
}

/* Is the default one that says nothing, so that `unset` speaks for it? */
static bool is_zero_value(const struct option *option, const void *place)
{
    switch (option->kind) {
    case OPTION_TEXT:
    case OPTION_NAME:
        return *(const char *const *)place == NULL;
    case OPTION_U32:
        return *(const uint32_t *)place == 0;
    case OPTION_U64:
    case OPTION_SIZE:
        return *(const uint64_t *)place == 0;
    case OPTION_LIST:
        return ((const struct text_list *)place)->count == 0;
    case OPTION_BYTE:
    case OPTION_INDEX:
        return *(const int32_t *)place < 0;
    default:
        return false;
    }
}

void option_default(const struct option *option, const struct options *defaults,
                    char *text, size_t text_bytes)
{
    const void *place = (const char *)defaults + option->offset;
    text[0] = '\0';
    if (option->kind == OPTION_FLAG) {
        return;
    }
    if (option->unset != NULL && is_zero_value(option, place)) {
        snprintf(text, text_bytes, "%s", option->unset);
        return;
    }
    switch (option->kind) {
    case OPTION_TEXT:
    case OPTION_NAME:
        if (*(const char *const *)place != NULL) {
            snprintf(text, text_bytes, "%s", *(const char *const *)place);
        }
        break;
    case OPTION_CHOICE:
        choice_name(option->argument, *(const int32_t *)place, text,
                    text_bytes);
        break;
    case OPTION_U32:
        snprintf(text, text_bytes, "%" PRIu32, *(const uint32_t *)place);
        break;
    case OPTION_U64:
        snprintf(text, text_bytes, "%" PRIu64, *(const uint64_t *)place);
        break;
    case OPTION_SIZE:
        size_format(*(const uint64_t *)place, text);
        break;
    case OPTION_REAL:
        snprintf(text, text_bytes, "%g", *(const double *)place);
        break;
    case OPTION_NODE:
        snprintf(text, text_bytes, "%s",
                 *(const int32_t *)place == FG_NODE_AUTO ? "auto" : "none");
        break;
    case OPTION_DTYPE:
        snprintf(text, text_bytes, "%s",
                 fg_dtype_name(*(const enum fg_dtype *)place));
        break;
    case OPTION_LIST:
    case OPTION_BYTE:
    case OPTION_INDEX:
    case OPTION_FLAG:
        break;
    }
}
