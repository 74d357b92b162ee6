/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes in bytes as people write them: 4096, 64KiB, 1.5GiB. */
#ifndef TOOL_SIZE_H
#define TOOL_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#define SIZE_TEXT_BYTES 32

/*
 * Read a size: digits, an optional fraction, an optional unit (B, KiB, MiB,
 * GiB, TiB; KB, MB, GB, TB are powers of 1000; case does not matter).
 * Returns false, leaving *bytes, for anything else or a size over 2^63.
 */
bool size_parse(const char *text, uint64_t *bytes);

/* Write a size exactly if a unit divides it, else with one decimal. */
const char *size_format(uint64_t bytes, char *text);

/* Write a rate or an amount in powers of 1000: "1.93 GB". */
const char *amount_format(double bytes, char *text);

#endif /* TOOL_SIZE_H */
