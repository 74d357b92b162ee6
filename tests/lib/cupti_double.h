/* SPDX-License-Identifier: Apache-2.0 */
/* What a test program tells the double of CUPTI that its GPU did. */
#ifndef TESTS_CUPTI_DOUBLE_H
#define TESTS_CUPTI_DOUBLE_H

#include <stdint.h>

enum double_kind { DOUBLE_KERNEL, DOUBLE_H2D, DOUBLE_D2H, DOUBLE_MEMSET };

struct double_record {
    enum double_kind kind;
    uint64_t start_ns; /* by the clock that was registered */
    uint64_t end_ns;
    uint64_t bytes;
    uint32_t device;
    uint32_t stream;
    int is_pinned;
};

/* Keep a record until somebody flushes. In every double of CUPTI. */
void cupti_double_record(const struct double_record *record);

#endif /* TESTS_CUPTI_DOUBLE_H */
