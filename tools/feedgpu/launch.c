/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a launched program.
 *
 * The child undoes what launch_prepare did, moves to its node if asked to, and
 * executes the command; what fails on the way it writes to a pipe that exec
 * closes. From then on this process only waits: it takes signals one at a
 * time, stops when a terminal has stopped the program, and goes on with it.
 *
 * Orphans of the program become children of this process (subreaper), so that
 * what they read is counted when they end. Once the program itself has ended
 * they get a moment to end too; daemons, which have a session of their own,
 * are not waited for.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

#define LOOK_NS UINT64_C(1000000000)  /* how often to look at the program */
#define LINGER_NS UINT64_C(200000000) /* for orphans, once it has ended */
#define LINGER_STEP_NS UINT64_C(5000000)

/* What the child writes when something fails. */
struct setback {
    enum { SETBACK_CPUS, SETBACK_MEMORY, SETBACK_EXEC } what;
    int errno_value;
};

bool launch_prepare(struct launch *launch)
{
    int fd;
    launch_signals_take(&launch->signals);
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (pipe2(launch->setbacks, O_CLOEXEC) != 0) {
        complain("%s: pipe: %s", launch->command[0], strerror(errno));
        return false;
    }
    return true;
}

static void tell(int fd, struct setback setback)
{
    /* The parent reads until the end; if it is gone, nobody wants to know. */
    ssize_t written = write(fd, &setback, sizeof(setback));
    (void)written;
}

static _Noreturn void become_program(const struct launch *launch, int fd)
{
    if (launch->bind != NULL && launch->bind->is_wanted &&
        launch->bind->node >= 0) {
        int cpus_errno = bind_cpus(launch->bind);
        int memory_errno = bind_memory(launch->bind);
        if (cpus_errno != 0) {
            tell(fd, (struct setback){SETBACK_CPUS, cpus_errno});
        }
        if (memory_errno != 0) {
            tell(fd, (struct setback){SETBACK_MEMORY, memory_errno});
        }
    }
    launch_signals_child(&launch->signals);
    execvpe(launch->command[0], launch->command,
            launch->environment != NULL ? launch->environment : environ);
    tell(fd, (struct setback){SETBACK_EXEC, errno});
    _exit(STATUS_NO_SUCH_FILE);
}

static void note_setback(struct launch *launch, const struct setback *setback)
{
    struct launch_bind *bind = launch->bind;
    if (setback->what == SETBACK_EXEC) {
        launch->exec_errno = setback->errno_value;
        return;
    }
    if (bind == NULL) {
        return; /* nothing was to be bound */
    }
    switch (setback->what) {
    case SETBACK_EXEC:
        break;
    case SETBACK_CPUS:
        bind->is_bound = false;
        snprintf(bind->note, sizeof(bind->note), "CPUs: sched_setaffinity: %s",
                 strerror(setback->errno_value));
        break;
    case SETBACK_MEMORY:
        snprintf(bind->note, sizeof(bind->note),
                 "memory goes where the kernel puts it: set_mempolicy: %s",
                 strerror(setback->errno_value));
        break;
    }
}

