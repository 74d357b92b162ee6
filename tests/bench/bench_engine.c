/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a file once with one engine and prints GB/s and CPU s/GB:
 *
 *     bench_engine FILE ENGINE READ_KIB DEPTH DIRECT [THREADS [LIMIT_MIB]]
 *
 * DIRECT is on, off or auto. The buffer is DEPTH reads of huge-page memory,
 * offered for registration. ENGINE null measures the engines' interface.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "io/engine.h"
#include "io/file.h"
#include "runtime/base/clock.h"
#include "runtime/base/math.h"
#include "runtime/base/mem.h"

#define DEPTH_MAX 4096

struct bench {
    struct fgi_file file;
    struct fgi_engine *engine;
    struct fgi_block block;
    uint32_t read_bytes;
    uint32_t depth;
    uint64_t offset;  /* next to submit */
    uint64_t end;     /* of what is read */
    uint64_t arrived; /* bytes */
    uint64_t waits;   /* calls of wait */
};

static double cpu_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void die(const char *text)
{
    fprintf(stderr, "bench_engine: %s\n", text);
    exit(1);
}

static void submit_next(struct bench *bench, struct fgi_read *read)
{
    uint64_t left = bench->end - bench->offset;

    read->fd = bench->file.fd;
    read->align_bytes = bench->file.offset_align;
    read->length_bytes = bench->read_bytes;
    read->wanted_bytes = (uint32_t)fgi_min(left, bench->read_bytes);
    read->offset = bench->offset;
    bench->offset += read->wanted_bytes;
    bench->engine->ops->submit(bench->engine, read);
}

static void run(struct bench *bench)
{
    static struct fgi_read reads[DEPTH_MAX];
    static struct fgi_read *done[DEPTH_MAX];
    uint32_t in_flight = 0;

    for (uint32_t i = 0; i < bench->depth && bench->offset < bench->end; i++) {
        reads[i].buffer = bench->block.base + (size_t)i * bench->read_bytes;
        submit_next(bench, &reads[i]);
        in_flight++;
    }
    while (in_flight > 0) {
        size_t count =
            bench->engine->ops->wait(bench->engine, done, DEPTH_MAX, FGI_NEVER);

        bench->waits++;
        for (size_t i = 0; i < count; i++) {
            if (done[i]->error != 0) {
                die(fgi_read_error_text(done[i]->error));
            }
            bench->arrived += done[i]->wanted_bytes;
            in_flight--;
            if (bench->offset < bench->end) {
                submit_next(bench, done[i]);
                in_flight++;
            }
        }
    }
}

static enum fgi_direct direct_of(const char *text)
{
    return strcmp(text, "on") == 0    ? FGI_DIRECT_ON
           : strcmp(text, "off") == 0 ? FGI_DIRECT_OFF
                                      : FGI_DIRECT_AUTO;
}

static void open_all(struct bench *bench, char **argv, uint32_t threads)
{
    struct fgi_engine_config config = {
        .depth = bench->depth, .threads = threads, .node = -1};
    struct fgi_region region;
    struct fg_error err;

    if (fgi_file_open(argv[1], direct_of(argv[5]), &bench->file, &err) !=
            FG_OK ||
        fgi_block_map(&bench->block, (uint64_t)bench->depth * bench->read_bytes,
                      -1, &err) != FG_OK) {
        die(err.message);
    }
    region = (struct fgi_region){bench->block.base, bench->block.bytes};
    config.region_count = 1;
    config.regions = &region;
    if (fgi_engine_create(argv[2], &config, bench->file.fd, &bench->engine,
                          NULL, 0, &err) != FG_OK) {
        die(err.message);
    }
}

static void print(const struct bench *bench, double wall_s, double used_s)
{
    struct fgi_engine_report report;
    double gb = (double)bench->arrived / 1e9;

    bench->engine->ops->report(bench->engine, &report);
    printf("%s %u KiB x %u %s %s: %.3f GB/s  %.4f CPU s/GB  %.0f ns/read  "
           "%llu waits  %llu retries  (%s)\n",
           report.name, bench->read_bytes >> 10, bench->depth,
           bench->file.is_direct ? "direct" : "buffered",
           fgi_pages_name(bench->block.pages), gb / wall_s, used_s / gb,
           wall_s * 1e9 / (double)report.reads,
           (unsigned long long)bench->waits, (unsigned long long)report.retries,
           report.note);
}

int main(int argc, char **argv)
{
    struct bench bench = {.waits = 0};
    double used_s;
    uint64_t start_ns;

    if (argc < 6) {
        die("usage: FILE ENGINE READ_KIB DEPTH DIRECT [THREADS [LIMIT_MIB]]");
    }
    bench.read_bytes = (uint32_t)strtoul(argv[3], NULL, 10) << 10;
    bench.depth = (uint32_t)fgi_clamp(strtoul(argv[4], NULL, 10), 1, DEPTH_MAX);
    open_all(&bench, argv, argc > 6 ? (uint32_t)atoi(argv[6]) : 0);
    bench.end = bench.file.size_bytes;
    if (argc > 7) {
        bench.end = fgi_min(bench.end, FGI_MIB(strtoull(argv[7], NULL, 10)));
    }
    used_s = cpu_s();
    start_ns = fgi_now_ns();
    run(&bench);
    print(&bench, (double)(fgi_now_ns() - start_ns) / 1e9, cpu_s() - used_s);
    bench.engine->ops->destroy(bench.engine);
    fgi_block_unmap(&bench.block);
    fgi_file_close(&bench.file);
    return 0;
}
