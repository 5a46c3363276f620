/* SPDX-License-Identifier: MIT
 *
 * parallel/loops.h: what the tests of loops have in common: indices that count how often they were given, and
 * workers of whom it is known that they have nothing to do. */
#ifndef FL_TESTS_PARALLEL_LOOPS_H
#define FL_TESTS_PARALLEL_LOOPS_H

#include "sched/work.h"

/* Plain: whoever has run the loop knows what its ranges did. */
struct indices {
    size_t begin;
    size_t n;
    uint32_t *times;
    size_t grain; /* of each range but the last; 0: any */
};

static inline struct indices indices_new(size_t begin, size_t n)
{
    struct indices x = {begin, n, calloc(n + 1, sizeof *x.times), 0};

    test_check(x.times != NULL);
    return x;
}

static inline int count_each(size_t begin, size_t end, void *arg)
{
    struct indices *x = arg;

    test_check(begin < end && begin >= x->begin && end <= x->begin + x->n);
    if (x->grain != 0) {
        test_check((begin - x->begin) % x->grain == 0);
        test_check(end - begin == x->grain || (end == x->begin + x->n && end - begin < x->grain));
    }
    for (size_t i = begin; i < end; i++)
        x->times[i - x->begin]++;
    return 0;
}

/* Each index was given so often; and gives the counts back. */
static inline void indices_check(struct indices *x, uint32_t times)
{
    for (size_t i = 0; i < x->n; i++)
        test_check(x->times[i] == times);
    free(x->times);
}

/* Returns when so many workers have gone to sleep, each for the first time. */
static inline void await_asleep(filch_executor *ex, uint64_t n)
{
    while (stats_of(ex).parks < n)
        sched_yield();
}

/* Calls fn from outside and as a task of ex. */
static inline void from_both(filch_executor *ex, filch_task_fn *fn)
{
    void *result;

    test_check(fn(ex, &result) == 0);
    test_check(finish(submit(ex, fn, ex)) == 0);
}

#endif /* FL_TESTS_PARALLEL_LOOPS_H */
