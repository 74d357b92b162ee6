/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, made from the commands' tables. */
#ifndef TOOL_HELP_H
#define TOOL_HELP_H

#include "options.h"

/* `feedgpu --help`: what the tool is and its commands. */
void help_print_all(void);

/* `feedgpu help COMMAND`: what it does, options with defaults, examples. */
void help_print_command(const struct command *command);

#endif /* TOOL_HELP_H */
