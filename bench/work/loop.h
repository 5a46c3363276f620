/* SPDX-License-Identifier: MIT
 *
 * loop.h: the elements of the loops, for each pool to compile into loops of its own; C and C++. */
#ifndef FL_BENCH_WORK_LOOP_H
#define FL_BENCH_WORK_LOOP_H

#include "pools/pool.h"

#include <stddef.h>
#include <stdint.h>

/* The same for every compiler: none knows the value any more, and takes several elements at once or
 * several steps of one. Otherwise it is compilers that are compared. */
#define LOOP_OPAQUE(x) __asm__ __volatile__("" : "+r"(x))

/* A cheap element: three instructions. */
static inline int loop_cheap_element(size_t i)
{
    LOOP_OPAQUE(i);
    return (int)(i * 3 + 1);
}

static inline uint64_t loop_term(size_t i)
{
    LOOP_OPAQUE(i);
    return (i ^ (i >> 3)) + 1;
}

/* An uneven element: the last of n takes a hundred times as long as the first. */
static inline int loop_uneven_element(size_t i, size_t n)
{
    uint64_t x = i;
    size_t turns = 50 + 5000 * i / n;

    for (size_t k = 0; k < turns; k++) {
        LOOP_OPAQUE(x);
        x = x * 6364136223846793005U + 1442695040888963407U;
    }
    return (int)(x >> 40);
}

#endif /* FL_BENCH_WORK_LOOP_H */
