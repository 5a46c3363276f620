/* SPDX-License-Identifier: MIT
 *
 * future/blocks.h: how many blocks filch has from malloc for what belongs to no executor: promises,
 * nodes, queues, iterators, continuations. A file that includes it says
 *     link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#ifndef FL_TESTS_FUTURE_BLOCKS_H
#define FL_TESTS_FUTURE_BLOCKS_H

#include "sched/work.h"

static fl_atomic(int64_t) blocks_out;
static counter blocks_asked;

void *__real_fl_malloc(size_t size);
void *__wrap_fl_malloc(size_t size);
void __real_fl_free(void *p);
void __wrap_fl_free(void *p);

void *__wrap_fl_malloc(size_t size)
{
    void *p = __real_fl_malloc(size);

    count_one(&blocks_asked);
    if (p != NULL)
        fl_add(&blocks_out, 1, relaxed); /* count */
    return p;
}

void __wrap_fl_free(void *p)
{
    if (p != NULL)
        fl_sub(&blocks_out, 1, relaxed); /* count */
    __real_fl_free(p);
}

/* Those out now: exact once no other thread is in the middle of anything. */
static inline int64_t blocks_now(void)
{
    return fl_load(&blocks_out, relaxed); /* count */
}

#endif /* FL_TESTS_FUTURE_BLOCKS_H */
