/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from the environment, for commands that are configured there as
 * well: FEEDGPU_RUN_FILE_BYTES stands for --file-bytes. It is read before the
 * command line, so that flags win. A name that begins like these and is none
 * of them is a slip of the pen, and would otherwise be ignored in silence.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "report.h"

#define NAME_BYTES 64

/* "FEEDGPU_RUN_DATA_ROOT" of "data-root". */
static void variable_name(const struct command *command,
                          const struct option *option, char *name)
{
    int length = snprintf(name, NAME_BYTES, "%s", command->prefix);
    for (const char *c = option->name; *c != '\0' && length < NAME_BYTES - 1;
         c++) {
        name[length++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
    }
    name[length] = '\0';
}

static bool read_flag(const struct command *command, const char *name,
                      const char *text, bool *value)
{
    if (strcmp(text, "0") == 0 || strcmp(text, "1") == 0) {
        *value = text[0] == '1';
        return true;
    }
    complain("%s: %s: got '%s', wanted 0 or 1", command->name, name, text);
    return false;
}

/* "a:b" as two values, in a copy that belongs to the list. */
static bool read_list(const struct command *command,
                      const struct option *option, const char *name,
                      const char *text, struct options *options)
{
    struct text_list *list =
        (struct text_list *)(void *)((char *)options + option->offset);
    char *rest = list->copies = strdup(text);
    const char *item;
    if (rest == NULL) {
        complain("out of memory");
        return false;
    }
    while ((item = strsep(&rest, ":")) != NULL) {
        if (item[0] != '\0' &&
            !option_read(command, option, name, item, options)) {
            return false;
        }
    }
    list->is_environment = true;
    return true;
}

static bool read_variable(const struct command *command,
                          const struct option *option, struct options *options)
{
    char name[NAME_BYTES];
    variable_name(command, option, name);
    const char *text = getenv(name);
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    switch (option->kind) {
    case OPTION_FLAG:
        return read_flag(command, name, text,
                         (bool *)((char *)options + option->offset));
    case OPTION_LIST:
        return read_list(command, option, name, text, options);
    default:
        return option_read(command, option, name, text, options);
    }
}

static bool is_own(const struct command *command, const char *variable)
{
    char name[NAME_BYTES];
    size_t length = strcspn(variable, "=");
    for (size_t g = 0; g < OPTION_GROUPS_MAX && command->groups[g]; g++) {
        const struct option_group *group = command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            variable_name(command, &group->options[i], name);
            if (strlen(name) == length && memcmp(name, variable, length) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Commands share a prefix: what one does not know may be meant for another. */
static bool is_known(const char *prefix, const char *variable)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        const char *other = commands[i]->prefix;
        if (other != NULL && strcmp(other, prefix) == 0 &&
            is_own(commands[i], variable)) {
            return true;
        }
    }
    return false;
}

bool environment_read(const struct command *command, struct options *options)
{
    if (command->prefix == NULL) {
        return true;
    }
    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, command->prefix, strlen(command->prefix)) == 0 &&
            !is_known(command->prefix, *entry)) {
            complain("%s: %.*s: unknown variable (try 'feedgpu help %s')",
                     command->name, (int)strcspn(*entry, "="), *entry,
                     command->name);
            return false;
        }
    }
    for (size_t g = 0; g < OPTION_GROUPS_MAX && command->groups[g]; g++) {
        const struct option_group *group = command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            if (!read_variable(command, &group->options[i], options)) {
                return false;
            }
        }
    }
    return true;
}
