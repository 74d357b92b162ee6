/* SPDX-License-Identifier: Apache-2.0 */
/* --data and --data-root as the globs that a feeder takes. */
#ifndef TOOL_RUN_GLOBS_H
#define TOOL_RUN_GLOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

/* A glob as given, and with its links resolved. */
#define RUN_GLOBS_MAX (2 * 2 * TEXT_LIST_MAX)

struct run_globs {
    char *items[RUN_GLOBS_MAX]; /* owned; absolute */
    uint32_t count;             /* entries of items */
};

/* False after a complaint; to be followed by fini in any case. */
bool run_globs_init(struct run_globs *globs, const struct run_options *options);
void run_globs_fini(struct run_globs *globs);

#endif /* TOOL_RUN_GLOBS_H */
