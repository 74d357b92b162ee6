/* SPDX-License-Identifier: Apache-2.0 */
/* See guess.h. */
#include "runtime/feeder/guess.h"

#include <stddef.h>

#include "runtime/base/math.h"
#include "runtime/feeder/pattern.h"

#define EXPIRE_NS FGI_NS_PER_S /* how often old ones are looked for */

static void end_guess(struct fgi_guesses *guesses, struct fgi_guess *guess)
{
    guesses->bytes -= guess->bytes;
    guesses->count--;
    *guess = (struct fgi_guess){0};
}

struct fgi_guess *fgi_guess_of(struct fgi_guesses *guesses,
                               const struct fgi_record *record)
{
    struct fgi_guess *guess;

    if (record->guess == 0) {
        return NULL;
    }
    guess = &guesses->places[record->guess - 1];
    return guess->file_id == record->id ? guess : NULL;
}

/* They are settled much as they were made: the next place is soon free. */
bool fgi_guess_add(struct fgi_guesses *guesses, struct fgi_record *record,
                   uint64_t bytes, uint64_t now_ns)
{
    struct fgi_guess *guess;

    if (fgi_guess_of(guesses, record) != NULL ||
        guesses->count == FGI_GUESSES) {
        return false;
    }
    do {
        guess = &guesses->places[guesses->place];
        guesses->place = (guesses->place + 1) % FGI_GUESSES;
    } while (guess->file_id != 0);
    record->guess = (uint32_t)(guess - guesses->places) + 1;
    *guess = (struct fgi_guess){
        .file_id = record->id,
        .bytes = bytes,
        .asked_ns = now_ns,
    };
    guesses->bytes += guess->bytes;
    guesses->count++;
    return true;
}

bool fgi_guess_settle(struct fgi_guesses *guesses, struct fgi_record *record)
{
    struct fgi_guess *guess = fgi_guess_of(guesses, record);

    record->guess = 0;
    if (guess == NULL) {
        return false;
    }
    end_guess(guesses, guess);
    return true;
}

void fgi_guess_expire(struct fgi_guesses *guesses, uint64_t now_ns)
{
    if (now_ns - guesses->expired_ns < EXPIRE_NS) {
        return;
    }
    guesses->expired_ns = now_ns;
    for (uint32_t i = 0; i < FGI_GUESSES; i++) {
        if (guesses->places[i].file_id != 0 &&
            now_ns - guesses->places[i].asked_ns > FGI_GUESS_NS) {
            end_guess(guesses, &guesses->places[i]);
        }
    }
}

uint32_t fgi_guess_room(const struct fgi_guesses *guesses, uint32_t asking)
{
    uint32_t used = guesses->count + asking;

    return used >= FGI_GUESSES || guesses->bytes >= FGI_GUESS_BYTES
               ? 0
               : FGI_GUESSES - used;
}
