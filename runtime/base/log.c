/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/log.h"

#include <stdarg.h>
#include <stdio.h>

void fgi_log_init(struct fgi_log *log, fg_log_fn write, void *context)
{
    pthread_mutex_init(&log->mutex, NULL);
    log->write = write;
    log->context = context;
}

void fgi_log_fini(struct fgi_log *log)
{
    pthread_mutex_destroy(&log->mutex);
}

void fgi_log(struct fgi_log *log, enum fg_log_level level, const char *format,
             ...)
{
    char line[512];
    va_list args;

    if (log == NULL || log->write == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    pthread_mutex_lock(&log->mutex);
    log->write(level, line, log->context);
    pthread_mutex_unlock(&log->mutex);
}
