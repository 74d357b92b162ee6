/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu run's report as one HTML file that needs nothing else: no script, no
 * font, no picture. Colours follow the reader's light or dark setting. All
 * that comes from the program (names, folders, its command) is escaped.
 */
#include <inttypes.h>
#include <string.h>

#include "run.h"
#include "size.h"

#define THREADS_SHOWN_MAX 64
#define FOLDERS_SHOWN_MAX 64

static const char style[] =
    "<style>\n"
    ":root{color-scheme:light dark;--back:#fff;--ink:#1c2128;--dim:#59636e;"
    "--line:#d7dce1;--card:#f5f7f9;--kernel:#c2410c;--wait:#d99a06;"
    "--copy:#0f8a76;--open:#6d5bd0}\n"
    "@media(prefers-color-scheme:dark){:root{--back:#14181d;--ink:#e3e8ed;"
    "--dim:#9aa5b1;--line:#333b44;--card:#1d232a;--kernel:#f0814a;"
    "--wait:#e8bf4b;--copy:#3dbfa8;--open:#a598f5}}\n"
    "body{background:var(--back);color:var(--ink);margin:0 auto;"
    "padding:24px 16px 48px;max-width:960px;"
    "font:15px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:20px;margin:0}h2{font-size:16px;margin:28px 0 8px}\n"
    "code{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}\n"
    "td code{display:block;min-width:240px}\n"
    ".dim{color:var(--dim)}\n"
    ".card{background:var(--card);border:1px solid var(--line);"
    "border-radius:8px;padding:12px 16px;margin:16px 0}\n"
    ".card p{margin:4px 0}.card p:first-child{font-size:17px}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;"
    "font-variant-numeric:tabular-nums}\n"
    "th{color:var(--dim);font-weight:500;text-align:left;font-size:13px}\n"
    "th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}\n"
    ".n{text-align:right;white-space:nowrap}\n"
    ".bar{display:flex;height:12px;min-width:200px;background:var(--card);"
    "border:1px solid var(--line);border-radius:3px;overflow:hidden;"
    "margin-top:5px}\n"
    ".bar i,.key i{display:block;background:var(--c)}\n"
    ".key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;"
    "margin:0 0 6px}\n"
    ".key span{display:flex;align-items:center;gap:6px}\n"
    ".key i{width:12px;height:12px;border-radius:2px}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;"
    "margin:0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}\n"
    "</style>\n";

/* What a thread's time is split into. */
static const struct part {
    const char *name;
    const char *colour;
} parts[] = {
    {"reads by the kernel", "kernel"},
    {"waiting for a block under way", "wait"},
    {"copying from memory", "copy"},
    {"opens", "open"},
};

void run_html_put(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

static void put_amount(FILE *out, uint64_t bytes)
{
    char text[SIZE_TEXT_BYTES];
    fprintf(out, "<td class=n>%s</td>", amount_format((double)bytes, text));
}

static void put_head(const struct run *run, FILE *out)
{
    char text[1024];
    char size[SIZE_TEXT_BYTES];
    const char *variable = NULL;
    const char *rank = run_rank(&variable);
    fputs("<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
          "<meta name=viewport content=\"width=device-width\">\n"
          "<title>feedgpu run</title>\n",
          out);
    fputs(style, out);
    fputs("<h1>feedgpu run</h1>\n<p><code>", out);
    run_html_put(out, run_command_text(run, text, sizeof(text)));
    if (run->is_alone) {
        fprintf(out,
                "</code><br>\n<span class=dim>%" PRIu32 " processes seen, in "
                "%.2f s from the first read to the last",
                run->reader_count, (double)run_wall_ns(run) / 1e9);
    } else {
        fprintf(out,
                "</code><br>\n<span class=dim>%.2f s wall, %.2f s CPU, %s "
                "resident at most; ",
                (double)run_wall_ns(run) / 1e9,
                (double)run->launch.cpu_ns / 1e9,
                size_format(run->launch.resident_bytes, size));
        run_html_put(out, run_end_text(run, text, sizeof(text)));
    }
    if (rank != NULL) {
        fputs("; rank ", out);
        run_html_put(out, rank);
    }
    fputs("</span>\n<div class=card><p>", out);
    run_html_put(out, run->verdict.text);
    fputs("</p>\n", out);
    if (run->verdict.advice[0] != '\0') {
        fputs("<p class=dim>Next: ", out);
        run_html_put(out, run->verdict.advice);
        fputs("</p>\n", out);
    }
    fputs("</div>\n", out);
}

static void put_bar(const struct run *run, const struct fg_feeder_actor *actor,
                    FILE *out)
{
    const uint64_t ns[] = {actor->kernel_ns, actor->wait_ns, actor->copy_ns,
                           actor->open_ns};
    double wall_ns = (double)run_wall_ns(run) + 1.0;
    fputs("<div class=bar>", out);
    for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
        fprintf(out, "<i style=\"width:%.2f%%;--c:var(--%s)\"></i>",
                100.0 * (double)ns[i] / wall_ns, parts[i].colour);
    }
    fputs("</div>", out);
}

