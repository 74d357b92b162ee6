/* SPDX-License-Identifier: Apache-2.0 */
/* See vain.h. */
#include "runtime/feeder/vain.h"

#define RUN_MIN 32u /* before most are left out */
#define SKIP 2u     /* then one of so many is done; programs skip too */

bool fgi_vain_is_all(const struct fgi_vain *vain)
{
    return vain->run >= RUN_MIN;
}

bool fgi_vain_may_look(struct fgi_vain *vain, enum fgi_vain_kind kind)
{
    return !fgi_vain_is_all(vain) || vain->skipped[kind]++ % SKIP == SKIP - 1;
}

void fgi_vain_note(struct fgi_vain *vain, bool is_vain)
{
    if (!is_vain) {
        vain->run = 0;
    } else if (vain->run < RUN_MIN) {
        vain->run++;
    }
}
