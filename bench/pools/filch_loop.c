/* SPDX-License-Identifier: MIT
 *
 * filch_loop.c: loops by filch's means: the range is cut by hand into eight pieces for each worker, which are
 * submitted as one batch and waited for in turn. */
#include "pools/filch.h"
#include "work/loop.h"

#include <filch/filch.h>

enum {
    CUTS = 8, /* for each worker */
    MOST_CUTS = 512
};

struct cut {
    size_t begin;
    size_t end;
    struct piece *of;
};

static int cheap_cut(void *arg, void **result)
{
    const struct cut *c = arg;

    *result = NULL;
    for (size_t i = c->begin; i < c->end; i++)
        c->of->data[i] = loop_cheap_element(i);
    return 0;
}

static int uneven_cut(void *arg, void **result)
{
    const struct cut *c = arg;

    *result = NULL;
    for (size_t i = c->begin; i < c->end; i++)
        c->of->data[i] = loop_uneven_element(i, c->of->n);
    return 0;
}

static int sum_cut(void *arg, void **result)
{
    const struct cut *c = arg;
    uint64_t sum = 0;

    for (size_t i = c->begin; i < c->end; i++)
        sum += loop_term(i);
    *result = (void *)(uintptr_t)sum;
    return 0;
}

static void in_cuts(filch_executor *ex, filch_task_fn *fn, struct piece *piece)
{
    struct cut cuts[MOST_CUTS];
    filch_future *futures[MOST_CUTS];
    void *args[MOST_CUTS] = {NULL};
    size_t n = (size_t)filch_executor_workers(ex) * CUTS;

    for (size_t i = 0; i < n; i++) {
        cuts[i] =
            (struct cut){.begin = piece->n * i / n, .end = piece->n * (i + 1) / n, .of = piece};
        args[i] = &cuts[i];
    }
    bench_must(filch_submit_batch(ex, fn, args, n, futures), "submit_batch");
    for (size_t i = 0; i < n; i++) {
        void *result;

        bench_must(filch_future_result(futures[i], FILCH_FOREVER, &result), "result");
        piece->result += (uintptr_t)result;
        filch_future_release(futures[i]);
    }
}

static void cheap(void *pool, struct piece *piece)
{
    in_cuts(pool, cheap_cut, piece);
}

static void uneven(void *pool, struct piece *piece)
{
    in_cuts(pool, uneven_cut, piece);
}

static void sum(void *pool, struct piece *piece)
{
    in_cuts(pool, sum_cut, piece);
}

const struct loop_kernels filch_loop_kernels = {cheap, uneven, sum};