static void put_threads(const struct run *run, FILE *out)
{
    uint32_t shown = run->actor_known < THREADS_SHOWN_MAX ? run->actor_known
                                                          : THREADS_SHOWN_MAX;
    if (shown == 0) {
        return;
    }
    fputs("<h2>Threads</h2>\n<p class=dim>Each by its own share of the wall "
          "time.</p>\n<div class=key>",
          out);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        fprintf(out, "<span><i style=\"--c:var(--%s)\"></i>%s</span>",
                parts[i].colour, parts[i].name);
    }
    fputs("</div>\n<div class=wide><table>\n<tr><th>thread<th>share of the "
          "wall time<th class=n>blocked<th class=n>from memory<th class=n>by "
          "the kernel</tr>\n",
          out);
    for (uint32_t i = 0; i < shown; i++) {
        const struct fg_feeder_actor *actor = &run->actors[i];
        struct run_blocked blocked = run_actor_blocked(run, actor);
        fputs("<tr><td>", out);
        run_html_put(out, actor->name);
        fprintf(out, " <span class=dim>%" PRId32 "</span><td>", actor->tid);
        put_bar(run, actor, out);
        fprintf(out, "<td class=n>%.3f s (%.1f&nbsp;%%)</td>",
                (double)blocked.ns / 1e9, 100.0 * blocked.share);
        put_amount(out, actor->arena_bytes);
        put_amount(out, actor->kernel_bytes);
        fputs("</tr>\n", out);
    }
    fputs("</table></div>\n", out);
    if (run->actor_count > shown) {
        fprintf(out, "<p class=dim>and %" PRIu32 " others</p>\n",
                run->actor_count - shown);
    }
}

static void put_folders(const struct run *run, FILE *out)
{
    uint32_t shown = run->group_known < FOLDERS_SHOWN_MAX ? run->group_known
                                                          : FOLDERS_SHOWN_MAX;
    if (shown == 0) {
        return;
    }
    fputs("<h2>Folders</h2>\n<div class=wide><table>\n<tr><th>folder"
          "<th>pattern<th class=n>files<th class=n>in reads<th class=n>in opens"
          "<th class=n>from memory<th class=n>by the kernel<th class=n>mapped"
          "</tr>\n",
          out);
    for (uint32_t i = 0; i < shown; i++) {
        const struct fg_feeder_group *group = &run->groups[i];
        fputs("<tr><td><code>", out);
        run_html_put(out, group->folder);
        fputs("</code><td>", out);
        run_html_put(out, group->pattern);
        fprintf(out,
                "<td class=n>%" PRIu64 "<td class=n>%.3f s<td class=n>%.3f"
                " s</td>",
                group->files, (double)group->blocked_ns / 1e9,
                (double)group->open_ns / 1e9);
        put_amount(out, group->arena_bytes);
        put_amount(out, group->kernel_bytes);
        put_amount(out, group->mapped_bytes);
        fputs("</tr>\n", out);
    }
    fputs("</table></div>\n", out);
    if (run->group_count > shown) {
        fprintf(out, "<p class=dim>and %" PRIu32 " others</p>\n",
                run->group_count - shown);
    }
}

