/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program started as if nothing stood in between: it gets the standard
 * streams, signal dispositions and mask, limits and folder that this process
 * was started with, and nothing of ours but what its environment says.
 */
#ifndef TOOL_LAUNCH_H
#define TOOL_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "launch_bind.h"

/* What env(1) ends with, so that scripts know whose failure it was. */
#define STATUS_LAUNCHER 125     /* ours */
#define STATUS_NO_EXEC 126      /* the program is there, and cannot be run */
#define STATUS_NO_SUCH_FILE 127 /* it is not there */

/* By the kernel's own count (/proc/PID/io), of processes that have ended. */
struct process_io {
    uint64_t call_bytes;    /* rchar: by read calls of any kind */
    uint64_t storage_bytes; /* read_bytes: fetched from disks */
    uint64_t calls;         /* syscr */
    uint32_t processes;     /* counted, with all they waited for */
    uint32_t unknown;       /* that ended without being counted */
};

/* Signals as they were before launch_prepare. */
struct launch_signals {
    sigset_t mask;
    struct sigaction child; /* SIGCHLD */
    struct sigaction pipe;  /* SIGPIPE */
};

struct launch {
    struct launch_signals signals;
    char *const *command;     /* borrowed, ended by NULL */
    char *const *environment; /* borrowed; NULL: ours */
    struct launch_bind *bind; /* borrowed; NULL: leave it where it is */
    int setbacks[2];          /* pipe: what failed in the child */
    pid_t pid;                /* of the program */
    int wait_status;          /* as waitpid gives it */
    int exec_errno;           /* 0: it was started */
    const char *unreached;    /* why no library can be in it, or ""; static */
    uint64_t start_ns;        /* CLOCK_MONOTONIC */
    uint64_t end_ns;          /* of the program itself */
    uint64_t cpu_ns;          /* of all processes that have ended */
    uint64_t major_faults;    /* of these: page faults that read */
    uint64_t resident_bytes;  /* the most that one of them had */
    struct process_io io;
    uint32_t left_behind; /* children that still run at the end */
};

/*
 * Take over signals, fill closed standard streams, so that no file of ours
 * gets their number, and take the files that starting a program needs, before
 * others have taken all there are. To be called before any thread is started.
 * False after a complaint.
 */
bool launch_prepare(struct launch *launch);

/*
 * Start the program. False after a complaint when there is no process at all.
 * Otherwise exec_errno says whether the program runs.
 */
bool launch_start(struct launch *launch);

/* Wait for its end, pass signals on, and look at where it runs. */
void launch_wait(struct launch *launch);

/* Give signals back: from here on they end this process. */
void launch_release(struct launch *launch);

/*
 * End as the program has ended: by its signal, or with its exit status. With
 * a status of our own other than STATUS_DONE, that one.
 */
int launch_finish(const struct launch *launch, int status);

/* Inside: why no library can be preloaded into a process, or "". Static. */
const char *launch_unreached(pid_t pid);

/* Inside: the child's side of signals (launch_signals.c). */
void launch_signals_child(const struct launch_signals *signals);
void launch_signals_take(struct launch_signals *signals);
void launch_signals_give(const struct launch_signals *signals);

/* Wait for a signal that is ours, at most wait_ns. 0: none came. */
int launch_signals_wait(uint64_t wait_ns, siginfo_t *info);

/* Inside: what /proc tells (launch_proc.c). */
bool proc_read(const char *path, char *text, size_t text_bytes);
void proc_add_io(pid_t pid, struct process_io *io);

/* The program's allowed CPUs ("0-3"); false: not known. */
bool proc_read_cpus(pid_t pid, char *text, size_t text_bytes);

/* Children of ours that still run; *in_session: those not made daemons. */
uint32_t proc_count_children(uint32_t *in_session);

#endif /* TOOL_LAUNCH_H */
