/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: their sizes and texts, from the one map in field.h. */
#include <feedgpu/field.h>

#include <stdio.h>
#include <string.h>

#include "runtime/base/error.h"

#define DTYPE_BYTES(name, value, bytes, text)                                  \
    case name:                                                                 \
        return bytes;
#define DTYPE_NAME(name, value, bytes, text)                                   \
    case name:                                                                 \
        return text;
#define DTYPE_ENTRY(name, value, bytes, text) {name, text},
#define DTYPE_LIST(name, value, bytes, text) " " text

static const struct {
    enum fg_dtype dtype;
    const char *text;
} dtypes[] = {FG_DTYPE_MAP(DTYPE_ENTRY)};

uint32_t fg_dtype_bytes(enum fg_dtype dtype)
{
    switch (dtype) {
        FG_DTYPE_MAP(DTYPE_BYTES)
    }
    return 0;
}

const char *fg_dtype_name(enum fg_dtype dtype)
{
    switch (dtype) {
        FG_DTYPE_MAP(DTYPE_NAME)
    }
    return "?";
}

enum fg_status fg_dtype_parse(const char *text, enum fg_dtype *dtype,
                              struct fg_error *err)
{
    for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
        if (strcmp(dtypes[i].text, text) == 0) {
            *dtype = dtypes[i].dtype;
            return FG_OK;
        }
    }
    return fgi_fail(err, FG_ERR_ARGUMENT,
                    "dtype: got \"%.40s\" wanted one of:%s", text,
                    "" FG_DTYPE_MAP(DTYPE_LIST));
}