static void put_fact(FILE *out, const char *name, const char *text)
{
    fprintf(out, "<dt>%s<dd>", name);
    run_html_put(out, text);
    fputc('\n', out);
}

static void put_feeding(const struct run *run, FILE *out)
{
    const struct fg_feeder_stats *stats = &run->stats;
    char a[SIZE_TEXT_BYTES];
    char b[SIZE_TEXT_BYTES];
    char c[SIZE_TEXT_BYTES];
    fprintf(out,
            "<dt>read<dd>%s from memory, %s by the kernel, in %" PRIu64
            " calls\n",
            amount_format((double)stats->arena_bytes, a),
            amount_format((double)stats->kernel_bytes, b), stats->reads);
    fprintf(out,
            "<dt>read ahead<dd>%s into memory, %s of it dropped unused; "
            "%s into the page cache\n",
            amount_format((double)stats->ahead_bytes, a),
            amount_format((double)stats->unused_bytes, b),
            amount_format((double)stats->warmed_bytes, c));
    put_fact(out, "order of files",
             stats->order[0] != '\0' ? stats->order : "none seen");
    fprintf(out,
            "<dt>opened ahead<dd>%" PRIu64 " files, %" PRIu64
            " of them used later\n",
            stats->predictions, stats->predictions_hit);
    fprintf(out, "<dt>memory<dd>%s kept, of %s\n",
            size_format(stats->kept_bytes, a),
            size_format(stats->memory_bytes, b));
    fprintf(out, "<dt>engine<dd>%s ",
            stats->engine != NULL ? stats->engine : "?");
    run_html_put(out, stats->engine_note);
    fprintf(out, "\n<dt>unseen<dd>%s by mmap, %" PRIu64 " files by stdio\n",
            amount_format((double)stats->mapped_bytes, a), stats->stdio_files);
}

static void put_kernel(const struct run *run, FILE *out)
{
    const struct process_io *io = &run->launch.io;
    char a[SIZE_TEXT_BYTES];
    char b[SIZE_TEXT_BYTES];
    fprintf(out,
            "<dt>kernel's count<dd>%s by read calls of %" PRIu32
            " processes, %s from disks; %" PRIu64 " page faults had to read\n",
            amount_format((double)io->call_bytes, a), io->processes,
            amount_format((double)io->storage_bytes, b),
            run->launch.major_faults);
}

static void put_facts(const struct run *run, FILE *out)
{
    const struct launch_bind *bind = &run->bind;
    fputs("<h2>All of it</h2>\n<dl>\n", out);
    if (run->feeder != NULL) {
        put_feeding(run, out);
    } else {
        put_fact(out, "unfed", run->unfed);
    }
    if (bind->node >= 0) {
        fprintf(out, "<dt>node<dd>%" PRId32 ": ", bind->node);
        run_html_put(out, bind->why);
        fputc('\n', out);
    } else {
        put_fact(out, "no node", bind->why);
    }
    if (bind->is_bound) {
        fprintf(out, "<dt>bound to<dd>CPUs %s%s%s\n", bind->cpus,
                bind->is_undone ? "; the program undid it: " : "",
                bind->is_undone ? bind->now : "");
    }
    if (bind->note[0] != '\0') {
        put_fact(out, "bind", bind->note);
    }
    if (run->is_alone) {
        put_fact(out, "kernel's count", "not known");
    } else {
        put_kernel(run, out);
    }
    fputs("</dl>\n", out);
    fprintf(out, "<p class=dim>feedgpu %s</p>\n</html>\n", fg_version());
}

void run_report_html(const struct run *run, FILE *out)
{
    put_head(run, out);
    run_gpu_html(run, out);
    put_threads(run, out);
    put_folders(run, out);
    put_facts(run, out);
}
