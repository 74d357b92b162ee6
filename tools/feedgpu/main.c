/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu, the tool: finds the command, reads its options, runs it. Each
 * command is in its own file, cmd_<name>.c; tables.c lists them.
 */
#include <stdio.h>
#include <string.h>

#include "help.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "suggest.h"

const struct command *command_named(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int fail_unknown(const char *name)
{
    struct suggestion best;
    const char *what = name[0] == '-' ? "option" : "command";
    suggest_init(&best, name);
    for (size_t i = 0; commands[i] != NULL; i++) {
        suggest_offer(&best, commands[i]->name);
    }
    if (best.word != NULL) {
        complain("%s: unknown %s (did you mean '%s'?)", name, what, best.word);
    } else {
        complain("%s: unknown %s", name, what);
    }
    complain("try 'feedgpu --help'");
    return STATUS_USAGE;
}

static int run_help(int count, char **argv)
{
    if (count == 0) {
        help_print_all();
        return STATUS_DONE;
    }
    const struct command *command = command_named(argv[0]);
    if (command == NULL) {
        return fail_unknown(argv[0]);
    }
    help_print_command(command);
    return STATUS_DONE;
}

static int run_command(const struct command *command, int count, char **argv)
{
    struct options options;
    int status = STATUS_USAGE;
    options_init(&options);
    if ((command->is_launcher || launcher_read(&options)) &&
        environment_read(command, &options) &&
        options_parse(command, count, argv, &options)) {
        if (options.help) {
            help_print_command(command);
            status = STATUS_DONE;
        } else {
            if (!command->is_launcher) {
                signals_init();
            }
            status = command->run(&options);
        }
    }
    options_fini(&options);
    return status;
}

static int dispatch(int count, char **argv)
{
    if (count == 0) {
        complain("no command given");
        complain("try 'feedgpu --help'");
        return STATUS_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        return run_help(count - 1, argv + 1);
    }
    if (strcmp(argv[0], "--version") == 0) {
        printf("feedgpu %s (%s)\n", fg_version(), fg_build_features());
        return STATUS_DONE;
    }
    const struct command *command = command_named(argv[0]);
    if (command == NULL) {
        return fail_unknown(argv[0]);
    }
    return run_command(command, count - 1, argv + 1);
}

int main(int argc, char **argv)
{
    return finish_stdout(dispatch(argc - 1, argv + 1));
}
