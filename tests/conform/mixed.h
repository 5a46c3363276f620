/* SPDX-License-Identifier: MIT
 *
 * conform/mixed.h: what stress_mixed.c's futures are of: tasks that do, by chance, all that a task may do, and see to
 * it that what comes of that is what can. */
#ifndef FL_TESTS_CONFORM_MIXED_H
#define FL_TESTS_CONFORM_MIXED_H

#include <filch/filch.h>
#include <filch/fork.h>

#include "harness/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/random.h"

enum {
    SHARED = 8,
    DEPTH = 3, /* of tasks that submit others */
    FAILED = 7,
    ELEMENTS = 300
};

static bool one_in(uint64_t *x, uint32_t n)
{
    return fl_random_below(x, n) == 0;
}

static struct mix {
    filch_executor *ex;
    filch_executor *calls; /* for callbacks: there to the end */
    pthread_mutex_t lock;
    filch_future *shared[SHARED]; /* what others may look at and cancel */
    fl_atomic(uint64_t) told, objects, threads, bytes;
    fl_atomic(uint32_t) is_over, is_gone;
    bool
        may_desert; /* tasks may end their threads: none runs on top of another, whose would end as well */
} mix;

/* ---- what is owned */

static void *object(uint64_t value)
{
    uint64_t *o = malloc(sizeof *o);

    test_check(o != NULL);
    *o = value;
    fl_add(&mix.objects, 1, relaxed); /* settled by the end of the executor, as all counts here */
    return o;
}

static void free_object(void *o, void *arg)
{
    test_check(arg == &mix);
    fl_sub(&mix.objects, 1, relaxed); /* settled by the end of the executor */
    free(o);
}

/* ---- the executor's memory */

static void *take_bytes(void *arg, size_t size, size_t align)
{
    void *p = NULL;

    if (posix_memalign(&p, align < sizeof p ? sizeof p : align, size) != 0)
        return NULL;
    fl_add(&((struct mix *)arg)->bytes, size, relaxed); /* settled by the end of all of it */
    return p;
}

static void give_bytes_back(void *arg, void *p, size_t size, size_t align)
{
    (void)align;
    fl_sub(&((struct mix *)arg)->bytes, size, relaxed); /* settled by the end of all of it */
    free(p);
}

static void be_gone(void *arg)
{
    fl_add(&((struct mix *)arg)->is_gone, 1, release);
}

/* ---- tasks: the argument is a number, of which chance and how deep they are comes */

static int any_task(void *arg, void **result);

static void *argument(uint64_t *x, uint64_t depth)
{
    return (void *)(uintptr_t)((fl_random(x) << 8 & UINT64_MAX >> 8) | 1 << 4 | depth);
}

/* What a task of ours can end as, unless it is of a kind of its own. */
static bool is_fit(int status)
{
    return status == 0 || status == FAILED || status == FILCH_ECANCELED ||
           status == FILCH_EEXPIRED || (mix.may_desert && status == FILCH_EABANDONED);
}

static bool is_refused(int status)
{
    return status == FILCH_ESHUTDOWN;
}

static void await_children(uint64_t *x, uint64_t depth)
{
    filch_future *f[3];
    size_t n = 0;

    for (size_t wanted = 1 + fl_random_below(x, 3); n < wanted; n++) {
        int status = filch_submit(mix.ex, any_task, argument(x, depth), &f[n]);

        test_check(status == 0 || is_refused(status));
        if (status != 0)
            break;
    }
    if (n != 0 && one_in(x, 3))
        filch_future_cancel(f[fl_random_below(x, (uint32_t)n)]);
    if (one_in(x, 3))
        test_check(filch_wait(f, n, FILCH_ALL_COMPLETED, FILCH_FOREVER) == (ptrdiff_t)n);
    for (size_t i = 0; i < n; i++) {
        test_check(is_fit(filch_future_result(f[i], FILCH_FOREVER, NULL)));
        filch_future_release(f[i]);
    }
}

static int count_range(size_t begin, size_t end, void *arg)
{
    fl_add((fl_atomic(uint64_t) *)arg, end - begin, relaxed); /* settled by the end of the loop */
    return 0;
}

static void loop(uint64_t *x)
{
    fl_atomic(uint64_t) seen = 0;
    int status =
        filch_parallel_for(mix.ex, 0, ELEMENTS, fl_random_below(x, 40), count_range, &seen);

    test_check(status == 0 || status == FILCH_ECANCELED);
    test_check(status != 0 || fl_load(&seen, acquire) == ELEMENTS);
}

