/* SPDX-License-Identifier: Apache-2.0 */
/* Handing lines to the user's log callback, one at a time. */
#ifndef FGI_BASE_LOG_H
#define FGI_BASE_LOG_H

#include <pthread.h>

#include <feedgpu/log.h>

/* Where lines go. Storage is the owner's; `write` NULL drops every line. */
struct fgi_log {
    pthread_mutex_t mutex; /* held while `write` runs */
    fg_log_fn write;       /* the user's, or NULL */
    void *context;         /* passed to write */
};

void fgi_log_init(struct fgi_log *log, fg_log_fn write, void *context);
void fgi_log_fini(struct fgi_log *log);

/* Word a line and hand it on. `log` NULL is allowed. Threads: any. */
void fgi_log(struct fgi_log *log, enum fg_log_level level, const char *format,
             ...) __attribute__((format(printf, 3, 4)));

#endif /* FGI_BASE_LOG_H */
