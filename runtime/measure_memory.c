/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading memory: a thread per allowed CPU of a node reads its slice of one
 * buffer, all at once, round after round.
 *
 * The threads may run on any of these CPUs, as everywhere in feedgpu. They say
 * when they are not on the node, and then there is no rate. A round is from
 * the caller's word until the last one has read its slice. The caller looks up
 * while it waits, so that it can be stopped; the threads notice within a piece.
 */
#include <stdatomic.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/math.h"
#include "runtime/base/numa.h"
#include "runtime/base/thread.h"
#include "runtime/measure.h"

#define THREAD_BYTES FGI_MIB(256)
#define THREADS_BYTES_MAX FGI_GIB(1)
#define CACHES_MIN                                                             \
    4 /* times the caches: what is left in them hardly counts                  \
       */
#define PIECE_BYTES FGI_MIB(1)
#define LINE_BYTES 64u
#define POLL_NS (5 * FGI_NS_PER_MS)

struct crew;

struct reader {
    struct fgi_thread thread;
    struct crew *crew;
    const uint8_t *base; /* of its slice */
    uint64_t end_ns;     /* of its last round; the thread's until left is 0 */
    int result;          /* 0, or why it is not on the node: an errno */
};

struct crew {
    struct reader *readers; /* owned */
    uint32_t count;         /* entries of readers */
    uint32_t started;       /* of them that run */
    int32_t cpu_node;
    uint64_t slice_bytes;      /* of each reader, whole lines */
    _Atomic uint32_t round;    /* the one to read; the caller moves it */
    _Atomic uint32_t left;     /* readers that have not finished it */
    _Atomic bool is_stopping;  /* no further piece */
    _Atomic uint64_t sum;      /* of all that was read: it must be read */
    struct fgi_gate to_read;   /* round or is_stopping has moved */
    struct fgi_gate have_read; /* left has come to 0 */
};

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t read_avx2(const uint8_t *at,
                                                          size_t bytes)
{
    __m256i sums[4] = {{0}};
    uint64_t lanes[4];

    for (const uint8_t *end = at + bytes; at < end; at += 2 * LINE_BYTES) {
        for (int i = 0; i < 4; i++) {
            const __m256i *two = (const __m256i *)at + i;

            sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256(two));
        }
    }
    sums[0] = _mm256_xor_si256(_mm256_xor_si256(sums[0], sums[1]),
                               _mm256_xor_si256(sums[2], sums[3]));
    memcpy(lanes, sums, sizeof(lanes));
    return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}
#endif

static uint64_t read_plain(const uint8_t *at, size_t bytes)
{
    const uint64_t *words = (const uint64_t *)(const void *)at;
    uint64_t sums[8] = {0};

    for (size_t i = 0; i < bytes / sizeof(*words); i += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            sums[lane] ^= words[i + lane];
        }
    }
    return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^
           sums[7];
}

/* `bytes` are whole pairs of lines, and so is the address. */
static uint64_t read_piece(const uint8_t *at, size_t bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        return read_avx2(at, bytes);
    }
#endif
    return read_plain(at, bytes);
}

static uint64_t read_slice(const struct reader *reader)
{
    uint64_t bytes = reader->crew->slice_bytes;
    uint64_t sum = 0;

    for (uint64_t at = 0;
         at < bytes && !atomic_load(&reader->crew->is_stopping);
         at += PIECE_BYTES) {
        sum ^= read_piece(reader->base + at, fgi_min(PIECE_BYTES, bytes - at));
    }
    return sum;
}

/* Wait until the round has come; false: there are no more. */
static bool wait_for_round(struct crew *crew, uint32_t round)
{
    for (;;) {
        uint32_t seen = fgi_gate_read(&crew->to_read);

        if (atomic_load(&crew->is_stopping)) {
            return false;
        }
        if (atomic_load(&crew->round) >= round) {
            return true;
        }
        fgi_gate_wait(&crew->to_read, seen, FGI_NEVER);
    }
}

static void reader_main(void *context)
{
    struct reader *reader = context;
    struct crew *crew = reader->crew;

    reader->result = crew->cpu_node < 0 ? 0 : fgi_numa_run_on(crew->cpu_node);
    for (uint32_t round = 1; wait_for_round(crew, round); round++) {
        atomic_fetch_xor(&crew->sum, read_slice(reader));
        reader->end_ns = fgi_now_ns();
        if (atomic_fetch_sub(&crew->left, 1) == 1) {
            fgi_gate_notify(&crew->have_read);
        }
    }
}

static enum fg_status crew_start(struct crew *crew,
                                 const struct fgi_block *block,
                                 struct fg_error *err)
{
    crew->readers = fgi_alloc(crew->count, sizeof(*crew->readers));
    if (crew->readers == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY,
                        "measure: %u threads: got no memory", crew->count);
    }
    for (uint32_t i = 0; i < crew->count; i++) {
        struct reader *reader = &crew->readers[i];
        enum fg_status status;

        reader->crew = crew;
        reader->base = block->base + i * crew->slice_bytes;
        status = fgi_thread_start(&reader->thread, "fg-measure", -1,
                                  reader_main, reader, err);
        if (status != FG_OK) {
            fgi_prefix(err, "measure");
            return status;
        }
        crew->started++;
    }
    return FG_OK;
}

