/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/stage.h"

#include <assert.h>
#include <stddef.h>

#include "runtime/base/math.h"

void fgi_stage_init(struct fgi_stage *stage, void *base, uint64_t bytes)
{
    assert(bytes % FGI_STAGE_ALIGN == 0);
    stage->base = base;
    stage->bytes = bytes;
    stage->head = 0;
    stage->tail = 0;
}

void *fgi_stage_take(struct fgi_stage *stage, uint64_t bytes, uint64_t *mark)
{
    uint64_t size = fgi_align_up(bytes, FGI_STAGE_ALIGN);
    uint64_t tail;
    uint64_t place;

    if (size > stage->bytes) {
        return NULL;
    }
    if (stage->head == stage->tail) {
        stage->head = 0;
        stage->tail = 0;
    }
    tail = stage->tail;
    place = tail % stage->bytes;
    if (place + size > stage->bytes) {
        tail += stage->bytes - place; /* what is left at the end is skipped */
        place = 0;
    }
    if (tail + size - stage->head > stage->bytes) {
        return NULL;
    }
    stage->tail = tail + size;
    *mark = stage->tail;
    return stage->base + place;
}

void fgi_stage_release(struct fgi_stage *stage, uint64_t mark)
{
    assert(mark >= stage->head && mark <= stage->tail);
    stage->head = mark;
}
