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

/* --report-file with %r for the rank, %p for this process, %% for a %. */
static bool expand_path(struct run *run)
{
    const char *variable;
    const char *rank = run_rank(&variable);
    size_t length = 0;
    for (const char *c = run->options->run.report_path; *c != '\0'; c++) {
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
            (size_t)snprintf(run->report_path + length,
                             sizeof(run->report_path) - length, "%s", piece);
        if (length >= sizeof(run->report_path)) {
            complain("run: --report-file: got a path of more than %zu bytes",
                     sizeof(run->report_path) - 1);
            return false;
        }
    }
    return true;
}

FILE *run_report_open(struct run *run)
{
    if (run->options->run.report_path == NULL) {
        return stderr;
    }
    if (!expand_path(run)) {
        return NULL;
    }
    int fd =
        open(run->report_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        complain("%s: open: %s", run->report_path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
    }
    return out;
}
