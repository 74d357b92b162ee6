/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin layer over jansson. Reals are written with 15 digits: enough for
 * nanoseconds in a run of ten days, and short ones stay short.
 */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define REAL_DIGITS 15

json_t *json_begin(const char *type)
{
    json_t *object = json_object();
    json_put_count(object, "schema", JSON_SCHEMA);
    json_put_text(object, "type", type);
    return object;
}

/* File names are bytes; JSON text is UTF-8. What is not becomes '?'. */
static json_t *text_of_bytes(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return json_null();
    }
    for (char *c = copy; *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80) {
            *c = '?';
        }
    }
    json_t *value = json_string(copy);
    free(copy);
    return value;
}

json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    return value != NULL ? value : text_of_bytes(text);
}

void json_put_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_text(text));
}

void json_put_count(json_t *object, const char *key, uint64_t count)
{
    json_int_t value = count > INT64_MAX ? INT64_MAX : (json_int_t)count;
    json_object_set_new(object, key, json_integer(value));
}

void json_put_real(json_t *object, const char *key, double value)
{
    json_object_set_new(object, key,
                        isfinite(value) ? json_real(value) : json_null());
}

void json_put_seconds(json_t *object, const char *key, uint64_t ns)
{
    json_put_real(object, key, (double)ns / 1e9);
}

static json_t *shape_array(const struct fg_field *field)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < field->dims && i < FG_FIELD_DIMS_MAX; i++) {
        json_array_append_new(shape, json_integer((json_int_t)field->shape[i]));
    }
    return shape;
}

void json_put_fields(json_t *object, const struct fg_field *fields,
                     uint32_t count)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_t *entry = json_object();
        json_put_text(entry, "name", fields[i].name);
        json_put_text(entry, "dtype", fg_dtype_name(fields[i].dtype));
        json_object_set_new(
            entry, "variable",
            json_boolean((fields[i].flags & FG_FIELD_VARIABLE) != 0));
        json_object_set_new(entry, "shape", shape_array(&fields[i]));
        json_put_count(entry, "max_bytes", fields[i].max_bytes);
        json_array_append_new(array, entry);
    }
    json_object_set_new(object, "fields", array);
}

static json_t *pages_elsewhere(const struct fg_placement *placement)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < placement->elsewhere_count; i++) {
        json_t *entry = json_object();
        json_object_set_new(entry, "node",
                            json_integer(placement->elsewhere[i].node));
        json_put_count(entry, "pages", placement->elsewhere[i].pages);
        json_array_append_new(list, entry);
    }
    return list;
}

/* A name that is not known yet is a null pointer. */
static void put_name(json_t *object, const char *key, const char *name)
{
    json_put_text(object, key, name != NULL ? name : "");
}

void json_put_placement(json_t *object, const struct fg_placement *placement)
{
    json_t *entry = json_object();
    json_put_text(entry, "home_source",
                  fg_node_source_name(placement->home_source));
    put_name(entry, "policy", placement->policy);
    json_put_text(entry, "cpus", placement->cpus);
    json_put_text(entry, "storage", placement->storage);
    json_object_set_new(entry, "storage_node",
                        json_integer(placement->storage_node));
    json_put_text(entry, "note", placement->note);
    json_object_set_new(entry, "elsewhere", pages_elsewhere(placement));
    json_object_set_new(entry, "home_node", json_integer(placement->home_node));
    json_put_count(entry, "pages", placement->pages);
    json_put_count(entry, "pages_on_home_node", placement->pages_on_home_node);
    json_put_count(entry, "page_bytes", placement->page_bytes);
    put_name(entry, "page_kind", placement->page_kind);
    put_name(entry, "verified_by", placement->verified_by);
    json_object_set_new(object, "placement", entry);
}

void json_write(json_t *object, FILE *out)
{
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS);
    json_dumpf(object, out, flags);
    fputc('\n', out);
    json_decref(object);
}

static int write_piece(const char *bytes, size_t count, void *context)
{
    (void)context;
    return put_bytes(bytes, count) ? 0 : -1;
}

void json_emit(json_t *object)
{
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS);
    if (json_dump_callback(object, write_piece, NULL, flags) == 0) {
        put_bytes("\n", 1);
    }
    flush_stdout();
    json_decref(object);
}
