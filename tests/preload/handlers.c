/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handlers FILE RECORDS: reads in signal handlers, in the middle of other
 * reads, and reads that are cancelled. A record of 64 KiB begins with its
 * number.
 *
 * - A timer's handler preads records all the time, while the main thread
 *   reads the file in order: both must get what they asked for, and errno must
 *   survive the handler.
 * - Threads are cancelled while they read: read is a cancellation point, and
 *   nothing of ours may stay locked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define RECORD_BYTES 65536

static int handler_fd;
static uint64_t record_count;
static _Atomic uint64_t handled;
static _Atomic uint64_t wrong;
static uint8_t handler_buffer[RECORD_BYTES];

static void on_timer(int signal)
{
    static uint64_t turn;
    uint64_t want = turn++ * 7919 % record_count;
    uint64_t number = UINT64_MAX;
    int saved = errno;
    (void)signal;
    if (pread(handler_fd, handler_buffer, RECORD_BYTES,
              (off_t)(want * RECORD_BYTES)) == RECORD_BYTES) {
        memcpy(&number, handler_buffer, sizeof(number));
    }
    wrong += number != want;
    handled++;
    errno = saved;
}

static void read_in_order(const char *path, int passes)
{
    uint8_t *buffer = malloc(RECORD_BYTES);
    for (int pass = 0; pass < passes; pass++) {
        int fd = open(path, O_RDONLY);
        for (uint64_t i = 0; i < record_count; i++) {
            uint64_t number = UINT64_MAX;
            errno = 1234;
            if (read(fd, buffer, RECORD_BYTES) == RECORD_BYTES) {
                memcpy(&number, buffer, sizeof(number));
            }
            wrong += number != i || errno != 1234;
        }
        close(fd);
    }
    free(buffer);
}

static void *read_for_ever(void *path)
{
    static _Thread_local uint8_t buffer[RECORD_BYTES];
    for (;;) {
        int fd = open(path, O_RDONLY);
        int state;
        pthread_cleanup_push((void (*)(void *))(intptr_t)close,
                             (void *)(intptr_t)fd);
        while (read(fd, buffer, RECORD_BYTES) > 0) {
        }
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        pthread_cleanup_pop(1);
        pthread_setcancelstate(state, NULL);
    }
    return NULL;
}

static void cancel_readers(char *path)
{
    const struct timespec moment = {.tv_nsec = 3000000};
    for (int i = 0; i < 40; i++) {
        pthread_t thread;
        void *result = NULL;
        pthread_create(&thread, NULL, read_for_ever, path);
        nanosleep(&moment, NULL);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        wrong += result != PTHREAD_CANCELED;
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_interval = {.tv_usec = 700},
                              .it_value = {.tv_usec = 700}};
    struct itimerval stop = {.it_value = {.tv_sec = 0}};
    if (argc != 3) {
        fprintf(stderr, "usage: handlers FILE RECORDS\n");
        return 2;
    }
    record_count = strtoull(argv[2], NULL, 10);
    handler_fd = open(argv[1], O_RDONLY);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    read_in_order(argv[1], 6);
    setitimer(ITIMER_REAL, &stop, NULL);
    cancel_readers(argv[1]);
    printf("%" PRIu64 " reads in handlers, %" PRIu64 " wrong\n", handled,
           wrong);
    return wrong != 0 || handled == 0;
}
