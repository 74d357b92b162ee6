/* SPDX-License-Identifier: Apache-2.0 */
/* What cat and bench share: a loader made of the options, and its state. */
#ifndef TOOL_SESSION_H
#define TOOL_SESSION_H

#include <stdbool.h>

#include "options.h"

/*
 * Open the loader the options describe. `device` (borrowed, NULL: the named
 * one) is where batches go. On success the loader is the caller's and signals
 * cancel it. Returns an exit status; a failure has been said on stderr.
 */
int session_open(const struct options *options, struct fg_device *device,
                 struct fg_loader **loader);

/* Stop watching for signals and close. NULL is allowed. */
void session_close(struct fg_loader *loader);

/* Write --save-state's file, if asked for. False after saying why not. */
bool session_save_state(const struct options *options,
                        const struct fg_loader *loader);

/* Read and write a loader's state as JSON. False after saying why not. */
bool state_load(const char *path, struct fg_loader_state *state);
bool state_save(const char *path, const struct fg_loader_state *state);

#endif /* TOOL_SESSION_H */
