/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the known word that is nearest to a misspelt one. */
#ifndef TOOL_SUGGEST_H
#define TOOL_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *given; /* what was typed; borrowed */
    const char *word;  /* nearest so far, or NULL when none is near */
    size_t distance;   /* edits from given to word */
};

void suggest_init(struct suggestion *suggestion, const char *given);

/* Keep `word` (borrowed) if it is nearer than the ones before. */
void suggest_offer(struct suggestion *suggestion, const char *word);

#endif /* TOOL_SUGGEST_H */
