/* SPDX-License-Identifier: Apache-2.0 */
/* Reads linked by `next`, oldest first: the engines' queue. */
#ifndef FGI_IO_LIST_H
#define FGI_IO_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "io/engine.h"

/* Storage is the owner's; it must not move, `last` may point into it. */
struct fgi_read_list {
    struct fgi_read *first; /* oldest, or NULL */
    struct fgi_read **last; /* where the next one is linked */
};

static inline void fgi_read_list_init(struct fgi_read_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static inline bool fgi_read_list_is_empty(const struct fgi_read_list *list)
{
    return list->first == NULL;
}

static inline void fgi_read_list_put(struct fgi_read_list *list,
                                     struct fgi_read *read)
{
    read->next = NULL;
    *list->last = read;
    list->last = &read->next;
}

/* The oldest, which leaves; or NULL. */
static inline struct fgi_read *fgi_read_list_take(struct fgi_read_list *list)
{
    struct fgi_read *read = list->first;

    if (read != NULL) {
        list->first = read->next;
        if (list->first == NULL) {
            list->last = &list->first;
        }
    }
    return read;
}

/* Put all of `from` behind the last of `list`. */
static inline void fgi_read_list_move(struct fgi_read_list *list,
                                      struct fgi_read_list *from)
{
    if (!fgi_read_list_is_empty(from)) {
        *list->last = from->first;
        list->last = from->last;
        fgi_read_list_init(from);
    }
}

/* Take up to `room` into an array; returns how many. */
static inline size_t fgi_read_list_take_all(struct fgi_read_list *list,
                                            struct fgi_read **done, size_t room)
{
    size_t count = 0;

    while (count < room && !fgi_read_list_is_empty(list)) {
        done[count++] = fgi_read_list_take(list);
    }
    return count;
}

#endif /* FGI_IO_LIST_H */
