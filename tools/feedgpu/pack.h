/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `feedgpu pack`.
 *
 *     inputs ─▶ source ─▶ plan ─▶ workers ─▶ staging folder ─▶ output folder
 *
 * A source is a numbered sequence of samples whose sizes are known before any
 * is read. The plan cuts the sequence into shards by those sizes alone, so the
 * shards are the same bytes for any number of threads. Each worker takes the
 * next shard, reads its samples and writes it into the staging folder. Only
 * when all shards are complete are they moved to where they belong.
 */
#ifndef TOOL_PACK_H
#define TOOL_PACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <feedgpu/feedgpu.h>

#include "inputs.h"
#include "options.h"

/* One sample's fields, in memory that the reader owns until its next call. */
struct pack_sample {
    const void *fields[FG_FIELDS_MAX];
    uint64_t lengths[FG_FIELDS_MAX]; /* bytes */
};

struct pack_source;
struct pack_reader;

/* A kind of source. Readers are independent: one for each thread. */
struct pack_source_ops {
    /* Bytes of sample `index`, all fields together. False: said why not. */
    bool (*size)(struct pack_source *source, uint64_t index, uint64_t *bytes);
    struct pack_reader *(*open)(const struct pack_source *source);
    /* Read sample `index`; indices mostly ascend. */
    enum fg_status (*read)(struct pack_reader *reader, uint64_t index,
                           struct pack_sample *sample, struct fg_error *err);
    void (*close)(struct pack_reader *reader);
    void (*fini)(struct pack_source *source);
};

struct pack_source {
    const struct pack_source_ops *ops;
    const struct inputs *inputs;           /* borrowed */
    uint32_t field_count;                  /* used entries of fields */
    struct fg_field fields[FG_FIELDS_MAX]; /* what the shards will declare */
    uint64_t sample_count;                 /* over all inputs */
    uint64_t fixed_bytes;                  /* of every sample; 0: they vary */
    uint64_t dropped_bytes;                /* of tails that fill no record */
    uint64_t *starts; /* owned, inputs->count + 1: where each file begins in
                         the stream of all files, in bytes */
    uint64_t *firsts; /* owned, inputs->count + 1: first sample of each file */
    uint64_t record_bytes;     /* of one sample; 0: a file is a sample */
    uint64_t stride_bytes;     /* from one sample to the next */
    struct pack_reader *sizer; /* owned by the kind of source, or NULL: open
                                  while the shards are planned */
    int32_t separator;         /* byte between joined files, or NO_SEPARATOR */
    bool is_joined;            /* samples run across files */
};

/* Make the source the options ask for. False: said why not. */
bool pack_source_init(struct pack_source *source, const struct options *options,
                      const struct inputs *inputs);
void pack_source_fini(struct pack_source *source);

/* Samples are the records, or the whole files, of plain files. */
bool pack_files_init(struct pack_source *source, const struct options *options);

/* Samples are those of existing shards. */
bool pack_shards_init(struct pack_source *source);

/* Position in a table of prefix sums: the last i with table[i] <= value. */
size_t pack_find(const uint64_t *table, size_t count, uint64_t value);

struct pack_shard {
    uint64_t first; /* sample */
    uint64_t count; /* samples, at least 1 */
};

struct pack_plan {
    struct pack_shard *shards; /* owned */
    size_t count;              /* used entries */
    size_t capacity;           /* entries there is room for */
    uint64_t bytes;            /* of all samples */
    uint64_t block_samples;    /* samples per block, in every shard */
};

/*
 * Cut the samples into shards of about shard_bytes of sample bytes, each but
 * the last of whole blocks: a short block in the middle of a dataset would
 * shift all that follow, and a shuffled block would straddle two stored ones.
 * block_samples 0: blocks of about 1 MiB.
 */
bool pack_plan_init(struct pack_plan *plan, struct pack_source *source,
                    uint64_t shard_bytes, uint64_t block_samples);
void pack_plan_fini(struct pack_plan *plan);

/* The output folder, and the staging folder in it. */
struct pack_output {
    const char *folder; /* borrowed */
    char *staging;      /* owned; NULL before it is made */
    bool is_made;       /* we made the folder itself */
    bool is_replacing;  /* --force */
};

/* Look at the folder, make it and the staging folder. False: said why not. */
bool pack_output_init(struct pack_output *output, const char *folder,
                      bool is_replacing);

/* Path of shard `index` while it is written. The caller frees it. */
char *pack_output_path(const struct pack_output *output, size_t index);

/* Move `count` shards into the folder, in place of those that were there. */
bool pack_output_commit(struct pack_output *output, size_t count);

/* Remove the staging folder with all in it, and the folder if we made it and
 * nothing was moved into it. */
void pack_output_fini(struct pack_output *output);

/* What the workers share. */
struct pack_job {
    const struct options *options;
    const struct pack_source *source;
    const struct pack_plan *plan;
    const struct pack_output *output;
    atomic_size_t next;              /* shard that the next free worker takes */
    atomic_uint_fast64_t done_bytes; /* of samples written */
    atomic_bool is_stopping;         /* an error or a signal: give up */
};

/* Write all shards with `threads` threads; returns an exit status. */
int pack_run(struct pack_job *job, uint32_t threads);

#endif /* TOOL_PACK_H */
