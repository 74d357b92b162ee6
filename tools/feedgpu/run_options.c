/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `feedgpu run`; `feedgpu feed` has them too, but for --bind. */
#include <stddef.h>

#include "report.h"
#include "run.h"

#define AT(member) offsetof(struct options, member)
#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct option feed_options[] = {
    {"data", 0, OPTION_LIST, AT(run.data), "GLOB", 0, 0, NULL,
     "feed the files that match, and no others; may be given again (default: "
     "whatever looks like data)"},
    {"data-root", 0, OPTION_LIST, AT(run.roots), "DIR", 0, 0, NULL,
     "feed the files below DIR, and no others; may be given again"},
    {"min-file-bytes", 0, OPTION_SIZE, AT(run.file_bytes_min), "SIZE", 1, 0,
     NULL, "leave smaller files alone"},
    {"memory", 0, OPTION_SIZE, AT(run.memory_bytes), "SIZE", 1 << 20, 0,
     "a quarter of what is available",
     "for what is read ahead, and kept for the next epoch"},
    {"io", 0, OPTION_NAME, AT(run.io), "auto|uring|pread", 0, 0, "auto",
     "how files are read; auto takes io_uring where it works"},
    {"threads", 0, OPTION_U32, AT(run.threads), "N", 1, 1024,
     "chosen by the library", "threads that open and read small files"},
    {"observe-only", 0, OPTION_FLAG, AT(run.is_observing), NULL, 0, 0, NULL,
     "measure, and read nothing ahead"},
};

static const struct option place_options[] = {
    {"numa-node", 0, OPTION_NODE, AT(run.numa_node), "auto|none|N", 0, 0, NULL,
     "where the memory is; auto: the home node of the first visible GPU, else "
     "of the disk with the data"},
    {"bind", 0, OPTION_FLAG, AT(run.is_binding), NULL, 0, 0, NULL,
     "run the program on that node's CPUs, with its memory there"},
};

static const struct option gpu_options[] = {
    {"no-gpu", 0, OPTION_FLAG, AT(run.is_without_gpu), NULL, 0, 0, NULL,
     "record no kernels and copies: for a program with a profiler of its own"},
    {"trace", 0, OPTION_TEXT, AT(run.trace_path), "FILE", 0, 0, "none",
     "write a timeline of kernels, copies and blocking reads, for Perfetto"},
};

static const struct option report_options[] = {
    {"report", 0, OPTION_CHOICE, AT(run.report), "text|json|html|none", 0, 0,
     NULL, "what to say at the end"},
    {"report-file", 0, OPTION_TEXT, AT(run.report_path), "FILE", 0, 0, "stderr",
     "where to write it; %r in it is the rank, %p the process id"},
    {"json", 0, OPTION_FLAG, AT(json), NULL, 0, 0, NULL,
     "the same as --report json"},
    {"verbose", 'v', OPTION_FLAG, AT(verbose), NULL, 0, 0, NULL,
     "what the feeder decides, on stderr"},
    {"help", 'h', OPTION_FLAG, AT(help), NULL, 0, 0, NULL,
     "show this help and stop"},
};

const struct option_group run_feed_group = {"What is fed, and how",
                                            ROWS(feed_options)};
const struct option_group run_place_group = {"Where", ROWS(place_options)};
const struct option_group run_gpu_group = {"What the GPU did",
                                           ROWS(gpu_options)};
const struct option_group run_report_group = {"What is said",
                                              ROWS(report_options)};
const struct option_group run_node_group = {"Where", place_options, 1};

bool run_options_check(const char *command, const struct run_options *options)
{
    if (options->report == REPORT_HTML && options->report_path == NULL) {
        complain("%s: --report html: needs --report-file", command);
        return false;
    }
    if (options->is_binding && options->numa_node == FG_NODE_NONE) {
        complain("%s: --bind: needs a node, and --numa-node is none", command);
        return false;
    }
    return true;
}
