/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feedgpu feed: a feeder by itself, for programs that are started with the
 * shim in LD_PRELOAD and nothing else. It says in a file of the user's where it
 * is (publish.c).
 *
 * With --detach it goes into the background, and ends by itself when nobody
 * uses it. The shim starts it so; what goes wrong is then said to nobody, and
 * the programs run unfed.
 *
 *     claim the place ──▶ open the report, the feeder ──▶ write the place
 *          │ taken                                            │
 *          ▼                                                  ▼
 *     end, quietly if detached          wait for a signal, or for nobody's use
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <unistd.h>

#include "preload.h"
#include "publish.h"
#include "report.h"
#include "run.h"
#include "tables.h"
#include "users.h"

#define LOOK_S 1 /* how often to look for users */
#define NS_PER_S UINT64_C(1000000000)

struct feed {
    struct run run;
    struct publish publish;
    int ready_fd; /* to who waits for a detached feeder; -1: nobody */
};

/* The shim may be in this very process: it must not look for a feeder. */
static void keep_shim_out(void)
{
    unsetenv("LD_PRELOAD");
    setenv("FEEDGPU_BOARD", "", 1);
}

/* No file of ours may get the number of a standard stream that is closed. */
static void fill_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

static void say_how(void)
{
    char library[PATH_MAX];
    char why[FG_ERROR_MESSAGE_BYTES];
    if (preload_find(library, sizeof(library), why, sizeof(why))) {
        printf("LD_PRELOAD=%s COMMAND\n", library);
        fflush(stdout);
    } else {
        complain("feed: %s", why);
    }
}

static sigset_t ending_signals(void)
{
    struct sigaction before;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    /* nohup has said what SIGHUP shall be. */
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
        sigaddset(&set, SIGHUP);
    }
    return set;
}

static void wait_for_end(struct feed *feed, const sigset_t *signals)
{
    const struct run_options *options = &feed->run.options->run;
    const struct timespec look = {.tv_sec = LOOK_S};
    struct users users = {0, 0};
    for (;;) {
        if (sigtimedwait(signals, NULL, &look) > 0 ||
            (options->is_detaching && users_idle_ns(&users, feed->run.feeder) >
                                          options->idle_seconds * NS_PER_S)) {
            return;
        }
    }
}

/* A detached feeder keeps nothing of where it was started. */
static bool let_go(const struct feed *feed)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || chdir("/") != 0) {
        complain("feed: detach: %s", strerror(errno));
        return false;
    }
    umask(077);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        dup2(null, fd);
    }
    if (null > STDERR_FILENO) {
        close(null);
    }
    bool is_told = write(feed->ready_fd, "", 1) == 1;
    close(feed->ready_fd);
    (void)is_told; /* who waited has gone */
    return true;
}

static bool start(struct feed *feed)
{
    struct run *run = &feed->run;
    run_feeder_open(run);
    if (run->feeder == NULL) {
        complain("%s", run->unfed);
        return false;
    }
    if (!publish_write(&feed->publish, fg_feeder_environment(run->feeder))) {
        complain("%s: write: %s", feed->publish.path, strerror(errno));
        return false;
    }
    if (run->options->run.is_detaching) {
        return let_go(feed);
    }
    say_how();
    return true;
}

static int feed_claimed(struct feed *feed)
{
    struct run *run = &feed->run;
    bool is_quiet =
        run->options->run.is_detaching && run->options->run.report_path == NULL;
    FILE *out = is_quiet ? stderr : run_report_open(run);
    sigset_t signals = ending_signals();
    if (out == NULL) {
        return STATUS_FAILED;
    }
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    bool is_started = start(feed);
    if (is_started) {
        wait_for_end(feed, &signals);
    }
    publish_remove(&feed->publish);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    if (is_started && !is_quiet) {
        run_feeder_collect(run);
        run_judge(run);
        run_report_finish(run, out);
    }
    fg_feeder_close(run->feeder);
    free(run->actors);
    free(run->groups);
    return is_started ? STATUS_DONE : STATUS_FAILED;
}

