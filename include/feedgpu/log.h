/* SPDX-License-Identifier: Apache-2.0 */
/* The log callback. The library itself never prints. */
#ifndef FEEDGPU_LOG_H
#define FEEDGPU_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

enum fg_log_level {
    FG_LOG_DEBUG = 0,
    FG_LOG_INFO = 1,
    FG_LOG_WARN = 2,
};

/*
 * Receive one line (no newline). Called on any of the library's threads, one
 * call at a time per loader; it must not call back into that loader.
 */
typedef void (*fg_log_fn)(enum fg_log_level level, const char *line,
                          void *context);

#ifdef __cplusplus
}
#endif

#endif /* FEEDGPU_LOG_H */
