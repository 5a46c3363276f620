/* SPDX-License-Identifier: MIT
 *
 * sched/work.h: what the tests of executor and futures are made of: gates, small tasks, counts of
 * what the process has.
 *
 * A gate stops tasks where a test wants them, and tells the test that they have got there; nothing
 * here sleeps to make something likely. */
#ifndef FL_TESTS_SCHED_WORK_H
#define FL_TESTS_SCHED_WORK_H

#include "harness/test.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <filch/filch.h>

#include "base/atomic.h"
#include "base/futex.h"

/* ---- Gates ---- */

/* Words   arrived   how many have come to it: a futex
 *         open      0, then 1: a futex
 * Orders  pass acquires what was written before open; await acquires what was written before pass */
struct gate {
    fl_atomic(uint32_t) arrived;
    fl_atomic(uint32_t) open;
};

static inline void gate_pass(struct gate *g)
{
    fl_add(&g->arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&g->arrived, INT_MAX);
    while (fl_load(&g->open, acquire) == 0) /* <- gate_open */
        fl_futex_wait(&g->open, 0, INT64_MAX);
}

/* Blocks until n have come to the gate. */
static inline void gate_await(struct gate *g, uint32_t n)
{
    uint32_t seen;

    while ((seen = fl_load(&g->arrived, acquire)) < n) /* <- gate_pass */
        fl_futex_wait(&g->arrived, seen, INT64_MAX);
}

static inline void gate_open(struct gate *g)
{
    fl_store(&g->open, 1, release); /* -> gate_pass */
    fl_futex_wake(&g->open, INT_MAX);
}

/* ---- Counters ---- */

typedef fl_atomic(uint64_t) counter;

static inline void count_one(counter *c)
{
    fl_add(c, 1, relaxed); /* count */
}

static inline uint64_t count_of(counter *c)
{
    return fl_load(c, relaxed); /* count */
}

/* ---- Tasks ---- */

static inline int task_echo(void *arg, void **result)
{
    *result = arg;
    return 0;
}

/* Fails with the code that arg is. */
static inline int task_fail(void *arg, void **result)
{
    (void)result;
    return (int)(intptr_t)arg;
}

static inline int task_count(void *arg, void **result)
{
    counter *c = arg;

    count_one(c);
    *result = arg;
    return 0;
}

static inline int task_gate(void *arg, void **result)
{
    gate_pass(arg);
    *result = arg;
    return 0;
}

static inline void *number(intptr_t n)
{
    return (void *)n;
}

/* ---- Executors ---- */

static inline filch_executor *pool_with(filch_options options)
{
    filch_executor *ex = NULL;

    options.size = sizeof options;
    test_check(filch_executor_create(&ex, &options) == 0);
    test_check(ex != NULL);
    return ex;
}

static inline filch_executor *pool_of(unsigned workers)
{
    return pool_with((filch_options){.workers = workers});
}

static inline filch_future *submit(filch_executor *ex, filch_task_fn *fn, void *arg)
{
    filch_future *f = NULL;

    test_check(filch_submit(ex, fn, arg, &f) == 0);
    test_check(f != NULL);
    return f;
}

static inline filch_future *promise(void)
{
    filch_future *f = NULL;

    test_check(filch_promise_create(&f) == 0);
    return f;
}

static inline int outcome(filch_future *f)
{
    return filch_future_result(f, FILCH_FOREVER, NULL);
}

/* Waits for f, gives it back, and tells how it ended. */
static inline int finish(filch_future *f)
{
    int status = outcome(f);

    filch_future_release(f);
    return status;
}

static inline filch_executor_stats stats_of(filch_executor *ex)
{
    filch_executor_stats s = {.size = sizeof s};

    test_check(filch_executor_stats_read(ex, &s) == 0);
    return s;
}

/* A worker that holds still: the pool's only one can't begin anything else until open_pool. */
struct hold {
    struct gate gate;
    filch_future *f;
};

static inline void hold_worker(struct hold *h, filch_executor *ex)
{
    h->f = submit(ex, task_gate, &h->gate);
    gate_await(&h->gate, 1);
}

static inline void let_go(struct hold *h)
{
    gate_open(&h->gate);
    test_check(finish(h->f) == 0);
}

/* ---- The process ---- */

static inline size_t entries_of(const char *path)
{
    DIR *d = opendir(path);
    size_t n = 0;

    test_check(d != NULL);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static inline size_t threads_now(void)
{
    return entries_of("/proc/self/task");
}

static inline size_t files_now(void)
{
    return entries_of("/proc/self/fd");
}

/* A joined thread stays in /proc for a moment more. */
static inline void await_threads_at_most(size_t n)
{
    while (threads_now() > n)
        sched_yield();
}

/* ---- Chance ---- */

static inline uint64_t random_next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Never 0, and another for each i. */
static inline uint64_t random_from(uint64_t seed, uint64_t i)
{
    uint64_t x = (seed + i * 0x9e3779b97f4a7c15U) | 1;

    random_next(&x);
    return x;
}

#endif /* FL_TESTS_SCHED_WORK_H */