static int feed_once(struct feed *feed)
{
    char why[FG_ERROR_MESSAGE_BYTES + 64];
    switch (publish_claim(&feed->publish, why, sizeof(why))) {
    case PUBLISH_OURS:
        break;
    case PUBLISH_TAKEN:
        if (feed->run.options->run.is_detaching) {
            return STATUS_DONE;
        }
        complain("feed: %s: another feeder is there", feed->publish.path);
        return STATUS_FAILED;
    case PUBLISH_FAILED:
        complain("feed: %s", why);
        return STATUS_FAILED;
    }
    int status = feed_claimed(feed);
    publish_remove(&feed->publish);
    return status;
}

/* Wait until the child has said that it is there, or has ended. */
static int await_child(pid_t child, int ready_fd)
{
    char byte;
    int status;
    ssize_t got;
    do {
        got = read(ready_fd, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != STATUS_DONE) {
            return STATUS_FAILED;
        }
    }
    say_how();
    return STATUS_DONE;
}

static int detach(struct feed *feed)
{
    int ends[2];
    (void)close_range(STDERR_FILENO + 1, ~0U, 0);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        complain("feed: pipe: %s", strerror(errno));
        return STATUS_FAILED;
    }
    pid_t child = fork();
    if (child != 0) {
        close(ends[1]);
        if (child < 0) {
            complain("feed: fork: %s", strerror(errno));
            return STATUS_FAILED;
        }
        return await_child(child, ends[0]);
    }
    close(ends[0]);
    feed->ready_fd = ends[1];
    setsid();
    return feed_once(feed);
}

static int feed(const struct options *options)
{
    struct options own = *options;
    struct feed feed = {.run = {.options = &own, .is_alone = true},
                        .publish = {.fd = -1},
                        .ready_fd = -1};
    static char *const words[] = {"feedgpu", "feed", NULL};
    int status = STATUS_USAGE;
    keep_shim_out();
    fill_streams();
    feed.run.launch.command = words;
    if (options->json) {
        own.run.report = REPORT_JSON;
    }
    feed.run.launch.unreached = "";
    if (run_options_check("feed", &own.run) &&
        run_globs_init(&feed.run.globs, &own.run) &&
        bind_choose(&own, &feed.run.bind)) {
        status = own.run.is_detaching ? detach(&feed) : feed_once(&feed);
    }
    run_globs_fini(&feed.run.globs);
    return status;
}

#define AT(member) offsetof(struct options, member)

static const struct option own_options[] = {
    {"detach", 0, OPTION_FLAG, AT(run.is_detaching), NULL, 0, 0, NULL,
     "go into the background, and end when nobody uses it"},
    {"idle-seconds", 0, OPTION_U32, AT(run.idle_seconds), "N", 1, 0, NULL,
     "with --detach: end when no program has used it for so long"},
};

static const struct option_group own_group = {
    "How long", own_options, sizeof(own_options) / sizeof(own_options[0])};

const struct command feed_command = {
    .name = "feed",
    .synopsis = "[OPTION]...",
    .summary = "feed programs that are started with LD_PRELOAD alone",
    .story =
        "A feeder by itself: programs of the same user that have the library "
        "of this tool in LD_PRELOAD find it and are fed by it, all of them by "
        "one. It prints how, runs until it is interrupted (SIGINT, SIGTERM, "
        "SIGHUP), and reports then what these programs waited for."
        "\n\n"
        "Without one, the library starts one by itself when a program opens "
        "its first file that may be data: `feedgpu feed --detach`, with the "
        "program's environment. FEEDGPU_FEED=0 forbids that; FEEDGPU_TOOL is "
        "the tool to start, if it is not where it was installed. A detached "
        "feeder writes its report if there is a --report-file."
        "\n\n"
        "Where it is stands in feedgpu.board in XDG_RUNTIME_DIR, else in "
        "/dev/shm/feedgpu-UID.board. Every option can be a variable, the same "
        "as that of `feedgpu run`: FEEDGPU_RUN_MEMORY is --memory.",
    .examples = "  feedgpu feed --memory 32GiB\n"
                "  feedgpu feed --detach --idle-seconds 600\n",
    .prefix = "FEEDGPU_RUN_",
    .is_launcher = true,
    .operand = "OPERAND",
    .groups = {&run_feed_group, &run_node_group, &own_group, &run_report_group},
    .run = feed,
};
