/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GPUs' part of feedgpu run's reports: labels in the words of `feedgpu
 * bench`, copies by the memory they came from, and what was not recorded.
 */
#include <inttypes.h>
#include <string.h>

#include "report.h"
#include "run.h"
#include "size.h"

#define BAR_LETTERS 36
#define GPUS_SHOWN_MAX 8

static double seconds(uint64_t ns)
{
    return (double)ns * 1e-9;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
}

static double rate(const struct fg_feeder_copies *copies)
{
    return copies->ns > 0 ? (double)copies->bytes * 1e9 / (double)copies->ns
                          : 0.0;
}

static uint64_t window(const struct fg_feeder_gpu *gpu)
{
    return gpu->last_ns - gpu->first_ns;
}

static void put_labels(const struct fg_feeder_gpu *gpu, FILE *out)
{
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        uint64_t ns = gpu->labels.ns[i];
        int letters =
            (int)(percent(ns, window(gpu)) / 100.0 * BAR_LETTERS + 0.5);
        char bar[BAR_LETTERS + 1];
        if (ns == 0) {
            continue;
        }
        memset(bar, '.', BAR_LETTERS);
        memset(bar, '#', (size_t)letters);
        bar[BAR_LETTERS] = '\0';
        fprintf(out, "  %-17s %9.3f s  %5.1f %%  %s\n",
                fg_label_name((enum fg_label)i), seconds(ns),
                percent(ns, window(gpu)), bar);
    }
}

static void put_copies(FILE *out, const char *name,
                       const struct fg_feeder_copies *copies,
                       uint64_t link_bytes_per_s)
{
    char size[SIZE_TEXT_BYTES];
    char speed[SIZE_TEXT_BYTES];
    char limit[SIZE_TEXT_BYTES];
    char count[COUNT_BYTES];
    char small[COUNT_BYTES];
    char text[320];
    if (copies->count == 0) {
        return;
    }
    int length = snprintf(text, sizeof(text), "%s, %s copies of %s, %s/s", name,
                          format_count(copies->count, count),
                          amount_format((double)copies->bytes, size),
                          amount_format(rate(copies), speed));
    if (link_bytes_per_s > 0) {
        length += snprintf(text + length, sizeof(text) - (size_t)length,
                           " of at most %s/s on the link",
                           amount_format((double)link_bytes_per_s, limit));
    }
    snprintf(text + length, sizeof(text) - (size_t)length,
             "; %s of less than 64 KiB; %s overlapped no kernel (%.3f s)",
             format_count(copies->small, small),
             format_count(copies->alone, count), seconds(copies->alone_ns));
    run_put_text(out, "copies", text);
}

static void put_gpu(const struct run *run, uint32_t index, FILE *out)
{
    const struct fg_feeder_gpu *gpu = &run->gpu.gpus[index];
    uint64_t link = run->gpu.link_bytes_per_s[index];
    uint64_t idle_ns = window(gpu) - gpu->labels.ns[FG_LABEL_COMPUTE];
    char text[256];
    snprintf(text, sizeof(text),
             "%s%s%s: computed %.1f %% of the %.2f s from its first kernel to "
             "its last",
             gpu->bus_id, gpu->bus_id[0] != '\0' ? " " : "",
             gpu->name[0] != '\0' ? gpu->name : "unnamed",
             percent(gpu->labels.ns[FG_LABEL_COMPUTE], window(gpu)),
             seconds(window(gpu)));
    fputc('\n', out);
    run_put_text(out, "GPU", text);
    put_labels(gpu, out);
    snprintf(text, sizeof(text),
             "some read was blocking for %.1f %% of the time in which it was "
             "idle (%.3f s), and for %.1f %% of that in which it computed",
             percent(gpu->idle_read_ns, idle_ns), seconds(gpu->idle_read_ns),
             percent(gpu->busy_read_ns, gpu->labels.ns[FG_LABEL_COMPUTE]));
    run_put_text(out, "reads", text);
    put_copies(out, "pinned", &gpu->pinned, link);
    put_copies(out, "pageable", &gpu->pageable, link);
    put_copies(out, "managed or unknown", &gpu->unknown, link);
}

/* What is missing from the numbers above. */
static void put_gaps(const struct run *run, FILE *out)
{
    const struct run_gpus *gpu = &run->gpu;
    uint64_t dropped = 0;
    uint64_t bad = 0;
    uint64_t late = 0;
    char text[320];
    for (uint32_t i = 0; i < gpu->recorder_count; i++) {
        const struct fg_feeder_recorder *recorder = &gpu->recorders[i];
        dropped += recorder->dropped;
        bad += recorder->untimed + recorder->unknown;
        if (!recorder->is_on) {
            snprintf(text, sizeof(text), "process %" PRId32 " not recorded: %s",
                     recorder->pid, recorder->note);
            run_put_text(out, "GPU", text);
        } else if (!recorder->is_whole) {
            snprintf(text, sizeof(text),
                     "process %" PRId32 " did not end by exit: its last tenths "
                     "of a second are not recorded",
                     recorder->pid);
            run_put_text(out, "", text);
        }
    }
    for (uint32_t i = 0; i < gpu->count; i++) {
        late += gpu->gpus[i].late;
    }
    if (dropped + bad + late + run->stats.spans_lost > 0) {
        snprintf(text, sizeof(text),
                 "not in it: %" PRIu64 " records that CUPTI dropped, %" PRIu64
                 " without times, %" PRIu64 " overwritten; %" PRIu64
                 " came late",
                 dropped, bad, run->stats.spans_lost, late);
        run_put_text(out, "", text);
    }
}

