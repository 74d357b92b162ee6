/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file of a folder is opened next. Pure: names in, numbers out.
 *
 * Two orders are watched: the folder's own (as readdir gives it) and the
 * sorted one. A file follows an order if the one before it in that order was
 * opened shortly before: not just before, since several workers may walk at
 * different places of it. An order that is followed often is believed, and
 * the files after each opened one are expected.
 */
#ifndef FGI_FEEDER_PREDICT_H
#define FGI_FEEDER_PREDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FGI_NO_NAME UINT32_MAX
#define FGI_NAMES_MAX (1u << 20) /* of a folder; the rest is not known */
#define FGI_SCORE_MAX 16

enum fgi_order_kind {
    FGI_ORDER_FOLDER = 0, /* as readdir gives the names */
    FGI_ORDER_SORTED,
    FGI_ORDERS,
};

/* What is known of one name. */
struct fgi_name {
    uint32_t at;      /* of its text in names */
    uint32_t rank;    /* its place in the sorted order */
    uint32_t opened;  /* number of its last open; 0: never */
    uint32_t asked;   /* opens so far when it was expected last; 0: never */
    uint64_t next;    /* what the same process opened after it; the
                         caller's, 0: nothing yet */
    uint32_t file_id; /* its record; the caller's */
    uint32_t file_index;
};

/* A folder's names. */
struct fgi_listing {
    char *names;            /* texts, each ended by NUL; owned */
    struct fgi_name *known; /* in the folder's order; owned */
    uint32_t *sorted;       /* numbers of names in sorted order; owned */
    uint32_t *table;        /* hash table of numbers + 1, 0: free; owned */
    uint32_t table_mask;
    uint32_t count;
    uint32_t opens;             /* so far */
    int32_t scores[FGI_ORDERS]; /* 0 .. FGI_SCORE_MAX */
};

/*
 * Make a listing of `count` names, texts behind each other in `names`
 * (consumed, in any case). False: out of memory; the listing is empty then.
 */
bool fgi_listing_init(struct fgi_listing *listing, char *names, uint32_t count);
void fgi_listing_fini(struct fgi_listing *listing);

/* The number of a name, or FGI_NO_NAME. */
uint32_t fgi_listing_find(const struct fgi_listing *listing, const char *name);

const char *fgi_listing_name(const struct fgi_listing *listing,
                             uint32_t number);

/* Take note that a program has opened it. */
void fgi_listing_open(struct fgi_listing *listing, uint32_t number);

/* Whether an order is believed, and which. */
bool fgi_listing_order(const struct fgi_listing *listing,
                       enum fgi_order_kind *order);

/*
 * Up to `room` names that are expected after `number`, of the next `reach` in
 * that order; those that were expected or opened lately are left out, and
 * those given are expected from now on. Returns how many.
 */
uint32_t fgi_listing_next(struct fgi_listing *listing,
                          enum fgi_order_kind order, uint32_t number,
                          uint32_t reach, uint32_t *next, uint32_t room);

/* The name after `number` in that order, or FGI_NO_NAME. */
uint32_t fgi_listing_after(const struct fgi_listing *listing,
                           enum fgi_order_kind order, uint32_t number);

/* Expect a name; false: it was expected or opened lately. */
bool fgi_listing_expect(struct fgi_listing *listing, uint32_t number);

/* The step of a score: up for a hit, further down for a miss. */
static inline int32_t fgi_score_step(int32_t score, bool is_hit)
{
    score += is_hit ? 1 : -2;
    return score < 0 ? 0 : score > FGI_SCORE_MAX ? FGI_SCORE_MAX : score;
}

#define FGI_SCORE_BELIEVED 3

#endif /* FGI_FEEDER_PREDICT_H */
