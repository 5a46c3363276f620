/* SPDX-License-Identifier: MIT
 *
 * reduce.c: what is in a range, as one value: a loop (loop.c) with something in each thread's hands.
 *
 * By default each thread that takes part has one accumulator, and the caller, whose is the result's own
 * memory, adds the others to it when all are over: what is in which, and in which order they come, is chance. Fixed,
 * each range has one of its own, and they are combined as a tree whose shape their number tells: so it
 * does not matter who has run what, nor when. */
#include "parallel/loop.h"

#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/options.h"

enum {
    LEAVES = 256, /* some to each of many workers, and not too much for few indices */
    MOST_LEAVES = 1024
};

struct reduce {
    struct fl_loop_body body;
    const filch_reduction *how;
    void *arg;
};

static void init(const struct reduce *r, void *accumulator)
{
    if (r->how->init != NULL)
        r->how->init(accumulator, r->arg);
    else
        memset(accumulator, 0, r->how->accumulator_bytes);
}

/* ---- one accumulator for each thread ---- */

static int fold_range(const struct fl_loop_body *body, size_t begin, size_t end, void *local)
{
    const struct reduce *r = (const struct reduce *)body;

    return r->how->fold(begin, end, local, r->arg);
}

static void free_block(void **block)
{
    fl_free(*block);
}

static void *enter(const struct fl_loop_body *body)
{
    const struct reduce *r = (const struct reduce *)body;
    void *unfinished fl_cleanup(free_block) = fl_malloc(r->how->accumulator_bytes);
    void *local = unfinished;

    if (local != NULL)
        init(r, local);
    unfinished = NULL;
    return local;
}

static void leave(const struct fl_loop_body *body, void *local, bool is_abandoned)
{
    const struct reduce *r = (const struct reduce *)body;
    void *mine fl_cleanup(free_block) = local;

    if (!is_abandoned)
        r->how->combine(body->local, mine, r->arg);
}

static int reduce_any(filch_executor *ex, size_t begin, size_t end, struct reduce *r)
{
    r->body.range = fold_range;
    r->body.enter = enter;
    r->body.leave = leave;
    return fl_loop_run(ex, begin, end, r->how->grain, r->how->token, &r->body);
}

/* ---- one for each range ---- */

struct fixed {
    struct reduce reduce;
    size_t begin;
    size_t unit;
    size_t n;      /* leaves */
    size_t stride; /* from one to the next: a line, so that no two threads write to the same */
    char *
        leaves; /* but for the first, which is the result's memory; each begins with its accumulator */
    bool *is_there;
};

static void *leaf(const struct fixed *x, size_t i)
{
    return i == 0 ? x->reduce.body.local : x->leaves + (i - 1) * x->stride;
}

static int fold_leaf(const struct fl_loop_body *body, size_t begin, size_t end, void *local)
{
    const struct fixed *x = (const struct fixed *)body;
    size_t i = (begin - x->begin) / x->unit;

    (void)local;
    if (i != 0)
        init(&x->reduce, leaf(x, i));
    x->is_there[i] = true;
    return x->reduce.how->fold(begin, end, leaf(x, i), x->reduce.arg);
}

static void combine(const struct fixed *x, size_t left, size_t right)
{
    x->reduce.how->combine(leaf(x, left), leaf(x, right), x->reduce.arg);
}

static void combine_all(const struct fixed *x)
{
    for (size_t step = 1; step < x->n; step *= 2) {
        for (size_t i = 0; i + step < x->n; i += 2 * step)
            combine(x, i, i + step);
    }
}

/* After a failure: nothing that was made is lost. */
static void combine_what_is_there(const struct fixed *x)
{
    for (size_t i = 1; i < x->n; i++) {
        if (x->is_there[i])
            combine(x, 0, i);
    }
}

static int reduce_fixed(filch_executor *ex, size_t begin, size_t end, const struct reduce *r)
{
    size_t grain = r->how->grain != 0 ? r->how->grain : 1;
    size_t most = r->how->grain != 0 ? MOST_LEAVES : LEAVES;
    struct fixed x = {.reduce = *r, .begin = begin};
    size_t bytes;
    int status;

    x.n = (end - begin) / grain + ((end - begin) % grain != 0);
    x.unit = grain * (x.n / most + (x.n % most != 0));
    if (begin == end)
        x.unit = 1;
    x.n = (end - begin) / x.unit + ((end - begin) % x.unit != 0);
    if (__builtin_add_overflow(r->how->accumulator_bytes, (size_t)FL_LINE - 1, &x.stride))
        return FILCH_ENOMEM;
    x.stride -= x.stride % FL_LINE;
    if (__builtin_mul_overflow(x.stride, x.n, &bytes) ||
        __builtin_add_overflow(bytes, x.n + 1, &bytes))
        return FILCH_ENOMEM;

    void *block fl_cleanup(free_block) = fl_malloc(bytes); /* never 0 */
    if (block == NULL)
        return FILCH_ENOMEM;
    x.leaves = block;
    x.is_there = (bool *)(x.leaves + x.stride * x.n);
    memset(x.is_there, 0, x.n);
    x.reduce.body.range = fold_leaf;
    status = fl_loop_run(ex, begin, end, x.unit, r->how->token, &x.reduce.body);
    if (status == 0)
        combine_all(&x);
    else if (status != FILCH_EFORKED)
        combine_what_is_there(&x);
    return status;
}

int filch_parallel_reduce(filch_executor *ex, size_t begin, size_t end,
                          const filch_reduction *reduction, void *accumulator, void *arg)
{
    filch_reduction how;
    int status;

    if (ex == NULL || reduction == NULL || accumulator == NULL || begin > end)
        return FILCH_EINVAL;
    status = fl_options_complete(&how, sizeof how, reduction, reduction->size);
    if (status != 0)
        return status;
    if (how.accumulator_bytes == 0 || how.fold == NULL || how.combine == NULL ||
        (how.flags & ~(unsigned)FILCH_REDUCE_FIXED) != 0)
        return FILCH_EINVAL;

    struct reduce r = {{.local = accumulator}, &how, arg};
    init(&r, accumulator);
    return (how.flags & FILCH_REDUCE_FIXED) != 0 ? reduce_fixed(ex, begin, end, &r)
                                                 : reduce_any(ex, begin, end, &r);
}