bool launch_start(struct launch *launch)
{
    struct setback setback;
    const int *fds = launch->setbacks;
    if (launch->bind != NULL && launch->bind->is_wanted &&
        launch->bind->node >= 0) {
        launch->bind->is_bound = true;
    }
    launch->start_ns = now_ns();
    launch->pid = fork();
    if (launch->pid == 0) {
        become_program(launch, fds[1]);
    }
    if (launch->pid < 0) {
        complain("%s: fork: %s", launch->command[0], strerror(errno));
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    close(fds[1]);
    while (read(fds[0], &setback, sizeof(setback)) == sizeof(setback)) {
        note_setback(launch, &setback);
    }
    close(fds[0]);
    launch->unreached =
        launch->exec_errno == 0 ? launch_unreached(launch->pid) : "";
    return true;
}

static void add_usage(struct launch *launch, const struct rusage *usage)
{
    uint64_t resident_bytes = (uint64_t)usage->ru_maxrss * 1024;
    launch->cpu_ns +=
        (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) *
            1000000000u +
        (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000u;
    launch->major_faults += (uint64_t)usage->ru_majflt;
    if (resident_bytes > launch->resident_bytes) {
        launch->resident_bytes = resident_bytes;
    }
}

static void look(struct launch *launch)
{
    char cpus[256];
    if (launch->bind != NULL && launch->bind->is_bound &&
        proc_read_cpus(launch->pid, cpus, sizeof(cpus))) {
        bind_look(launch->bind, cpus);
    }
}

/* Take what children have ended. True once the program is among them. */
static bool reap(struct launch *launch)
{
    bool has_ended = false;
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        struct rusage usage;
        int status;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            info.si_pid == 0) {
            return has_ended;
        }
        if (info.si_pid == launch->pid) {
            launch->end_ns = now_ns();
            look(launch);
        }
        proc_add_io(info.si_pid, &launch->io);
        if (wait4(info.si_pid, &status, 0, &usage) != info.si_pid) {
            return has_ended;
        }
        add_usage(launch, &usage);
        if (info.si_pid == launch->pid) {
            launch->wait_status = status;
            has_ended = true;
        }
    }
}

/*
 * A terminal has stopped the program: stop as well, so that the shell has its
 * job back. The kernel knows best whether this process may be stopped.
 */
static void follow_stop(const struct launch *launch)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)launch->pid, &info, WSTOPPED | WNOHANG) != 0 ||
        info.si_pid == 0) {
        return;
    }
    if (info.si_status == SIGTSTP || info.si_status == SIGTTIN ||
        info.si_status == SIGTTOU) {
        sigset_t stop;
        sigset_t old;
        sigemptyset(&stop);
        sigaddset(&stop, info.si_status);
        raise(info.si_status);
        sigprocmask(SIG_UNBLOCK, &stop, &old);
        sigprocmask(SIG_SETMASK, &old, NULL);
    }
}

/* A terminal's signals go to the whole group: the program has them already.
 * What somebody has sent is meant for the program. */
static bool was_sent(int number, const siginfo_t *info)
{
    return number != SIGCHLD &&
           (info->si_code == SI_USER || info->si_code == SI_QUEUE ||
            info->si_code == SI_TKILL);
}

void launch_wait(struct launch *launch)
{
    uint64_t next_ns = now_ns() + LOOK_NS;
    while (!reap(launch)) {
        siginfo_t info;
        uint64_t now = now_ns();
        if (now >= next_ns) {
            look(launch);
            next_ns = now + LOOK_NS;
        }
        int number = launch_signals_wait(next_ns - now, &info);
        if (number == SIGCHLD) {
            follow_stop(launch);
        } else if (number != 0 && was_sent(number, &info)) {
            kill(launch->pid, number);
        }
    }
    uint64_t until_ns = launch->end_ns + LINGER_NS;
    uint32_t in_session;
    launch->left_behind = proc_count_children(&in_session);
    while (in_session > 0 && now_ns() < until_ns) {
        siginfo_t info;
        launch_signals_wait(LINGER_STEP_NS, &info);
        reap(launch);
        launch->left_behind = proc_count_children(&in_session);
    }
}

void launch_release(struct launch *launch)
{
    launch_signals_give(&launch->signals);
}

static int die_by(int number)
{
    struct rlimit none = {0, 0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    /* The program has left its core; ours would overwrite it. */
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return STATUS_SIGNAL + number;
}

int launch_finish(const struct launch *launch, int status)
{
    if (status != STATUS_DONE) {
        return status;
    }
    if (launch->exec_errno != 0) {
        return launch->exec_errno == ENOENT ? STATUS_NO_SUCH_FILE
                                            : STATUS_NO_EXEC;
    }
    if (WIFSIGNALED(launch->wait_status)) {
        return die_by(WTERMSIG(launch->wait_status));
    }
    return WEXITSTATUS(launch->wait_status);
}
