/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sharers FILE RECORDS: processes and threads that share one descriptor read
 * records of 64 KiB from it. The kernel gives each record to exactly one of
 * them; so must the shim. Record i begins with i, eight bytes.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_BYTES 65536
#define PROCESSES 3
#define THREADS 2

static _Atomic uint32_t *taken; /* shared: how often each record was read */
static uint64_t record_count;
static int shared_fd;

static void *take(void *unused)
{
    uint8_t *buffer = malloc(RECORD_BYTES);
    (void)unused;
    for (;;) {
        uint64_t number;
        ssize_t got = read(shared_fd, buffer, RECORD_BYTES);
        if (got == 0) {
            break;
        }
        memcpy(&number, buffer, sizeof(number));
        if (got != RECORD_BYTES || number >= record_count) {
            printf("got %zd bytes, record %" PRIu64 "\n", got, number);
            break;
        }
        atomic_fetch_add(&taken[number], 1);
    }
    free(buffer);
    return NULL;
}

static void take_in_threads(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, take, NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(int argc, char **argv)
{
    uint64_t wrong = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: sharers FILE RECORDS\n");
        return 2;
    }
    record_count = strtoull(argv[2], NULL, 10);
    taken = mmap(NULL, record_count * sizeof(*taken), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared_fd = open(argv[1], O_RDONLY);
    if (taken == MAP_FAILED || shared_fd < 0) {
        perror(argv[1]);
        return 2;
    }
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            take_in_threads();
            return 0;
        }
    }
    while (wait(NULL) > 0) {
    }
    for (uint64_t i = 0; i < record_count; i++) {
        wrong += atomic_load(&taken[i]) != 1;
    }
    printf("%" PRIu64 " records, %" PRIu64 " not read exactly once\n",
           record_count, wrong);
    return wrong != 0;
}
