/* SPDX-License-Identifier: Apache-2.0 */
/* See predict.h. */
#include "runtime/feeder/predict.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/math.h"
#include "runtime/base/mem.h"
#include "runtime/feeder/board.h"

/* "Shortly before": workers of a program are that many opens apart. */
#define OPENS_NEAR 64

static uint32_t hash_of(const char *name)
{
    uint64_t hash = 0;

    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    }
    return (uint32_t)fgi_board_hash(hash);
}

/* qsort_r's comparison is of what it sorts: numbers, by their texts. */
static int compare(const void *a, const void *b, void *context)
{
    const struct fgi_listing *listing = context;

    return strcmp(fgi_listing_name(listing, *(const uint32_t *)a),
                  fgi_listing_name(listing, *(const uint32_t *)b));
}

static void fill_table(struct fgi_listing *listing)
{
    for (uint32_t i = 0; i < listing->count; i++) {
        uint32_t at =
            hash_of(fgi_listing_name(listing, i)) & listing->table_mask;

        while (listing->table[at] != 0) {
            at = (at + 1) & listing->table_mask;
        }
        listing->table[at] = i + 1;
    }
}

static void fill_orders(struct fgi_listing *listing)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < listing->count; i++) {
        listing->known[i].at = at;
        listing->sorted[i] = i;
        at += (uint32_t)strlen(listing->names + at) + 1;
    }
    qsort_r(listing->sorted, listing->count, sizeof(*listing->sorted), compare,
            listing);
    for (uint32_t i = 0; i < listing->count; i++) {
        listing->known[listing->sorted[i]].rank = i;
    }
}

bool fgi_listing_init(struct fgi_listing *listing, char *names, uint32_t count)
{
    uint64_t size = fgi_round_up_power((uint64_t)count * 2 + 1);

    memset(listing, 0, sizeof(*listing));
    listing->names = names;
    listing->known = fgi_alloc((size_t)count + 1, sizeof(*listing->known));
    listing->sorted = fgi_alloc((size_t)count + 1, sizeof(*listing->sorted));
    listing->table = fgi_alloc(size, sizeof(*listing->table));
    if (listing->known == NULL || listing->sorted == NULL ||
        listing->table == NULL) {
        fgi_listing_fini(listing);
        return false;
    }
    listing->table_mask = (uint32_t)size - 1;
    listing->count = count;
    fill_orders(listing);
    fill_table(listing);
    return true;
}

void fgi_listing_fini(struct fgi_listing *listing)
{
    fgi_free(listing->names);
    fgi_free(listing->known);
    fgi_free(listing->sorted);
    fgi_free(listing->table);
    memset(listing, 0, sizeof(*listing));
}

uint32_t fgi_listing_find(const struct fgi_listing *listing, const char *name)
{
    uint32_t at = hash_of(name) & listing->table_mask;

    while (listing->count > 0 && listing->table[at] != 0) {
        uint32_t number = listing->table[at] - 1;

        if (strcmp(fgi_listing_name(listing, number), name) == 0) {
            return number;
        }
        at = (at + 1) & listing->table_mask;
    }
    return FGI_NO_NAME;
}

const char *fgi_listing_name(const struct fgi_listing *listing, uint32_t number)
{
    return listing->names + listing->known[number].at;
}

/* Where a name stands in an order, and the name that stands somewhere. */
static uint32_t place_of(const struct fgi_listing *listing,
                         enum fgi_order_kind order, uint32_t number)
{
    return order == FGI_ORDER_SORTED ? listing->known[number].rank : number;
}

static uint32_t name_at(const struct fgi_listing *listing,
                        enum fgi_order_kind order, uint32_t place)
{
    return order == FGI_ORDER_SORTED ? listing->sorted[place] : place;
}

static bool is_opened_within(const struct fgi_listing *listing, uint32_t number,
                             uint32_t opens)
{
    uint32_t opened = listing->known[number].opened;

    return opened != 0 && listing->opens - opened < opens;
}

void fgi_listing_open(struct fgi_listing *listing, uint32_t number)
{
    for (uint32_t order = 0; order < FGI_ORDERS; order++) {
        uint32_t place = place_of(listing, order, number);

        /* The first one follows nobody, and says nothing. */
        if (place > 0) {
            uint32_t before = name_at(listing, order, place - 1);

            listing->scores[order] =
                fgi_score_step(listing->scores[order],
                               is_opened_within(listing, before, OPENS_NEAR));
        }
    }
    listing->opens++;
    listing->known[number].opened = listing->opens;
}

bool fgi_listing_order(const struct fgi_listing *listing,
                       enum fgi_order_kind *order)
{
    *order =
        listing->scores[FGI_ORDER_SORTED] > listing->scores[FGI_ORDER_FOLDER]
            ? FGI_ORDER_SORTED
            : FGI_ORDER_FOLDER;
    return listing->scores[*order] >= FGI_SCORE_BELIEVED;
}

bool fgi_listing_expect(struct fgi_listing *listing, uint32_t number)
{
    struct fgi_name *name = &listing->known[number];
    bool is_open_due = name->asked != 0 && name->opened < name->asked;

    /* An epoch is that many opens; what was opened in this one is done. An
     * expectation that did not come true in an epoch is forgotten. */
    if (is_open_due && listing->opens - name->asked < listing->count) {
        return false;
    }
    if (is_opened_within(listing, number, listing->count / 2 + 1)) {
        return false;
    }
    name->asked = listing->opens + 1;
    return true;
}

uint32_t fgi_listing_after(const struct fgi_listing *listing,
                           enum fgi_order_kind order, uint32_t number)
{
    uint32_t place = place_of(listing, order, number);

    return place + 1 < listing->count ? name_at(listing, order, place + 1)
                                      : FGI_NO_NAME;
}

uint32_t fgi_listing_next(struct fgi_listing *listing,
                          enum fgi_order_kind order, uint32_t number,
                          uint32_t reach, uint32_t *next, uint32_t room)
{
    uint32_t place = place_of(listing, order, number);
    uint32_t found = 0;

    for (uint32_t i = 1; i <= reach && found < room; i++) {
        uint32_t name;

        if (listing->count - place <= i) {
            break;
        }
        name = name_at(listing, order, place + i);
        if (fgi_listing_expect(listing, name)) {
            next[found++] = name;
        }
    }
    return found;
}
