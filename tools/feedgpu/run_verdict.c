/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the numbers of a run mean. A thread's share of the wall time is its
 * own: threads read side by side, and one that reads ahead for others may be
 * blocked all the time without holding anything up. So the verdict names the
 * most blocked thread, says when it was not the program's first one, and does
 * not speak of input that nobody saw.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "report.h"
#include "run.h"
#include "size.h"

#define SHARE_MIN 0.05 /* of the wall time: below it, input does not matter */
#define WALL_NS_MIN UINT64_C(100000000) /* below it, nothing is said of it */

uint64_t run_wall_ns(const struct run *run)
{
    return run->launch.end_ns - run->launch.start_ns;
}

struct run_blocked run_actor_blocked(const struct run *run,
                                     const struct fg_feeder_actor *actor)
{
    struct run_blocked blocked;
    uint64_t wall_ns = run_wall_ns(run);
    blocked.ns =
        actor->kernel_ns + actor->wait_ns + actor->copy_ns + actor->open_ns;
    blocked.share = wall_ns > 0 ? (double)blocked.ns / (double)wall_ns : 0.0;
    return blocked;
}

const char *run_end_text(const struct run *run, char *text, size_t text_bytes)
{
    int status = run->launch.wait_status;
    if (WIFSIGNALED(status)) {
        snprintf(text, text_bytes, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, text_bytes, "exit status %d", WEXITSTATUS(status));
    }
    return text;
}

const char *run_command_text(const struct run *run, char *text,
                             size_t text_bytes)
{
    size_t length = 0;
    text[0] = '\0';
    for (char *const *word = run->launch.command; *word != NULL; word++) {
        bool is_plain =
            (*word)[0] != '\0' && strpbrk(*word, " \t\n'\"\\$`*?"
                                                 "&|;<>()#") == NULL;
        int added = snprintf(text + length, text_bytes - length, "%s%s%s%s",
                             length > 0 ? " " : "", is_plain ? "" : "'", *word,
                             is_plain ? "" : "'");
        length += (size_t)added;
        if (length >= text_bytes) {
            memcpy(text + text_bytes - 4, "...", 4);
            break;
        }
    }
    /* One line, whatever the words hold. */
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    return text;
}

const char *run_rank(const char **name)
{
    static const char *const names[] = {"RANK", "SLURM_PROCID",
                                        "OMPI_COMM_WORLD_RANK"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = getenv(names[i]);
        if (text != NULL && text[0] != '\0') {
            *name = names[i];
            return text;
        }
    }
    return NULL;
}

/* Bytes that the kernel counted and the shim did not see, mmap included. */
static uint64_t unseen_bytes(const struct run *run)
{
    uint64_t called = run->launch.io.call_bytes;
    uint64_t seen = run->stats.kernel_bytes;
    return (called > seen ? called - seen : 0) + run->stats.mapped_bytes;
}

static void judge_unseen(struct run *run)
{
    struct run_verdict *verdict = &run->verdict;
    verdict->limit = LIMIT_UNKNOWN;
    if (run->feeder == NULL) {
        snprintf(verdict->text, sizeof(verdict->text),
                 "not known: the program ran unfed and unseen");
        return;
    }
    snprintf(verdict->text, sizeof(verdict->text),
             "not known: no read of a watched file was seen");
    if (run->launch.unreached[0] != '\0') {
        snprintf(verdict->advice, sizeof(verdict->advice),
                 "no library can be put into this program: %s",
                 run->launch.unreached);
    } else if (run->stats.files == 0 && run->stats.stdio_files == 0) {
        snprintf(verdict->advice, sizeof(verdict->advice),
                 "if it does read data: does it make system calls itself? Are "
                 "its files smaller than --min-file-bytes, or outside of "
                 "--data?");
    } else {
        snprintf(verdict->advice, sizeof(verdict->advice),
                 "it reads by mmap or stdio: the files are read ahead into the "
                 "page cache, and how long it waits for them is not seen");
    }
}

