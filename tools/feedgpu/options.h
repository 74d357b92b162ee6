/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: one struct that holds every command's values, and tables that say
 * which command takes which option. A row gives the option's name, what it
 * takes, where the value goes and its help text; parsing, checking, defaults
 * and `feedgpu help` are all made from the rows (tables.c).
 *
 * Defaults are whatever options_init puts into the struct, which is mostly
 * fg_loader_config_init's doing: help prints them from there, so that it
 * cannot disagree with the library.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <feedgpu/feedgpu.h>

/* What `pack --tail` can be. The order is that of the table's choices. */
enum tail_policy {
    TAIL_AUTO = 0, /* fail, but drop with --join */
    TAIL_FAIL = 1, /* bytes that do not fill a record are an error */
    TAIL_DROP = 2, /* they are left out, and counted */
};

#define NO_SEPARATOR (-1)
#define SHARD_BYTES_DEFAULT (UINT64_C(256) << 20)

struct pack_options {
    const char *output;     /* -o: folder for the shards */
    uint64_t shard_bytes;   /* sample bytes per shard */
    uint64_t block_samples; /* 0: the library's choice */
    uint32_t zstd_level;    /* 0: stored raw */
    uint32_t threads;       /* 0: one per core */
    int32_t separator;      /* byte between joined files, or NO_SEPARATOR */
    int32_t tail;           /* enum tail_policy */
    bool force;             /* replace the shards in the folder */
    bool join;              /* all inputs are one stream */
};

/* Values of an option that may be given several times. */
#define TEXT_LIST_MAX 64

struct text_list {
    const char *items[TEXT_LIST_MAX]; /* borrowed from argv or copies */
    uint32_t count;                   /* entries of items */
    bool is_environment;              /* flags put theirs in its place */
    char *copies;                     /* owned; NULL: all borrowed */
};

/* What `run --report` can be. The order is that of the table's choices. */
enum run_report { REPORT_TEXT = 0, REPORT_JSON, REPORT_HTML, REPORT_NONE };

#define IDLE_SECONDS_DEFAULT 30

struct run_options {
    struct text_list data;   /* --data: globs */
    struct text_list roots;  /* --data-root: folders */
    uint64_t memory_bytes;   /* 0: the library's choice */
    uint64_t file_bytes_min; /* smaller files are left alone */
    const char *io;          /* "auto", "uring", "pread" */
    const char *report_path; /* NULL: stderr */
    int32_t numa_node;       /* FG_NODE_AUTO, FG_NODE_NONE or a node */
    int32_t report;          /* enum run_report */
    uint32_t threads;        /* 0: the library's choice */
    uint32_t idle_seconds;   /* `feed --detach` ends after that long unused */
    bool is_observing;       /* --observe-only */
    bool is_binding;         /* --bind */
    bool is_without_gpu;     /* --no-gpu */
    const char *trace_path;  /* NULL: none */
    bool is_detaching;       /* `feed --detach` */
};

/* `topo --pid`: a process, and what to do to it. */
struct process_options {
    uint32_t pid; /* 0: none */
    int32_t node; /* -1: not given */
    bool apply;   /* put it on the node */
    bool yes;     /* without asking */
    bool migrate; /* its memory too */
};

struct options {
    bool help;                      /* show the command's help, do nothing */
    bool json;                      /* results as JSON lines on stdout */
    bool checks;                    /* doctor: list them, do nothing */
    bool ids;                       /* cat: a line per sample, no bytes */
    bool verbose;                   /* the library's log lines on stderr */
    bool numa_strict;               /* memory on the home node or nowhere */
    double compute_ms;              /* bench: of one step */
    bool measure;                   /* doctor: numbers too */
    uint64_t measure_bytes;         /* of a round; 0: the library's choice */
    const char *sysroot;            /* --sysroot; NULL: this machine */
    const char *load_state_path;    /* or NULL */
    const char *save_state_path;    /* or NULL */
    const char *rank_source;        /* variable rank came from; NULL: none */
    struct fg_loader_config loader; /* also the dataset's config */
    struct pack_options pack;
    struct run_options run;
    struct process_options process;
    const char **operands; /* borrowed from argv, in order */
    int operand_count;     /* entries of operands */
};

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char * */
    OPTION_LIST,   /* struct text_list: may be given several times */
    OPTION_NAME,   /* const char *, one of the names in `argument` */
    OPTION_CHOICE, /* int32: position among the names in `argument` */
    OPTION_U32,    /* uint32_t */
    OPTION_U64,    /* uint64_t */
    OPTION_SIZE,   /* uint64_t bytes, written with KiB, MiB, GiB */
    OPTION_REAL,   /* double, not negative */
    OPTION_BYTE,   /* int32, 0 to 255 */
    OPTION_INDEX,  /* int32, from 0; negative: not given */
    OPTION_NODE,   /* int32: auto, none or a node number */
    OPTION_DTYPE,  /* enum fg_dtype */
};

struct option {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    enum option_kind kind;
    size_t offset;        /* of the value in struct options */
    const char *argument; /* what it takes: "N", "SIZE", "auto|on|off" */
    uint64_t min;         /* numbers: smallest value allowed */
    uint64_t max;         /* numbers: largest, 0: the type's own */
    const char *unset;    /* text for the default when the value is not it */
    const char *help;     /* what it does; wrapped by help.c */
};

/* Rows that belong together, under a heading in the help. */
struct option_group {
    const char *title;
    const struct option *options;
    size_t count;
};

#define OPTION_GROUPS_MAX 5

struct command {
    const char *name;
    const char *synopsis; /* "[OPTION]... DATASET" */
    const char *summary;  /* one line, for `feedgpu --help` */
    const char *story;    /* paragraphs, wrapped by help.c */
    const char *examples; /* shown as they are */
    int operands_min;     /* operands it needs */
    int operands_max;     /* INT32_MAX: any number */
    const char *operand;  /* what an operand is called: "DATASET" */
    const char *prefix;   /* of its variables: "FEEDGPU_RUN_"; NULL: none */
    bool is_launcher;     /* operands are a command: the first one ends the
                             options, and signals are left as they were */
    const struct option_group *groups[OPTION_GROUPS_MAX]; /* NULL ends */
    int (*run)(const struct options *options); /* gives the exit status */
};

/* The options' defaults, with rank and world size from a launcher. */
void options_init(struct options *options);
void options_fini(struct options *options);

/*
 * Read argv[0..count) for a command into *options. Returns true, or false
 * after it has said on stderr what is wrong with the usage.
 */
bool options_parse(const struct command *command, int count, char **argv,
                   struct options *options);

/*
 * Read one option's value, with a complaint when it is wrong. `name` is what
 * the user called it: "--memory", "FEEDGPU_RUN_MEMORY".
 */
bool option_read(const struct command *command, const struct option *option,
                 const char *name, const char *text, struct options *options);

/*
 * Read the command's variables: its prefix and an option's name in capitals.
 * An empty one counts as not set, an unknown one is wrong usage.
 */
bool environment_read(const struct command *command, struct options *options);

/* The option of this name among the command's, or NULL. */
const struct option *command_find(const struct command *command,
                                  const char *name, size_t length);

/* Text of an option's default into `text`; "" when it has none to show. */
void option_default(const struct option *option, const struct options *defaults,
                    char *text, size_t text_bytes);

/* The rows shared by commands, and all commands; NULL ends the list. */
extern const struct command *const commands[];
const struct command *command_named(const char *name);

/* Fill in rank and world size from torchrun's, Slurm's or MPI's variables. */
bool launcher_read(struct options *options);

#endif /* TOOL_OPTIONS_H */
