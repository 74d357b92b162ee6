/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory there is for the feeder. */
#ifndef FGI_FEEDER_MEMORY_H
#define FGI_FEEDER_MEMORY_H

#include <stdint.h>

/* A quarter of what is available, by /proc/meminfo and the control groups. */
uint64_t fgi_memory_default(void);

/* What is available, by both; UINT64_MAX when neither says. */
uint64_t fgi_memory_available(void);

#endif /* FGI_FEEDER_MEMORY_H */
