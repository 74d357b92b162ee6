/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nearness is the number of letters to insert, remove, change or swap with the
 * next. A word counts as near when that is at most a third of its letters, or
 * one.
 */
#include "suggest.h"

#include <stdbool.h>
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
    static size_t edits[WORD_MAX + 1][WORD_MAX + 1];
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length > WORD_MAX || b_length > WORD_MAX) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i <= a_length; i++) {
        for (size_t j = 0; j <= b_length; j++) {
            if (i == 0 || j == 0) {
                edits[i][j] = i + j;
                continue;
            }
            bool is_same = a[i - 1] == b[j - 1];
            edits[i][j] = smallest(edits[i - 1][j] + 1, edits[i][j - 1] + 1,
                                   edits[i - 1][j - 1] + (is_same ? 0 : 1));
            bool is_swapped =
                i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swapped && edits[i - 2][j - 2] + 1 < edits[i][j]) {
                edits[i][j] = edits[i - 2][j - 2] + 1;
            }
        }
    }
    return edits[a_length][b_length];
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
