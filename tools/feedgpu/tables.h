/* SPDX-License-Identifier: Apache-2.0 */
/* The commands and the option groups that they share. */
#ifndef TOOL_TABLES_H
#define TOOL_TABLES_H

#include "options.h"

extern const struct option_group general_group; /* --json, --help */
extern const struct option_group dataset_group; /* --format, --record-bytes */
extern const struct option_group order_group;   /* --batch-size, --shuffle */
extern const struct option_group engine_group;  /* --io, --direct, --slots */

extern const struct command pack_command;
extern const struct command info_command;
extern const struct command verify_command;
extern const struct command cat_command;
extern const struct command bench_command;
extern const struct command run_command;
extern const struct command feed_command;
extern const struct command doctor_command;
extern const struct command topo_command;

#endif /* TOOL_TABLES_H */