static void crew_stop(struct crew *crew)
{
    atomic_store(&crew->is_stopping, true);
    fgi_gate_notify(&crew->to_read);
    for (uint32_t i = 0; i < crew->started; i++) {
        fgi_thread_join(&crew->readers[i].thread);
    }
    fgi_free(crew->readers);
}

static enum fg_status wait_for_readers(struct crew *crew,
                                       const struct fg_measure_config *config,
                                       struct fg_error *err)
{
    enum fg_status status = FG_OK;

    for (;;) {
        uint32_t seen = fgi_gate_read(&crew->have_read);

        if (atomic_load(&crew->left) == 0) {
            return FG_OK;
        }
        status = fgi_measure_poll(config, err);
        if (status != FG_OK) {
            return status;
        }
        fgi_gate_wait(&crew->have_read, seen, fgi_now_ns() + POLL_NS);
    }
}

static enum fg_status read_round(struct crew *crew,
                                 const struct fg_measure_config *config,
                                 uint64_t *duration_ns, struct fg_error *err)
{
    uint64_t start_ns = fgi_now_ns();
    uint64_t end_ns = start_ns;
    enum fg_status status;

    atomic_store(&crew->left, crew->count);
    atomic_fetch_add(&crew->round, 1);
    fgi_gate_notify(&crew->to_read);
    status = wait_for_readers(crew, config, err);
    if (status != FG_OK) {
        return status;
    }
    for (uint32_t i = 0; i < crew->count; i++) {
        const struct reader *reader = &crew->readers[i];

        if (reader->result != 0) {
            return fgi_fail_errno(err, reader->result,
                                  "measure: CPUs of node %d: run there",
                                  crew->cpu_node);
        }
        end_ns = fgi_max(end_ns, reader->end_ns);
    }
    *duration_ns = end_ns - start_ns;
    return FG_OK;
}

static enum fg_status read_rounds(struct crew *crew,
                                  const struct fg_measure_config *config,
                                  struct fg_rate *rate, struct fg_error *err)
{
    struct fgi_samples samples = {.count = 0};
    uint64_t duration_ns = 0;

    /* The first finds cold translations and threads on the move. */
    for (uint32_t i = 0; i <= config->rounds; i++) {
        enum fg_status status = read_round(crew, config, &duration_ns, err);

        if (status != FG_OK) {
            return status;
        }
        if (i > 0) {
            fgi_samples_add(&samples, rate->bytes, duration_ns);
        }
    }
    fgi_samples_sum_up(&samples, rate);
    return FG_OK;
}

/* Bytes that are enough for so many threads with caches like these. */
static uint64_t enough_bytes(uint32_t threads, uint64_t cache_bytes)
{
    return fgi_align_up(
        fgi_max(fgi_min(threads * THREAD_BYTES, THREADS_BYTES_MAX),
                CACHES_MIN * cache_bytes),
        FGI_MIB(2));
}

/* Nodes and sizes, before anything is mapped. */
static enum fg_status prepare(struct crew *crew, int32_t memory_node,
                              struct fg_measure_config *config,
                              struct fg_rate *rate, struct fg_error *err)
{
    struct fg_topology *topology;
    struct fgi_set cpus;
    enum fg_status status = fg_topology_open(NULL, &topology, err);

    if (status != FG_OK) {
        return status;
    }
    status = fgi_measure_cpus(topology, crew->cpu_node, &cpus, err);
    if (status == FG_OK) {
        status = fgi_measure_check_memory(topology, memory_node, err);
    }
    if (status == FG_OK) {
        crew->count = fgi_set_count(&cpus);
        rate->cache_bytes = fgi_measure_cache_bytes(topology, &cpus);
        status = fgi_measure_fit(
            topology, memory_node,
            config->bytes != 0 ? config->bytes
                               : enough_bytes(crew->count, rate->cache_bytes),
            config->bytes != 0, &config->bytes, err);
    }
    fg_topology_close(topology);
    return status;
}

enum fg_status fg_measure_memory(int32_t cpu_node, int32_t memory_node,
                                 const struct fg_measure_config *config,
                                 struct fg_rate *rate, struct fg_error *err)
{
    struct crew crew = {.cpu_node = cpu_node};
    struct fg_measure_config own;
    struct fg_rate found = {.bytes = 0};
    struct fgi_block block;
    enum fg_status status = fgi_measure_config_read(config, &own, err);

    if (status == FG_OK) {
        status = prepare(&crew, memory_node, &own, &found, err);
    }
    if (status == FG_OK) {
        status = fgi_measure_map(memory_node, own.bytes, &block, &found, err);
    }
    if (status != FG_OK) {
        return status;
    }
    crew.slice_bytes =
        fgi_align_down(block.bytes / crew.count, (uint64_t)2 * LINE_BYTES);
    found.bytes = crew.slice_bytes * crew.count;
    found.workers = crew.count;
    fgi_gate_init(&crew.to_read);
    fgi_gate_init(&crew.have_read);
    status = crew_start(&crew, &block, err);
    if (status == FG_OK) {
        status = read_rounds(&crew, &own, &found, err);
    }
    crew_stop(&crew);
    fgi_block_unmap(&block);
    if (status == FG_OK) {
        *rate = found;
    }
    return status;
}
