/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checks find. As JSON, a finding is a line as soon as it is made. As
 * text, findings are kept and printed at the end by group: first what is known,
 * a line each; below it, folded into a line, what is not known or does not
 * apply; at the very end the counts and what to fix first.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "json.h"
#include "report.h"

#define COLUMNS 80
#define TITLE_COLUMN 8 /* where a check's title begins */
#define TEXT_COLUMN 29 /* where its sentence begins */
#define MORE_COLUMN 10 /* where its fix and evidence begin */
#define FIXES_MAX 3    /* shown again at the end */

static const char *const verdict_names[VERDICT_COUNT] = {
    [VERDICT_PASS] = "PASS", [VERDICT_INFO] = "INFO", [VERDICT_WARN] = "WARN",
    [VERDICT_FAIL] = "FAIL", [VERDICT_UNKNOWN] = "?", [VERDICT_NA] = "N/A",
};

static const char *json_name(enum verdict verdict)
{
    return verdict == VERDICT_UNKNOWN ? "UNKNOWN" : verdict_names[verdict];
}

static void emit_finding(const struct doctor *doctor,
                         const struct finding *finding)
{
    json_t *object = json_begin("check");
    json_put_text(object, "check", doctor->check->name);
    json_put_text(object, "subject", finding->subject);
    json_put_text(object, "status", json_name(finding->verdict));
    json_put_text(object, "why", finding->why);
    json_put_text(object, "fix", finding->fix);
    json_put_text(object, "evidence", finding->evidence);
    json_emit(object);
}

static void keep_finding(struct doctor *doctor, const struct finding *finding)
{
    if (doctor->record_count == doctor->record_room) {
        uint32_t room = doctor->record_room * 2 + 64;
        struct record *more = realloc(doctor->records, room * sizeof(*more));
        if (more == NULL) {
            complain("out of memory: a finding of %s is only counted",
                     doctor->check->name);
            return;
        }
        doctor->records = more;
        doctor->record_room = room;
    }
    struct record *record = &doctor->records[doctor->record_count++];
    record->group = doctor->group;
    record->check = doctor->check;
    record->finding = *finding;
    snprintf(record->subject, sizeof(record->subject), "%s", finding->subject);
}

void doctor_report(struct doctor *doctor, const struct finding *finding)
{
    struct finding known = *finding;
    known.subject = finding->subject != NULL ? finding->subject : "";
    doctor->counts[known.verdict]++;
    if (doctor->options->json) {
        emit_finding(doctor, &known);
    } else {
        keep_finding(doctor, &known);
    }
}

void doctor_say(struct doctor *doctor, const char *subject,
                enum verdict verdict, const char *format, ...)
{
    struct finding finding = {.subject = subject, .verdict = verdict};
    va_list args;
    va_start(args, format);
    vsnprintf(finding.why, sizeof(finding.why), format, args);
    va_end(args);
    doctor_report(doctor, &finding);
}

/* Print text word by word from `column` on; lines after it begin at indent. */
static void put_wrapped(const char *text, int column, int indent)
{
    bool is_first = true;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (!is_first && column + 1 + length > COLUMNS) {
            put_format("\n%*s", indent, "");
            column = indent;
        } else if (!is_first) {
            put_format(" ");
            column++;
        }
        put_format("%.*s", length, text);
        column += length;
        is_first = false;
        text += length;
        text += strspn(text, " ");
    }
    put_format("\n");
}

static void put_more(const char *label, const char *text)
{
    if (text[0] != '\0') {
        int column = MORE_COLUMN + (int)strlen(label);
        put_format("%*s%s", MORE_COLUMN, "", label);
        put_wrapped(text, column, column);
    }
}

static void put_record(const struct record *record, bool is_verbose)
{
    const struct finding *finding = &record->finding;
    char text[sizeof(record->subject) + sizeof(finding->why) + 4];
    snprintf(text, sizeof(text), "%s%s%s", record->subject,
             record->subject[0] != '\0' ? ": " : "", finding->why);
    put_format("  %-4s  %-20s ", verdict_names[finding->verdict],
               record->check->title);
    put_wrapped(text, TEXT_COLUMN, TEXT_COLUMN);
    bool is_fault =
        finding->verdict == VERDICT_WARN || finding->verdict == VERDICT_FAIL;
    if (is_fault || is_verbose) {
        put_more("fix: ", finding->fix);
        put_more("evidence: ", finding->evidence);
    }
}

