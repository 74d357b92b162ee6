/* SPDX-License-Identifier: Apache-2.0 */
/* Public config structs that may be older or newer than this library. */
#ifndef FGI_BASE_CONFIG_H
#define FGI_BASE_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include <feedgpu/error.h>

/*
 * Check the struct_size that a config struct begins with. `known_bytes` is its
 * size here. A newer struct is accepted if what we do not know is zero.
 * `name` is for the message ("dataset config"). Errors: ARGUMENT (too small),
 * UNSUPPORTED (asks for something newer).
 */
enum fg_status fgi_config_check(const void *config, size_t known_bytes,
                                const char *name, struct fg_error *err);

#endif /* FGI_BASE_CONFIG_H */
