/* SPDX-License-Identifier: Apache-2.0 */
/* One option's value: from text, and back to text for the help. */
#ifndef TOOL_VALUE_H
#define TOOL_VALUE_H

#include <stdbool.h>

#include "options.h"

#define VALUE_WANTED_BYTES 256
#define VALUE_TEXT_BYTES 96

/*
 * Read `text` into the option's place. Returns false, and says in `wanted`
 * (VALUE_WANTED_BYTES) what would have been right.
 */
bool value_parse(const struct option *option, const char *text, void *place,
                 char *wanted);

/* Is `text` one of the names in "auto|on|off"? Its position, or -1. */
int choice_find(const char *names, const char *text);

#endif /* TOOL_VALUE_H */
