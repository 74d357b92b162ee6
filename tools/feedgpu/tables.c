/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option rows that more than one command has. A command's own rows are in
 * its own file.
 */
#include "tables.h"

#define AT(member) offsetof(struct options, member)
#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct option general_options[] = {
    {"json", 0, OPTION_FLAG, AT(json), NULL, 0, 0, NULL,
     "results as JSON on stdout, one object per line"},
    {"help", 'h', OPTION_FLAG, AT(help), NULL, 0, 0, NULL,
     "show this help and stop"},
};

static const struct option dataset_options[] = {
    {"format", 0, OPTION_NAME, AT(loader.dataset_config.format),
     "auto|raw|shard", 0, 0, "auto",
     "how the files are read; auto looks at their first bytes, and takes raw "
     "when --record-bytes is given"},
    {"record-bytes", 0, OPTION_U64, AT(loader.dataset_config.record_bytes), "N",
     1, 0, "none", "raw: bytes of one sample"},
    {"stride-bytes", 0, OPTION_U64, AT(loader.dataset_config.stride_bytes), "N",
     1, 0, "as --record-bytes",
     "raw: from the start of one sample to the next; smaller than the record, "
     "the samples overlap (windows)"},
    {"header-bytes", 0, OPTION_U64, AT(loader.dataset_config.header_bytes), "N",
     0, 0, NULL, "raw: bytes to skip at the start of each file"},
    {"dtype", 0, OPTION_DTYPE, AT(loader.dataset_config.dtype), "TYPE", 0, 0,
     NULL, "raw: element type, such as uint16 or float32"},
};

static const struct option order_options[] = {
    {"batch-size", 0, OPTION_U32, AT(loader.batch_size), "N", 1, 0, NULL,
     "samples in a batch"},
    {"epochs", 0, OPTION_U64, AT(loader.epochs), "E", 0, 0, NULL,
     "passes over the dataset; 0: endless"},
    {"steps", 0, OPTION_U64, AT(loader.steps), "N", 0, 0, "no limit",
     "stop after so many batches"},
    {"shuffle", 0, OPTION_CHOICE, AT(loader.shuffle), "none|block|full", 0, 0,
     NULL,
     "none: stored order; block: random blocks, mixed within a window; full: "
     "a random order of all samples"},
    {"seed", 0, OPTION_U64, AT(loader.seed), "S", 0, 0, NULL,
     "of the shuffle: the same seed gives the same order"},
    {"window-bytes", 0, OPTION_SIZE, AT(loader.window_bytes), "SIZE", 0, 0,
     "chosen by the library", "how much the block shuffle mixes at a time"},
    {"rank", 0, OPTION_U32, AT(loader.rank), "R", 0, 0, "0, or the launcher's",
     "which of the world's processes this one stands for (launchers: torchrun, "
     "Slurm, Open MPI)"},
    {"world-size", 0, OPTION_U32, AT(loader.world_size), "W", 1, 0, NULL,
     "processes that share the dataset"},
    {"remainder", 0, OPTION_CHOICE, AT(loader.remainder), "pad|drop|wrap", 0, 0,
     NULL,
     "an epoch's last samples that fill no batch: a smaller batch, none, or "
     "one filled up from the epoch's start"},
    {"on-bad-sample", 0, OPTION_CHOICE, AT(loader.on_bad_sample),
     "fail|skip|substitute", 0, 0, NULL,
     "a damaged sample ends the run, is left out, or is replaced by its "
     "nearest good neighbour"},
    {"load-state", 0, OPTION_TEXT, AT(load_state_path), "FILE", 0, 0, NULL,
     "go on where the run that wrote FILE stopped"},
    {"save-state", 0, OPTION_TEXT, AT(save_state_path), "FILE", 0, 0, NULL,
     "at the end, write where the run stopped"},
};

static const struct option engine_options[] = {
    {"io", 0, OPTION_NAME, AT(loader.io), "auto|uring|pread|null", 0, 0, "auto",
     "how files are read; auto takes io_uring where it works; null reads "
     "nothing and delivers a pattern, to measure the rest"},
    {"direct", 0, OPTION_CHOICE, AT(loader.direct), "auto|on|off", 0, 0, NULL,
     "O_DIRECT, past the page cache; auto: unless the file is in it"},
    {"verify", 0, OPTION_CHOICE, AT(loader.verify), "auto|on|off", 0, 0, NULL,
     "check each block's checksum while reading; auto: on"},
    {"read-bytes", 0, OPTION_SIZE, AT(loader.read_bytes), "SIZE", 4096, 0,
     "chosen by the library", "bytes of one read"},
    {"inflight-bytes", 0, OPTION_SIZE, AT(loader.inflight_bytes), "SIZE", 4096,
     0, "adapted", "bytes of reads under way at once"},
    {"slots", 0, OPTION_U32, AT(loader.slots), "N", 1, 0,
     "chosen by the library", "batches that are filled ahead on the host"},
    {"threads", 0, OPTION_U32, AT(loader.threads), "N", 1, 0,
     "chosen by the library", "threads that decode and assemble"},
    {"numa-node", 0, OPTION_NODE, AT(loader.numa_node), "auto|none|N", 0, 0,
     NULL, "where buffers and threads live; auto: the device's home node"},
    {"numa-strict", 0, OPTION_FLAG, AT(numa_strict), NULL, 0, 0, NULL,
     "memory on that node or nowhere: fail where the kernel would put some of "
     "it elsewhere"},
    {"verbose", 'v', OPTION_FLAG, AT(verbose), NULL, 0, 0, NULL,
     "what the loader decides, on stderr"},
};

const struct option_group general_group = {"General", ROWS(general_options)};
const struct option_group dataset_group = {"What the dataset is",
                                           ROWS(dataset_options)};
const struct option_group order_group = {"Which samples, in which order",
                                         ROWS(order_options)};
const struct option_group engine_group = {"How it is read",
                                          ROWS(engine_options)};

const struct command *const commands[] = {
    &pack_command,  &info_command, &verify_command, &cat_command,
    &bench_command, &run_command,  &feed_command,   &doctor_command,
    &topo_command,  NULL,
};
