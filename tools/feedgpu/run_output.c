/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a report goes. It is written at once, so that those of several ranks
 * do not mix.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "run.h"

static void write_report(const struct run *run, FILE *out)
{
    switch ((enum run_report)run->options->run.report) {
    case REPORT_TEXT:
        run_report_text(run, out);
        break;
    case REPORT_JSON:
        run_report_json(run, out);
        break;
    case REPORT_HTML:
        run_report_html(run, out);
        break;
    case REPORT_NONE:
        break;
    }
}

/* Names come from the program: none of them may move a terminal's cursor. */
static void tame(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (((unsigned char)text[i] < ' ' && text[i] != '\n') ||
            text[i] == 0x7f) {
            text[i] = '?';
        }
    }
}

void run_report_finish(const struct run *run, FILE *out)
{
    const char *path = run->report_path[0] != '\0' ? run->report_path : NULL;
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    bool is_good = false;
    errno = ENOMEM;
    if (memory != NULL) {
        write_report(run, memory);
        is_good = fclose(memory) == 0;
        if (run->options->run.report == REPORT_TEXT) {
            tame(text, length);
        }
        is_good = is_good && fwrite(text, 1, length, out) == length &&
                  fflush(out) == 0;
    }
    free(text);
    if (path != NULL && (fclose(out) != 0 || !is_good)) {
        complain("%s: write: %s", path, strerror(errno));
    }
}

/* A path with %r for the rank, %p for this process, %% for a %. */
static bool expand_path(const char *option, const char *from, char *path,
                        size_t path_bytes)
{
    const char *variable;
    const char *rank = run_rank(&variable);
    size_t length = 0;
    for (const char *c = from; *c != '\0'; c++) {
        char number[16];
        char letter[2] = {*c, '\0'};
        const char *piece = letter;
        if (c[0] == '%' && c[1] == 'r') {
            piece = rank != NULL ? rank : "0";
        } else if (c[0] == '%' && c[1] == 'p') {
            snprintf(number, sizeof(number), "%d", (int)getpid());
            piece = number;
        }
        c += c[0] == '%' && c[1] != '\0' && strchr("rp%", c[1]) ? 1 : 0;
        length +=
            (size_t)snprintf(path + length, path_bytes - length, "%s", piece);
        if (length >= path_bytes) {
            complain("run: %s: got a path of more than %zu bytes", option,
                     path_bytes - 1);
            return false;
        }
    }
    return true;
}

static FILE *open_output(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        complain("%s: open: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
    }
    return out;
}

FILE *run_report_open(struct run *run)
{
    const char *path = run->options->run.report_path;
    if (path == NULL) {
        return stderr;
    }
    return expand_path("--report-file", path, run->report_path,
                       sizeof(run->report_path))
               ? open_output(run->report_path)
               : NULL;
}

bool run_trace_open(struct run *run)
{
    const char *path = run->options->run.trace_path;
    if (path == NULL) {
        return true;
    }
    FILE *out =
        expand_path("--trace", path, run->trace_path, sizeof(run->trace_path))
            ? open_output(run->trace_path)
            : NULL;
    if (out != NULL) {
        run_trace_begin(&run->trace, out);
    }
    return out != NULL;
}

void run_trace_finish(struct run *run)
{
    if (run->trace.out == NULL) {
        return;
    }
    for (uint32_t i = 0; i < run->gpu.count; i++) {
        run_trace_gpu(&run->trace, &run->gpu.gpus[i]);
    }
    if (!run_trace_end(&run->trace)) {
        complain("%s: write: %s", run->trace_path, strerror(errno));
    } else if (run->trace.left_out > 0) {
        complain("%s: ends at 1 GiB: %llu spans are left out", run->trace_path,
                 (unsigned long long)run->trace.left_out);
    }
}
