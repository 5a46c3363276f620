/* SPDX-License-Identifier: MIT
 *
 * filch_loop.c: loops by filch's means (filch/loop.h), with no grain named. */
#include "pools/filch.h"
#include "work/loop.h"

#include <filch/filch.h>

static int cheap_range(size_t begin, size_t end, void *arg)
{
    const struct piece *piece = arg;

    for (size_t i = begin; i < end; i++)
        piece->data[i] = loop_cheap_element(i);
    return 0;
}

static int uneven_range(size_t begin, size_t end, void *arg)
{
    const struct piece *piece = arg;

    for (size_t i = begin; i < end; i++)
        piece->data[i] = loop_uneven_element(i, piece->n);
    return 0;
}

static int fold_sum(size_t begin, size_t end, void *accumulator, void *arg)
{
    uint64_t sum = 0;

    (void)arg;
    for (size_t i = begin; i < end; i++)
        sum += loop_term(i);
    *(uint64_t *)accumulator += sum;
    return 0;
}

static void combine_sums(void *left, void *right, void *arg)
{
    (void)arg;
    *(uint64_t *)left += *(const uint64_t *)right;
}

static void cheap(void *pool, struct piece *piece)
{
    bench_must(filch_parallel_for(pool, 0, piece->n, 0, cheap_range, piece), "a loop");
}

static void uneven(void *pool, struct piece *piece)
{
    bench_must(filch_parallel_for(pool, 0, piece->n, 0, uneven_range, piece), "a loop");
}

static void sum(void *pool, struct piece *piece)
{
    const filch_reduction how = {.size = sizeof how,
                                 .accumulator_bytes = sizeof piece->result,
                                 .fold = fold_sum,
                                 .combine = combine_sums};

    bench_must(filch_parallel_reduce(pool, 0, piece->n, &how, &piece->result, piece), "a sum");
}

const struct loop_kernels filch_loop_kernels = {cheap, uneven, sum};