static int fold(size_t begin, size_t end, void *accumulator, void *arg)
{
    uint64_t *sum = accumulator;

    (void)arg;
    for (size_t i = begin; i < end; i++)
        *sum += i;
    return 0;
}

static void combine(void *left, void *right, void *arg)
{
    (void)arg;
    *(uint64_t *)left += *(uint64_t *)right;
}

static void reduce(uint64_t *x)
{
    filch_reduction how = {.size = sizeof how,
                           .accumulator_bytes = sizeof(uint64_t),
                           .fold = fold,
                           .combine = combine,
                           .grain = fl_random_below(x, 40),
                           .flags = one_in(x, 2) ? FILCH_REDUCE_FIXED : 0};
    uint64_t sum = 0;
    int status = filch_parallel_reduce(mix.ex, 0, ELEMENTS, &how, &sum, NULL);

    test_check(status == 0 || status == FILCH_ECANCELED);
    test_check(status != 0 || sum == (uint64_t)ELEMENTS * (ELEMENTS - 1) / 2);
}

static void spawn(uint64_t *x, uint64_t depth)
{
    filch_scope_options options = {.size = sizeof options,
                                   .policy = (enum filch_scope_policy)fl_random_below(x, 3)};
    filch_scope *scope;
    int status;

    if (one_in(x, 4))
        options.deadline = filch_in_us((int64_t)fl_random_below(x, 100));
    test_check(filch_scope_open(&scope, mix.ex, &options) == 0);
    for (size_t n = fl_random_below(x, 4); n > 0; n--) {
        status = filch_scope_spawn(scope, any_task, argument(x, depth));
        test_check(status == 0 || status == FILCH_ECANCELED || is_refused(status));
    }
    if (one_in(x, 6))
        filch_scope_cancel(scope);
    test_check(is_fit(filch_scope_join(scope)));
}

FILCH_FORKABLE_1(uint64_t, fib, unsigned, n)
{
    fib_task left;
    uint64_t right;

    if (n < 2)
        return n;
    fib_fork(&left, n - 1);
    right = fib(n - 2);
    return right + fib_join(&left);
}

static void await_own(uint64_t *x, uint64_t depth)
{
    filch_task t;
    int status = filch_submit_task(mix.ex, &t, any_task, argument(x, depth));

    test_check(status == 0 || is_refused(status));
    test_check(status != 0 || is_fit(filch_task_result(&t, FILCH_FOREVER, NULL)));
}

static void map_some(uint64_t *x, uint64_t depth)
{
    void *args[5];
    int status;

    for (size_t i = 0; i < 5; i++)
        args[i] = argument(x, depth);
    status = filch_map_array(mix.ex, any_task, args, NULL, fl_random_below(x, 6));
    test_check(is_fit(status) || is_refused(status));
}

static int keep(void *arg, void **result)
{
    test_check(filch_promise_set_result(arg, arg) == 0);
    filch_future_release(arg);
    (void)result;
    return 0;
}

/* A promise that another task keeps; if that one is refused or cancelled, nobody does. */
static void await_promise(uint64_t *x)
{
    filch_future *promise;
    filch_future *keeper;
    void *value;

    test_check(filch_promise_create(&promise) == 0);
    if (filch_submit(mix.ex, keep, filch_future_retain(promise), &keeper) != 0) {
        filch_future_release(promise);
    } else {
        if (one_in(x, 2))
            filch_future_cancel(keeper);
        if (filch_future_result(keeper, FILCH_FOREVER, NULL) == 0)
            test_check(filch_future_result(promise, FILCH_NOW, &value) == 0 && value == promise);
        else
            filch_future_release(promise);
        filch_future_release(keeper);
    }
    filch_future_release(promise);
}

static void obey(uint64_t *x)
{
    for (size_t n = fl_random_below(x, 200); n > 0 && !filch_cancel_requested(); n--)
        sched_yield();
}

/* Its argument and its result are objects. */
static int own_task(void *arg, void **result)
{
    uint64_t x = *(const uint64_t *)arg;

    if (one_in(&x, 8))
        return FAILED;
    *result = object(x);
    return one_in(&x, 8) ? FAILED : 0;
}

static int desert(void *arg, void **result)
{
    (void)arg;
    (void)result;
    pthread_exit(NULL);
}

static int beat(void *arg, void **result)
{
    fl_atomic(uint32_t) *left = arg;

    (void)result;
    return fl_sub(left, 1, relaxed) == 1 ? FAILED : 0; /* settled by the end of the future */
}

#endif /* FL_TESTS_CONFORM_MIXED_H */
