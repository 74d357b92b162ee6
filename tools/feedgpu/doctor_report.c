/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checks find. As JSON, a finding is a line as soon as it is made. As
 * text, findings are kept and printed at the end (doctor_text.c), since like
 * ones become one line.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "doctor.h"
#include "json.h"
#include "report.h"

static const char *const json_names[VERDICT_COUNT] = {
    [VERDICT_PASS] = "PASS",       [VERDICT_INFO] = "INFO",
    [VERDICT_WARN] = "WARN",       [VERDICT_FAIL] = "FAIL",
    [VERDICT_UNKNOWN] = "UNKNOWN", [VERDICT_NA] = "N/A",
};

static void emit_finding(const struct doctor *doctor,
                         const struct finding *finding)
{
    json_t *object = json_begin("check");
    json_put_text(object, "check", doctor->check->name);
    json_put_text(object, "subject", finding->subject);
    json_put_text(object, "status", json_names[finding->verdict]);
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

/* What files say may hold anything: no newline, no escape gets through. */
static void clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = *text == '\t' || *text == '\n' ? ' ' : '?';
        }
    }
}

void doctor_report(struct doctor *doctor, const struct finding *finding)
{
    struct finding known = *finding;
    char subject[64];
    snprintf(subject, sizeof(subject), "%s",
             finding->subject != NULL ? finding->subject : "");
    clean(subject);
    clean(known.why);
    clean(known.fix);
    clean(known.evidence);
    known.subject = subject;
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
    if (doctor->options->json) {
        emit_counts(doctor);
    } else {
        doctor_put_text(doctor);
    }
}

int doctor_exit_status(const struct doctor *doctor)
{
    if (doctor->counts[VERDICT_FAIL] > 0) {
        return 2;
    }
    return doctor->counts[VERDICT_WARN] > 0 ? 1 : 0;
}
