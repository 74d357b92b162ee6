/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold NODE MIB THREADS [huge|churn]: a program to be moved. Takes memory on a
 * node, without leaving a policy on it, starts threads, prints "holding", and
 * waits until killed. huge: in huge pages of 2 MiB. churn: each thread starts
 * the next and ends.
 */
#include <numaif.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_churning;

static void *run(void *context)
{
    pthread_t next;
    pthread_attr_t detached;

    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (is_churning) {
        usleep(1000);
        if (pthread_create(&next, &detached, run, context) == 0) {
            return NULL;
        }
    }
    for (;;) {
        pause();
    }
}

int main(int argc, char **argv)
{
    unsigned long mask = argc > 1 ? 1ul << atoi(argv[1]) : 1;
    size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) << 20 : 0;
    int threads = argc > 3 ? atoi(argv[3]) : 1;
    const char *kind = argc > 4 ? argv[4] : "";
    pthread_t thread;
    void *at;

    is_churning = strcmp(kind, "churn") == 0;
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS |
                  (strcmp(kind, "huge") == 0 ? MAP_HUGETLB : 0),
              -1, 0);
    if (at == MAP_FAILED || set_mempolicy(MPOL_BIND, &mask, 64) != 0) {
        perror("hold");
        return 1;
    }
    memset(at, 1, bytes);
    set_mempolicy(MPOL_DEFAULT, NULL, 0);
    for (int i = 1; i < threads; i++) {
        if (pthread_create(&thread, NULL, run, NULL) != 0) {
            perror("hold");
            return 1;
        }
    }
    puts("holding");
    fflush(stdout);
    for (;;) {
        pause();
    }
}