static bool is_folded(const struct doctor *doctor, const struct record *record)
{
    return !doctor->options->verbose &&
           record->finding.verdict >= VERDICT_UNKNOWN;
}

/* One line for all findings of a verdict: the titles of their checks. */
static void put_folded(const struct doctor *doctor,
                       const struct check_group *group, enum verdict verdict)
{
    char text[1024] = "";
    size_t used = 0;
    const struct check *last = NULL;
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        const struct record *record = &doctor->records[i];
        if (record->group != group || record->finding.verdict != verdict ||
            record->check == last || used >= sizeof(text)) {
            continue;
        }
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
                             last != NULL ? ", " : "", record->check->title);
        last = record->check;
    }
    if (last != NULL) {
        const char *label =
            verdict == VERDICT_NA ? "does not apply:" : "not known:";
        put_format("  %-4s  %-20s ", verdict_names[verdict], label);
        put_wrapped(text, TEXT_COLUMN, TEXT_COLUMN);
    }
}

static void put_group(const struct doctor *doctor,
                      const struct check_group *group)
{
    put_format("%s\n", group->title);
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        const struct record *record = &doctor->records[i];
        if (record->group == group && !is_folded(doctor, record)) {
            put_record(record, doctor->options->verbose);
        }
    }
    if (!doctor->options->verbose) {
        put_folded(doctor, group, VERDICT_UNKNOWN);
        put_folded(doctor, group, VERDICT_NA);
    }
    put_format("\n");
}

/* The first fixes of a verdict; returns how many are shown in all. */
static int put_fixes(const struct doctor *doctor, enum verdict verdict,
                     int shown)
{
    for (uint32_t i = 0; i < doctor->record_count && shown < FIXES_MAX; i++) {
        const struct record *record = &doctor->records[i];
        if (record->finding.verdict != verdict ||
            record->finding.fix[0] == '\0') {
            continue;
        }
        char text[sizeof(record->subject) + sizeof(record->finding.fix) + 32];
        snprintf(text, sizeof(text), "%s%s%s: %s", record->check->title,
                 record->subject[0] != '\0' ? " " : "", record->subject,
                 record->finding.fix);
        if (shown == 0) {
            put_format("Fix first:\n");
        }
        put_format("  %d. ", ++shown);
        put_wrapped(text, 5, 5);
    }
    return shown;
}

static void put_counts(const struct doctor *doctor)
{
    const uint32_t *counts = doctor->counts;
    uint32_t all = 0;
    for (int i = 0; i < VERDICT_COUNT; i++) {
        all += counts[i];
    }
    put_format("%u checks: %u pass, %u info, %u warn, %u fail, %u unknown, "
               "%u n/a\n",
               all, counts[VERDICT_PASS], counts[VERDICT_INFO],
               counts[VERDICT_WARN], counts[VERDICT_FAIL],
               counts[VERDICT_UNKNOWN], counts[VERDICT_NA]);
}

static void emit_counts(const struct doctor *doctor)
{
    static const char *const keys[VERDICT_COUNT] = {
        [VERDICT_PASS] = "pass",       [VERDICT_INFO] = "info",
        [VERDICT_WARN] = "warn",       [VERDICT_FAIL] = "fail",
        [VERDICT_UNKNOWN] = "unknown", [VERDICT_NA] = "na",
    };
    json_t *object = json_begin("doctor");
    for (int i = 0; i < VERDICT_COUNT; i++) {
        json_put_count(object, keys[i], doctor->counts[i]);
    }
    json_put_count(object, "exit", (uint64_t)doctor_exit_status(doctor));
    json_emit(object);
}

void doctor_finish(const struct doctor *doctor)
{
    const struct check_group *last = NULL;
    if (doctor->options->json) {
        emit_counts(doctor);
        return;
    }
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        if (doctor->records[i].group != last) {
            last = doctor->records[i].group;
            put_group(doctor, last);
        }
    }
    put_counts(doctor);
    put_fixes(doctor, VERDICT_WARN, put_fixes(doctor, VERDICT_FAIL, 0));
}

int doctor_exit_status(const struct doctor *doctor)
{
    if (doctor->counts[VERDICT_FAIL] > 0) {
        return 2;
    }
    return doctor->counts[VERDICT_WARN] > 0 ? 1 : 0;
}
