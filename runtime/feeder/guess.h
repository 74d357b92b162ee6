/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are expected to be opened: so many, of so many bytes, and each
 * for a while. Threads: fg-feed alone, under the feeder's mutex.
 */
#ifndef FGI_FEEDER_GUESS_H
#define FGI_FEEDER_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/clock.h"
#include "runtime/feeder/files.h"

#define FGI_GUESSES 256u /* at a time */
#define FGI_GUESS_BYTES (UINT64_C(64) << 20)
/* A file that was not opened for so long was expected wrongly. */
#define FGI_GUESS_NS (10 * FGI_NS_PER_S)

struct fgi_guess {
    uint32_t file_id; /* 0: free */
    uint64_t bytes;
    uint64_t asked_ns;
};

/* All of them; zeroed is empty. */
struct fgi_guesses {
    struct fgi_guess places[FGI_GUESSES];
    uint64_t bytes;      /* sum */
    uint64_t expired_ns; /* when old ones were last looked for */
    uint32_t count;
    uint32_t place; /* the next one is there, or after that */
};

/* The guess that it will be opened, or NULL. */
struct fgi_guess *fgi_guess_of(struct fgi_guesses *guesses,
                               const struct fgi_record *record);

/* Expect it; so many bytes of it are made ready. False: it is expected
 * already, or there is no place. */
bool fgi_guess_add(struct fgi_guesses *guesses, struct fgi_record *record,
                   uint64_t bytes, uint64_t now_ns);

/* It was opened. False: it was not expected. */
bool fgi_guess_settle(struct fgi_guesses *guesses, struct fgi_record *record);

/* Forget those that were not opened for too long. */
void fgi_guess_expire(struct fgi_guesses *guesses, uint64_t now_ns);

/* How many more there may be when `asking` are being looked at. */
uint32_t fgi_guess_room(const struct fgi_guesses *guesses, uint32_t asking);

#endif /* FGI_FEEDER_GUESS_H */