static void judge_other(struct run *run)
{
    struct run_verdict *verdict = &run->verdict;
    char size[SIZE_TEXT_BYTES];
    uint64_t unseen = unseen_bytes(run);
    uint64_t seen = run->stats.arena_bytes + run->stats.kernel_bytes;
    verdict->limit = LIMIT_OTHER;
    snprintf(verdict->text, sizeof(verdict->text),
             "input is not what limits this program: no thread was blocked in "
             "reads and opens for more than %.1f %% of the wall time",
             100.0 * verdict->share);
    if (unseen > seen) {
        verdict->limit = LIMIT_UNKNOWN;
        snprintf(verdict->text, sizeof(verdict->text),
                 "not known: no thread was seen blocked in reads and opens for "
                 "more than %.1f %% of the wall time, but %s were read or "
                 "mapped unseen",
                 100.0 * verdict->share, amount_format((double)unseen, size));
    }
}

/* The kernel had what it read, and not because it was read ahead. */
static bool was_cached(const struct run *run)
{
    const struct process_io *io = &run->launch.io;
    return run->stats.warmed_bytes == 0 &&
           run->stats.kernel_bytes > run->stats.arena_bytes &&
           io->call_bytes > 0 && io->storage_bytes < io->call_bytes / 20;
}

/* What to do about the most blocked thread. */
static void advise(struct run *run, const struct fg_feeder_actor *worst)
{
    const struct fg_feeder_stats *stats = &run->stats;
    struct run_verdict *verdict = &run->verdict;
    const char *text;
    uint64_t blocked_ns = run_actor_blocked(run, worst).ns;
    bool is_full = stats->memory_bytes > 0 &&
                   stats->kept_bytes > stats->memory_bytes / 10 * 9;
    bool is_random =
        run->group_known > 0 && strcmp(run->groups[0].pattern, "random") == 0;
    if (run->options->run.is_observing) {
        text = "run it without --observe-only to have it fed";
    } else if (worst->open_ns > blocked_ns / 2) {
        text = "most of it is opening files: fewer and larger ones help most";
    } else if (worst->copy_ns > blocked_ns / 2) {
        text = "most of it is copying out of memory, as from a warm page "
               "cache: more threads that read, or mmap, would help";
    } else if (worst->wait_ns > worst->kernel_ns) {
        text = is_full ? "the disk is slower than the program and the memory "
                         "was full: more --memory, or faster storage"
                       : "the disk is slower than the program: faster storage, "
                         "or a second epoch, which comes from memory";
    } else if (was_cached(run)) {
        text = "the page cache had it already: there is nothing to read ahead. "
               "Larger reads, more threads or mmap would help";
    } else if (is_full) {
        text = "the memory was full: with more --memory more would stay";
    } else if (is_random) {
        text = "random reads cannot be foreseen: larger ones, or data in the "
               "order in which it is read, would help";
    } else if (stats->arena_bytes > stats->kernel_bytes) {
        text = "most of it is reads of files that were not read ahead yet: a "
               "second epoch has less of that";
    } else {
        text = "most bytes came from the kernel: see below which files, and "
               "whether --data or --min-file-bytes leaves them out";
    }
    snprintf(verdict->advice, sizeof(verdict->advice), "%s", text);
}

static void judge_input(struct run *run, const struct fg_feeder_actor *worst)
{
    struct run_verdict *verdict = &run->verdict;
    char where[280] = "";
    verdict->limit = LIMIT_INPUT;
    if (run->group_known > 0) {
        snprintf(where, sizeof(where), ", most of it in %s",
                 run->groups[0].folder);
    }
    snprintf(verdict->text, sizeof(verdict->text),
             "blocked in reads and opens for %.1f %% of the wall time (thread "
             "%.16s, %d)%s%s",
             100.0 * verdict->share, worst->name, (int)worst->tid, where,
             worst->tid != (int32_t)run->launch.pid
                 ? ". If it reads ahead for others, they waited less"
                 : "");
    advise(run, worst);
}

void run_judge(struct run *run)
{
    const struct fg_feeder_actor *worst = NULL;
    for (uint32_t i = 0; i < run->actor_known; i++) {
        double share = run_actor_blocked(run, &run->actors[i]).share;
        if (worst == NULL || share > run->verdict.share) {
            worst = &run->actors[i];
            run->verdict.share = share;
        }
    }
    if (worst == NULL || run->stats.reads == 0) {
        judge_unseen(run);
    } else if (run_wall_ns(run) < WALL_NS_MIN) {
        snprintf(run->verdict.text, sizeof(run->verdict.text),
                 "not known: it ran for %.3f s only",
                 (double)run_wall_ns(run) / 1e9);
    } else if (run->verdict.share < SHARE_MIN) {
        judge_other(run);
    } else {
        judge_input(run, worst);
    }
}