void run_gpu_text(const struct run *run, FILE *out)
{
    const struct run_gpus *gpu = &run->gpu;
    char text[400];
    if (gpu->recorder_count == 0) {
        snprintf(text, sizeof(text), "busy and idle time are not known: %s",
                 run_gpu_why(run));
        run_put_text(out, "GPU", text);
        return;
    }
    for (uint32_t i = 0; i < gpu->count && i < GPUS_SHOWN_MAX; i++) {
        put_gpu(run, i, out);
    }
    if (gpu->count > GPUS_SHOWN_MAX) {
        fprintf(out, "  and %" PRIu32 " others\n", gpu->count - GPUS_SHOWN_MAX);
    }
    if (gpu->worst != FG_LABEL_COUNT && gpu->window_ns > 0) {
        snprintf(text, sizeof(text), "%s: %s", fg_label_name(gpu->worst),
                 gpu->fix);
        run_put_text(out, "fix first", text);
    }
    put_gaps(run, out);
}

/* ---- HTML
 * -------------------------------------------------------------------- */

static void put_html_copies(FILE *out, const char *name,
                            const struct fg_feeder_copies *copies,
                            uint64_t link_bytes_per_s)
{
    char size[SIZE_TEXT_BYTES];
    char speed[SIZE_TEXT_BYTES];
    char limit[SIZE_TEXT_BYTES] = "?";
    if (copies->count == 0) {
        return;
    }
    if (link_bytes_per_s > 0) {
        amount_format((double)link_bytes_per_s, limit);
    }
    fprintf(out,
            "<tr><td>%s<td class=n>%" PRIu64 "<td class=n>%s<td class=n>%s/s"
            "<td class=n>%s/s<td class=n>%" PRIu64 "<td class=n>%" PRIu64
            " (%.3f s)</tr>\n",
            name, copies->count, amount_format((double)copies->bytes, size),
            amount_format(rate(copies), speed), limit, copies->small,
            copies->alone, seconds(copies->alone_ns));
}

/* Texts of the board hold printable letters only, and some need escaping. */
static void put_html_gpu(const struct run *run, uint32_t index, FILE *out)
{
    const struct fg_feeder_gpu *gpu = &run->gpu.gpus[index];
    uint64_t link = run->gpu.link_bytes_per_s[index];
    fputs("<p><code>", out);
    run_html_put(out, gpu->bus_id);
    fputs("</code> ", out);
    run_html_put(out, gpu->name);
    fprintf(out,
            "<br><span class=dim>%.2f s from its first kernel to its last; "
            "some read was blocking for %.3f s in which it was idle, and for "
            "%.3f s in which it computed</span>\n"
            "<div class=wide><table>\n<tr><th>label<th>share<th class=n>time"
            "</tr>\n",
            seconds(window(gpu)), seconds(gpu->idle_read_ns),
            seconds(gpu->busy_read_ns));
    for (int i = 0; i < FG_LABEL_COUNT; i++) {
        double part = percent(gpu->labels.ns[i], window(gpu));
        if (gpu->labels.ns[i] > 0) {
            fprintf(out,
                    "<tr><td>%s<td><div class=bar><i style=\"width:%.2f%%;"
                    "--c:var(--%s)\"></i></div><td class=n>%.3f s "
                    "(%.1f&nbsp;%%)</tr>\n",
                    fg_label_name((enum fg_label)i), part,
                    i == FG_LABEL_COMPUTE ? "copy" : "kernel",
                    seconds(gpu->labels.ns[i]), part);
        }
    }
    fputs("</table></div>\n<div class=wide><table>\n<tr><th>copies to it from"
          "<th class=n>copies<th class=n>bytes<th class=n>rate<th class=n>link"
          "<th class=n>small<th class=n>no kernel beside</tr>\n",
          out);
    put_html_copies(out, "pinned memory", &gpu->pinned, link);
    put_html_copies(out, "pageable memory", &gpu->pageable, link);
    put_html_copies(out, "managed or unknown", &gpu->unknown, link);
    fputs("</table></div>\n", out);
}

void run_gpu_html(const struct run *run, FILE *out)
{
    const struct run_gpus *gpu = &run->gpu;
    fputs("<h2>GPUs</h2>\n", out);
    if (gpu->recorder_count == 0) {
        fputs("<p class=dim>Busy and idle time are not known: ", out);
        run_html_put(out, run_gpu_why(run));
        fputs("</p>\n", out);
    }
    for (uint32_t i = 0; i < gpu->count; i++) {
        put_html_gpu(run, i, out);
    }
    if (gpu->fix[0] != '\0' && gpu->worst != FG_LABEL_COUNT) {
        fprintf(out, "<p>Fix first %s: ", fg_label_name(gpu->worst));
        run_html_put(out, gpu->fix);
        fputs("</p>\n", out);
    }
    for (uint32_t i = 0; i < gpu->recorder_count; i++) {
        if (!gpu->recorders[i].is_on) {
            fprintf(out, "<p class=dim>Process %" PRId32 " not recorded: ",
                    gpu->recorders[i].pid);
            run_html_put(out, gpu->recorders[i].note);
            fputs("</p>\n", out);
        }
    }
}
