/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the command line. Options and operands may be mixed; "--" ends the
 * options, and where the operands are a command to run, its first word does;
 * "--name=value", "--name value" and "-ovalue" are all understood.
 * A value is checked against its row when it is read, so that the message can
 * name the option and what it takes.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <feedgpu/feeder.h>

#include "report.h"
#include "suggest.h"
#include "value.h"

/* Where the reading is: what is left of argv. */
struct reader {
    const struct command *command;
    struct options *options; /* being filled */
    char **argv;
    int count; /* entries of argv */
    int next;  /* first entry not read yet */
};

const struct option *command_find(const struct command *command,
                                  const char *name, size_t length)
{
    for (size_t g = 0; g < OPTION_GROUPS_MAX && command->groups[g]; g++) {
        const struct option_group *group = command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            const struct option *option = &group->options[i];
            if (strlen(option->name) == length &&
                memcmp(option->name, name, length) == 0) {
                return option;
            }
        }
    }
    return NULL;
}

static const struct option *find_letter(const struct command *command,
                                        char letter)
{
    for (size_t g = 0; g < OPTION_GROUPS_MAX && command->groups[g]; g++) {
        const struct option_group *group = command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            if (group->options[i].letter == letter) {
                return &group->options[i];
            }
        }
    }
    return NULL;
}

static bool point_at_help(const struct command *command)
{
    complain("try 'feedgpu help %s'", command->name);
    return false;
}

static bool fail_unknown(const struct command *command, const char *text)
{
    struct suggestion best;
    suggest_init(&best, text + strspn(text, "-"));
    for (size_t g = 0; g < OPTION_GROUPS_MAX && command->groups[g]; g++) {
        const struct option_group *group = command->groups[g];
        for (size_t i = 0; i < group->count; i++) {
            suggest_offer(&best, group->options[i].name);
        }
    }
    if (best.word != NULL) {
        complain("%s: %s: unknown option (did you mean --%s?)", command->name,
                 text, best.word);
    } else {
        complain("%s: %s: unknown option", command->name, text);
    }
    return point_at_help(command);
}

/* The value that belongs to an option: after "=", or the next word. */
static const char *take_value(struct reader *reader,
                              const struct option *option, const char *attached)
{
    if (attached != NULL) {
        return attached;
    }
    if (reader->next < reader->count) {
        return reader->argv[reader->next++];
    }
    complain("%s: --%s: needs a value: %s", reader->command->name, option->name,
             option->argument);
    point_at_help(reader->command);
    return NULL;
}

bool option_read(const struct command *command, const struct option *option,
                 const char *name, const char *text, struct options *options)
{
    char wanted[VALUE_WANTED_BYTES];
    if (value_parse(option, text, (char *)options + option->offset, wanted)) {
        return true;
    }
    complain("%s: %s: got '%s', wanted %s", command->name, name, text, wanted);
    return false;
}

static bool read_option(struct reader *reader, const struct option *option,
                        const char *attached)
{
    void *place = (char *)reader->options + option->offset;
    if (option->kind == OPTION_FLAG) {
        if (attached != NULL) {
            complain("%s: --%s: takes no value", reader->command->name,
                     option->name);
            return point_at_help(reader->command);
        }
        *(bool *)place = true;
        return true;
    }
    char name[64];
    const char *text = take_value(reader, option, attached);
    snprintf(name, sizeof(name), "--%s", option->name);
    if (text == NULL) {
        return false;
    }
    return option_read(reader->command, option, name, text, reader->options) ||
           point_at_help(reader->command);
}

static bool read_long(struct reader *reader, const char *word)
{
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *option = command_find(reader->command, name, length);
    if (option == NULL) {
        return fail_unknown(reader->command, word);
    }
    return read_option(reader, option, equals ? equals + 1 : NULL);
}

static bool read_short(struct reader *reader, const char *word)
{
    const struct option *option = find_letter(reader->command, word[1]);
    if (option == NULL) {
        return fail_unknown(reader->command, word);
    }
    return read_option(reader, option, word[2] != '\0' ? word + 2 : NULL);
}

static bool check_operands(const struct command *command,
                           const struct options *options)
{
    if (options->help) {
        return true;
    }
    if (options->operand_count < command->operands_min) {
        complain("%s: needs %s %s", command->name,
                 command->operands_max > 1 && !command->is_launcher
                     ? "at least one"
                     : "a",
                 command->operand);
        return point_at_help(command);
    }
    if (options->operand_count > command->operands_max) {
        complain("%s: %s: one %s too many", command->name,
                 options->operands[command->operands_max], command->operand);
        return point_at_help(command);
    }
    return true;
}

bool options_parse(const struct command *command, int count, char **argv,
                   struct options *options)
{
    struct reader reader = {command, options, argv, count, 0};
    bool is_ended = false;
    options->operands = calloc((size_t)count + 1, sizeof(*options->operands));
    if (options->operands == NULL) {
        complain("out of memory");
        return false;
    }
    while (reader.next < count) {
        const char *word = argv[reader.next++];
        bool is_good = true;
        if (is_ended || word[0] != '-' || word[1] == '\0') {
            options->operands[options->operand_count++] = word;
            is_ended = is_ended || command->is_launcher;
        } else if (strcmp(word, "--") == 0) {
            is_ended = true;
        } else if (word[1] == '-') {
            is_good = read_long(&reader, word);
        } else {
            is_good = read_short(&reader, word);
        }
        if (!is_good) {
            return false;
        }
    }
    return check_operands(command, options);
}

void options_init(struct options *options)
{
    struct fg_feeder_config feeder;
    memset(options, 0, sizeof(*options));
    fg_loader_config_init(&options->loader);
    options->pack.shard_bytes = SHARD_BYTES_DEFAULT;
    options->pack.separator = NO_SEPARATOR;
    options->pack.tail = TAIL_AUTO;
    fg_feeder_config_init(&feeder);
    options->run.numa_node = FG_NODE_AUTO;
    options->run.file_bytes_min = feeder.file_bytes_min;
    options->run.idle_seconds = IDLE_SECONDS_DEFAULT;
    options->process.node = -1;
}

void options_fini(struct options *options)
{
    free(options->operands);
    options->operands = NULL;
    free(options->run.data.copies);
    free(options->run.roots.copies);
    options->run.data.copies = NULL;
    options->run.roots.copies = NULL;
}
