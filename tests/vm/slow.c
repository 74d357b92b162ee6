/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow FILE MS: copies a file to its standard output, and takes so many
 * milliseconds for each 256 KiB: time to be read ahead for. The guest's own
 * programs are static, and so are not seen.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char buffer[256 << 10];
    unsigned pause_us = argc == 3 ? (unsigned)atoi(argv[2]) * 1000 : 0;
    int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = -1;

    while (fd >= 0 && (got = read(fd, buffer, sizeof(buffer))) > 0) {
        if (write(STDOUT_FILENO, buffer, (size_t)got) != got) {
            return 1;
        }
        usleep(pause_us);
    }
    return got == 0 ? 0 : 1;
}
