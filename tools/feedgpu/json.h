/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results as JSON lines. Every object begins with "schema" and "type", so
 * that a reader can pick the lines it knows.
 */
#ifndef TOOL_JSON_H
#define TOOL_JSON_H

#include <stdint.h>
#include <stdio.h>

#include <feedgpu/field.h>
#include <feedgpu/stats.h>
#include <jansson.h>

#define JSON_SCHEMA 1

/* A new object of this type ("epoch"). The caller owns it until json_emit. */
json_t *json_begin(const char *type);

/* A text; bytes that are no UTF-8 become '?'. */
json_t *json_text(const char *text);

void json_put_text(json_t *object, const char *key, const char *text);
void json_put_count(json_t *object, const char *key, uint64_t count);
void json_put_real(json_t *object, const char *key, double value);

/* Nanoseconds, written as seconds. */
void json_put_seconds(json_t *object, const char *key, uint64_t ns);

/* A dataset's fields as an array. */
void json_put_fields(json_t *object, const struct fg_field *fields,
                     uint32_t count);

/* Where memory lies, as "placement". */
void json_put_placement(json_t *object, const struct fg_placement *placement);

/* Write the object as one line, and release it; ferror tells how it went. */
void json_write(json_t *object, FILE *out);

/* Write the object as one line to stdout, flush, and release it. */
void json_emit(json_t *object);

#endif /* TOOL_JSON_H */
