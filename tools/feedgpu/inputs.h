/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a command's operands stand for, with their sizes. */
#ifndef TOOL_INPUTS_H
#define TOOL_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input_file {
    char *path;    /* owned */
    uint64_t size; /* bytes, when it was found */
};

struct inputs {
    struct input_file *files; /* owned, in order */
    size_t count;             /* used entries */
    size_t capacity;          /* entries there is room for */
    size_t count_max;         /* stop at so many files; 0: no limit */
    bool is_cut;              /* there were more */
    uint64_t bytes;           /* sum of the sizes */
};

void inputs_init(struct inputs *inputs);
void inputs_fini(struct inputs *inputs);

/*
 * Add what an operand stands for: a file; a folder, with all that is below it,
 * each folder's entries sorted by name as bytes; or "@LIST", a text file of
 * such paths, one a line, relative to its own folder. Returns false after
 * saying on stderr what is wrong.
 */
bool inputs_add(struct inputs *inputs, const char *operand);

/* Does the path end in ".fgs"? */
bool is_shard_path(const char *path);

#endif /* TOOL_INPUTS_H */
