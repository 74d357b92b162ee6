/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings as text, to 80 columns.
 *
 * Under each group's heading come its checks. Like findings of a check are one
 * line: all that pass ("8 of 8: 16 of 16 lanes are in use"), and all that have
 * the same sentence and fix. Below them, by title only, what is not known or
 * does not apply. At the very end the counts, and what to fix first.
 * --verbose shows every finding by itself, with its evidence.
 */
#include <string.h>

#include "doctor.h"
#include "report.h"

#define COLUMNS 80
#define TEXT_COLUMN 29 /* where a finding's sentence begins */
#define MORE_COLUMN 10 /* where its fix and evidence begin */
#define FIXES_MAX 3    /* shown again at the end */
#define LIST_BYTES 1024

static const char *const verdict_names[VERDICT_COUNT] = {
    [VERDICT_PASS] = "PASS", [VERDICT_INFO] = "INFO", [VERDICT_WARN] = "WARN",
    [VERDICT_FAIL] = "FAIL", [VERDICT_UNKNOWN] = "?", [VERDICT_NA] = "N/A",
};

/* Print a word, over several lines where it is longer than one. */
static int put_word(const char *word, int length, int column, int indent)
{
    while (indent + length > COLUMNS) {
        int part = COLUMNS - column;
        /* A path is broken behind a slash if it has one. */
        for (int i = part; i > 0; i--) {
            if (word[i - 1] == '/') {
                part = i;
                break;
            }
        }
        put_format("%.*s\n%*s", part, word, indent, "");
        word += part;
        length -= part;
        column = indent;
    }
    put_format("%.*s", length, word);
    return column + length;
}

void doctor_put_wrapped(const char *text, int column, int indent)
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
        column = put_word(text, length, column, indent);
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
        doctor_put_wrapped(text, column, column);
    }
}

/* Add to a list with ", " between; what does not fit is left out. */
static void add_to_list(char *list, const char *item)
{
    size_t used = strlen(list);
    if (used + strlen(item) + 3 <= LIST_BYTES) {
        snprintf(list + used, LIST_BYTES - used, "%s%s", used > 0 ? ", " : "",
                 item);
    }
}

/* A fault is to be repaired where it is, so its subjects are always named. */
static bool is_fault(const struct record *record)
{
    return record->finding.verdict == VERDICT_WARN ||
           record->finding.verdict == VERDICT_FAIL;
}

/* Findings of one check that become one line. */
struct fold {
    const struct record *first;
    uint32_t count;            /* findings in the line */
    uint32_t all;              /* findings of the check */
    bool is_same;              /* their sentences are equal */
    char subjects[LIST_BYTES]; /* by commas */
};

/* Do two findings of a check belong into one line? */
static bool is_like(const struct record *a, const struct record *b)
{
    if (a->check != b->check || a->finding.verdict != b->finding.verdict) {
        return false;
    }
    return a->finding.verdict == VERDICT_PASS ||
           (strcmp(a->finding.why, b->finding.why) == 0 &&
            strcmp(a->finding.fix, b->finding.fix) == 0);
}

static void fill_fold(const struct doctor *doctor, uint32_t index,
                      struct fold *fold)
{
    *fold = (struct fold){.first = &doctor->records[index], .is_same = true};
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        const struct record *record = &doctor->records[i];
        fold->all += record->check == fold->first->check;
        if (!is_like(record, fold->first)) {
            continue;
        }
        fold->count++;
        fold->is_same = fold->is_same && strcmp(record->finding.why,
                                                fold->first->finding.why) == 0;
        add_to_list(fold->subjects, record->subject);
    }
}

/* True if an earlier record's line has it already. */
static bool is_told(const struct doctor *doctor, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (is_like(&doctor->records[i], &doctor->records[index])) {
            return true;
        }
    }
    return false;
}

static void put_line(const struct record *record, const char *text)
{
    put_format("  %-4s  %-20s ", verdict_names[record->finding.verdict],
               record->check->title);
    doctor_put_wrapped(text, TEXT_COLUMN, TEXT_COLUMN);
}

static void put_details(const struct record *record)
{
    put_more("fix: ", record->finding.fix);
    put_more("evidence: ", record->finding.evidence);
}

static void put_record(const struct record *record)
{
    char text[sizeof(record->subject) + sizeof(record->finding.why) + 4];
    snprintf(text, sizeof(text), "%s%s%s", record->subject,
             record->subject[0] != '\0' ? ": " : "", record->finding.why);
    put_line(record, text);
}

static void put_fold(const struct fold *fold)
{
    const struct finding *finding = &fold->first->finding;
    const char *passed = fold->first->check->passed;
    char text[LIST_BYTES + sizeof(finding->why) + 32];
    if (fold->count == 1) {
        put_record(fold->first);
    } else if (is_fault(fold->first)) {
        snprintf(text, sizeof(text), "%s: %s", fold->subjects, finding->why);
        put_line(fold->first, text);
    } else if (fold->is_same) {
        snprintf(text, sizeof(text), "%u of %u: %s", fold->count, fold->all,
                 finding->why);
        put_line(fold->first, text);
    } else {
        snprintf(text, sizeof(text), "%u of %u %s", fold->count, fold->all,
                 passed != NULL ? passed : "pass");
        put_line(fold->first, text);
    }
    if (is_fault(fold->first)) {
        put_details(fold->first);
    }
}

