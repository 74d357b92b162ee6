/* SPDX-License-Identifier: Apache-2.0 */
/* What control groups allow this process, in all of its group's parents. */
#ifndef TOOL_DOCTOR_CGROUP_H
#define TOOL_DOCTOR_CGROUP_H

#include "doctor.h"

/* The tightest limit on the way up. */
struct cgroup_limit {
    uint64_t value;  /* thousandths of a CPU, or bytes; UINT64_MAX: none */
    char where[160]; /* the file that says so; "" without a limit */
};

/* False: no control group tells. */
bool cgroup_cpu(const struct doctor *doctor, struct cgroup_limit *limit);
bool cgroup_memory(const struct doctor *doctor, struct cgroup_limit *limit);

/* memory.high: above it the process is slowed down. v2 only. */
bool cgroup_memory_high(const struct doctor *doctor,
                        struct cgroup_limit *limit);

/* CPUs ("cpus") or nodes ("mems") that the cpuset allows. */
bool cgroup_cpuset(const struct doctor *doctor, const char *what, char *list,
                   size_t list_bytes);

#endif /* TOOL_DOCTOR_CGROUP_H */
