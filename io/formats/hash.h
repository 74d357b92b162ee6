/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xxHash (github.com/Cyan4973/xxHash), XXH3 with 64 bits. Distributions build
 * its library for the oldest processor they support; where it also has the
 * dispatching entry points, those choose AVX2 or AVX-512 when the program runs.
 * The hashes are the same.
 */
#ifndef FGI_IO_FORMATS_HASH_H
#define FGI_IO_FORMATS_HASH_H

#if defined(FEEDGPU_HAVE_XXH_DISPATCH)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#endif /* FGI_IO_FORMATS_HASH_H */