/* The check's title, with how many of its findings have the verdict. */
static void put_title_into(const struct doctor *doctor, uint32_t index,
                           char *text, size_t text_bytes)
{
    const struct record *record = &doctor->records[index];
    uint32_t count = 0;
    uint32_t all = 0;
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        const struct record *other = &doctor->records[i];
        all += other->check == record->check;
        count += other->check == record->check &&
                 other->finding.verdict == record->finding.verdict;
    }
    snprintf(text, text_bytes, "%s", record->check->title);
    if (count < all) {
        snprintf(text, text_bytes, "%s (%u of %u)", record->check->title, count,
                 all);
    }
}

/* One line for all findings of a verdict: the titles of their checks. */
static void put_titles(const struct doctor *doctor,
                       const struct check_group *group, enum verdict verdict)
{
    char text[LIST_BYTES] = "";
    const struct check *last = NULL;
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        const struct record *record = &doctor->records[i];
        if (record->group == group && record->finding.verdict == verdict &&
            record->check != last) {
            char title[64];
            put_title_into(doctor, i, title, sizeof(title));
            add_to_list(text, title);
            last = record->check;
        }
    }
    if (last != NULL) {
        put_format("  %-4s  %-20s ", verdict_names[verdict],
                   verdict == VERDICT_NA ? "does not apply:" : "not known:");
        doctor_put_wrapped(text, TEXT_COLUMN, TEXT_COLUMN);
    }
}

static void put_group(const struct doctor *doctor,
                      const struct check_group *group)
{
    put_format("%s\n", group->title);
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        const struct record *record = &doctor->records[i];
        struct fold fold;
        if (record->group != group) {
            continue;
        }
        if (doctor->options->verbose) {
            put_record(record);
            put_details(record);
        } else if (record->finding.verdict < VERDICT_UNKNOWN &&
                   !is_told(doctor, i)) {
            fill_fold(doctor, i, &fold);
            put_fold(&fold);
        }
    }
    if (!doctor->options->verbose) {
        put_titles(doctor, group, VERDICT_UNKNOWN);
        put_titles(doctor, group, VERDICT_NA);
    }
    put_format("\n");
}

/* The first fixes of a verdict; returns how many are shown in all. */
static int put_fixes(const struct doctor *doctor, enum verdict verdict,
                     int shown)
{
    for (uint32_t i = 0; i < doctor->record_count && shown < FIXES_MAX; i++) {
        const struct record *record = &doctor->records[i];
        struct fold fold;
        if (record->finding.verdict != verdict ||
            record->finding.fix[0] == '\0' || is_told(doctor, i)) {
            continue;
        }
        fill_fold(doctor, i, &fold);
        char text[LIST_BYTES + sizeof(record->finding.fix) + 32];
        snprintf(text, sizeof(text), "%s%s%s: %s", record->check->title,
                 fold.subjects[0] != '\0' ? " " : "", fold.subjects,
                 record->finding.fix);
        if (shown == 0) {
            put_format("\nFix first:\n");
        }
        put_format("  %d. ", ++shown);
        doctor_put_wrapped(text, 5, 5);
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
    put_format("%u checks, %u findings: %u pass, %u info, %u warn, %u fail, "
               "%u unknown, %u n/a\n",
               doctor->check_count, all, counts[VERDICT_PASS],
               counts[VERDICT_INFO], counts[VERDICT_WARN], counts[VERDICT_FAIL],
               counts[VERDICT_UNKNOWN], counts[VERDICT_NA]);
    if (counts[VERDICT_UNKNOWN] > 0 && !doctor->options->verbose) {
        put_format("--verbose says of each why it is not known\n");
    }
}

/* True if an earlier record is of the same group. */
static bool is_group_told(const struct doctor *doctor, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (doctor->records[i].group == doctor->records[index].group) {
            return true;
        }
    }
    return false;
}

static bool has_more_than_na(const struct doctor *doctor,
                             const struct check_group *group)
{
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        if (doctor->records[i].group == group &&
            doctor->records[i].finding.verdict != VERDICT_NA) {
            return true;
        }
    }
    return false;
}

/* Groups in the order in which they ran; of some nothing applies. */
static void put_groups(const struct doctor *doctor)
{
    char others[LIST_BYTES] = "";
    for (uint32_t i = 0; i < doctor->record_count; i++) {
        const struct check_group *group = doctor->records[i].group;
        if (is_group_told(doctor, i)) {
            continue;
        }
        if (doctor->options->verbose || has_more_than_na(doctor, group)) {
            put_group(doctor, group);
        } else {
            add_to_list(others, group->title);
        }
    }
    if (others[0] != '\0') {
        put_format("Does not apply here: ");
        doctor_put_wrapped(others, 21, 21);
        put_format("\n");
    }
}

void doctor_put_text(const struct doctor *doctor)
{
    put_groups(doctor);
    put_counts(doctor);
    put_fixes(doctor, VERDICT_WARN, put_fixes(doctor, VERDICT_FAIL, 0));
}
