/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one memcpy costs here: the yardstick for the loader's copies. Copies
 * `piece` bytes at a time from one huge-page ring to another, as a gather
 * does, with the C library's memcpy on one thread.
 *
 *     bench_memcpy RING_MIB PIECE_BYTES TOTAL_MIB
 *
 * Prints {"bytes_per_s": ..., "cpu_s_per_gb": ...}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

static uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * FGI_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Copy round and round; returns the bytes copied. */
static uint64_t copy_rounds(const struct fgi_block *to,
                            const struct fgi_block *from, size_t piece,
                            uint64_t total)
{
    uint64_t done = 0;
    uint64_t at = 0;

    while (done < total) {
        if (at + piece > from->bytes) {
            at = 0;
        }
        memcpy(to->base + at, from->base + at, piece);
        at += piece;
        done += piece;
    }
    return done;
}

int main(int argc, char **argv)
{
    struct fgi_block from;
    struct fgi_block to;
    struct fg_error err;
    uint64_t start_ns;
    uint64_t start_cpu_ns;
    uint64_t bytes;
    uint64_t piece;

    if (argc != 4) {
        fprintf(stderr, "usage: bench_memcpy RING_MIB PIECE_BYTES TOTAL_MIB\n");
        return 2;
    }
    piece = strtoull(argv[2], NULL, 10);
    if (fgi_block_map(&from, FGI_MIB(strtoull(argv[1], NULL, 10)), -1, &err) !=
            FG_OK ||
        fgi_block_map(&to, from.bytes, -1, &err) != FG_OK) {
        fprintf(stderr, "bench_memcpy: %s\n", err.message);
        return 1;
    }
    if (piece == 0 || piece > from.bytes) {
        fprintf(stderr, "bench_memcpy: piece: got %s bytes\n", argv[2]);
        return 2;
    }
    memset(from.base, 1, from.bytes);
    copy_rounds(&to, &from, piece, from.bytes);
    start_ns = fgi_now_ns();
    start_cpu_ns = cpu_ns();
    bytes =
        copy_rounds(&to, &from, piece, FGI_MIB(strtoull(argv[3], NULL, 10)));
    printf("{\"bytes_per_s\": %.0f, \"cpu_s_per_gb\": %.5f}\n",
           (double)bytes / (double)(fgi_now_ns() - start_ns) * 1e9,
           (double)(cpu_ns() - start_cpu_ns) / (double)bytes);
    fgi_block_unmap(&from);
    fgi_block_unmap(&to);
    return 0;
}
