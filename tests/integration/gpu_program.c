/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training loop without a GPU: it reads a file, says that it copied and
 * computed, and sleeps meanwhile. What the GPU did is told to the double of
 * CUPTI, if that was loaded. At the end it prints its own account as JSON.
 *
 *     gpu_program [--fork | --kill] STEPS FILE
 *
 * --fork: a child ends by exit in between. --kill: it ends by SIGKILL after a
 * while.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/cupti_double.h"

#define BUFFER_BYTES (32u << 20)
#define MS UINT64_C(1000000)

struct account {
    uint64_t first_ns; /* first kernel's start */
    uint64_t last_ns;  /* last kernel's end */
    uint64_t busy_ns;
    uint64_t read_ns; /* in reads between two kernels */
    uint64_t copy_ns;
};

static void (*tell)(const struct double_record *);

static uint64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
    struct timespec at = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
    }
}

static void start_cuda(void)
{
    int (*init)(unsigned) = NULL;
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    void *cupti;
    if (driver == NULL) {
        fprintf(stderr, "gpu_program: %s\n", dlerror());
        exit(2);
    }
    *(void **)&init = dlsym(driver, "cuInit");
    init(0);
    cupti = dlopen("libcupti.so.13", RTLD_NOW | RTLD_NOLOAD);
    if (cupti != NULL) {
        *(void **)&tell = dlsym(cupti, "cupti_double_record");
    }
}

static void record(enum double_kind kind, uint64_t start_ns, uint64_t end_ns,
                   int step)
{
    struct double_record made = {
        .kind = kind,
        .start_ns = start_ns,
        .end_ns = end_ns,
        .bytes = step % 2 == 0 ? 1u << 20 : 1000,
        .stream = 7,
        .is_pinned = step % 2 == 0,
    };
    if (tell != NULL) {
        tell(&made);
    }
}

/* Read the file in one call; copy for 1 ms; compute for 3 ms. */
static void run_step(const char *path, char *buffer, int step,
                     struct account *account)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t start_ns = now();
    ssize_t got = read(fd, buffer, BUFFER_BYTES);
    uint64_t read_ns = now();
    close(fd);
    if (got <= 0) {
        fprintf(stderr, "gpu_program: %s: cannot be read\n", path);
        exit(2);
    }
    record(DOUBLE_H2D, read_ns, read_ns + MS, step);
    record(DOUBLE_MEMSET, read_ns + MS, read_ns + MS + MS / 10, step);
    record(DOUBLE_KERNEL, read_ns + 2 * MS, read_ns + 4 * MS, step);
    record(DOUBLE_KERNEL, read_ns + 3 * MS, read_ns + 5 * MS, step);
    sleep_until(read_ns + 5 * MS);
    if (step > 0) {
        account->read_ns += read_ns - start_ns;
        account->copy_ns += MS;
    } else {
        account->first_ns = read_ns + 2 * MS;
    }
    account->busy_ns += 3 * MS;
    account->last_ns = read_ns + 5 * MS;
}

static void fork_once(void)
{
    pid_t child = fork();
    if (child == 0) {
        exit(0); /* with all that atexit has of the parent */
    }
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    const char *option = argc == 4 ? argv[1] : "";
    struct account account = {0};
    char *buffer = malloc(BUFFER_BYTES);
    if ((argc != 3 && argc != 4) || buffer == NULL) {
        fprintf(stderr, "usage: gpu_program [OPTION] STEPS FILE\n");
        return 2;
    }
    memset(buffer, 1, BUFFER_BYTES);
    start_cuda();
    for (int step = 0; step < atoi(argv[argc - 2]); step++) {
        run_step(argv[argc - 1], buffer, step, &account);
        if (step == 0 && strcmp(option, "--fork") == 0) {
            fork_once();
        }
    }
    free(buffer);
    printf("{\"window_ns\": %" PRIu64 ", \"busy_ns\": %" PRIu64
           ", \"read_ns\": %" PRIu64 ", \"copy_ns\": %" PRIu64
           ", \"recorded\": %d, \"pid\": %d}\n",
           account.last_ns - account.first_ns, account.busy_ns, account.read_ns,
           account.copy_ns, tell != NULL, (int)getpid());
    fflush(stdout);
    if (strcmp(option, "--kill") == 0) {
        sleep_until(now() + 400 * MS);
        raise(SIGKILL);
    }
    return 0;
}
