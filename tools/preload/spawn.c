/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a feeder from inside some program's open(), so that the program
 * cannot tell.
 *
 *     program ── clone: memory shared, no signal at its end ──▶ helper
 *        │ suspended                                            │ clone
 *        │                                                      ▼
 *        │                                        feedgpu feed --detach
 *        ◀── the helper has ended, and is waited for; the tool is an orphan
 *
 * The tool is never the program's child: exec would make it one whose end
 * sends SIGCHLD, whatever clone was told. The helper does not exec, and only a
 * wait with __WCLONE or __WALL could see it, for the moment that it lives. But
 * orphans come to a program that has asked for them, or is process 1: these
 * start nothing.
 *
 * Both children share the program's memory while it stands still. They run on
 * stacks of their own, with all signals blocked until those that the program
 * handles are back at their defaults, and call nothing but the kernel.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"

#define STACK_BYTES (64u << 10)
#define PATH_BYTES 4096
#define SIGNALS_BYTES 8 /* of the kernel's signal set */
#define TOOLS_MAX 2

/* Where the tool is, from the library: installed in lib or lib/ARCH. */
static const char *const places[TOOLS_MAX] = {"../bin/feedgpu",
                                              "../../bin/feedgpu"};

/* All that the children need. Lies in a mapping of its own. */
struct spawn {
    char tools[TOOLS_MAX][PATH_BYTES]; /* "": none */
    char **environment;
    uint8_t *tool_stack; /* its end */
    volatile pid_t pid;  /* of the tool */
    volatile bool is_bad;
};

static char own_folder[PATH_BYTES]; /* of this library, with its '/'; or "" */
static int seccomp_at_start;

void shim_spawn_begin(void)
{
    Dl_info info;
    size_t length = 0;
    seccomp_at_start = prctl(PR_GET_SECCOMP);
    if (dladdr(own_folder, &info) == 0 || info.dli_fname == NULL) {
        return;
    }
    /* Relative to the folder that the program was started in. */
    if (info.dli_fname[0] != '/' &&
        getcwd(own_folder, sizeof(own_folder) - 1) != NULL) {
        length = strlen(own_folder);
        own_folder[length++] = '/';
    }
    const char *slash = strrchr(info.dli_fname, '/');
    size_t rest = slash != NULL ? (size_t)(slash + 1 - info.dli_fname) : 0;
    if (rest == 0 || length + rest >= sizeof(own_folder)) {
        own_folder[0] = '\0';
        return;
    }
    memcpy(own_folder + length, info.dli_fname, rest);
    own_folder[length + rest] = '\0';
}

static bool is_allowed(void)
{
    int is_reaper = 0;
    const char *word = getenv("FEEDGPU_FEED");
    return getauxval(AT_SECURE) == 0 &&
           (word == NULL || strcmp(word, "0") != 0) && getpid() != 1 &&
           prctl(PR_GET_CHILD_SUBREAPER, &is_reaper) == 0 && is_reaper == 0 &&
           /* A sandbox of the program's own may kill for what follows. */
           prctl(PR_GET_SECCOMP) == seccomp_at_start;
}

/* Nothing of the program's: no signal, no session, no open file. */
static void leave_program(void)
{
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } action = {NULL, 0, NULL, 0};
    const uint64_t none = 0;
    syscall(SYS_setsid); /* before a terminal's signals can hit it */
    for (int number = 1; number < _NSIG; number++) {
        syscall(SYS_rt_sigaction, number, &action, NULL, SIGNALS_BYTES);
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGNALS_BYTES);
    int null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (null >= 0 && fd != null) {
            syscall(SYS_dup3, null, fd, 0);
        }
    }
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
}

static int become_tool(void *context)
{
    static const char *const words[] = {"feedgpu", "feed", "--detach", NULL};
    struct spawn *spawn = context;
    leave_program();
    for (int i = 0; i < TOOLS_MAX; i++) {
        if (spawn->tools[i][0] != '\0') {
            syscall(SYS_execve, spawn->tools[i], words, spawn->environment);
        }
    }
    spawn->is_bad = true;
    syscall(SYS_exit_group, 127);
    return 127;
}

static int help(void *context)
{
    struct spawn *spawn = context;
    spawn->pid = clone(become_tool, spawn->tool_stack,
                       CLONE_VM | CLONE_VFORK | SIGCHLD, spawn);
    syscall(SYS_exit_group, 0);
    return 0;
}

static void find_tools(struct spawn *spawn)
{
    const char *given = getenv("FEEDGPU_TOOL");
    if (given != NULL && given[0] != '\0') {
        size_t length = strlen(given);
        if (length < PATH_BYTES) {
            memcpy(spawn->tools[0], given, length + 1);
        }
        return;
    }
    size_t length = strlen(own_folder);
    for (int i = 0; i < TOOLS_MAX && length > 0; i++) {
        size_t rest = strlen(places[i]) + 1;
        if (length + rest <= PATH_BYTES) {
            memcpy(spawn->tools[i], own_folder, length);
            memcpy(spawn->tools[i] + length, places[i], rest);
        }
    }
}

static size_t count_environment(void)
{
    size_t count = 0;
    while (environ != NULL && environ[count] != NULL) {
        count++;
    }
    return count;
}

/* The program's, without what would put this library into the tool. */
static void copy_environment(char **to, size_t count)
{
    static const char name[] = "LD_PRELOAD=";
    for (size_t i = 0; i < count && environ[i] != NULL; i++) {
        if (strncmp(environ[i], name, sizeof(name) - 1) != 0) {
            *to++ = environ[i];
        }
    }
    *to = NULL;
}

/* Run the helper and wait for it. False: its memory may still be in use. */
static bool run_helper(struct spawn *spawn, uint8_t *stack_end)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t mask;
    int status = 0;
    pid_t helper;
    long got;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, SIGNALS_BYTES);
    helper = clone(help, stack_end, CLONE_VM | CLONE_VFORK, spawn);
    do {
        got =
            helper > 0 ? syscall(SYS_wait4, helper, &status, __WALL, NULL) : 0;
    } while (got < 0 && errno == EINTR);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, SIGNALS_BYTES);
    return helper < 0 || (got == helper && WIFEXITED(status));
}

pid_t shim_spawn(void)
{
    if (!is_allowed()) {
        return 0;
    }
    size_t count = count_environment();
    size_t head = (sizeof(struct spawn) + (count + 1) * sizeof(char *) + 4095) &
                  ~(size_t)4095;
    size_t bytes = head + 2 * STACK_BYTES;
    uint8_t *room =
        shim_real()->mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (room == MAP_FAILED) {
        return 0;
    }
    struct spawn *spawn = (struct spawn *)(void *)room;
    spawn->environment = (char **)(void *)(room + sizeof(*spawn));
    spawn->tool_stack = room + head + STACK_BYTES;
    find_tools(spawn);
    copy_environment(spawn->environment, count);
    bool is_over = run_helper(spawn, room + bytes);
    pid_t pid = spawn->is_bad || spawn->pid < 0 ? 0 : spawn->pid;
    if (is_over) {
        munmap(room, bytes);
    }
    return pid;
}
