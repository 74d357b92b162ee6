/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the acceptance programs share: ending with a reason, and a row of the
 * Markdown table that tests/gpu/accept.sh prints.
 */
#ifndef TESTS_GPU_COMMON_H
#define TESTS_GPU_COMMON_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"

#define SAMPLES_MAX 64

/* The samples of one row. */
struct row {
    double values[SAMPLES_MAX];
    unsigned count;
};

static inline void row_add(struct row *row, double value)
{
    if (row->count < SAMPLES_MAX) {
        row->values[row->count++] = value;
    }
}

static inline int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the samples. Of an even count the upper one. */
static inline double row_median(struct row *row)
{
    qsort(row->values, row->count, sizeof(row->values[0]), compare_doubles);
    return row->count > 0 ? row->values[row->count / 2] : 0;
}

/* | what | median | unit | samples | least | most | */
static inline void row_print(struct row *row, const char *what,
                             const char *unit)
{
    double median = row_median(row);

    printf("| %s | %.3f | %s | %u | %.3f | %.3f |\n", what, median, unit,
           row->count, row->values[0], row->values[row->count - 1]);
    fflush(stdout);
}

/* End with the message unless the call went well; 77 if there is no GPU. */
static inline void need(enum fg_status status, const struct fg_error *err)
{
    if (status == FG_OK) {
        return;
    }
    if (status == FG_ERR_UNSUPPORTED) {
        fprintf(stderr, "skipped: no GPU: %s\n", err->message);
        exit(77);
    }
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* A whole number argument, or usage. */
static inline uint64_t number_argument(const char *text, const char *usage)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (end == text || *end != '\0') {
        fprintf(stderr, "%s", usage);
        exit(2);
    }
    return value;
}

#endif /* TESTS_GPU_COMMON_H */
