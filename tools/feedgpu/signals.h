/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT and SIGTERM ask a command to stop cleanly: a loader is cancelled, a
 * pack drops what it has written. The second signal ends the process at once.
 */
#ifndef TOOL_SIGNALS_H
#define TOOL_SIGNALS_H

#include <stdbool.h>

#include <feedgpu/loader.h>

/* Take over SIGINT and SIGTERM, and let writes to a closed pipe fail. */
void signals_init(void);

/* True once a signal has asked the command to stop. Threads: any. */
bool is_interrupted(void);

/* STATUS_SIGNAL plus the signal, e.g. 130 for SIGINT. */
int status_of_signal(void);

/* The loader to cancel when a signal comes; NULL: none any more. */
void signals_watch(struct fg_loader *loader);

#endif /* TOOL_SIGNALS_H */
