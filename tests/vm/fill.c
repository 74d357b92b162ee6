/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill NODE LEAVE_MIB: take a node's free memory but for so much, print
 * "filled", and keep it until killed. Prefers the node and takes what was free
 * at the start, so that nobody is killed for it.
 */
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP (4ul << 20)

static unsigned long free_kib(int node)
{
    char path[96];
    char line[128];
    unsigned long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo",
             node);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "Node %*d MemFree: %lu", &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

int main(int argc, char **argv)
{
    int node = argc > 1 ? atoi(argv[1]) : 0;
    unsigned long leave_kib = argc > 2 ? strtoul(argv[2], NULL, 10) << 10 : 0;
    unsigned long mask = 1ul << node;

    for (unsigned long kib = free_kib(node); kib > leave_kib + (STEP >> 10);
         kib -= STEP >> 10) {
        void *at = mmap(NULL, STEP, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (at == MAP_FAILED ||
            mbind(at, STEP, MPOL_PREFERRED, &mask, 64, 0) != 0) {
            perror("fill");
            return 1;
        }
        memset(at, 1, STEP);
    }
    puts("filled");
    fflush(stdout);
    pause();
    return 0;
}
