/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/topology/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/mem.h"

/* Compare two runs of digits of any length; both move behind theirs. */
static int compare_digits(const char **a, const char **b)
{
    size_t a_length;
    size_t b_length;
    int order;

    *a += strspn(*a, "0");
    *b += strspn(*b, "0");
    a_length = strspn(*a, "0123456789");
    b_length = strspn(*b, "0123456789");
    order = a_length != b_length ? (a_length < b_length ? -1 : 1)
                                 : strncmp(*a, *b, a_length);
    *a += a_length;
    *b += b_length;
    return order;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int fgi_names_compare(const char *a, const char *b)
{
    const char *a_start = a;
    const char *b_start = b;

    while (*a != '\0' && *b != '\0') {
        if (is_digit(*a) && is_digit(*b)) {
            int order = compare_digits(&a, &b);

            if (order != 0) {
                return order;
            }
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    if (*a == *b) {
        return strcmp(a_start, b_start); /* "01" and "1" */
    }
    return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int compare_entries(const void *a, const void *b)
{
    return fgi_names_compare(*(char *const *)a, *(char *const *)b);
}

static enum fg_status add(struct fgi_names *names, const char *name,
                          const char *path, struct fg_error *err)
{
    if (names->count == FGI_NAMES_MAX) {
        return fgi_fail(err, FG_ERR_DAMAGED, "%s: list: more than %u names",
                        path, FGI_NAMES_MAX);
    }
    /* Grown at powers of two. */
    if ((names->count & (names->count - 1)) == 0) {
        size_t room = names->count == 0 ? 1 : 2 * names->count;
        char **grown = fgi_grow(names->list, room, sizeof(*grown));

        if (grown == NULL) {
            return fgi_fail(err, FG_ERR_MEMORY, "%s: list", path);
        }
        names->list = grown;
    }
    names->list[names->count] = fgi_strdup(name);
    if (names->list[names->count] == NULL) {
        return fgi_fail(err, FG_ERR_MEMORY, "%s: list", path);
    }
    names->count++;
    return FG_OK;
}

enum fg_status fgi_names_read(struct fgi_names *names, int fd, const char *path,
                              struct fg_error *err)
{
    enum fg_status status = FG_OK;
    struct dirent *entry;
    DIR *folder = fdopendir(fd);

    if (folder == NULL) {
        status = fgi_fail_errno(err, errno, "%s: list", path);
        close(fd);
        return status;
    }
    do {
        errno = 0;
        entry = readdir(folder);
        if (entry == NULL && errno != 0) {
            status = fgi_fail_errno(err, errno, "%s: list", path);
        } else if (entry != NULL && strcmp(entry->d_name, ".") != 0 &&
                   strcmp(entry->d_name, "..") != 0) {
            status = add(names, entry->d_name, path, err);
        }
    } while (entry != NULL && status == FG_OK);
    closedir(folder);
    if (names->count > 1) {
        qsort(names->list, names->count, sizeof(*names->list), compare_entries);
    }
    return status;
}

void fgi_names_fini(struct fgi_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        fgi_free(names->list[i]);
    }
    fgi_free(names->list);
    names->list = NULL;
    names->count = 0;
}
