/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help is laid out here, to 80 columns, from the rows of the tables. Nothing
 * in it is written twice: a default is read from the options' own defaults.
 */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "report.h"
#include "value.h"

#define COLUMNS 80
#define HELP_COLUMN 28 /* where an option's description begins */

/* Where the cursor is, to wrap words. */
struct page {
    size_t column; /* letters on the line so far */
    size_t indent; /* of lines that begin by wrapping */
};

static void pad_to(struct page *page, size_t column)
{
    while (page->column < column) {
        putchar(' ');
        page->column++;
    }
}

/* Print text word by word; '\n' in it begins a new line. */
static void print_wrapped(struct page *page, const char *text)
{
    bool is_line_empty = page->column <= page->indent;
    while (*text != '\0') {
        if (*text == '\n') {
            putchar('\n');
            page->column = 0;
            is_line_empty = true;
            text++;
            continue;
        }
        size_t length = strcspn(text, " \n");
        if (!is_line_empty && page->column + 1 + length > COLUMNS - 1) {
            putchar('\n');
            page->column = 0;
            is_line_empty = true;
        }
        if (is_line_empty) {
            pad_to(page, page->indent);
        } else {
            putchar(' ');
            page->column++;
        }
        fwrite(text, 1, length, stdout);
        page->column += length;
        is_line_empty = false;
        text += length;
        text += *text == ' ' ? 1 : 0;
    }
}

static void end_line(struct page *page)
{
    putchar('\n');
    page->column = 0;
}

static void print_option(const struct option *option,
                         const struct options *defaults)
{
    struct page page = {0, HELP_COLUMN};
    char fallback[VALUE_TEXT_BYTES];
    char head[96];
    char letter[8] = "   ";
    if (option->letter != 0) {
        snprintf(letter, sizeof(letter), "-%c,", option->letter);
    }
    int length = snprintf(head, sizeof(head), "  %s --%s%s%s", letter,
                          option->name, option->argument ? " " : "",
                          option->argument ? option->argument : "");
    fputs(head, stdout);
    page.column = (size_t)length;
    if (page.column + 2 > HELP_COLUMN) {
        end_line(&page);
    }
    pad_to(&page, HELP_COLUMN);
    print_wrapped(&page, option->help);
    option_default(option, defaults, fallback, sizeof(fallback));
    if (fallback[0] != '\0') {
        char text[VALUE_TEXT_BYTES + 16];
        snprintf(text, sizeof(text), "(default: %s)", fallback);
        print_wrapped(&page, text);
    }
    end_line(&page);
}

void help_print_command(const struct command *command)
{
    struct options defaults;
    struct page page = {0, 0};
    options_init(&defaults);
    printf("usage: feedgpu %s %s\n\n", command->name, command->synopsis);
    print_wrapped(&page, command->story);
    end_line(&page);
    printf("\nExamples:\n%s", command->examples);
    for (size_t g = 0; g < OPTION_GROUPS_MAX && command->groups[g]; g++) {
        const struct option_group *group = command->groups[g];
        printf("\n%s:\n", group->title);
        for (size_t i = 0; i < group->count; i++) {
            print_option(&group->options[i], &defaults);
        }
    }
    options_fini(&defaults);
}

static const char intro[] =
    "feedgpu keeps GPUs fed: it streams a training dataset from disk to the "
    "device and says where the time goes when the device has to wait. It "
    "works on files of fixed-size records and on its own shards, which 'pack' "
    "makes out of any files.\n";

static const char outro[] =
    "\n"
    "A first look, in two steps:\n"
    "  feedgpu pack -o shards --join --record-bytes 2049 --stride-bytes 2048 "
    "texts/\n"
    "  feedgpu bench --batch-size 64 --epochs 3 --compute-ms 5 shards\n"
    "\n"
    "A DATASET is a file, a folder of files, a glob pattern in quotes, or\n"
    "@LIST: a text file with one path per line. Sizes may be given with KiB,\n"
    "MiB or GiB. Results go to stdout (--json: one object per line),\n"
    "diagnostics to stderr.\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 damaged data, 130\n"
    "interrupted.\n"
    "\n"
    "'feedgpu help COMMAND' tells the rest about a command.\n";

void help_print_all(void)
{
    struct page page = {0, 0};
    printf("usage: feedgpu COMMAND [OPTION]... OPERAND...\n\n");
    print_wrapped(&page, intro);
    printf("\nCommands:\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs(outro, stdout);
}
