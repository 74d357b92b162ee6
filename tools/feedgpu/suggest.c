/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nearness is the number of letters to insert, remove or change. A word counts
 * as near when that is at most a third of its letters, and at least one.
 */
#include "suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 32

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length > WORD_MAX || b_length > WORD_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = smallest(row[j] + 1, row[j - 1] + 1, change);
        }
    }
    return row[b_length];
}

void suggest_init(struct suggestion *suggestion, const char *given)
{
    suggestion->given = given;
    suggestion->word = NULL;
    suggestion->distance = SIZE_MAX;
}

void suggest_offer(struct suggestion *suggestion, const char *word)
{
    size_t edits = distance(suggestion->given, word);
    size_t allowed = strlen(word) / 3;
    if (edits <= (allowed > 1 ? allowed : 1) && edits < suggestion->distance) {
        suggestion->word = word;
        suggestion->distance = edits;
    }
}
