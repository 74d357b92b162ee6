/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/base/config.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/base/error.h"

enum fg_status fgi_config_check(const void *config, size_t known_bytes,
                                const char *name, struct fg_error *err)
{
    const uint8_t *bytes = config;
    uint32_t struct_size;

    memcpy(&struct_size, config, sizeof(struct_size));
    if (struct_size < known_bytes) {
        return fgi_fail(err, FG_ERR_ARGUMENT,
                        "%s: struct_size: got %" PRIu32
                        " wanted at least %zu (likely cause: its init "
                        "function was not called)",
                        name, struct_size, known_bytes);
    }
    for (size_t i = known_bytes; i < struct_size; i++) {
        if (bytes[i] != 0) {
            return fgi_fail(err, FG_ERR_UNSUPPORTED,
                            "%s: byte %zu: got an option that this version "
                            "does not know (likely cause: a library older "
                            "than the program)",
                            name, i);
        }
    }
    return FG_OK;
}
